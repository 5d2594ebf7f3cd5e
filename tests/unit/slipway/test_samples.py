"""Labelled samples: what is written comes back, and every refusal names expected, got and the way out."""

import zipfile

import numpy as np
import pytest

from slipway.contract import ModelContract
from slipway.samples import SAMPLES, Samples, SamplesUnreadable, check_samples, read_samples, write_samples

DIGITS = ModelContract(name="digits", image_shape=(6, 5, 1), labels=tuple("0123456789"), max_batch_size=16)
IMAGES = np.random.default_rng(0).integers(0, 256, (20, 6, 5, 1), dtype=np.uint8)
LABELS = np.arange(20) % 10
EARLIER, LATER = 1_000_000_000, 1_700_000_000


def samples(**replaced):
    return Samples(**{"images": IMAGES, "labels": LABELS} | replaced)


def saved(folder, **arrays):
    np.savez(folder / SAMPLES, **arrays)
    return folder / SAMPLES


def test_what_is_written_comes_back(tmp_path):
    write_samples(tmp_path / SAMPLES, samples())

    back = read_samples(tmp_path / SAMPLES)

    assert (np.uint8, np.int64) == (back.images.dtype, back.labels.dtype)
    assert np.array_equal(IMAGES, back.images)
    assert np.array_equal(LABELS, back.labels)


def test_the_file_has_the_name_it_was_given(tmp_path):
    write_samples(tmp_path / "samples.part", samples())

    assert ["samples.part"] == [path.name for path in tmp_path.iterdir()]


def test_equal_samples_are_equal_bytes_whatever_the_clock_and_the_memory_say(tmp_path, monkeypatch):
    for name, now, images in (("earlier", EARLIER, IMAGES), ("later", LATER, np.asfortranarray(IMAGES))):
        monkeypatch.setattr("time.time", lambda now=now: now)
        write_samples(tmp_path / name, samples(images=images))

    with zipfile.ZipFile(tmp_path / "later") as archive:
        dates = {entry.date_time for entry in archive.infolist()}
    assert (tmp_path / "earlier").read_bytes() == (tmp_path / "later").read_bytes()
    assert {(1980, 1, 1, 0, 0, 0)} == dates


def test_test_images_of_a_keras_data_set_are_samples(tmp_path):
    path = saved(
        tmp_path, x_train=IMAGES[:3, ..., 0], y_train=LABELS[:3], x_test=IMAGES[..., 0], y_test=np.uint8(LABELS)
    )

    read = read_samples(path)

    assert np.array_equal(IMAGES, read.images)
    assert np.array_equal(LABELS, read.labels)
    assert np.int64 == read.labels.dtype


def test_labels_in_a_column_are_labels(tmp_path):
    read = read_samples(saved(tmp_path, x_test=IMAGES, y_test=LABELS[:, np.newaxis]))

    assert np.array_equal(LABELS, read.labels)


def test_names_of_classes_beside_keras_arrays_are_no_labels(tmp_path):
    names = np.array(["cat", "dog"])

    assert np.array_equal(LABELS, read_samples(saved(tmp_path, x_test=IMAGES, y_test=LABELS, labels=names)).labels)


