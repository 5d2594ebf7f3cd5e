"""What is sent: images with their labels, in the sizes of the mix, and the same for the same seed."""

import numpy as np
import pytest

from loadtest.errors import PayloadError
from loadtest.scenario.payload import Payload, choose, load_payload
from loadtest.scenario.sample_size import fewest_requests, requests_for
from loadtest.scenario.schema import PayloadSettings, check_scenario
from slipway.contained_path import UnsafePath
from slipway.repository import publish
from slipway.samples import SAMPLES, Samples, write_samples
from tests.unit.digits_repository import DIGITS, FILES, publish_text


def samples(count=50):
    """Image i is black but for its first pixel, which holds i; its label is i % 10."""
    images = np.zeros((count, 28, 28, 1), np.uint8)
    images[:, 0, 0, 0] = np.arange(count)
    return Samples(images=images, labels=np.arange(count) % 10)


def settings(*shares, images="published"):
    return PayloadSettings(batches=[{"images": size, "weight": weight} for size, weight in shares], images=images)


def scenario(**changes):
    document = {
        "description": "for its payload",
        "arrivals": {"kind": "poisson", "rate_rps": 100, "duration_s": 10},
        "slo": {"p99_ms": 50},
    }
    return check_scenario(document | changes, where="a test")


def test_images_keep_their_labels_in_requests_of_every_size():
    batches = Payload(samples()).batches(settings((1, 1), (7, 1), (64, 1)))

    assert {1, 7, 64} == {len(batch.labels) for batch in batches}
    for batch in batches:
        assert (len(batch.labels), 28, 28, 1) == batch.images.shape
        assert (batch.images[:, 0, 0, 0] % 10).tolist() == batch.labels.tolist()


def test_every_image_is_asked():
    batches = Payload(samples()).batches(settings((1, 1)))

    assert set(range(50)) == {int(batch.images[0, 0, 0, 0]) for batch in batches}


def test_one_image_is_enough_for_any_size():
    batches = Payload(samples(1)).batches(settings((5, 1)))

    assert {(0, 0, 0, 0, 0)} == {tuple(batch.labels.tolist()) for batch in batches}


def test_a_payload_comes_over_the_wire_as_it_was():
    received = Payload.from_wire(Payload(samples()).to_wire())

    assert np.array_equal(samples().images, received.samples.images)
    assert np.array_equal(samples().labels, received.samples.labels)


def test_one_seed_is_one_choice():
    batches = Payload(samples()).batches(settings((1, 1), (16, 1)))
    first, again, other = (choose(batches, scenario(seed=seed), count=1_000) for seed in (4, 4, 5))

    assert (np.int32, np.bool_) == (first[0].dtype, first[1].dtype)
    assert [part.tolist() for part in first] == [part.tolist() for part in again]
    assert first[0].tolist() != other[0].tolist()


def test_sizes_come_in_the_shares_of_their_weights():
    batches = Payload(samples()).batches(settings((1, 6), (4, 3), (16, 1)))
    choice, _ = choose(batches, scenario(), count=20_000)
    sizes = np.array([len(batch.labels) for batch in batches])[choice]

    assert pytest.approx([0.6, 0.3, 0.1], abs=0.02) == [float((sizes == size).mean()) for size in (1, 4, 16)]


@pytest.mark.parametrize(("share", "checked"), [(0.0, 0), (0.25, 0.25), (1.0, 1)])
def test_the_share_of_checked_answers_is_the_scenarios(share, checked):
    batches = Payload(samples()).batches(settings((1, 1)))
    _, read = choose(batches, scenario(correctness={"check_share": share}), count=10_000)

    assert pytest.approx(checked, abs=0.02 * (0 < share < 1)) == read.mean()


def test_more_images_than_the_model_takes_are_refused(tmp_path):
    with pytest.raises(PayloadError, match=r"payload\.batches: expected at most 16 images .*'digits', got 17"):
        load_payload(settings((1, 9), (17, 1)), DIGITS, version="1", repository=tmp_path)


