"""Rehearsals that never ran: a step of the load, four replicas that come with their nodes, judged by the real judge."""

from __future__ import annotations

from functools import cache

from loadtest.result.metrics import SecondRow
from rehearsal.experiment.judge import Evidence, judge, rehearsal_metrics
from rehearsal.experiment.result.observations import (
    AlertSeen,
    Event,
    FailedContainer,
    GpuNode,
    Observations,
    PodSeen,
    Sample,
)
from rehearsal.experiment.result.result import AssertionResult, RehearsalResult, Rehearsed
from rehearsal.experiment.scenario.schema import RehearsalScenario, check_scenario
from tests.unit import loadtest_results

STEP = {"kind": "steps", "steps": [{"rate_rps": 150, "duration_s": 20}, {"rate_rps": 900, "duration_s": 80}]}
NO_GPU = {"gpu": {"enabled": False, "count": 2}}
RISE_S, ASKED_S, NODES_S, CALM_S = 20, 32, 66, 72


def scenario(**changes) -> RehearsalScenario:
    """150 requests/s, then six times as many; `changes` are sections of the file."""
    document = {
        "description": "six times the load at once",
        "load": {"arrivals": STEP},
        "expect": [
            {"check": "more_replicas_asked", "within_s": 20},
            {"check": "recovered", "within_s": 15},
        ],
    }
    return check_scenario(document | changes, where="a test")


def second(number: int, *, due: int = 900, latency_ms: float = 30.0, failed: int = 0) -> SecondRow:
    """One second of log-normal latencies with that median, of which some requests failed."""
    return _drawn(due, latency_ms, failed).model_copy(update={"second": number, "measured": number >= 0})


def trace(*points) -> dict:
    """Arrivals that were recorded: (second, requests/s), linear in between."""
    return {"kind": "trace", "file": "recorded.csv", "points": points}


@cache
def _drawn(due: int, latency_ms: float, failed: int) -> SecondRow:
    errors = {"unavailable (503)": failed} if failed else None
    return loadtest_results.second(0, due=due, latency_ms=latency_ms, errors=errors)


def overloaded(number: int) -> SecondRow:
    """Calm, then an overload with failures from the rise on, then calm again."""
    if number < RISE_S:
        return second(number, due=150)
    if number < CALM_S:
        return second(number, latency_ms=1_400.0, failed=300)
    return second(number)


def seconds(each=overloaded, *, window_s: int = 100, warmup_s: int = 5) -> tuple[SecondRow, ...]:
    """All of a run."""
    return tuple(each(number) for number in range(-warmup_s, window_s))


def load(rows=None, **changes):
    """The load test's result of these seconds, at no bound of its own; its percentiles are those of one second."""
    rows = seconds() if rows is None else rows
    plan = loadtest_results.scenario(
        arrivals=changes.pop("arrivals", STEP), slo={"p99_ms": 100_000, "error_rate": 1.0}, warmup_s=5
    )
    window = [row for row in rows if row.measured]
    due, answered = sum(row.due for row in window), sum(row.answered for row in window)
    errors: dict[str, int] = {}
    for row in window:
        errors = {kind: errors.get(kind, 0) + row.errors.get(kind, 0) for kind in errors | row.errors}
    one = loadtest_results.figures((window[0],), window_s=1.0)
    counted = one.model_copy(
        update={"window_s": float(len(window)), "due": due, "answered": answered, "errors": errors}
    )
    return loadtest_results.result(scenario=plan, seconds=rows, figures=counted, server=None, **changes)


def pod(name: str = "a", **changes) -> PodSeen:
    """A replica that is ready."""
    calm = {
        "name": f"mnist-predictor-6f9-{name}",
        "version": "1",
        "phase": "Running",
        "ready": True,
        "leaving": False,
        "node": f"gpu-{name}",
        "restarts": 0,
        "reason": "",
    }
    return PodSeen(**calm | changes)


def sample(at_s: float, **changes) -> Sample:
    """One replica until the autoscaler asks for four; they are ready with their nodes."""
    wanted, ready = (4 if at_s >= ASKED_S else 1), (4 if at_s >= NODES_S + 2 else 1)
    calm = {
        "at_s": at_s,
        "wanted": wanted,
        "ready": ready,
        "updated": wanted,
        "desired": wanted,
        "metrics": {"in_flight": 8.0},
        "scaling_active": True,
        "pods": tuple(pod(name, ready=place < ready) for place, name in enumerate("abcd"[:wanted])),
        "alerts": (),
        "in_flight": 27.0,
        "pending": 3.0,
    }
    return Sample(**calm | changes)


