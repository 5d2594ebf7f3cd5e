"""Requests come at the rates that the scenario says, drawn by chance, and always the same for one seed."""

import json
import math

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError
from scipy import stats

from loadtest.scenario.arrivals import Arrivals
from loadtest.scenario.plan import due_times_ns

KINDS = {
    "constant": {"kind": "constant", "rate_rps": 50, "duration_s": 20},
    "poisson": {"kind": "poisson", "rate_rps": 200, "duration_s": 20},
    "steps": {
        "kind": "steps",
        "steps": [{"rate_rps": 100, "duration_s": 10}, {"rate_rps": 400, "duration_s": 5}],
    },
    "spike": {"kind": "spike", "rate_rps": 50, "spike_rps": 800, "spike_at_s": 5, "spike_s": 2, "duration_s": 20},
    "diurnal": {"kind": "diurnal", "low_rps": 20, "high_rps": 300, "period_s": 10, "duration_s": 20},
}
each_kind = pytest.mark.parametrize("kind", KINDS)


def arrivals(**document):
    return TypeAdapter(Arrivals).validate_python(document)


def due_s(document, *, warmup_s=0.0, seed=0):
    return due_times_ns(arrivals(**document), warmup_s=warmup_s, seed=seed) / 1e9


def per_second(document, **how):
    return np.bincount(due_s(document, **how).astype(int)).tolist()


def close(expected):
    """Within four standard deviations of a Poisson count."""
    return pytest.approx(expected, abs=4 * math.sqrt(expected))


@each_kind
def test_the_number_of_requests_is_the_integral_of_the_rate(kind):
    plan = arrivals(**KINDS[kind])
    at_s, rate = (np.array(column) for column in zip(*plan.profile, strict=True))
    integral = float(np.sum(np.diff(at_s) * (rate[1:] + rate[:-1]) / 2))

    assert pytest.approx(integral) == plan.expected_requests
    assert close(integral) == len(due_times_ns(plan, warmup_s=0, seed=1))


@pytest.mark.parametrize(
    ("kind", "expected"), [("constant", 1000), ("poisson", 4000), ("steps", 3000), ("spike", 2500), ("diurnal", 3200)]
)
def test_expected_requests_are_rate_times_duration(kind, expected):
    assert pytest.approx(expected, rel=1e-3) == arrivals(**KINDS[kind]).expected_requests


@each_kind
def test_one_seed_is_the_same_nanoseconds_and_they_ascend(kind):
    first, again = (due_times_ns(arrivals(**KINDS[kind]), warmup_s=2, seed=7) for _ in range(2))

    assert np.int64 == first.dtype
    assert first.tolist() == again.tolist()
    assert sorted(first.tolist()) == first.tolist()


@pytest.mark.parametrize("kind", ["poisson", "steps", "spike", "diurnal"])
def test_another_seed_is_other_requests(kind):
    one, other = (set(due_times_ns(arrivals(**KINDS[kind]), warmup_s=0, seed=seed).tolist()) for seed in (1, 2))

    assert len(one & other) < 5


@pytest.mark.parametrize("rate_rps", [1, 7, 49, 98, 394, 1000])
@pytest.mark.parametrize("warmup_s", [0, 3])
def test_a_metronome_has_the_rate_in_every_second(rate_rps, warmup_s):
    document = {"kind": "constant", "rate_rps": rate_rps, "duration_s": 10}

    assert [rate_rps] * (10 + warmup_s) == per_second(document, warmup_s=warmup_s)


def test_a_metronome_is_even_to_the_nanosecond():
    gaps = np.diff(due_times_ns(arrivals(**KINDS["constant"]), warmup_s=1, seed=0))

    assert {20_000_000} == set(gaps.tolist())


def test_nothing_is_due_at_the_end_or_after_it():
    document = {"kind": "constant", "rate_rps": 8.3, "duration_s": 30}  # 8.3 * 30 is a little above 249 in floats

    assert 249 == len(due_s(document))
    assert due_s(document).max() < 30


def test_gaps_of_independent_users_are_exponential():
    gaps = np.diff(due_s(KINDS["poisson"], seed=3))

    assert 0.05 < stats.kstest(gaps, stats.expon(scale=1 / 200).cdf).pvalue


def test_counts_of_independent_users_vary_as_much_as_their_mean():
    counts = np.array(per_second({"kind": "poisson", "rate_rps": 200, "duration_s": 400}, seed=4))

    assert pytest.approx(200, rel=0.02) == counts.mean()
    assert pytest.approx(1, abs=4 * math.sqrt(2 / 400)) == counts.var() / counts.mean()


def test_each_step_has_its_own_rate():
    moments = due_s(KINDS["steps"])

    assert close(1000) == np.count_nonzero(moments < 10)
    assert close(2000) == np.count_nonzero(moments >= 10)


def test_a_spike_is_where_it_should_be():
    moments = due_s(KINDS["spike"])
    inside = (moments >= 5) & (moments < 7)

    assert close(1600) == np.count_nonzero(inside)
    assert close(900) == np.count_nonzero(~inside)


def test_a_day_is_calm_at_night_and_full_at_noon():
    moments = due_s(KINDS["diurnal"]) % 10
    # Twice the integral of 160 - 140 cos(2 pi t / 10): over the first and the middle fifth of the day.
    night = 2 * (160 * 2 - 280 * 10 / (2 * math.pi) * math.sin(2 * math.pi / 10))
    noon = 2 * (160 * 2 + 280 * 10 / (2 * math.pi) * math.sin(2 * math.pi / 10))

    assert close(night) == np.count_nonzero((moments < 1) | (moments >= 9))
    assert close(noon) == np.count_nonzero((moments >= 4) & (moments < 6))


