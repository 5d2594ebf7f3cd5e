"""Whether two runs differ is told from chance, in words, and with what stands against comparing them."""

import json
import math
import re
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from loadtest.report.compare_table import render, sentence
from loadtest.result.block_bootstrap import Blocks
from loadtest.result.compare import compare
from tests.unit.compared_runs import row, run
from tests.unit.loadtest_results import result


def words(comparison):
    return {row.name: row.word for row in comparison.rows}


def test_a_run_does_not_differ_from_itself():
    same = compare(run(1), run(1), resamples=500)

    assert not same.differs
    assert () == same.notes
    assert {0.0} == {row.difference for row in same.rows if row.word != "not known"}


def test_equal_seconds_leave_no_room_for_chance():
    calm = run(1, window_s=10)
    calm = result(seconds=tuple(calm.seconds[0].model_copy(update={"second": i}) for i in range(10)))
    same = compare(calm, calm, resamples=100)

    assert {(0.0, 0.0)} == {(row.low, row.high) for row in same.rows if row.word != "not known"}


@pytest.mark.parametrize(("a", "b", "word"), [(4.0, 6.0, "worse"), (6.0, 4.0, "better")], ids=["slower", "faster"])
def test_shifted_latencies_differ(a, b, word):
    shifted = compare(run(1, median_ms=a), run(2, median_ms=b), resamples=500)

    assert {"p50": word, "p99": word, "mean": word} == {name: words(shifted)[name] for name in ("p50", "p99", "mean")}
    assert ("no difference", "no difference") == (words(shifted)["error rate"], words(shifted)["throughput"])
    assert pytest.approx(100 * (b / a - 1), abs=20) == row(shifted, "p50").percent


def test_errors_are_worse_and_fewer_answers_too():
    failing = compare(run(1), run(2, error_rate=0.3), resamples=500)

    assert ("worse", "worse") == (words(failing)["error rate"], words(failing)["throughput"])
    assert row(failing, "error rate").difference > 0 > row(failing, "throughput").difference
    assert row(failing, "error rate").percent is None  # of 0 there is no percent


def test_more_answers_are_better():
    assert "better" == words(compare(run(1), run(2, rate_rps=150), resamples=500))["throughput"]


def test_the_interval_holds_the_difference_of_the_reports():
    a, b = run(1), run(2, median_ms=5)
    compared = row(compare(a, b, resamples=500), "p99")

    assert b.figures.latency_ms.p99 - a.figures.latency_ms.p99 == compared.difference
    assert compared.low < compared.difference < compared.high


def test_chance_alone_rarely_differs():
    runs = [run(seed, window_s=12) for seed in range(40)]
    found = [words(compare(a, b, resamples=200)) for a, b in zip(runs, runs[1:] + runs[:1], strict=True)]
    differ = {name: sum(each[name] in ("worse", "better") for each in found) for name in found[0]}

    assert {"p50": 3, "p99": 5, "p99.9": 0, "mean": 4, "error rate": 0, "throughput": 3} == differ  # 2 are expected


def test_requests_of_one_second_are_not_taken_for_independent():
    """The mean of n blocks with a shared factor has the blocks' deviation over the root of n, not the requests'."""
    a = run(1, window_s=60)
    means = [seconds.histogram("latency").mean_ns / 1e6 for seconds in a.seconds]
    expected = 2 * 1.96 * math.sqrt(2) * np.std(means) / math.sqrt(60)
    width = row(compare(a, a, resamples=2_000), "mean")

    assert pytest.approx(expected, rel=0.1) == width.high - width.low


def test_one_seed_is_one_interval():
    first, again, other = (compare(run(1), run(2), resamples=200, seed=seed).to_dict() for seed in (3, 3, 4))

    assert first == again
    assert first != other


def test_more_confidence_is_a_wider_interval():
    narrow, wide = (
        row(compare(run(1), run(2), resamples=500, confidence=confidence), "p50") for confidence in (0.5, 0.99)
    )

    assert wide.low < narrow.low < narrow.high < wide.high


