"""From counts to one word: which objective failed, whether the run can say so, and what belongs to the window."""

import pytest

from loadtest.result.metrics import Percentiles, WindowMetrics
from loadtest.result.verdict import judge
from loadtest.scenario.schema import GeneratorSettings, Slo
from tests.unit.loadtest_results import generator, worker

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
