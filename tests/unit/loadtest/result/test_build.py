"""From what the processes reported to one result: nothing of the warm-up, and what a lost process owes."""

from datetime import UTC, datetime

import numpy as np
import pytest

from loadtest.engine.recorder import Recorder
from loadtest.result.build import CompletedRun, WorkerRecord, build_result
from loadtest.result.interval_statistics import IntervalStatistics
from loadtest.scenario.payload import Payload
from loadtest.scenario.plan import Plan
from loadtest.scenario.schema import check_scenario
from slipway.samples import Samples
from slipway.verdict import TargetFacts

SECOND_NS = 1_000_000_000


def plan(**changes):
    document = {
        "description": "ten seconds of a metronome",
        "arrivals": {"kind": "constant", "rate_rps": 100, "duration_s": 10},
        "warmup_s": 2,
        "slo": {"p99_ms": 50},
    }
    one = Samples(images=np.zeros((1, 2, 2, 1), np.uint8), labels=np.zeros(1, np.int64))
    return Plan(scenario=check_scenario(document | changes, where="a test"), payload=Payload(one), begin_wall_ns=0)


def answers(whole, *, share=0, shares=1, until_s=99):
    """What a process reports that answers each of its requests within 4 ms, those of the warm-up within 900 ms."""
    recorder = Recorder(window_begin_ns=0)
    for due_ns in (whole.schedule_ns() - whole.window_begin_ns)[share::shares].tolist():
        if due_ns < until_s * SECOND_NS:
            took_ns = 4_000_000 if due_ns >= 0 else 900_000_000
            recorder.note(
                due_ns=due_ns,
                dispatched_ns=due_ns + 9,
                sent_ns=due_ns,
                done_ns=due_ns + took_ns,
                error=None,
                images=2,
            )
    return recorder.take()


def reported(slices, *, share=0, cpu=(), lost=False):
    record = WorkerRecord(share=share, cpu=list(cpu), lost=lost, finished=not lost)
    record.book.add(slices)
    return record


def built(whole, ended_s=None, **workers):
    target = TargetFacts(
        url="grpc://localhost:8001", protocol="grpc", model="mnist", version="1", labels=10, max_batch_size=16
    )
    started = datetime(2030, 5, 17, tzinfo=UTC)
    run = CompletedRun(
        name="a run", command="", plan=whole, target=target, started=started, workers=workers, ended_s=ended_s
    )
    return build_result(run, server=None, notes=["a note"])


def test_the_warm_up_is_in_no_figure_and_in_the_report():
    result = built(plan(), local=reported(answers(plan())))

    assert (1_000, 100.0, 200.0) == (result.figures.due, result.figures.answered_rps, result.figures.images_per_s)
    assert pytest.approx(4, rel=1e-3) == result.figures.latency_ms.max
    assert [(second, second >= 0, 100) for second in range(-2, 10)] == [
        (row.second, row.measured, row.due) for row in result.seconds
    ]
    assert ("PASS", False, ("a note",)) == (result.verdict.outcome, result.partial, result.notes)


def test_two_processes_merged_are_one():
    whole = plan()
    one = built(whole, local=reported(answers(whole)))
    two = built(
        whole.of_share(0, 2), **{f"w{i}": reported(answers(whole, share=i, shares=2), share=i) for i in range(2)}
    )

    assert one.figures == two.figures
    assert one.seconds == two.seconds
    assert [(500, 500), (500, 500)] == [(worker.due, worker.reported) for worker in two.generator.workers]


def test_a_lost_process_owes_the_rest_of_its_share():
    whole = plan()
    result = built(
        whole.of_share(0, 2),
        kept=reported(answers(whole, share=0, shares=2), share=0),
        gone=reported(answers(whole, share=1, shares=2, until_s=4), share=1, lost=True),
    )

    assert [(500, 500, False), (500, 200, True)] == [(w.due, w.reported, w.lost) for w in result.generator.workers]
    assert "INVALID" == result.verdict.outcome
    assert "generator gone was lost: of its 500 requests 300 are unaccounted for" in result.verdict.reasons[0]


def test_a_run_cut_short_is_measured_until_then():
    whole = plan()
    result = built(whole, 2.5, local=reported(answers(whole, until_s=2.5)))

    assert (2.5, 250, 100.0) == (result.figures.window_s, result.figures.due, result.figures.offered_rps)
    assert ("INVALID", True) == (result.verdict.outcome, result.partial)
    assert [(250, 250)] == [(worker.due, worker.reported) for worker in result.generator.workers]


def test_a_run_cut_short_in_the_warm_up_measured_nothing():
    result = built(plan(), -1.0, local=reported(answers(plan(), until_s=-1)))

    assert (0.0, 0, 0.0) == (result.figures.window_s, result.figures.due, result.figures.offered_rps)
    assert "INVALID" == result.verdict.outcome


def test_the_processor_is_judged_over_the_window_alone():
    cpu = [(-1.0, 1.0), (0.0, 1.0), (1.0, 0.2), (10.0, 0.4), (30.0, 1.0)]
    (process,) = built(plan(), local=reported(answers(plan()), cpu=cpu)).generator.workers

    assert (pytest.approx(0.3), 0.4) == (process.cpu_mean, process.cpu_max)


def test_errors_are_counted_by_kind_the_most_frequent_first():
    slices = [
        IntervalStatistics(second=0, due=4, errors={"rare": 1, "often": 3}),
        IntervalStatistics(second=1, due=6, answered=6),
    ]
    result = built(plan(), local=reported(slices))

    assert [("often", 3), ("rare", 1)] == list(result.figures.errors.items())
    assert (0.4, 6) == (result.figures.error_rate, result.figures.answered)


def test_a_closed_loop_owes_what_it_reported():
    whole = plan(arrivals={"kind": "closed", "users": 2, "duration_s": 10})
    result = built(whole, local=reported([IntervalStatistics(second=0, due=7, answered=7)]))

    assert [(7, 7)] == [(worker.due, worker.reported) for worker in result.generator.workers]
    assert not result.generator.open_loop


def test_a_plan_comes_over_the_wire_as_it_was():
    sent = plan().of_share(1, 3)
    received = Plan.from_wire(sent.to_wire())

    assert (sent.scenario, 1, 3) == (received.scenario, received.share, received.shares)
    assert sent.schedule_ns().tolist() == received.schedule_ns().tolist()
    assert (2 * SECOND_NS, 12 * SECOND_NS) == (received.window_begin_ns, received.end_ns)