def test_samples_published_with_the_served_version_are_sent(tmp_path):
    publish(tmp_path, DIGITS, FILES, lambda folder: write_samples(folder / SAMPLES, samples()))
    payload = load_payload(settings((16, 1)), DIGITS, version="1", repository=tmp_path)

    assert np.array_equal(samples().images, payload.samples.images)


def test_published_samples_that_are_a_link_are_not_followed(tmp_path):
    published = publish_text(tmp_path, "a network")
    (published.path / SAMPLES).symlink_to("/dev/zero")

    with pytest.raises(UnsafePath, match="a symbolic link"):
        load_payload(settings((1, 1)), DIGITS, version="1", repository=tmp_path)


@pytest.mark.parametrize(
    ("version", "words"),
    [
        pytest.param("1", r"published without samples\.npz: train again, or send other images", id="without samples"),
        pytest.param("2", r"version 2 of 'digits', .*not found: .*--repository, or send other images", id="not here"),
        pytest.param("latest", r"version latest of 'digits', .*not found", id="no number"),
    ],
)
def test_published_samples_that_are_missing_name_the_way_out(tmp_path, version, words):
    publish_text(tmp_path, "a network")

    with pytest.raises(PayloadError, match=words):
        load_payload(settings((1, 1)), DIGITS, version=version, repository=tmp_path)


def test_a_repository_that_is_not_here_names_the_way_out(tmp_path):
    with pytest.raises(PayloadError, match=r"not found: .*--repository, or send other images: --images my\.npz"):
        load_payload(settings((1, 1)), DIGITS, version="1", repository=tmp_path / "none")


def test_images_of_ones_own_are_sent(tmp_path):
    np.savez(tmp_path / "my.npz", x_test=samples().images[..., 0], y_test=samples().labels.astype(np.uint8))
    own = settings((1, 1), images=str(tmp_path / "my.npz"))

    assert np.array_equal(samples().images, load_payload(own, DIGITS, version="9", repository=tmp_path).samples.images)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"images": np.zeros((3, 9, 9, 1), np.uint8), "labels": np.arange(3)}, r"expected images of \(28, 28, 1\)"),
        ({"images": np.zeros((3, 28, 28, 1), np.uint8), "labels": np.arange(9, 12)}, "labels from 0 to 9, got 11"),
        ({"pictures": np.zeros(3)}, "arrays images and labels .*got: pictures"),
    ],
    ids=["other shape", "other labels", "other arrays"],
)
def test_images_of_ones_own_that_do_not_fit_are_refused(tmp_path, arrays, words):
    np.savez(tmp_path / "my.npz", **arrays)

    with pytest.raises(PayloadError, match=words):
        load_payload(settings((1, 1), images=str(tmp_path / "my.npz")), DIGITS, version="1", repository=tmp_path)


@pytest.mark.parametrize(("percent", "requests"), [(90, 23_886), (99, 262_742)])
def test_requests_for_a_record_are_those_of_mlperf(percent, requests):
    assert requests == requests_for(percent, relative_margin=1 / 20, confidence=0.99)


@pytest.mark.parametrize(("percent", "requests"), [(50, 4), (90, 35), (99, 381), (99.9, 3_838)])
def test_fewest_requests_of_a_percentile(percent, requests):
    assert requests == fewest_requests(percent)


@pytest.mark.parametrize("percent", [90, 99])
def test_so_many_requests_keep_the_share_of_slow_ones_within_the_margin(percent):
    slow = 1 - percent / 100
    needed = requests_for(percent, relative_margin=0.2)
    shares = np.random.default_rng(1).binomial(needed, slow, 20_000) / needed

    assert pytest.approx(0.95, abs=0.02) == np.mean(np.abs(shares - slow) <= 0.2 * slow)
