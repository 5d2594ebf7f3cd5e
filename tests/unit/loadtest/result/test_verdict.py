"""From counts to one word: which objective failed, whether the run can say so, and what belongs to the window."""

from datetime import UTC, datetime

import numpy as np
import pytest

from loadtest.engine.recorder import Recorder
from loadtest.result.build import CompletedRun, WorkerRecord, build_result
from loadtest.result.interval_statistics import IntervalStatistics
from loadtest.result.metrics import Percentiles, WindowMetrics
from loadtest.result.verdict import judge
from loadtest.scenario.payload import Payload
from loadtest.scenario.plan import Plan
from loadtest.scenario.schema import GeneratorSettings, Slo, check_scenario
from slipway.samples import Samples
from slipway.verdict import TargetFacts
from tests.unit.loadtest_results import generator, worker

SECOND_NS = 1_000_000_000
SLO = Slo(p50_ms=10, p99_ms=50, p99_9_ms=100, error_rate=0.01, min_rps=90)


def latencies(**changes):
    return Percentiles(
        **{"mean": 5, "p50": 5, "p90": 9, "p95": 10, "p99": 20, "p99_9": 40, "p99_99": 45, "max": 50} | changes
    )


def figures(**changes):
    return WindowMetrics(
        **{
            "window_s": 60,
            "due": 6_000,
            "offered_rps": 100,
            "answered": 6_000,
            "answered_rps": 100,
            "images_per_s": 100,
            "errors": {},
            "error_rate": 0,
            "latency_ms": latencies(),
            "service_ms": latencies(),
            "lag_ms": latencies(p99=0.2),
        }
        | changes
    )


def verdict(counted=None, processes=None, *, slo=SLO, partial=False, **limits):
    return judge(
        slo, counted or figures(), processes or generator(), limits=GeneratorSettings(**limits), partial=partial
    )


def test_a_run_within_its_objectives_passes():
    passed = verdict()

    assert ("PASS", ()) == (passed.outcome, passed.reasons)
    assert ["p50", "p99", "p99.9", "error rate", "throughput"] == [check.name for check in passed.checks]
    assert all(check.passed for check in passed.checks)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"latency_ms": latencies(p50=10.1)}, "p50 is 10.1 ms, the objective is <= 10 ms"),
        ({"latency_ms": latencies(p99=51)}, "p99 is 51 ms, the objective is <= 50 ms"),
        ({"latency_ms": latencies(p99_9=101)}, "p99.9 is 101 ms, the objective is <= 100 ms"),
        ({"error_rate": 0.0101}, "error rate is 1.01 %, the objective is <= 1 %"),
        ({"answered_rps": 89.9}, "throughput is 89.9 requests/s, the objective is >= 90 requests/s"),
    ],
    ids=["p50", "p99", "p99.9", "error rate", "throughput"],
)
def test_one_objective_that_is_missed_fails_the_run(changes, reason):
    failed = verdict(figures(**changes))

    assert ("FAIL", (reason,)) == (failed.outcome, failed.reasons)
    assert [reason.split(" is ")[0]] == [check.name for check in failed.checks if not check.passed]


@pytest.mark.parametrize(
    "changes",
    [{"latency_ms": latencies(p50=10, p99=50, p99_9=100)}, {"error_rate": 60 / 6_000}, {"answered_rps": 90}],
    ids=["latency", "error rate", "throughput"],
)
def test_exactly_at_the_bound_is_met(changes):
    assert "PASS" == verdict(figures(**changes)).outcome


def test_a_percentile_that_is_not_named_is_not_judged():
    judged = verdict(figures(latency_ms=latencies(p50=9_999)), slo=Slo(p99_ms=50))

    assert ("PASS", ["p99", "error rate"]) == (judged.outcome, [check.name for check in judged.checks])


def test_without_an_answer_every_percentile_fails():
    nothing = latencies(**dict.fromkeys(Percentiles.model_fields, 0))
    failed = verdict(figures(answered=0, answered_rps=0, error_rate=1.0, latency_ms=nothing))

    assert "FAIL" == failed.outcome
    assert ["p50", "p99", "p99.9", "error rate", "throughput"] == [c.name for c in failed.checks if not c.passed]
    assert "p99 has no value: no request was answered" == failed.reasons[1]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        pytest.param(
            {"counted": figures(lag_ms=latencies(p99=5.1))},
            "lagged behind its schedule: 1 % of the requests were dispatched more than 5.1 ms late, the limit is 5 ms",
            id="lag",
        ),
        pytest.param(
            {"processes": generator(worker("one"), worker("two", due=2_000, reported=1_500, lost=True))},
            "generator two was lost: of its 2,000 requests 500 are unaccounted for",
            id="lost worker",
        ),
        pytest.param(
            {"counted": figures(window_s=12.34), "partial": True},
            "the run was interrupted; only 12.3 s of its window were measured",
            id="partial",
        ),
        pytest.param({"counted": figures(due=0)}, "no request was due in the measured window", id="nothing due"),
    ],
)
def test_a_run_that_cannot_say_is_invalid(arguments, reason):
    invalid = verdict(**arguments)

    assert "INVALID" == invalid.outcome
    assert 1 == len(invalid.reasons)
    assert reason in invalid.reasons[0]


def test_every_doubt_is_told():
    failing = figures(lag_ms=latencies(p99=9), latency_ms=latencies(p99=51))

    assert 3 == len(verdict(failing, generator(worker(cpu_mean=1.0)), partial=True).reasons)


def test_a_full_generator_makes_a_fail_invalid():
    full = generator(worker("one"), worker("two", cpu_mean=0.97))
    invalid = verdict(figures(latency_ms=latencies(p99=51)), full)

    assert ("INVALID", 1) == (invalid.outcome, len(invalid.reasons))
    assert "generator two was saturated: it used 97% of a core, the limit is 90%" in invalid.reasons[0]


def test_a_full_generator_that_meets_the_objectives_passes():
    passed = verdict(figures(), generator(worker(cpu_mean=1.0)))

    assert ("PASS", ()) == (passed.outcome, passed.reasons)


def test_invalid_goes_before_fail():
    both = verdict(figures(latency_ms=latencies(p99=51), lag_ms=latencies(p99=9)))

    assert "INVALID" == both.outcome
    assert ["p99"] == [check.name for check in both.checks if not check.passed]
    assert all("lagged" in reason for reason in both.reasons)


def test_the_limits_are_the_scenarios():
    late = figures(lag_ms=latencies(p99=9))
    failing, full = figures(latency_ms=latencies(p99=51)), generator(worker(cpu_mean=0.97))

    assert "PASS" == verdict(late, max_lag_ms=9.0).outcome
    assert ("FAIL", "INVALID") == tuple(verdict(failing, full, max_cpu=limit).outcome for limit in (0.97, 0.96))


def test_a_closed_loop_has_no_schedule_to_lag():
    assert "PASS" == verdict(figures(lag_ms=latencies(p99=900)), generator(open_loop=False)).outcome


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
