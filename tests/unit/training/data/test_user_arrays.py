"""A user's own arrays: what is taken, and what is refused before anything is trained."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.own_arrays import SETTINGS, arrays
from training.data import load_dataset
from training.errors import DataRefused
from training.recipe import DatasetSettings


def with_rows(array, rows, value):
    changed = array.copy()
    changed[list(rows)] = value
    return changed


@pytest.fixture
def load(tmp_path):
    def load(**replaced):
        path = tmp_path / "own.npz"
        np.savez(path, **arrays(**replaced))
        return load_dataset(SETTINGS, user_file=path, seed=0)

    return load


def test_own_arrays_become_three_splits_with_classes_from_the_labels(load, tmp_path):
    dataset = load()

    assert ("own", str(tmp_path / "own.npz"), ("0", "1", "2")) == (dataset.name, dataset.source, dataset.labels)
    assert (6, 5, 1) == dataset.image_shape
    assert (200, 100, 60) == tuple(len(s.images) for s in (dataset.train, dataset.validation, dataset.test))
    assert {np.dtype(np.uint8)} == {s.images.dtype for s in (dataset.train, dataset.validation, dataset.test)}
    assert {np.dtype(np.int64)} == {s.labels.dtype for s in (dataset.train, dataset.validation, dataset.test)}
    assert np.array_equal(arrays()["x_test"][..., np.newaxis], dataset.test.images)


def test_colour_images_keep_their_channels(load):
    rng = np.random.default_rng(0)
    colour = {
        name: rng.integers(0, 256, (n, 6, 5, 3), dtype=np.uint8) for name, n in (("x_train", 300), ("x_test", 60))
    }

    assert (6, 5, 3) == load(**colour).image_shape


@pytest.mark.parametrize(
    ("border", "expected"), [(0, "dark"), (60, "dark"), (100, None), (150, None), (195, "light"), (255, "light")]
)
def test_background_is_what_nearly_all_training_images_have_at_their_border(load, border, expected):
    images = arrays()["x_train"].reshape(300, 6, 5).copy()
    images[:, [0, -1], :] = images[:, :, [0, -1]] = border
    images[:9] = 255 - images[:9]  # some are otherwise

    assert expected == load(x_train=images, x_test=arrays()["x_test"].reshape(60, 6, 5)).background


def test_images_of_every_background_have_none(load):
    assert load().background is None


def test_names_of_classes_come_from_the_array_labels(load):
    assert ("cat", "dog", "eel") == load(labels=np.array(["cat", "dog", "eel"])).labels


def test_digest_follows_every_array(load):
    digest = load().digest
    y_test = with_rows(arrays()["y_test"], [0, 1], [1, 0])

    assert digest == load(y_train=arrays()["y_train"].astype(np.uint8)).digest
    assert digest != load(y_test=y_test).digest
    assert (
        digest
        != load(x_train=arrays()["x_train"].reshape(300, 5, 6), x_test=arrays()["x_test"].reshape(60, 5, 6)).digest
    )


FLOATS = arrays()["x_train"] / 255
HOLES = with_rows(with_rows(FLOATS.astype(np.float32), [3, 17], np.nan), [290], np.inf)
REFUSED = {
    "NaN": ({"x_train": HOLES}, r"x_train: rows 3, 17, 290 have NaN or infinite values"),
    "NaN all over": (
        {"x_train": FLOATS * np.nan},
        r"x_train: expected uint8, 0 to 255, got float64; pixels are numbers",
    ),
    "no labels": ({"y_test": np.zeros(0)}, r"y_test: expected integers, got float64;"),
    "one infinite label": (
        {"y_test": with_rows(np.zeros(60), [7], np.inf)},
        r"y_test: row 7 has NaN or infinite values",
    ),
    "float in 0 to 1": (
        {"x_train": FLOATS},
        r"x_train: expected uint8, 0 to 255, got float64 .* 0 to 1; convert with \(x \* 255\)\.round\(\)\.astype",
    ),
    "float in 0 to 255": ({"x_train": FLOATS * 255}, r"convert with x\.round\(\)\.astype\(np\.uint8\)"),
    "another scale": ({"x_train": FLOATS * 16}, r"convert with \(x \* \(255 / WHITE\)\)\.round\(\).* 16 or more"),
    "signed": ({"x_test": arrays()["x_test"].astype(np.int32)}, r"x_test: .* got int32 .*convert with x\.astype"),
    "signed, out of range": (
        {"x_test": with_rows(arrays()["x_test"].astype(np.int32), [4, 9], 256)},
        r"x_test: .* got int32 with values 0 to 256; rows 4, 9 are out of range",
    ),
    "bool": ({"x_test": arrays()["x_test"] > 9}, r"x_test: .* got bool; convert with x\.astype\(np\.uint8\) \* 255"),
    "flat images": ({"x_train": np.zeros((300, 30), np.uint8)}, r"x_train: expected images .*, got shape \(300, 30\)"),
    "two channels": ({"x_train": np.zeros((300, 6, 5, 2), np.uint8)}, r"1 or 3\), got shape \(300, 6, 5, 2\)"),
    "no images": ({"x_test": np.zeros((0, 6, 5), np.uint8), "y_test": np.zeros(0, int)}, r"x_test: .*\(0, 6, 5\)"),
    "two shapes": (
        {"x_test": np.ones((60, 7, 5), np.uint8)},
        r"x_train, x_test: expected images of one shape, got \(6, 5, 1\) and \(7, 5, 1\)",
    ),
    "missing arrays": ({"y_train": None, "y_test": None}, r"missing: y_train, y_test; the file holds: x_train, x_test"),
    "lengths differ": (
        {"y_train": np.zeros(299, int)},
        r"x_train, y_train: expected one label for each image, got shapes \(300, 6, 5\) and \(299,\)",
    ),
    "one-hot labels": (
        {"y_train": np.eye(3)[np.arange(300) % 3]},
        r"y_train: .*one-hot rows, each with exactly one 1: y\.argmax\(axis=1\)",
    ),
    "one-hot labels of booleans": (
        {"y_train": np.eye(3, dtype=bool)[np.arange(300) % 3]},
        r"y_train: .*one-hot rows, each with exactly one 1: y\.argmax\(axis=1\)",
    ),
    "multi-hot labels": (
        {"y_train": with_rows(np.eye(3)[np.arange(300) % 3], [4, 9], [1, 1, 0])},
        r"y_train: .*multi-label, for rows 4, 9 name no class or more than one",
    ),
    "rows of no class": (
        {"y_train": with_rows(np.eye(3, dtype=int)[np.arange(300) % 3], [7], 0)},
        r"y_train: .*multi-label, for row 7 names no class or more than one",
    ),
    "soft labels": ({"y_train": np.full((300, 4), 0.25)}, r"y_train: .* of shares of several classes, as in rows 0, 1"),
    "regression of several values": (
        {"y_test": np.full((60, 2), 7.5)},
        r"y_test: .* of numbers to predict, as in rows",
    ),
    "masks": ({"y_test": np.zeros((60, 6, 5), int)}, r"y_test: .*got shape \(60, 6, 5\): .*segmentation masks"),
    "a column": ({"y_test": np.zeros((60, 1), int)}, r"y_test: .*got shape \(60, 1\); use y\.reshape\(-1\)"),
    "whole numbers as floats": (
        {"y_test": np.arange(60) % 3 + 0.0},
        r"y_test: expected integers, got float64 .*all are whole numbers: convert with y\.astype\(np\.int64",
    ),
    "regression": (
        {"y_test": with_rows(np.arange(60) % 3 + 0.0, [5], 0.37)},
        r"y_test: .*row 5 holds a fraction: .*regression, which is not trained here",
    ),
    "labels of two kinds, as booleans": (
        {"y_test": np.arange(60) % 2 == 0},
        r"y_test: expected integers, got bool; convert with y\.astype\(np\.int64\)",
    ),
    "complex labels": ({"y_test": np.zeros(60, complex)}, r"y_test: .*got complex128; class indices are whole numbers"),
    "labels beyond int64": (
        {"y_test": with_rows(np.arange(60, dtype=np.uint64) % 3, [2], 2**64 - 1)},
        r"y_test: expected labels from 0 to 2, got",
    ),
    "a gap": (
        {"y_train": np.array([0, 1, 5])[np.arange(300) % 3], "y_test": np.array([0, 1, 5])[np.arange(60) % 3]},
        r"y_train: expected images of each of 6 classes, got none of 2, 3, 4; leave no gaps",
    ),
    "text labels": (
        {"y_test": np.array(["a"] * 60)},
        r"y_test: expected integers, got <U1; .*np\.unique\(y, return_inverse=True\)",
    ),
    "pickled labels": ({"y_test": np.array([None] * 60)}, r"not a whole npz file of plain arrays"),
    "negative labels": (
        {"y_train": with_rows(arrays()["y_train"], range(1, 20), -1)},
        r"y_train: expected labels from 0 to 2, got -1, -1, -1, -1, -1 in rows 1, 2, 3, 4, 5 and 14 more",
    ),
    "labels beyond the names": (
        {"labels": np.array(["cat", "dog"])},
        r"y_train: expected labels from 0 to 1, got 2, 2, 2, 2, 2 in rows 2, 5, 8, 11, 14 and 95 more",
    ),
    "class missing in train": (
        {"y_train": np.arange(300) % 2},
        r"y_train: expected images of each of 3 classes, got none of '2'|got none of 2",
    ),
    "class missing in test": (
        {"y_test": np.arange(60) % 2, "labels": np.array(["cat", "dog", "eel"])},
        r"y_test: expected images of each of 3 classes, got none of 'eel'",
    ),
    "a stray label": (
        {"y_train": with_rows(arrays()["y_train"], [8], 10**12)},
        r"y_train: expected images of each of 1,000,000,000,001 classes, got none of 3, 4, 5, 6, 7 and 999,999,999,992",
    ),
    "one class": (
        {"y_train": np.zeros(300, int), "y_test": np.zeros(60, int)},
        r"expected at least two classes, got 1",
    ),
    "numbers as names": ({"labels": np.arange(3)}, r"labels: expected one string per class, got int64 \(3,\)"),
    "names twice": ({"labels": np.array(["a", "a", "b"])}, r"labels: expected different names"),
    "a name of two lines": ({"labels": np.array(["a", "b\nc", "d"])}, r"labels: .*printable"),
    "too few to validate": (
        {"x_train": arrays()["x_train"][:102], "y_train": arrays()["y_train"][:102]},
        r"expected more than dataset\.validation_images \(100\) images.*got 102",
    ),
    "one image of a class": (
        {"y_train": with_rows(arrays()["y_train"] % 2, [5], 2)},
        r"expected at least 2 images of each class .*got 1 image\(s\) of class 2",
    ),
}


@pytest.mark.parametrize(("replaced", "reason"), REFUSED.values(), ids=REFUSED)
def test_unfit_arrays_are_refused_with_rows_and_a_way_out(load, replaced, reason):
    with pytest.raises(DataRefused, match=reason):
        load(**replaced)


def test_everything_that_is_wrong_is_said_at_once(load):
    with pytest.raises(DataRefused) as refused:
        load(x_train=FLOATS, x_test=np.zeros((60, 30), np.uint8), y_test=np.zeros(60))

    assert ["x_train", "x_test", "y_test", "x_train, x_test"] == [
        line.removeprefix("  - ").split(":")[0] for line in str(refused.value).splitlines()[1:]
    ]


OF_ANOTHER_KIND = (
    *("multi-hot labels", "rows of no class", "soft labels"),
    *("regression", "regression of several values", "masks"),
)


@pytest.mark.parametrize("case", OF_ANOTHER_KIND)
def test_no_advice_throws_labels_of_another_kind_away(load, case):
    with pytest.raises(DataRefused) as refused:
        load(**REFUSED[case][0])
    assert not any(way in str(refused.value) for way in (".argmax(axis=1)", ".astype(", ".reshape(-1)"))


@pytest.mark.parametrize(("images", "aside"), [(300, 50), (60, 10), (12, 3)])
def test_one_image_in_six_is_set_aside_unless_the_recipe_names_a_number(tmp_path, images, aside):
    few = {name: arrays()[name][:images] for name in ("x_train", "y_train")}
    np.savez(tmp_path / "own.npz", **arrays(**few))

    dataset = load_dataset(DatasetSettings(), user_file=tmp_path / "own.npz", seed=0)

    assert (images - aside, aside) == (len(dataset.train.images), len(dataset.validation.images))
