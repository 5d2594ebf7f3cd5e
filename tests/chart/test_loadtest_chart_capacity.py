"""helm/loadtest with `measure: capacity`: what one replica carries, searched for by the one pod."""

import re
import shlex

import helm_python
import pytest

from loadtest.capacity.probe import WARMUP_S, check_searchable, window_s
from loadtest.capacity.search import Held, find_capacity
from loadtest.errors import CapacityError
from loadtest.scenario.scenario_file import load_scenario, shipped_scenarios
from slipway.cli import app
from tests.chart.loadtest_release import CLAIM, container, jobs, master, overrides, release
from tests.chart.rendering import noted

CAPACITY = {"measure": "capacity"}
CORES = {"requests": {"cpu": "3"}, "limits": {"cpu": "3"}}
METRICS = "http://mnist-predictor.serving.svc:8002/metrics"
OPEN = {"networkPolicy": {"enabled": False}}
# Of each measurement: Locust's start and end. Some three seconds on a core of its own.
AROUND_S = 8


def searching(**values):
    return master({**CAPACITY, **values})


def notes(**values):
    return noted("loadtest", {"images": CLAIM, **CAPACITY, **values}, release="load")


def test_the_job_gives_a_verdict_unless_a_capacity_is_asked_for():
    words = container(master())["args"]

    assert ["slipway", "loadtest", "run"] == container(master())["command"]
    assert not [word for word in words if "capacity" in word or word.startswith(("--head-room", "--processes"))]


def test_a_search_is_one_job_that_writes_and_prints_the_file():
    objects = release(CAPACITY)
    job, workers = jobs(objects)
    folder = f"/reports/{job['metadata']['name']}"
    words = container(job)["args"]

    assert workers is None
    assert ["slipway", "capacity"] == container(job)["command"]
    assert {f"--output={folder}/capacity.yaml", f"--report-dir={folder}", "--print-capacity"} <= set(words)
    assert {"--head-room=0.2", "--processes=1"} <= set(words)
    assert not [word for word in words if word.startswith(("--junit", "--print-report"))]


def helped(*words):
    """The exit code of the `slipway` command with these words and --help: 2 where it knows one of them not."""
    with pytest.raises(SystemExit) as ended:
        app([*words, "--help"])
    return ended.value.code


def test_every_word_of_the_search_is_an_option_that_the_command_has():
    spec = container(searching())

    assert 0 == helped(*spec["command"][1:], *spec["args"])
    assert 2 == helped(*spec["command"][1:], *spec["args"], "--print-report")


def test_a_search_is_told_the_target_the_objectives_and_the_rest_as_a_run_is():
    values = {"scenario": {"name": "steady", "slo": {"p99_ms": 40}, "set": {"seed": 3}}}
    told, asked = overrides(searching(**values)), overrides(master(values))

    assert METRICS == told.pop("target.metrics_url")
    assert "null" == asked.pop("target.metrics_url")
    assert asked == told


def test_head_room_and_processes_are_what_the_values_say():
    words = container(searching(capacity={"headRoom": 0.35, "processes": 3}, resources=CORES))["args"]

    assert {"--head-room=0.35", "--processes=3"} <= set(words)


def test_the_file_stays_out_of_the_log_where_a_claim_keeps_it():
    assert "--print-capacity" not in container(searching(report={"create": True, "print": False}))["args"]
    assert "sed -n" not in notes(report={"create": True, "print": False})


def test_the_figures_of_another_address_are_asked_where_the_values_say():
    values = {"target": {"url": "http://h", "metrics": "http://h:8002/metrics"}, **OPEN}

    assert "http://h:8002/metrics" == overrides(searching(**values))["target.metrics_url"]


def test_the_policy_lets_a_search_reach_the_metrics():
    def ports(values):
        return [port["port"] for port in release(values)["NetworkPolicy", "load"]["spec"]["egress"][-1]["ports"]]

    assert ([9000], [9000, 8002]) == (ports({}), ports(CAPACITY))