def samples(each=sample, *, window_s: int = 100) -> tuple[Sample, ...]:
    """A look every second."""
    return tuple(each(float(at_s)) for at_s in range(-5, window_s))


def alert(name: str = "SlipwayPodUnschedulable", state: str = "firing", cause: str = "") -> AlertSeen:
    """An alert of the service."""
    return AlertSeen(name=name, cause=cause, state=state)


def node(name: str = "a", *, asked_s: float = -60.0, ready_s: float | None = -30.0, **changes) -> GpuNode:
    """A node with one GPU that was there before the load."""
    return GpuNode(
        **{"name": f"gpu-{name}", "type": "g6.2xlarge", "gpus": 1, "price_per_hour": 0.98}
        | {"asked_s": asked_s, "ready_s": ready_s}
        | changes
    )


def nodes() -> tuple[GpuNode, ...]:
    """One from the start, and three that come for the load."""
    return (node(), *(node(name, asked_s=ASKED_S + 1.0, ready_s=float(NODES_S)) for name in "bcd"))


def action(at_s: float, what: str, detail: str = "") -> Event:
    """Something that the scenario did."""
    return Event(at_s=at_s, kind="action", subject="scenario", what=what, detail=detail)


def failure(**changes) -> FailedContainer:
    """A replica whose files are not what was published."""
    calm = {
        "at_s": 40.0,
        "pod": "mnist-predictor-77c-x",
        "version": "2",
        "container": "kserve-container",
        "reason": "CrashLoopBackOff",
        "exit_code": 1,
        "lines": ("model.onnx: FAILED", "start-triton: version 2 is not what was published"),
    }
    return FailedContainer(**calm | changes)


def observed(**changes) -> Observations:
    """What was seen of the step; `changes` are fields of Observations."""
    calm = {
        "samples": samples(),
        "nodes": nodes(),
        "events": (
            Event(at_s=ASKED_S, kind="autoscaler", subject="keda-hpa-mnist", what="SuccessfulRescale", detail="size 4"),
            Event(at_s=33.0, kind="pod", subject="mnist-predictor-6f9-b", what="FailedScheduling", warning=True),
        ),
        "served": ("1",),
    }
    return Observations(**calm | changes)


def evidence(plan=None, rows=None, seen=None, *, values=None, **changes) -> Evidence:
    """What a verdict is made of; `values` are those of the chart."""
    plan = plan or scenario()
    measured = load(rows, arrivals=_document(plan), **changes)
    return Evidence.of(plan, measured, seen or observed(), values=values or {})


def result(**changes) -> RehearsalResult:
    """A rehearsal that passes; `changes` are fields of the result, and what follows from them follows."""
    plan = changes.get("scenario", scenario())
    measured = changes.get("load", load(arrivals=_document(plan)))
    seen = changes.get("observed", observed())
    proof = Evidence.of(plan, measured, seen, values={})
    return RehearsalResult(
        **{
            "name": "step",
            "scenario": plan,
            "command": "slipway rehearse step",
            "started": loadtest_results.NOON,
            "partial": False,
            "rehearsed": Rehearsed(
                values={"autoscaling": {"maxReplicas": 4}}, programs={"kubernetes": "v1.36.3"}, source="mnist version 3"
            ),
            "verdict": judge(proof),
            "figures": rehearsal_metrics(proof),
            "load": measured,
            "observed": seen,
            "notes": (),
        }
        | changes
    )


def _document(plan: RehearsalScenario) -> dict:
    return plan.load.arrivals.model_dump(mode="json")


def only(expectation, *, rows=None, seen=None, values=None, **sections) -> AssertionResult:
    """The one check of a scenario with one expectation."""
    (found,) = judge(evidence(scenario(expect=[expectation], **sections), rows, seen, values=values)).checks
    return found


def seen_from(change) -> Observations:
    """Looks with some fields that depend on the second."""
    return observed(samples=samples(lambda at_s: sample(at_s, **change(at_s))))
