"""The highest rate that a replica holds is found, also beside noise, and written down whole."""

import random
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from loadtest.capacity.probe import RateProbe
from loadtest.capacity.search import RESOLUTION, Held, find_capacity
from loadtest.engine.request import RunRequest
from loadtest.errors import CapacityError
from tests.unit.loadtest_results import result, scenario
from tests.unit.rates import within


def outcome(rate_rps, word, *, excess=None):
    beyond = {"PASS": 0.5, "FAIL": 10.0, "INVALID": 1.0}[word] if excess is None else excess
    return Held(
        rate_rps=rate_rps,
        outcome=word,
        p99_ms=5.0,
        in_flight=rate_rps / 100,
        excess=beyond,
        reasons=() if word == "PASS" else (f"a reason to {word}",),
    )


def server_of(capacity_rps, *, above="FAIL"):
    """Holds the objectives up to a rate."""
    return lambda rate_rps, _longer: outcome(rate_rps, "PASS" if rate_rps <= capacity_rps else above)


@pytest.mark.parametrize("start_rps", [1, 20, 499, 500, 501, 4_000, 60_000])
@pytest.mark.parametrize("resolution", [RESOLUTION, 0.02])
def test_a_capacity_is_found_from_wherever_the_search_starts(start_rps, resolution):
    search = find_capacity(server_of(500.0), start_rps=start_rps, resolution=resolution)

    assert within(500, resolution) == search.rate_rps
    assert "server" == search.limited_by
    assert "PASS" == search.best.outcome


@pytest.mark.parametrize("start_rps", [1, 37, 250, 499])
def test_nothing_above_twice_the_highest_rate_that_held_is_offered(start_rps):
    search = find_capacity(server_of(500.0), start_rps=start_rps)
    highest = start_rps
    for held in search.probes:
        assert held.rate_rps <= 2 * highest
        highest = max(highest, held.rate_rps) if held.outcome == "PASS" else highest


def test_what_is_found_was_measured_again_and_longer():
    longer_rates = []

    def probe(rate_rps, longer):
        longer_rates.extend([rate_rps] if longer else [])
        return server_of(500.0)(rate_rps, longer)

    search = find_capacity(probe, start_rps=100)

    assert [search.rate_rps] == longer_rates
    assert search.best == search.probes[-1]


def test_a_measurement_that_is_invalid_once_is_made_again_and_not_counted():
    seen = set()

    def probe(rate_rps, longer):
        first = (rate_rps, longer) not in seen
        seen.add((rate_rps, longer))
        return outcome(rate_rps, "INVALID") if first else server_of(500.0)(rate_rps, longer)

    calm, disturbed = find_capacity(server_of(500.0), start_rps=100), find_capacity(probe, start_rps=100)

    assert (calm.rate_rps, "server") == (disturbed.rate_rps, disturbed.limited_by)
    assert 2 * len(calm.probes) == len(disturbed.probes)
    assert calm.probes == disturbed.probes[1::2]


def test_a_narrow_miss_is_measured_once_more_and_a_wide_one_is_not():
    tries = []

    def probe(rate_rps, _longer):
        tries.append(rate_rps)
        if rate_rps == 200 and tries.count(200) == 1:
            return outcome(rate_rps, "FAIL", excess=1.5)
        return outcome(rate_rps, "PASS") if rate_rps <= 200 else outcome(rate_rps, "FAIL", excess=50.0)

    search = find_capacity(probe, start_rps=100, resolution=0.99)

    assert [100, 200, 200, 400] == tries[:4]
    assert 200 == search.rate_rps
    assert len(tries) == len(search.probes)


@pytest.mark.parametrize(("above", "limited_by"), [("INVALID", "generator"), ("FAIL", "server")])
def test_what_lies_above_says_who_was_the_limit(above, limited_by):
    search = find_capacity(server_of(500.0, above=above), start_rps=100)

    assert limited_by == search.limited_by
    assert within(500) == search.rate_rps


def test_a_rate_that_does_not_hold_again_is_lowered_until_one_does():
    """For longer, the server holds an eighth less."""
    search = find_capacity(
        lambda rate_rps, longer: server_of(437.5 if longer else 500.0)(rate_rps, longer), start_rps=100
    )

    assert 437.5 / (1 + RESOLUTION) <= search.rate_rps <= 437.5
    assert "server" == search.limited_by


def test_a_rate_that_never_holds_again_is_no_capacity():
    with pytest.raises(CapacityError, match=r"passed once and then failed \(a reason to FAIL\).*too noisy"):
        find_capacity(lambda rate_rps, longer: server_of(0 if longer else 500)(rate_rps, longer), start_rps=100)


@pytest.mark.parametrize("word", ["FAIL", "INVALID"])
def test_a_server_that_holds_nothing_is_told_with_the_reasons(word):
    with pytest.raises(CapacityError, match=f"not even 1 requests/s meet the objectives: a reason to {word}"):
        find_capacity(server_of(0, above=word), start_rps=100)


def test_a_server_that_holds_everything_is_doubted():
    with pytest.raises(CapacityError, match="is the target a real server"):
        find_capacity(server_of(float("inf")), start_rps=100)


@pytest.mark.parametrize("seed", range(30))
def test_a_server_that_is_unsteady_near_its_edge_is_still_found(seed):
    draw = random.Random(seed)

    def probe(rate_rps, longer):
        return server_of(1_000 * draw.uniform(0.9, 1.1))(rate_rps, longer)

    assert pytest.approx(1_000, rel=0.15) == find_capacity(probe, start_rps=200).rate_rps


def probing(monkeypatch, outcomes, *, terminal=False):
    """What a search prints that meets these outcomes at 100, 200, ... requests/s."""
    out, left = StringIO(), list(outcomes)

    def run(_request, **_):
        run = result()
        return run.model_copy(update={"verdict": run.verdict.model_copy(update={"outcome": left.pop(0)})}), None

    monkeypatch.setattr("loadtest.capacity.probe.run_scenario", run)
    request = RunRequest(
        name="steady",
        scenario=scenario(),
        repository=Path(),
        report_dir=None,
        junit=None,
        command="slipway capacity",
    )
    console = Console(file=out, width=500, force_terminal=terminal)
    probe = RateProbe(request=request, folder=Path("x"), processes=1, console=console)
    for i in range(len(outcomes)):
        probe(100.0 * (i + 1), False)
    return out.getvalue().splitlines()


@pytest.mark.parametrize(("terminal", "lines_each"), [(False, 2), (True, 1)])
def test_the_search_tells_its_rounds_and_its_bounds_with_and_without_a_terminal(monkeypatch, terminal, lines_each):
    lines = probing(monkeypatch, ["PASS", "PASS", "FAIL"], terminal=terminal)
    told = [line for line in lines if "so far" in line]

    assert 3 * lines_each == len(lines)
    assert ["1", "2", "3"] == [line.split()[0] for line in told]
    assert ["so far: holds 100/s", "so far: holds 200/s"] == [line[line.index("so far") :].strip() for line in told[:2]]
    assert "so far: holds 200/s, not 300/s" in told[2]
