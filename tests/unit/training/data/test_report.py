"""The data report: what it finds, how bad it says that is, and which rows it names."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from training.data import Dataset, Split, inspect
from training.errors import DataRefused

LABELS = ("cat", "dog")


def split(images, *, seed, rows=None):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (images, 4, 4, 1), dtype=np.uint8)
    return Split(images=pixels, labels=np.arange(images) % 2, rows=rows)


@pytest.fixture
def dataset():
    """Clean: 1,000 + 200 + 400 different images. The train split stands at odd rows of its source."""
    return Dataset(
        name="pets",
        source="pets.npz",
        digest="0" * 64,
        labels=LABELS,
        train=split(1000, seed=1, rows=np.arange(1000) * 2 + 1),
        validation=split(200, seed=2, rows=np.arange(200) * 2),
        test=split(400, seed=3),
    )


def found(dataset):
    return [(finding.severity, finding.check) for finding in inspect(dataset).findings]


def only_text(dataset):
    (finding,) = inspect(dataset).findings
    return finding.text


def test_clean_data_has_no_findings_and_is_not_refused(dataset):
    report = inspect(dataset)

    assert () == report.findings
    report.refuse()


def test_splits_are_measured(dataset):
    dataset.test.images[:] = 7
    dataset.test.images[0, 0, 0] = 3
    train, validation, test = inspect(dataset).splits

    assert (1000, 200, 400) == (train.images, validation.images, test.images)
    assert ((4, 4, 1), "uint8", (500, 500)) == (train.shape, train.dtype, train.class_counts)
    assert (3, 7) == (test.minimum, test.maximum)
    assert pytest.approx(7 - 4 / (400 * 16)) == test.mean


def test_blank_images_are_named_by_their_row_in_the_source(dataset):
    dataset.train.images[[5, 8]] = np.array([9, 0], dtype=np.uint8).reshape(2, 1, 1, 1)

    assert [("warning", "blank")] == found(dataset)
    assert (
        "train: 2 of 1,000 images (0.20%) are blank (of one value); remove them, or read them again; "
        "x_train rows 11, 17"
    ) == only_text(dataset)


@pytest.mark.parametrize(("blank", "severity"), [(4, "warning"), (5, "refusal")])
def test_more_than_one_blank_image_in_a_hundred_is_refused(dataset, blank, severity):
    for value in range(blank):
        dataset.test.images[value] = value

    assert [(severity, "blank")] == found(dataset)


def test_duplicates_are_warned_about_with_their_first_copy(dataset):
    dataset.train.images[[10, 30]] = dataset.train.images[4]

    assert [("warning", "duplicates")] == found(dataset)
    assert only_text(dataset).endswith("are equal to an earlier image; x_train rows 21 (as 9), 61 (as 9)")


def test_equal_images_with_different_labels_conflict(dataset):
    dataset.train.images[11] = dataset.train.images[4]

    assert [("warning", "duplicates"), ("warning", "conflicting labels")] == found(dataset)
    assert "x_train row 23 (as 9)" in inspect(dataset).findings[1].text


def test_conflicts_beyond_five_in_a_thousand_are_refused(dataset):
    dataset.train.images[1:13:2] = dataset.train.images[0:12:2]

    assert ("refusal", "conflicting labels") == found(dataset)[0]


@pytest.mark.parametrize(("shared", "severity"), [(4, "warning"), (5, "refusal")])
def test_more_than_one_test_image_in_a_hundred_that_was_trained_on_is_refused(dataset, shared, severity):
    dataset.test.images[:shared] = dataset.train.images[100 : 100 + shared]

    assert [(severity, "overlap")] == found(dataset)
    assert "x_test rows 0 (as 201), 1 (as 203), 2 (as 205), 3 (as 207)" in only_text(dataset)


def test_a_leak_that_train_and_validation_share_is_counted_as_one(dataset):
    dataset.test.images[:3] = dataset.train.images[100:103]
    dataset.test.images[3:6] = dataset.validation.images[1:4]

    assert [("refusal", "overlap")] == found(dataset)
    assert only_text(dataset).startswith("test: 6 of 400 images (1.50%) are in train or validation too")


def test_validation_images_that_were_trained_on_are_found(dataset):
    dataset.validation.images[4:10] = dataset.train.images[4:10]

    assert [("refusal", "overlap")] == found(dataset)
    assert only_text(dataset).startswith("validation: 6 of 200 images (3.00%) are in train too")


def test_a_test_image_that_was_trained_on_under_another_label_conflicts(dataset):
    dataset.test.images[0] = dataset.train.images[1]

    assert [("warning", "overlap"), ("warning", "conflicting labels")] == found(dataset)
    assert inspect(dataset).findings[1].text.endswith("under another label; x_test row 0 (as 3) of x_train")


@pytest.mark.parametrize(("name", "severity"), [("train", "refusal"), ("test", "refusal"), ("validation", "warning")])
def test_a_class_without_images_is_refused_where_it_matters(dataset, name, severity):
    getattr(dataset, name).labels[:] = 0

    assert [(severity, "classes")] == found(dataset)
    assert f"{name}: no image of 'dog'" == only_text(dataset)


def test_labels_out_of_range_are_refused(dataset):
    dataset.test.labels[[3, 9]] = [-1, 2]

    assert [("refusal", "labels")] == found(dataset)
    assert "test: expected labels from 0 to 1, got others in rows 3, 9 of x_test" == only_text(dataset)


def shortened(dataset, images):
    train = dataset.train
    return replace(dataset, train=replace(train, images=train.images[:images], labels=train.labels[:images]))


@pytest.mark.parametrize(("left", "severity"), [(400, None), (398, "warning"), (200, "warning"), (199, "refusal")])
def test_more_images_to_validate_than_to_train_are_a_finding(dataset, left, severity):
    findings = [(one.severity, one.check) for one in inspect(shortened(dataset, left)).findings]

    assert ([(severity, "split")] if severity else []) == findings


def test_the_finding_of_a_split_counts_both_sides_and_gives_the_way_out(dataset):
    text = only_text(shortened(dataset, 100))

    assert text.startswith("200 of 300 images are set aside to validate and 100 are left to train on")
    assert "leave dataset.validation_images out of the recipe" in text


@pytest.mark.parametrize(("rare", "expected"), [(91, []), (90, [("warning", "balance")])])
def test_imbalance_beyond_ten_to_one_is_warned_about(dataset, rare, expected):
    dataset.train.labels[:] = np.arange(1000) < rare

    assert expected == found(dataset)


def test_pixels_that_were_scaled_before_the_cast_are_refused(dataset):
    dataset.test.images[:] = dataset.test.images > 127

    assert ("refusal", "value range") in found(dataset)


def test_a_scale_that_uses_less_than_half_of_the_range_is_warned_about(dataset):
    for one in (dataset.train, dataset.validation, dataset.test):
        one.images[:] = one.images // 16
    report = inspect(dataset)

    assert [("warning", "value range")] * 3 == found(dataset)
    assert report.findings[0].text.startswith("train: expected pixels from 0 to 255, got 0 to 15: clients send")


@pytest.mark.parametrize(("few", "severity"), [(4, "warning"), (5, "refusal")])
def test_zeros_and_ones_among_brighter_images_are_found(dataset, few, severity):
    """As of files with one bit a pixel, read into one array with files of eight."""
    dataset.test.images[:few] = dataset.test.images[:few] // 128

    assert [(severity, "value range")] == found(dataset)
    assert only_text(dataset).startswith(f"test: {few} of 400 images ({few / 400:.2%}) are of zeros and ones")


def named(dataset, labels):
    labels = tuple(labels)
    for one in (dataset.train, dataset.validation, dataset.test):
        one.labels[:] = np.arange(len(one.labels)) % len(labels)
    return replace(dataset, labels=labels)


def test_names_that_are_the_class_numbers_sorted_as_texts_are_warned_about(dataset):
    mixed_up = named(dataset, sorted(map(str, range(12))))

    assert [("warning", "labels")] == found(mixed_up)
    assert "images of label 2 in y are called '10'" in only_text(mixed_up)


@pytest.mark.parametrize("labels", [[*map(str, range(12))], ["4", "2", "0"], ["1", "0", "ten"], ["1", "2", "3"]])
def test_other_names_are_the_users_own_affair(dataset, labels):
    assert [] == found(named(dataset, labels))


@pytest.mark.parametrize("shape", [(16, 1, 1), (1, 16, 1), (3, 16, 3)], ids=["column", "row", "channels first"])
def test_images_as_thin_as_channels_are_warned_about(dataset, shape):
    rng = np.random.default_rng(7)

    def thin(one):
        return replace(one, images=rng.integers(0, 256, (len(one.images), *shape), dtype=np.uint8))

    parts = {name: thin(getattr(dataset, name)) for name in ("train", "validation", "test")}
    rolled = replace(dataset, **parts)

    assert [("warning", "shape")] == found(rolled)
    assert only_text(rolled).startswith(f"images are {shape[0]} x {shape[1]} pixels")


def test_an_empty_split_is_refused(dataset):
    empty = Split(images=np.zeros((0, 4, 4, 1), np.uint8), labels=np.zeros(0, np.int64))
    report = inspect(replace(dataset, test=empty))

    assert ["the test split has no images"] == [finding.text for finding in report.findings]


def test_refuse_names_every_refusal_and_no_warning(dataset):
    dataset.train.images[5] = 9
    dataset.test.images[:5] = dataset.train.images[100:105]
    dataset.validation.images[4:10] = dataset.train.images[4:10]

    with pytest.raises(DataRefused, match=r"pets \(pets\.npz\) is unfit for training:") as refused:
        inspect(dataset).refuse()
    assert 2 == str(refused.value).count("\n  - overlap: ")
    assert "blank" not in str(refused.value)


def test_more_than_five_rows_are_counted_and_five_are_named(dataset):
    dataset.train.images[:7] = np.arange(7, dtype=np.uint8).reshape(7, 1, 1, 1)

    assert only_text(dataset).endswith("x_train rows 1, 3, 5, 7, 9 and 2 more")


def test_report_survives_json(dataset):
    dataset.train.images[5] = 9
    report = inspect(dataset)

    restored = json.loads(json.dumps(report.to_dict(), allow_nan=False))

    assert ["cat", "dog"] == restored["labels"]
    assert [1000, 200, 400] == [split["images"] for split in restored["splits"]]
    assert {"count": 1, "first": [11]} == restored["splits"][0]["blank"]
    assert 1.0 == restored["splits"][0]["imbalance"]
    assert [{"severity": "warning", "check": "blank"}] == [
        {name: finding[name] for name in ("severity", "check")} for finding in restored["findings"]
    ]


def test_console_shows_counts_classes_and_findings(dataset):
    dataset.train.images[5] = 9
    console = Console(file=StringIO(), width=160)
    console.print(inspect(dataset).render())
    lines = console.file.getvalue().splitlines()

    assert any(["class", "cat", "500", "100", "200"] == line.replace("│", "").split() for line in lines)
    assert any("warning blank: train: 1 of 1,000 images" in line for line in lines)
