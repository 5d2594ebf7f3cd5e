from dataclasses import replace
from datetime import UTC, datetime

import pytest

from rehearsal.cluster.node_agent.state import ContainerState, Running, Terminated, Waiting, states_before, terminated
from rehearsal.cluster.node_agent.status import PodFacts, phase_of, pod_status, timestamp

THEN = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
NOW = datetime(2026, 11, 24, 12, 0, 5, tzinfo=UTC)
WAITING = ContainerState(name="a", image="i", now=Waiting(reason="ContainerCreating"))
RUNNING = replace(WAITING, now=Running(started_at=THEN), started=True, run="r1")
READY = replace(RUNNING, ready=True)
DONE = replace(WAITING, now=Terminated(exit_code=0, reason="Completed"), run="r1")
FAILED = replace(WAITING, now=Terminated(exit_code=3), run="r1")
CRASHING = replace(WAITING, now=Waiting(reason="CrashLoopBackOff"), last=Terminated(exit_code=3), restarts=2)


def facts(*containers, init=(), policy="Always", **more):
    return PodFacts(
        restart_policy=policy, init=init, containers=containers, address="127.64.1.1", start_time=THEN, **more
    )


@pytest.mark.parametrize(
    ("phase", "pod"),
    [
        ("Pending", facts(WAITING)),
        ("Pending", facts(WAITING, init=[RUNNING])),
        ("Pending", facts(WAITING, init=[CRASHING])),
        ("Pending", facts(READY, WAITING)),
        ("Running", facts(RUNNING)),
        ("Running", facts(READY, DONE, init=[DONE])),
        ("Running", facts(CRASHING)),
        ("Running", facts(DONE)),
        ("Running", facts(FAILED, policy="OnFailure")),
        ("Succeeded", facts(DONE, policy="OnFailure")),
        ("Succeeded", facts(DONE, policy="Never")),
        ("Succeeded", facts(DONE, over=True)),
        ("Failed", facts(FAILED, policy="Never")),
        ("Failed", facts(DONE, FAILED, policy="Never")),
        ("Failed", facts(WAITING, init=[FAILED], policy="Never")),
        ("Failed", facts(FAILED, over=True)),
        ("Failed", facts(READY, failure=("DeadlineExceeded", "too long"))),
    ],
)
def test_phase_is_what_the_kubelet_makes_of_the_containers(phase, pod):
    assert phase == phase_of(pod)


def conditions(pod, previous=()):
    return {one["type"]: one for one in pod_status(pod, previous, NOW)["conditions"]}


def test_scheduled_is_left_to_the_scheduler():
    assert {"PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready"} == conditions(facts(READY)).keys()


def test_an_unready_container_is_named():
    found = conditions(facts(READY, replace(RUNNING, name="b")))["Ready"]

    assert ("False", "ContainersNotReady") == (found["status"], found["reason"])
    assert "containers with unready status: [b]" == found["message"]


def test_an_init_container_that_runs_is_named():
    found = conditions(facts(WAITING, init=[replace(RUNNING, name="copy")]))["Initialized"]

    assert ("False", "containers with incomplete status: [copy]") == (found["status"], found["message"])


@pytest.mark.parametrize(
    ("reason", "container"), [("PodCompleted", DONE), ("PodFailed", FAILED)], ids=["completed", "failed"]
)
def test_a_pod_that_is_over_says_why_it_is_not_ready(reason, container):
    found = conditions(facts(container, policy="Never", over=True))

    assert (reason, reason) == (found["Ready"]["reason"], found["ContainersReady"]["reason"])
    assert "False" == found["PodReadyToStartContainers"]["status"]


def test_a_transition_has_its_time_and_keeps_it():
    before = pod_status(facts(READY), (), THEN)["conditions"]

    assert "2026-11-24T12:00:00Z" == conditions(facts(READY), before)["Ready"]["lastTransitionTime"]
    assert "2026-11-24T12:00:05Z" == conditions(facts(RUNNING), before)["Ready"]["lastTransitionTime"]


def test_reasons_of_before_are_removed_by_the_merge():
    found = conditions(facts(READY))["Ready"]

    assert (None, None) == (found["reason"], found["message"])


def test_container_that_crashes_shows_how_it_ended_last():
    (found,) = pod_status(facts(CRASHING), (), NOW)["containerStatuses"]

    assert {"waiting": {"reason": "CrashLoopBackOff"}} == found["state"]
    assert {"terminated": {"exitCode": 3, "reason": "Error"}} == found["lastState"]
    assert (2, False) == (found["restartCount"], found["ready"])


@pytest.mark.parametrize(
    ("code", "expected"), [(0, (0, 0, "Completed")), (3, (3, 0, "Error")), (-9, (137, 9, "Error"))]
)
def test_exit_codes_are_written_as_a_container_runtime_does(code, expected):
    ended = terminated(code, THEN, "")

    assert expected == (ended.exit_code, ended.signal, ended.reason)


def reported(state, **spec):
    status = pod_status(facts(state), (), NOW)
    return {"spec": spec, "status": status}


def test_after_a_restart_of_the_agent_a_running_container_counts_as_lost():
    found = states_before(reported(READY), "containers")["a"]

    assert 1 == found.restarts
    assert isinstance(found.now, Waiting)
    assert (255, "Unknown", THEN) == (found.last.exit_code, found.last.reason, found.last.started_at)
    assert not found.ready


def test_after_a_restart_of_the_agent_what_is_never_restarted_stays_ended():
    found = states_before(reported(READY, restartPolicy="Never"), "containers")["a"]

    assert isinstance(found.now, Terminated)
    assert (255, 0) == (found.now.exit_code, found.restarts)


def test_after_a_restart_of_the_agent_a_success_is_kept_on_failure_only():
    assert isinstance(states_before(reported(DONE, restartPolicy="OnFailure"), "containers")["a"].now, Terminated)
    assert isinstance(states_before(reported(DONE), "containers")["a"].now, Waiting)


def test_a_container_that_never_started_begins_new():
    assert {} == states_before(reported(WAITING), "containers")


def test_times_are_utc():
    assert "2026-11-24T12:00:00Z" == timestamp(datetime(2026, 11, 24, 12, 0, 0, 900_000, tzinfo=UTC))