@pytest.mark.parametrize(("window_s", "blocks"), [(20, 20), (19.5, 20), (300, 300), (301, 151), (1_800, 300)])
def test_blocks_are_seconds_or_the_few_seconds_that_make_at_most_300(window_s, blocks):
    short = run(1)
    cut = Blocks.of(run(1, changes={"figures": short.figures.model_copy(update={"window_s": window_s})}))

    assert (blocks, window_s) == (len(cut.counts), cut.totals[0].sum())
    assert (short.figures.due, 0, short.figures.answered) == tuple(cut.totals[1:].sum(axis=1))
    assert short.figures.answered == cut.counts.sum()


def test_a_draw_of_everything_is_the_report():
    failing = run(1, error_rate=0.1)
    cut = Blocks.of(failing)
    drawn = cut._metrics(np.ones((1, len(cut.counts))))
    latency = failing.figures.latency_ms

    assert (latency.p50, latency.p99, latency.p99_9) == tuple(drawn[name][0] for name in ("p50", "p99", "p99.9"))
    assert pytest.approx(latency.mean) == drawn["mean"][0]
    assert pytest.approx(100 * failing.figures.error_rate) == drawn["error rate"][0]
    assert pytest.approx(failing.figures.answered_rps) == drawn["throughput"][0]


def test_too_few_requests_for_a_percentile_are_told():
    compared = compare(run(1), run(2, window_s=40), resamples=50, names=("a.json", "b.json"))

    assert "not known" == words(compared)["p99.9"]
    assert f"p99.9 needs 3,838 answered requests, a.json has {run(1).figures.answered:,}" == (
        row(compared, "p99.9").missing
    )
    assert (None, None, None) == (row(compared, "p99.9").difference, row(compared, "p99.9").low, None)


def test_nothing_answered_leaves_the_error_rate():
    compared = compare(run(1), run(2, error_rate=1.0), resamples=50, names=("a", "b"))

    assert {"p50", "p99", "p99.9", "mean"} == {name for name, word in words(compared).items() if word == "not known"}
    assert "no request was answered in b" == row(compared, "mean").missing
    assert "worse" == words(compared)["error rate"]


def test_an_empty_window_cannot_be_compared():
    empty = result(seconds=(), figures=run(1).figures.model_copy(update={"due": 0, "answered": 0, "window_s": 0.0}))
    compared = compare(run(1), empty, resamples=50, names=("a", "b"))

    assert {"not known"} == set(words(compared).values())
    assert "b and a cannot be compared: no metric has enough requests" == sentence(compared)


def test_a_comparison_is_json():
    compared = compare(run(1), run(2, median_ms=6), resamples=50).to_dict()

    assert compared == json.loads(json.dumps(compared))
    assert (["A", "B"], 0.95, True) == (compared["names"], compared["confidence"], compared["differs"])
    assert ("p50", "worse", True) == tuple(compared["rows"][0][key] for key in ("name", "word", "differs"))


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        (
            {},
            {"median_ms": 6},
            r"b is slower: p99 \+\d\.\d\d ms \(\+\d\d %\), 95 % interval \+\d\.\d+ to \+\d\.\d+ ms$",
        ),
        ({"median_ms": 6}, {}, r"b is faster: p99 -\d\.\d\d ms \(-\d\d %\)"),
        ({}, {}, "b does not differ from a: every 95 % interval contains 0$"),
        ({}, {"error_rate": 0.3}, r"it fails more often: error rate \+\d+\.\d+ points, .*; it answers fewer requests:"),
        ({"error_rate": 0.3}, {}, r"fails less often: error rate -\d+\.\d+ points \(-100 %\).*; it answers more"),
    ],
    ids=["slower", "faster", "alike", "failing", "mended"],
)
def test_the_last_line_says_whether_they_differ(a, b, said):
    assert re.search(said, sentence(compare(run(1, **a), run(2, **b), resamples=200, names=("a", "b"))))


def test_the_table_ends_with_the_sentence_and_says_what_is_not_known():
    compared = compare(run(1), run(2, median_ms=6, window_s=9), resamples=50, names=("[a].json", "b.json"))
    console = Console(file=StringIO(), width=150)
    render(compared, console)
    lines = console.file.getvalue().splitlines()

    assert sentence(compared) == lines[-1]
    assert lines[0].startswith("note: the scenarios differ: arrivals.")
    assert any("[a].json" in line and "95 % interval" in line for line in lines)
    assert any(line.split()[:1] == ["p50"] and line.rstrip().endswith("worse") for line in lines)
    assert sum(line.startswith("  p99.9 needs 3,838 answered requests") for line in lines) == 1
