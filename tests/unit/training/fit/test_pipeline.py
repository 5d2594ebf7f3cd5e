"""Which image comes when, and what is done to it."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("keras")

from training.data import Split
from training.errors import FitError
from training.fit.input_pipeline import BatchPlan, Share, distort, training_batches, validation_batches
from training.fit.objective import build_optimizer
from training.recipe import AugmentationSettings, OptimizerSettings, load_recipe

IMAGES = 22
UNTOUCHED = AugmentationSettings()
DISTORTED = AugmentationSettings(rotation_degrees=20.0, shift_fraction=0.2, zoom_fraction=0.2)
SPLIT = Split(
    images=np.random.default_rng(0).integers(0, 256, (IMAGES, 6, 8, 1), dtype=np.uint8), labels=np.arange(IMAGES)
)


def plan(augmentation=UNTOUCHED, seed=5, epochs=3):
    return BatchPlan(images=IMAGES, batch_size=8, epochs=epochs, seed=seed, augmentation=augmentation)


def read(dataset):
    return [(images.numpy(), labels.numpy()) for images, labels in dataset]


def assert_equal(expected, got):
    for one, other in zip(expected, got, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


def labels_of(batches):
    return np.concatenate([labels for _, labels in batches]).tolist()


def test_each_epoch_shows_different_images_in_its_own_order():
    batches = read(training_batches(SPLIT, plan(), first_epoch=0))
    first, second = labels_of(batches[:2]), labels_of(batches[2:4])

    assert 3 * (IMAGES // 8) == len(batches)
    assert 16 == len(set(first)) == len(set(second))
    assert first != second


def test_untouched_images_are_pixels_over_255():
    images, labels = read(training_batches(SPLIT, plan(), first_epoch=0))[0]

    np.testing.assert_array_equal(SPLIT.images[labels].astype(np.float32) / 255, images)


def test_one_seed_gives_one_stream():
    assert_equal(
        read(training_batches(SPLIT, plan(DISTORTED), first_epoch=0)),
        read(training_batches(SPLIT, plan(DISTORTED), first_epoch=0)),
    )


def test_another_seed_gives_another_stream():
    one, other = (read(training_batches(SPLIT, plan(seed=seed), first_epoch=0)) for seed in (5, 6))

    assert labels_of(one) != labels_of(other)


def test_distortion_is_new_in_each_epoch():
    batches = read(training_batches(SPLIT, plan(DISTORTED), first_epoch=0))
    epochs = [
        {
            int(label): image
            for images, labels in batches[start : start + 2]
            for image, label in zip(images, labels, strict=True)
        }
        for start in (0, 2)
    ]
    both = epochs[0].keys() & epochs[1].keys()

    assert both
    assert all((epochs[0][label] != epochs[1][label]).any() for label in both)


def test_stream_entered_at_an_epoch_is_the_rest_of_the_whole():
    whole = read(training_batches(SPLIT, plan(DISTORTED), first_epoch=0))
    rest = read(training_batches(SPLIT, plan(DISTORTED), first_epoch=2))

    assert_equal(whole[4:], rest)


def test_shares_of_all_workers_make_up_every_batch():
    whole = read(training_batches(SPLIT, plan(DISTORTED), first_epoch=0))
    shares = [
        read(training_batches(SPLIT, plan(DISTORTED), first_epoch=0, share=Share(index=i, workers=2))) for i in (0, 1)
    ]
    together = [
        (np.concatenate([first[0], second[0]]), np.concatenate([first[1], second[1]]))
        for first, second in zip(*shares, strict=True)
    ]

    assert_equal(whole, together)


def test_devices_get_their_parts_in_turn():
    whole = read(training_batches(SPLIT, plan(DISTORTED), first_epoch=0))
    parts = read(training_batches(SPLIT, plan(DISTORTED), first_epoch=0, share=Share(devices=4)))

    assert_equal([(images[i : i + 2], labels[i : i + 2]) for images, labels in whole for i in (0, 2, 4, 6)], parts)


def test_validation_goes_round_in_its_own_order():
    batches = read(validation_batches(SPLIT, batch_size=8).take(6))

    assert [8, 8, 6, 8, 8, 6] == [len(labels) for _, labels in batches]
    assert [*range(IMAGES), *range(IMAGES)] == labels_of(batches)


def test_every_device_validates_every_image():
    batches = read(validation_batches(SPLIT, batch_size=20, share=Share(devices=2)).take(4))

    assert [20, 20, 2, 2] == [len(labels) for _, labels in batches]


def test_fewer_images_than_a_batch_are_refused():
    with pytest.raises(FitError, match=r"fit.batch_size: expected at most the 100 training images, got 128"):
        BatchPlan.of(load_recipe("mnist"), images=100)


def test_zero_distortion_is_none():
    image = SPLIT.images[:1].astype(np.float32)

    assert distort(image, np.ones((1, 4), np.float32), UNTOUCHED) is image


def halved(image):
    """Every output pixel between the centres of four input pixels is their mean; the rest is 0."""
    small = image.reshape(4, 2, 4, 2).mean(axis=(1, 3))
    return np.pad(small, 2)


@pytest.mark.parametrize(
    ("settings", "draw", "expected"),
    [
        pytest.param({"shift_fraction": 0.25}, (0, 1, 0, 0), lambda i: np.pad(i, ((2, 0), (0, 0)))[:-2], id="down"),
        pytest.param({"shift_fraction": 0.25}, (0, 0, -1, 0), lambda i: np.pad(i, ((0, 0), (0, 2)))[:, 2:], id="left"),
        pytest.param({"rotation_degrees": 90.0}, (1, 0, 0, 0), np.rot90, id="quarter turn, counter-clockwise"),
        pytest.param({"zoom_fraction": 0.5, "shift_fraction": 0.5}, (0, 0, 0, -1), halved, id="half the size"),
    ],
)
def test_distortion_does_what_its_name_says(settings, draw, expected):
    image = np.random.default_rng(1).random((8, 8), dtype=np.float32)
    distorted = distort(
        image[None, :, :, None], np.array([draw], np.float32), AugmentationSettings.model_validate(settings)
    )

    np.testing.assert_allclose(expected(image), np.asarray(distorted)[0, :, :, 0], atol=1e-5)


def rates(settings, steps):
    optimizer = build_optimizer(OptimizerSettings.model_validate(settings), epochs=10, steps_per_epoch=10)
    found = []
    for step in steps:
        optimizer.iterations.assign(step)
        found.append(float(optimizer.learning_rate))
    return found


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        pytest.param({}, [1, 1, 1, 1], id="constant"),
        pytest.param({"warmup_epochs": 2.0}, [0, 0.5, 1, 1], id="constant after warm-up"),
        pytest.param({"schedule": "cosine", "warmup_epochs": 2.0}, [0, 0.5, 1, 0], id="cosine after warm-up"),
        pytest.param({"schedule": "cosine"}, [1, 0.9755, 0.9045, 0], id="cosine"),
    ],
)
@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_learning_rate_follows_the_schedule(name, settings, expected):
    assert expected == pytest.approx(
        rates({"name": name, "learning_rate": 1.0, **settings}, [0, 10, 20, 100]), abs=1e-4
    )