def longest_s(scenario):
    """Seconds of the slowest search: every miss is a narrow one, and what held does not until the last try."""

    def search(capacity_rps, *, unsteady):
        spent_s, longer_looks = 0.0, 0

        def probe(rate_rps, longer):
            nonlocal spent_s, longer_looks
            spent_s += AROUND_S + WARMUP_S + window_s(scenario, rate_rps) * (2 if longer else 1)
            longer_looks += longer
            holds = rate_rps <= capacity_rps and not (longer and longer_looks < unsteady)
            return Held(rate_rps=rate_rps, outcome="PASS" if holds else "FAIL", p99_ms=1, in_flight=1, excess=2)

        try:
            best = find_capacity(probe, start_rps=check_searchable(scenario)).rate_rps
        except CapacityError:
            return spent_s
        return spent_s + 3 * (AROUND_S + WARMUP_S + window_s(scenario, best))

    capacities = [10 ** (step / 8) for step in range(-1, 49)]
    return max(search(capacity, unsteady=8) for capacity in capacities)


@pytest.mark.parametrize("name", shipped_scenarios())
def test_the_deadline_is_longer_than_the_longest_search(name):
    job = searching(scenario={"name": name})

    assert 3600 + 600 == job["spec"]["activeDeadlineSeconds"]
    assert 600 < longest_s(load_scenario(name)) < 50 * 60


def test_a_search_can_be_given_another_deadline():
    assert 900 + 600 == searching(deadline={"runSeconds": 900})["spec"]["activeDeadlineSeconds"]


def test_the_notes_ask_for_one_replica_and_tell_how_to_have_it():
    text = notes(target={"release": "digits", "namespace": "models"})

    assert "must be exactly one replica" in text
    assert re.search(
        r"helm upgrade digits helm/serving --namespace models .*autoscaling\.mode=none .*minReplicas=1", text
    )
    assert "rollout status deployment digits-predictor" in text
    assert "exactly one replica" not in noted("loadtest", {"images": CLAIM}, release="load")
    assert "helm/serving --namespace serving --reuse" not in notes(
        target={"url": "http://h", "metrics": "http://h:8002/metrics"}, **OPEN
    )


def test_the_notes_go_on_from_the_file_to_the_autoscaler():
    text = notes()
    (line,) = [line for line in text.splitlines() if line.strip().startswith("slipway values")]

    assert 0 == helped(*shlex.split(line)[1:])
    assert "pvc://models/model_repository" in line
    assert {"--cluster", "--storage-uri", "--peak-rps", "--output"} == set(re.findall(r"--[a-z-]+", line))
    assert "0 measured, 2 the values are wrong, 3 no rate holds" in text
    assert "0 PASS" not in text


@pytest.mark.parametrize(
    ("values", "remedy"),
    [
        ({"workers": {"count": 4}}, "set workers.count=0; capacity.processes"),
        ({"web": {"enabled": True}}, "set web.enabled=false"),
        ({"target": {"url": "http://h"}, **OPEN}, "give the URL of its metrics in target.metrics"),
        (
            {"scenario": {"inline": {"arrivals": {"kind": "closed", "users": 4, "duration_s": 9}}}},
            "take arrivals of another kind, such as poisson",
        ),
        ({"capacity": {"processes": 2}}, "set its requests and limits to a core for each process"),
        ({"capacity": {"processes": 4}, "resources": CORES}, "or run fewer"),
    ],
    ids=["workers", "page", "no figures", "closed loop", "one core", "three cores"],
)
def test_what_no_search_can_do_is_refused_with_the_remedy(values, remedy):
    assert release(values), "a verdict can be had"
    with pytest.raises(helm_python.HelmError, match=re.escape(remedy)):
        release({**CAPACITY, **values})


@pytest.mark.parametrize(
    "values",
    [
        {"measure": "latency"},
        {"capacity": {"headRoom": 0.95}},
        {"capacity": {"headRoom": -0.1}},
        {"capacity": {"processes": 0}},
        {"capacity": {"headroom": 0.2}},
    ],
    ids=["measure", "all of it", "negative", "nobody", "spelling"],
)
def test_the_schema_refuses_what_has_no_meaning(values):
    with pytest.raises(helm_python.HelmError, match="specifications of the schema"):
        release(values)
