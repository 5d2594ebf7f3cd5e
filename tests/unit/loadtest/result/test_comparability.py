"""What stands against comparing two runs is noted, and runs of another load have no verdict."""

import re
from io import StringIO

import pytest
from rich.console import Console

from loadtest.report.compare_table import render, sentence
from loadtest.result.compare import compare
from slipway.verdict import Environment
from tests.unit.compared_runs import row, run
from tests.unit.loadtest_results import generator, scenario


def shown(comparison):
    out = StringIO()
    render(comparison, Console(file=out, width=160))
    return out.getvalue()


OTHER = Environment(machine="a machine", cores=16, python="3.11.9", packages={})


@pytest.mark.parametrize(
    ("other", "note"),
    [
        pytest.param(
            {"scenario": scenario(seed=3, slo={"p99_ms": 60}, description="another")},
            "the scenarios differ: arrivals.rate_rps, arrivals.duration_s, seed, slo.p50_ms, slo.p99_ms, slo.error",
            id="scenario",
        ),
        pytest.param(
            {"environment": OTHER},
            "the load came from different machines: a machine, 8 cores; a machine, 16 cores",
            id="machine",
        ),
        pytest.param({"partial": True}, "b is INVALID: the run was interrupted; only 20.0 s", id="partial"),
        pytest.param({"generator": generator(open_loop=False)}, "one run is an open loop and one a closed", id="loop"),
    ],
)
def test_what_stands_against_comparing_is_noted(other, note):
    compared = compare(run(1), run(2, changes=other), resamples=20, names=("a", "b"))

    assert [note] == [got[: len(note)] for got in compared.notes]


@pytest.mark.parametrize(
    "other",
    [
        {"scenario": scenario(arrivals={"kind": "poisson", "rate_rps": 200, "duration_s": 20})},
        {"scenario": scenario(payload={"images": "published", "batches": [{"images": 4}]})},
        {"partial": True},
        {"generator": generator(open_loop=False)},
    ],
    ids=["rate", "request size", "INVALID", "loop"],
)
def test_runs_that_cannot_be_compared_have_no_verdict(other):
    compared = compare(run(1), run(2, median_ms=1, changes=other), resamples=200, names=("a", "b"))

    assert row(compared, "p99").differs
    assert (False, False) == (compared.judged, compared.differs)
    assert f"b and a cannot be compared: {compared.obstacles[0]}" == sentence(compared)
    assert not re.search("better|worse|faster|slower", shown(compared))


@pytest.mark.parametrize(
    "other",
    [
        {"environment": OTHER},
        {"scenario": scenario(seed=3, arrivals={"kind": "poisson", "rate_rps": 100, "duration_s": 20})},
        {"scenario": scenario(arrivals={"kind": "poisson", "rate_rps": 100, "duration_s": 60})},
    ],
    ids=["machine", "seed", "length"],
)
def test_runs_of_one_load_have_a_verdict(other):
    compared = compare(run(1), run(2, median_ms=6, changes=other), resamples=200, names=("a", "b"))

    assert (True, ()) == (compared.judged, compared.obstacles)
    assert "b is slower" in sentence(compared)


def test_a_short_run_is_noted():
    compared = compare(run(1, window_s=9), run(2, window_s=9), resamples=20, names=("a", "b"))

    assert [
        f"{name} has 9 measured seconds; with fewer than 10 the intervals are unreliable" for name in ("a", "b")
    ] == list(compared.notes)


def test_another_description_is_no_other_scenario():
    renamed = run(2, changes={"scenario": scenario(description="x", arrivals=run(1).scenario.arrivals.model_dump())})

    assert () == compare(run(1), renamed, resamples=20).notes
