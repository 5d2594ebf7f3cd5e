"""Arrays from files that anyone may have written."""

import io
import os
import pickle
import tracemalloc
import zipfile

import numpy as np
import pytest

from slipway.npz import NpzUnreadable, open_npz
from slipway.samples import SamplesUnreadable, read_samples
from training.data.npz import read_npz
from training.errors import DataRefused

ARRAY = np.arange(12, dtype=np.uint8).reshape(3, 4)


def read(path, name="a", **options):
    with open_npz(path, **options) as archive:
        return archive.read(name)


def header(text, *, version=b"\x01\x00"):
    """The start of a member whose header is `text`."""
    content = text.encode("latin-1")
    length = len(content).to_bytes(2 if version[0] == 1 else 4, "little")
    return b"\x93NUMPY" + version + length + content


def claim(shape, descr="|u1"):
    return header(f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}\n")


@pytest.fixture
def archive(tmp_path):
    """Write an archive of raw members: `archive({"a.npy": b"..."})` returns its path."""

    def write(members, compression=zipfile.ZIP_STORED):
        path = tmp_path / "file.npz"
        with zipfile.ZipFile(path, "w", compression) as file:
            for name, content in members.items():
                file.writestr(name, content)
        return path

    return write


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize(
    "array",
    [ARRAY, np.asfortranarray(ARRAY), ARRAY.astype(">f8"), np.array(["cat", "ä"]), np.uint8(3), np.zeros((0, 4))],
    ids=["plain", "fortran", "big-endian", "texts", "one number", "empty"],
)
def test_what_numpy_wrote_is_read_as_it_was(tmp_path, save, array):
    save(tmp_path / "file.npz", a=array, b=ARRAY)

    back = read(tmp_path / "file.npz")

    assert (array.dtype, array.shape) == (back.dtype, back.shape)
    assert np.array_equal(array, back)


HEADERS = {
    "header that is cut in a text": header("{'descr': '|u1"),
    "header of brackets": header("(" * 9000),
    "header of a deep expression": header("-" * 9000 + "1"),
    "header with a key of a list": header("{[]: 1}"),
    "header with keys of two kinds": header("{1: 2, 'descr': 3, None: 4}"),
    "header of a bad escape": header("{'\\d': 1}"),
    "header of many bytes": header(" " * 60000),
    "header that indents": header("if 1:\n  x\n y"),
    "no header": b"\x93NUMPY\x01\x00",
    "a version that is not known": header("{}", version=b"\x07\x00"),
    "a shape that overflows": claim((2**63, 2**63)),
    "a shape of a huge integer": claim("(1" + "0" * 4000 + ",)"),
    "a negative shape": claim((-1, 3)),
    "a shape of texts": claim(("a",)),
    "a shape that holds nothing": claim((10**18,), "|V0"),
    "more than is there": claim((70000, 70000)) + b"12",
    "less than is there": claim((1,)) + b"12",
    "objects": claim((1,), "|O") + pickle.dumps([1]),
    "records": claim((1,), [("a", "|u1")]) + b"1",
    "no array": b"text",
    "nothing": b"",
}


@pytest.mark.parametrize("content", HEADERS.values(), ids=HEADERS)
def test_a_member_that_is_no_plain_array_is_refused_and_needs_no_memory(archive, content):
    path = archive({"a.npy": content})
    tracemalloc.start()
    try:
        with pytest.raises(NpzUnreadable) as refused:
            read(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 32 << 20
    assert "allow_pickle" not in str(refused.value)
    assert len(str(refused.value)) < 400


def test_a_small_file_that_unpacks_to_much_is_refused_before_it_does(archive):
    path = archive({"a.npy": claim((100 << 20,)) + bytes(100 << 20)}, zipfile.ZIP_DEFLATED)
    tracemalloc.start()
    try:
        with pytest.raises(NpzUnreadable, match=r"would unpack to 104,857,6\d\d"):
            read(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 8 << 20


def test_an_array_beyond_the_limit_is_refused_before_it_is_read(archive):
    path = archive({"a.npy": claim((1000,)) + bytes(1000)})

    with pytest.raises(NpzUnreadable, match="expected at most 100 bytes, got an array of 1,0"):
        read(path, limit_bytes=100)


def test_two_arrays_of_one_name_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "file.npz", "w") as file:
        file.writestr("a.npy", claim((1,)) + b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            file.writestr("a.npy", claim((1,)) + b"2")

    with pytest.raises(NpzUnreadable, match=r"got several of a\.npy"):
        read(tmp_path / "file.npz")


def test_an_array_packed_in_another_way_is_refused(archive):
    path = archive({"a.npy": claim((1,)) + b"1"}, zipfile.ZIP_LZMA)

    with pytest.raises(NpzUnreadable, match=r"a compression that np\.savez uses"):
        read(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "an empty file"),
        (b"5,0,4,1\n", r"got text: .*np\.loadtxt"),
        (pickle.dumps([1, 2]), "got a pickle, which is never loaded"),
        (b"PK\x03\x04 and nothing more", "not a zip file"),
    ],
)
def test_another_file_is_named_for_what_it_is(tmp_path, content, said):
    (tmp_path / "file.npz").write_bytes(content)

    with pytest.raises(NpzUnreadable, match=said):
        read(tmp_path / "file.npz")


def test_one_bare_array_is_named(tmp_path):
    np.save(tmp_path / "file.npy", ARRAY)

    with pytest.raises(NpzUnreadable, match="got a single array"):
        read(tmp_path / "file.npy")


@pytest.mark.timeout(60)
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "file.npz")

    with pytest.raises(NpzUnreadable, match="pipe"):
        read(tmp_path / "file.npz")


def test_names_from_the_file_cannot_move_the_cursor(archive):
    path = archive({"\x1b[2J.npy": claim((1,)) + b"1"})

    with open_npz(path) as opened:
        assert r"\x1b[2J" == opened.shown_names()


def test_no_change_of_bytes_is_anything_but_a_refusal(tmp_path):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, images=np.zeros((3, 6, 5, 1), np.uint8), labels=np.arange(3))
    whole, random, refused = buffer.getvalue(), np.random.default_rng(14), 0
    for _ in range(400):
        content = bytearray(whole)
        for position in random.integers(0, len(whole), random.integers(1, 9)):
            content[position] = random.integers(0, 256)
        (tmp_path / "samples.npz").write_bytes(content)
        for reader, error in (
            (read_samples, SamplesUnreadable),
            (lambda path: read_npz(path, required=("images", "labels")), DataRefused),
        ):
            try:
                reader(tmp_path / "samples.npz")
            except error:
                refused += 1

    assert refused > 400