def test_a_ramp_is_followed_inside_each_of_its_seconds(tmp_path):
    document = trace(tmp_path, "0,0\n100,1000\n") | {"process": "constant"}

    assert pytest.approx([10 * second + 5 for second in range(100)], abs=1) == per_second(document)


def test_a_long_day_needs_no_memory_of_its_own():
    week = 7 * 86_400
    moments = due_s({"kind": "diurnal", "low_rps": 0.001, "high_rps": 0.01, "period_s": 86_400, "duration_s": week})

    assert close(0.0055 * week) == len(moments)


@each_kind
def test_the_warm_up_runs_at_the_first_rate(kind):
    plan = arrivals(**KINDS[kind])
    moments = due_times_ns(plan, warmup_s=10, seed=5) / 1e9

    assert close(10 * plan.profile[0][1]) == np.count_nonzero(moments < 10)
    assert close(plan.expected_requests) == np.count_nonzero(moments >= 10)


def test_a_jump_of_a_trace_is_sharp(tmp_path):
    document = trace(tmp_path, "0,100\n5,100\n5,1000\n10,1000\n")

    assert close(500) == np.count_nonzero(due_s(document) < 5)
    assert close(5000) == np.count_nonzero(due_s(document) >= 5)


@pytest.mark.parametrize("process", ["poisson", "constant"])
def test_nothing_is_due_where_the_rate_is_zero(tmp_path, process):
    document = trace(tmp_path, "0,10\n10,10\n10,0\n20,0\n20,10\n30,10\n") | {"process": process}
    moments = due_s(document)

    assert 0 == np.count_nonzero((moments >= 10) & (moments < 20))
    assert close(200) == len(moments)


def test_a_trace_begins_with_its_first_row(tmp_path):
    plan = arrivals(**trace(tmp_path, "1000,10\n1010,30\n"))

    assert ((0, 10), (10, 30)) == plan.profile
    assert (10, 20) == (plan.seconds, plan.mean_rps)


def test_a_trace_is_kept_when_its_file_is_gone(tmp_path):
    plan = arrivals(**trace(tmp_path, "0,10\n10,30\n"))
    (tmp_path / "trace.csv").unlink()
    kept = TypeAdapter(Arrivals).validate_json(json.dumps(plan.model_dump()))

    assert plan == kept


@pytest.mark.parametrize(
    "document",
    [
        {"kind": "poisson", "rate_rps": 1_000_000, "duration_s": 21},
        {"kind": "steps", "steps": [{"rate_rps": 1000, "duration_s": 86_400}]},
    ],
    ids=["rate", "time"],
)
def test_more_requests_than_memory_holds_are_refused(document):
    with pytest.raises(ValidationError, match=r"at most 20,000,000 requests in a run, got \d\d,"):
        arrivals(**document)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"spike_at_s": 19}, "spike ends 21 s after the start, and the run after 20 s"),
        ({"rate_rps": math.inf}, "finite"),
    ],
    ids=["spike past the end", "infinite rate"],
)
def test_an_impossible_spike_is_refused(change, words):
    with pytest.raises(ValidationError, match=words):
        arrivals(**KINDS["spike"] | change)


def test_a_night_busier_than_its_day_is_refused():
    with pytest.raises(ValidationError, match="expected low_rps <= high_rps, got 500 and 300"):
        arrivals(**KINDS["diurnal"] | {"low_rps": 500})


def trace(folder, rows, *, head="at_s,rate_rps\n"):
    path = folder / "trace.csv"
    path.write_bytes((head + rows).encode() if isinstance(rows, str) else rows)
    return {"kind": "trace", "file": str(path)}


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        pytest.param("", "at least two rows, got 0", id="empty"),
        pytest.param("0,10\n", "at least two rows, got 1", id="one row"),
        pytest.param("0,10\n5,10\n4,10\n", "line 4: not sorted: 4 s comes after 5 s", id="unsorted"),
        pytest.param("0,10\n\n5,10\n4,10\n", "line 5: not sorted: 4 s comes after 5 s", id="unsorted after a gap"),
        pytest.param("0,10\n5,-1\n", r"line 3: .*a rate >= 0, got 5\.0 and -1\.0", id="negative"),
        pytest.param("0,nan\n5,1\n", r"line 2: expected finite numbers .*got 0\.0 and nan", id="NaN"),
        pytest.param("0,1\ninf,1\n", "line 3: expected finite numbers", id="infinite"),
        pytest.param("0,1\n5,many\n", "line 3: expected two numbers, got '5' and 'many'", id="text"),
        pytest.param("0,1\n5\n", "line 3: expected two numbers, got '5' and None", id="half a row"),
        pytest.param("3,1\n3,2\n", "a length above 0 s, got a single time", id="one moment"),
        pytest.param("0,0\n5,0\n", "a rate above 0 somewhere, got none", id="no rate"),
        pytest.param("0,0\n5,0\n5,9\n5,0\n9,0\n", "a rate above 0 somewhere, got none", id="a rate for no time"),
        pytest.param(b"\xff\xfe\x00", "cannot be read", id="binary"),
    ],
)
def test_a_wrong_trace_is_refused_with_file_and_line(tmp_path, rows, words):
    with pytest.raises(ValidationError, match=rf"trace\.csv.*{words}"):
        arrivals(**trace(tmp_path, rows))


def test_a_trace_with_other_columns_is_refused(tmp_path):
    with pytest.raises(ValidationError, match=r"columns at_s,rate_rps, got \['time', 'rate'\]"):
        arrivals(**trace(tmp_path, "0,1\n1,1\n", head="time,rate\n"))


def test_a_missing_trace_is_refused(tmp_path):
    with pytest.raises(ValidationError, match=r"none\.csv: cannot be read: .*No such file"):
        arrivals(kind="trace", file=str(tmp_path / "none.csv"))
