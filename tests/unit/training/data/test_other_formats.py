"""A file of another format is refused with the commands that make an npz of it."""

from __future__ import annotations

import gzip
import re
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.unit.own_arrays import SETTINGS, arrays
from training.data import load_dataset
from training.errors import DataRefused, DataUnavailable


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.999], ids=["empty", "cut in an array", "cut in the index"])
def test_a_file_that_is_cut_short_is_refused(tmp_path, kept):
    path = tmp_path / "own.npz"
    np.savez(path, **arrays())
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])

    with pytest.raises(DataRefused, match=r"own\.npz cannot be trained on; .*:\n  - not a whole npz file"):
        load_dataset(SETTINGS, user_file=path, seed=0)


def test_a_flipped_byte_in_an_array_is_refused(tmp_path):
    path = tmp_path / "own.npz"
    np.savez(path, **arrays())
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)

    with pytest.raises(DataRefused, match="Bad CRC-32"):
        load_dataset(SETTINGS, user_file=path, seed=0)


def test_text_and_single_arrays_are_refused_as_no_npz(tmp_path):
    text, single = tmp_path / "digits.csv", tmp_path / "single.npy"
    text.write_text("5,0,4,1\n")
    np.save(single, np.zeros(3))

    with pytest.raises(DataRefused, match="this is text"):
        load_dataset(SETTINGS, user_file=text, seed=0)
    with pytest.raises(DataRefused, match="got a single array"):
        load_dataset(SETTINGS, user_file=single, seed=0)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_an_idx_file_is_answered_with_the_command_that_reads_it(tmp_path, packed):
    images = arrays()["x_test"]
    content = struct.pack(">BBBB3I", 0, 0, 8, 3, *images.shape) + images.tobytes()
    path = tmp_path / "t10k-images-idx3-ubyte"
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(DataRefused, match="this is an IDX file") as refused:
        load_dataset(SETTINGS, user_file=path, seed=0)
    command = re.search(r"np\.frombuffer.*?\.reshape\([^)]*\)", str(refused.value))[0]

    read = eval(command.replace("PATH", repr(str(path))), {"np": np, "gzip": gzip, "Path": Path})

    assert np.array_equal(images, read)


def test_a_folder_is_answered_with_the_commands_that_read_it(tmp_path):
    with pytest.raises(
        DataRefused, match=r"expected a file, got a folder\. With one for each class .*convert\('L'\).*np\.savez"
    ):
        load_dataset(SETTINGS, user_file=tmp_path, seed=0)


def test_members_that_are_no_arrays_are_named(tmp_path):
    path = tmp_path / "own.npz"
    np.savez(path, **arrays(x_train=None))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("x_train.npy", "5,0,4,1")

    with pytest.raises(DataRefused, match="no arrays in: x_train"):
        load_dataset(SETTINGS, user_file=path, seed=0)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataUnavailable, match=r"absent\.npz: No such file or directory; give the path"):
        load_dataset(SETTINGS, user_file=tmp_path / "absent.npz", seed=0)


CSV = {
    "comma": ("5,0,4,1\n7,0,0,9\n", r"4 columns separated by ','; .*delimiter=',', skiprows=0"),
    "semicolon": ("5;0;4\n7;0;0\n", r"3 columns separated by ';'; .*delimiter=';'"),
    "tab": ("5\t0\t4\n7\t0\t0\n", r"3 columns separated by a tab; .*delimiter='\\t'"),
    "header": ("label,p0,p1\n5,0,4\n7,0,0\n", r"below a header line; .*skiprows=1"),
    "Excel's byte order mark": ("\ufefflabel,p0\n5,0\n7,0\n", r"2 columns .*below a header line; .*skiprows=1"),
    "ragged": ("5,0,4\n7,0\n3,0,0\n", r"3 columns .*; line 2 has 2 columns: fix it first"),
    "names": ("label,p0\ncat,0\ndog,255\n", r"line 2 holds something other than numbers: give classes numbers"),
}


@pytest.mark.parametrize(("text", "words"), CSV.values(), ids=CSV)
def test_a_csv_is_answered_with_the_commands_that_make_an_npz_of_it(tmp_path, text, words):
    path = tmp_path / "digits.csv"
    path.write_text(text)

    with pytest.raises(DataRefused, match=f"this is text: .*{words}") as refused:
        load_dataset(SETTINGS, user_file=path, seed=0)
    assert "pickle" not in str(refused.value)


def test_the_commands_for_a_csv_work(tmp_path, monkeypatch):
    """Copied from the message, with the sizes of the images filled in."""
    monkeypatch.chdir(tmp_path)
    rows = np.column_stack([np.arange(300) % 3, np.random.default_rng(0).integers(0, 256, (300, 30))])
    np.savetxt("own.csv", rows, fmt="%d", delimiter=";", header="label;pixels", comments="")
    with pytest.raises(DataRefused) as refused:
        load_dataset(SETTINGS, user_file=tmp_path / "own.csv", seed=0)
    message = str(refused.value)
    commands = message[message.index("t = np.loadtxt") :].replace("then np.", "np.")

    exec(commands.replace("PATH", "'own.csv'").replace("HEIGHT, WIDTH", "6, 5"), {"np": np, "n": 240})

    with np.load("my.npz") as made:
        assert ((240, 6, 5), (60,)) == (made["x_train"].shape, made["y_test"].shape)
        assert np.array_equal(rows[:240, 0], made["y_train"])


def test_a_folder_is_refused_as_no_file(tmp_path):
    with pytest.raises(DataRefused, match="expected a file, got a folder"):
        load_dataset(SETTINGS, user_file=tmp_path, seed=0)
