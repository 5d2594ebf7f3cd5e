"""What became of each request is counted in the second in which it was due, and merged without loss."""

import itertools
from collections import Counter

import numpy as np
import pytest

from loadtest.engine.recorder import Recorder
from loadtest.result.histogram import LatencyHistogram
from loadtest.result.interval_statistics import IntervalBook, IntervalStatistics

SECOND_NS = 1_000_000_000


def histogram(seed, size):
    return LatencyHistogram.of(np.random.default_rng(seed).integers(0, 50_000_000, size))


def part(second, seed, errors=None):
    return IntervalStatistics(
        second=second,
        due=30 + seed,
        answered=20 + seed,
        images=40 + seed,
        errors=errors or {"deadline exceeded": 7, f"of process {seed}": 3},
        latency=histogram(seed, 20),
        service=histogram(seed + 100, 20),
        lag=histogram(seed + 200, 30),
    )


def plain(slices):
    """Slices as values that can be compared."""
    return [
        (
            *(part.second, part.due, part.answered, part.images, dict(part.errors)),
            *((kind.buckets.tolist(), kind.counts.tolist()) for kind in (part.latency, part.service, part.lag)),
        )
        for part in slices
    ]


@pytest.mark.parametrize(
    "sent", [part(3, 1), part(-2, 2), IntervalStatistics(second=0)], ids=["in the window", "in the warm-up", "empty"]
)
def test_a_slice_comes_over_the_wire_as_it_was(sent):
    assert plain([sent]) == plain([IntervalStatistics.from_wire(sent.to_wire())])


def test_a_slice_off_the_wire_can_be_merged():
    received = IntervalStatistics.from_wire(part(3, 1).to_wire())

    assert plain([IntervalStatistics.merged([part(3, 1), part(3, 2)])]) == plain(
        [IntervalStatistics.merged([received, part(3, 2)])]
    )


def test_merging_adds_everything():
    one, other = part(5, 1), part(5, 2)
    merged = IntervalStatistics.merged([one, other])

    assert (5, 63, 43, 83) == (merged.second, merged.due, merged.answered, merged.images)
    assert {"deadline exceeded": 14, "of process 1": 3, "of process 2": 3} == merged.errors
    for name in ("latency", "service", "lag"):
        both = LatencyHistogram.merged([getattr(one, name), getattr(other, name)])
        assert both.buckets.tolist() == getattr(merged, name).buckets.tolist()
        assert both.counts.tolist() == getattr(merged, name).counts.tolist()


def test_the_order_of_reports_changes_nothing():
    parts = [part(0, 1), part(1, 2), part(0, 3), part(-1, 4)]
    books = set()
    for order in itertools.permutations(parts):
        book = IntervalBook()
        for report in order:
            book.add([report])
        books.add(repr([(*row[:4], sorted(row[4].items()), *row[5:]) for row in plain(book.slices())]))

    assert 1 == len(books)
    assert [-1, 0, 1] == [report.second for report in book.slices()]


def test_a_hundred_reports_of_one_second_lose_nothing():
    book = IntervalBook()
    for seed in range(100):
        book.add([part(7, seed)])
    (merged,) = book.slices()

    assert sum(30 + seed for seed in range(100)) == merged.due
    assert 700 == merged.errors["deadline exceeded"]
    assert (2_000, 2_000, 3_000) == (merged.latency.count, merged.service.count, merged.lag.count)
    assert plain([merged]) == plain(book.slices())


def test_a_book_without_reports_is_empty():
    assert () == IntervalBook().slices()


def noted(recorder, due_ns, *, error=None, images=1, latency_ns=4_000_000):
    sent_ns = due_ns + 50_000
    recorder.note(
        due_ns=due_ns,
        dispatched_ns=sent_ns,
        sent_ns=sent_ns,
        done_ns=due_ns + latency_ns,
        error=error,
        images=images,
    )


@pytest.mark.parametrize(
    ("due_ns", "second"),
    [
        (0, 0),
        (SECOND_NS - 1, 0),
        (SECOND_NS, 1),
        (3_600 * SECOND_NS + 5, 3_600),
        (-1, -1),
        (-SECOND_NS, -1),
        (-SECOND_NS - 1, -2),
    ],
)
def test_a_request_belongs_to_the_second_in_which_it_was_due(due_ns, second):
    recorder = Recorder(window_begin_ns=0)
    noted(recorder, due_ns, latency_ns=5 * SECOND_NS)

    assert [(second, 1)] == [(part.second, part.due) for part in recorder.take()]


def test_answers_and_errors_are_counted_apart():
    recorder = Recorder(window_begin_ns=0)
    for error, images in [(None, 3), ("wrong answer", 5), (None, 4), ("deadline exceeded", 5), ("wrong answer", 5)]:
        noted(recorder, 10, error=error, images=images)
    (counted,) = recorder.take()

    assert (5, 2, 7) == (counted.due, counted.answered, counted.images)
    assert {"wrong answer": 2, "deadline exceeded": 1} == counted.errors
    assert (2, 2, 5) == (counted.latency.count, counted.service.count, counted.lag.count)


def test_latency_runs_from_due_service_from_sent_and_lag_ends_when_it_was_dispatched():
    recorder = Recorder(window_begin_ns=1_000)
    latency_ns = recorder.note(due_ns=1_500, dispatched_ns=1_510, sent_ns=1_700, done_ns=1_750, error=None, images=1)
    (counted,) = recorder.take()

    assert 250 == latency_ns, "what Locust's own statistics are told"
    assert (250, 50, 10) == (counted.latency.max_ns, counted.service.max_ns, counted.lag.max_ns)
    assert 0 == counted.second


def test_seconds_count_from_the_start_of_the_window():
    recorder = Recorder(window_begin_ns=7 * SECOND_NS)
    for due_ns in (6 * SECOND_NS, 7 * SECOND_NS, 9 * SECOND_NS):
        noted(recorder, due_ns)

    assert [-1, 0, 2] == [part.second for part in recorder.take()]


def test_folding_between_changes_nothing():
    at_once, in_between = Recorder(window_begin_ns=0), Recorder(window_begin_ns=0)
    for i in range(50):
        for recorder in (at_once, in_between):
            noted(
                recorder, i * 100_000_000, error="deadline exceeded" if i % 3 else None, latency_ns=1_000_000 * (i + 1)
            )
        in_between.fold()

    assert plain(at_once.take()) == plain(in_between.take())


def test_what_was_taken_is_not_taken_again():
    recorder = Recorder(window_begin_ns=0)
    noted(recorder, 0)
    first = recorder.take()
    noted(recorder, 1, error="late")
    second = recorder.take()

    assert [1, 1, 0] == [sum(part.due for part in taken) for taken in (first, second, recorder.take())]
    assert [Counter(), Counter(late=1)] == [Counter(taken[0].errors) for taken in (first, second)]
