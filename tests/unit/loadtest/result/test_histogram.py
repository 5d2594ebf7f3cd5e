"""Latencies in buckets: as exact as promised, merged without loss, and readable by every HdrHistogram library."""

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram

from loadtest.result.histogram import HIGHEST_NS, LatencyHistogram

PERCENTS = [0.5, 10, 50, 90, 95, 99, 99.9, 99.99, 100]


def lognormal():
    return np.random.default_rng(1).lognormal(np.log(4e6), 0.8, 20_000).astype(np.int64)


SAMPLES = {
    "log-normal milliseconds": lognormal(),
    "every octave": np.array([value for bit in range(39) for value in (2**bit - 1, 2**bit, 2**bit + 1)]),
    "small": np.arange(5_000),
    "one": np.array([1_234_567]),
    "equal": np.full(1_000, 77_777_777),
}
each_sample = pytest.mark.parametrize("values_ns", SAMPLES.values(), ids=SAMPLES)


def recorded_by_hdrh(values_ns):
    theirs = HdrHistogram(1, HIGHEST_NS, 3)
    for value in values_ns.tolist():
        theirs.record_value(value)
    return theirs


def same(one, other):
    return one.buckets.tolist() == other.buckets.tolist() and one.counts.tolist() == other.counts.tolist()


@each_sample
def test_figures_are_numpys_within_a_thousandth(values_ns):
    ours = LatencyHistogram.of(values_ns)
    theirs = np.percentile(values_ns, PERCENTS, method="closest_observation")  # the nearest rank, as HdrHistogram

    assert len(values_ns) == ours.count
    assert pytest.approx(theirs.tolist(), rel=1e-3, abs=1) == ours.percentiles_ns(PERCENTS)
    assert pytest.approx(values_ns.mean(), rel=1e-3) == ours.mean_ns
    assert pytest.approx(values_ns.max(), rel=1e-3) == ours.max_ns


@each_sample
def test_buckets_are_those_of_hdrhistogram(values_ns):
    counts = np.ctypeslib.as_array(recorded_by_hdrh(values_ns).counts)
    ours = LatencyHistogram.of(values_ns)

    assert np.flatnonzero(counts).tolist() == ours.buckets.tolist()
    assert counts[ours.buckets].tolist() == ours.counts.tolist()


@each_sample
def test_percentiles_are_those_of_hdrhistogram(values_ns):
    theirs, ours = recorded_by_hdrh(values_ns), LatencyHistogram.of(values_ns)

    assert [theirs.get_value_at_percentile(percent) for percent in PERCENTS] == ours.percentiles_ns(PERCENTS)
    assert [ours.percentile_ns(percent) for percent in PERCENTS] == ours.percentiles_ns(PERCENTS)


@pytest.mark.parametrize("parts", [1, 2, 7, 100])
def test_parts_merged_are_the_whole(parts):
    values_ns = SAMPLES["log-normal milliseconds"]
    merged = LatencyHistogram.merged(LatencyHistogram.of(part) for part in np.array_split(values_ns, parts))

    assert same(LatencyHistogram.of(values_ns), merged)


def test_nothing_merged_is_empty():
    assert 0 == LatencyHistogram.merged([]).count
    assert 0 == LatencyHistogram.merged([LatencyHistogram.empty(), LatencyHistogram.empty()]).count


def test_an_empty_histogram_has_zeros():
    empty = LatencyHistogram.of(np.empty(0, np.int64))

    assert (0, 0, 0, 0) == (empty.count, empty.mean_ns, empty.max_ns, empty.percentile_ns(99))
    assert [0, 0] == empty.percentiles_ns([50, 99])
    assert 0 == LatencyHistogram.decode(empty.encode()).count


def test_values_beyond_the_range_count_at_its_ends():
    clipped = LatencyHistogram.of(np.array([-5, 0, HIGHEST_NS, 10 * HIGHEST_NS]))

    assert [2, 2] == clipped.counts.tolist()
    assert 0 == clipped.percentile_ns(50)
    assert pytest.approx(HIGHEST_NS, rel=1e-3) == clipped.max_ns


@each_sample
def test_what_is_encoded_comes_back(values_ns):
    ours = LatencyHistogram.of(values_ns)

    assert same(ours, LatencyHistogram.decode(ours.encode()))


@each_sample
def test_hdrhistogram_reads_what_is_encoded(values_ns):
    ours = LatencyHistogram.of(values_ns)
    theirs = HdrHistogram.decode(ours.encode())

    assert ours.count == theirs.get_total_count()
    assert [theirs.get_value_at_percentile(percent) for percent in PERCENTS] == ours.percentiles_ns(PERCENTS)


def test_what_hdrhistogram_encodes_is_read():
    values_ns = SAMPLES["every octave"]

    assert same(LatencyHistogram.of(values_ns), LatencyHistogram.decode(recorded_by_hdrh(values_ns).encode().decode()))


def test_each_value_lies_in_its_bucket():
    ours = LatencyHistogram.of(SAMPLES["every octave"])

    assert np.all(ours.middles_ns() <= ours.highest_ns())
    assert np.all(ours.highest_ns()[:-1] < ours.middles_ns()[1:])


def whole():
    return LatencyHistogram.of(lognormal()).encode()


@pytest.mark.parametrize(
    "text",
    ["", "latencies", "AAAA" * 40, "\u00e9", whole()[:60], whole()[:-8]],
    ids=["empty", "word", "zeros", "no ASCII", "beginning", "end cut off"],
)
def test_rubbish_is_refused(text):
    with pytest.raises(ValueError, match="not a base64 HdrHistogram"):
        LatencyHistogram.decode(text)


@pytest.mark.parametrize(
    ("lowest", "digits", "got"), [(1, 2, "2 digits from 1 ns"), (1_000, 3, "3 digits from 512 ns")]
)
def test_buckets_of_another_layout_are_refused(lowest, digits, got):
    other = HdrHistogram(lowest, HIGHEST_NS, digits)
    other.record_value(5_000_000)

    with pytest.raises(ValueError, match=f"expected a histogram of 3 digits from 1 ns, got {got}"):
        LatencyHistogram.decode(other.encode().decode())
