"""Validation images are set aside by a seed, each class in proportion."""

from __future__ import annotations

import numpy as np
import pytest

from training.data import load_dataset
from training.recipe import DatasetSettings


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    rng = np.random.default_rng(1)
    path = tmp_path_factory.mktemp("split") / "own.npz"
    np.savez(
        path,
        x_train=rng.integers(0, 256, (2000, 4, 4), dtype=np.uint8),
        y_train=np.repeat([0, 1, 2], [1000, 800, 200]),
        x_test=rng.integers(0, 256, (30, 4, 4), dtype=np.uint8),
        y_test=np.arange(30) % 3,
    )
    return path


def load(own, *, seed, validation_images=500):
    return load_dataset(DatasetSettings(validation_images=validation_images), user_file=own, seed=seed)


def test_each_class_is_set_aside_in_proportion(own):
    dataset = load(own, seed=3)

    assert [250, 200, 50] == np.bincount(dataset.validation.labels).tolist()
    assert [750, 600, 150] == np.bincount(dataset.train.labels).tolist()


def test_every_training_image_is_in_one_split_and_keeps_its_row(own):
    dataset = load(own, seed=3)
    with np.load(own) as source:
        x_train, y_train = source["x_train"][..., np.newaxis], source["y_train"]

    assert list(range(2000)) == sorted([*dataset.train.rows, *dataset.validation.rows])
    for split in (dataset.train, dataset.validation):
        assert np.array_equal(x_train[split.rows], split.images)
        assert np.array_equal(y_train[split.rows], split.labels)


def test_equal_seeds_split_equally_and_others_do_not(own):
    first, again, other = load(own, seed=3), load(own, seed=3), load(own, seed=4)

    assert np.array_equal(first.validation.rows, again.validation.rows)
    assert not np.array_equal(first.validation.rows, other.validation.rows)


def test_the_digest_is_of_the_data_and_not_of_the_split(own):
    assert load(own, seed=3).digest == load(own, seed=4, validation_images=100).digest