@pytest.mark.parametrize(
    ("arrays", "got"),
    [
        ({"images": IMAGES}, "got: images"),
        ({"x_train": IMAGES, "y_train": LABELS}, "got: x_train, y_train"),
        ({}, "got: an empty archive"),
        ({"images": IMAGES / np.float32(255), "labels": LABELS}, r"expected uint8.*got float32 \(20, 6, 5, 1\)"),
        ({"images": IMAGES[0, 0], "labels": LABELS[:5]}, r"got uint8 \(5, 1\)"),
        ({"images": IMAGES, "labels": LABELS.astype(float)}, r"expected integers.*got float64 \(20,\)"),
        ({"images": IMAGES, "labels": np.eye(20, 10, dtype=int)}, r"\(n, 1\), got int64 \(20, 10\)"),
        ({"images": IMAGES, "labels": LABELS[:7]}, r"one label per image.*\(20, 6, 5, 1\) and 7 labels"),
        ({"images": IMAGES[:0], "labels": LABELS[:0]}, "at least one image.*and 0 labels"),
        ({"images": IMAGES[:, :0], "labels": LABELS}, r"at least one image.*\(20, 0, 5, 1\)"),
        ({"images": IMAGES, "labels": LABELS - 1}, "expected numbers from 0, got -1"),
        ({"images": np.array([None] * 20), "labels": LABELS}, "got Python objects, which need pickle"),
    ],
)
def test_unfit_arrays_are_refused_with_file_expected_got_and_way_out(tmp_path, arrays, got):
    path = saved(tmp_path, **arrays)

    with pytest.raises(SamplesUnreadable, match=got) as refused:
        read_samples(path)

    for part in (str(path), "expected", "got", "write it with np.savez(path, images=..., labels=...)"):
        assert part in str(refused.value)


def test_a_missing_file_names_the_command_that_publishes_one(tmp_path):
    with pytest.raises(SamplesUnreadable, match=r"No such file.*`slipway train`"):
        read_samples(tmp_path / SAMPLES)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 and nothing more"])
def test_a_file_that_is_no_npz_is_refused(tmp_path, content):
    (tmp_path / SAMPLES).write_bytes(content)

    with pytest.raises(SamplesUnreadable, match="expected an npz file"):
        read_samples(tmp_path / SAMPLES)


def test_one_bare_array_is_refused(tmp_path):
    with (tmp_path / SAMPLES).open("wb") as file:
        np.save(file, IMAGES)

    with pytest.raises(SamplesUnreadable, match="got a single array"):
        read_samples(tmp_path / SAMPLES)


def test_bytes_that_are_no_array_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / SAMPLES, "w") as archive:
        for name in ("images.npy", "labels.npy"):
            archive.writestr(name, b"text")

    with pytest.raises(SamplesUnreadable, match="no arrays in: images"):
        read_samples(tmp_path / SAMPLES)


def test_no_damage_to_a_byte_is_anything_but_a_refusal(tmp_path):
    write_samples(tmp_path / SAMPLES, samples())
    whole = (tmp_path / SAMPLES).read_bytes()
    refused = 0
    for position in range(0, len(whole), 7):
        (tmp_path / SAMPLES).write_bytes(whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :])
        try:
            read_samples(tmp_path / SAMPLES)
        except SamplesUnreadable:
            refused += 1

    assert refused > 20


def test_samples_of_the_model_fit_its_contract():
    check_samples(samples(), DIGITS)


@pytest.mark.parametrize(
    ("replaced", "problem"),
    [
        ({"images": IMAGES.reshape(20, 5, 6, 1)}, r"expected images of \(6, 5, 1\), got \(5, 6, 1\)"),
        ({"labels": LABELS + 1}, "expected labels from 0 to 9, got 10"),
    ],
)
def test_samples_of_another_model_are_refused(replaced, problem):
    with pytest.raises(SamplesUnreadable, match=rf"'digits'.*{problem}.*versions, or another model"):
        check_samples(samples(**replaced), DIGITS)


@pytest.mark.parametrize(
    ("replaced", "problem"),
    [
        ({"images": IMAGES.astype(float)}, "expected uint8.*got float64"),
        ({"images": IMAGES[..., 0]}, r"expected uint8 \(n, height, width, channels\), got uint8 \(20, 6, 5\)"),
        ({"labels": LABELS.astype(np.int32)}, "expected int64.*got int32"),
        ({"labels": LABELS[:, np.newaxis]}, r"got int64 \(20, 1\)"),
        ({"labels": LABELS[:3]}, "one label per image"),
        ({"images": IMAGES[:0], "labels": LABELS[:0]}, "at least one image"),
        ({"labels": -LABELS}, "from 0, got -9"),
    ],
)
def test_samples_are_never_made_of_unfit_arrays(replaced, problem):
    with pytest.raises(ValueError, match=problem):
        samples(**replaced)
