import os
import random
import unicodedata
from pathlib import Path

import pytest

from slipway.contained_path import UnsafePath, check_relative, contained_path, open_contained, refuse_collisions
from slipway.errors import SlipwayError

REFUSED = {
    "empty": "",
    "absolute": "/home/u/.bashrc",
    "absolute after the model": "mnist//home/u/.bashrc",
    "absolute after the version": "mnist/1//home/u/.ssh/authorized_keys",
    "only slashes": "///",
    "slash at the end": "model.onnx/",
    "parent": "..",
    "parent at the start": "../model.onnx",
    "parent inside": "a/../../b",
    "parent at the end": "a/..",
    "itself": ".",
    "itself at the start": "./model.onnx",
    "itself inside": "a/./b",
    "backslash": "a\\..\\b",
    "escaped": "model\\nonnx",
    "drive": "C:/windows",
    "drive without a slash": "c:model.onnx",
    "drive inside": "a/C:/b",
    "share": "\\\\server\\share",
    "NUL": "model\0.onnx",
    "line feed": "model\n.onnx",
    "carriage return": "model.onnx\r",
    "escape sequence": "\x1b[2J",
    "delete": "a\x7f",
    "direction override": "xnno.\u202eledom",
    "line separator": "a\u2028b",
    "lone surrogate": "a\udcffb",
    "decomposed": unicodedata.normalize("NFD", "modèle.onnx"),
    "long segment": "a" * 256,
    "long segment of two-byte characters": "é" * 128,
    "long path": "/".join(["a" * 200] * 6),
}
ACCEPTED = [
    "model.onnx",
    "configs/gpu.pbtxt",
    "a/b/c/d",
    "...",
    "..a",
    "a..",
    ".hidden",
    "with space",
    "it's",
    'say "yes"',
    "$HOME",
    "*",
    "-rf",
    "~",
    "七.txt",
    "modèle.onnx",
    "a" * 255,
    "xy:z/10:30",
]
COLLISIONS = {
    "twice": ["a", "a"],
    "case": ["Model.onnx", "model.onnx"],
    "case of a folder": ["Configs/gpu", "configs/cpu"],
    "case beyond ASCII": ["STRASSE", "straße"],
    "accents and case": ["É", "é"],
    "file and folder": ["a", "a/b"],
    "folder and file": ["a/b", "a"],
    "file and folder in other case": ["A", "a/b"],
}


@pytest.mark.parametrize("name", REFUSED.values(), ids=REFUSED.keys())
def test_a_path_that_could_leave_its_folder_is_refused_in_one_printable_line(tmp_path, name):
    for check in (
        check_relative,
        lambda path: contained_path(tmp_path, path),
        lambda path: open_contained(tmp_path, path),
    ):
        with pytest.raises(UnsafePath) as refusal:
            check(name)

        assert str(refusal.value).isprintable()
        assert len(str(refusal.value)) < 500
    with pytest.raises(UnsafePath):
        refuse_collisions([name])


@pytest.mark.parametrize("name", ACCEPTED)
def test_an_ordinary_path_is_the_one_below_the_folder(tmp_path, name):
    target = contained_path(tmp_path, name)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(b"read")

    assert tmp_path / name == contained_path(tmp_path, name)
    with open_contained(tmp_path, name) as file:
        assert b"read" == file.read()


def test_the_refusal_is_ours_and_a_value_error():
    assert issubclass(UnsafePath, SlipwayError)
    assert issubclass(UnsafePath, ValueError)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda root, out: (root / "a").symlink_to(out), "a/file"),
        (lambda root, out: (root / "a").symlink_to(out / "file"), "a"),
        (lambda root, _: (root / "a").symlink_to("/dev/zero"), "a"),
        (lambda root, _: (root / "a").symlink_to("nowhere"), "a"),
        (lambda root, _: (root / "a").symlink_to("."), "a/a/a/file"),
        (lambda root, out: [(root / "b").mkdir(), (root / "b" / "c").symlink_to(out)], "b/c/file"),
        (lambda root, _: (root / "a").write_text("no folder"), "a/b"),
    ],
    ids=["folder", "file", "device", "dangling", "itself", "deep", "file in place of a folder"],
)
def test_a_link_on_the_way_is_refused_before_anything_is_opened(tmp_path, make, name):
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (outside / "file").write_text("secret")
    make(root, outside)

    with pytest.raises(UnsafePath):
        contained_path(root, name)
    with pytest.raises(UnsafePath):
        open_contained(root, name)


def test_the_folder_itself_may_be_reached_over_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a").write_text("read")
    (tmp_path / "link").symlink_to("real")

    assert tmp_path / "link" / "a" == contained_path(tmp_path / "link", "a")
    with open_contained(tmp_path / "link", "a") as file:
        assert b"read" == file.read()


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["folder", "pipe that nobody writes to"])
def test_what_is_no_regular_file_is_not_read(tmp_path, make):
    make(tmp_path / "a")

    with pytest.raises(UnsafePath, match="not a regular file"):
        open_contained(tmp_path, "a")


def test_opening_leaves_no_descriptor_behind(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "link").symlink_to("a")
    before = len(list(Path("/dev/fd").iterdir()))

    for name in ("a/b", "a/none", "link/b", "none/none", "..", "a/b/c/d"):
        with pytest.raises((UnsafePath, OSError)):
            open_contained(tmp_path, name)

    assert before == len(list(Path("/dev/fd").iterdir()))


@pytest.mark.parametrize("names", COLLISIONS.values(), ids=COLLISIONS.keys())
def test_names_that_are_one_file_somewhere_are_refused(names):
    with pytest.raises(UnsafePath, match="differ on every file system"):
        refuse_collisions(names)


def test_names_that_differ_everywhere_are_accepted():
    refuse_collisions(["a", "b", "c/a", "c/b", "c/d/a", "ab", "a b"])
    refuse_collisions([])


def test_whatever_is_accepted_stays_inside_and_whatever_is_refused_is_refused_by_our_error(tmp_path):
    pieces = [
        "..",
        ".",
        "",
        "/",
        "\\",
        "a",
        "B",
        "C:",
        "\0",
        "\n",
        "é",
        "e\u0301",
        "ß",
        "~",
        " ",
        "\udc80",
        "x" * 300,
        "-",
    ]
    chance = random.Random(14)
    accepted = 0
    for _ in range(20_000):
        name = chance.choice(["/", "", "//"]).join(chance.choices(pieces, k=chance.randint(0, 6)))
        try:
            path = contained_path(tmp_path, name)
        except UnsafePath:
            continue
        accepted += 1
        assert os.path.normpath(path) == str(path)
        assert tmp_path in path.parents
        assert "/".join(check_relative(name)) == name

    assert accepted > 500
