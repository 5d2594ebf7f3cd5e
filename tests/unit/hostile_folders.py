"""Folders of a version, and of a model, that are damaged or hostile: one table for everything that reads manifests.

    prepare(root)                      # a repository with version 1 of `digits`
    VERSIONS["carriage returns"].make(root / "digits" / "1")

`accepted` is what every reader must answer.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from slipway.repository import MANIFEST, publish
from tests.unit.digits_repository import DIGITS, FILES

OK, REFUSED = True, False
ZEROS = "0" * 64


@dataclass(frozen=True)
class Case:
    accepted: bool
    make: Callable[[Path], object]


def prepare(root):
    """Publish version 1 of `digits`, with a folder of weights."""

    def fill(folder):
        (folder / "weights").mkdir()
        (folder / "weights" / "layer.bin").write_bytes(bytes(range(256)))
        (folder / "model.onnx").write_text("graph")

    return publish(root, DIGITS, FILES, fill).path


def line(path, name, content=None):
    content = (path / os.fsdecode(name)).read_bytes() if content is None else content
    return hashlib.sha256(content).hexdigest().encode() + b"  " + os.fsencode(name) + b"\n"


def add(name, content=b"extra", *, as_listed=None):
    """Write a file and list it, perhaps under another spelling."""

    def make(folder):
        path = folder / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        with (folder / MANIFEST).open("ab") as manifest:
            manifest.write(line(folder, as_listed or name, content))

    return make


def list_also(name, sha256=None):
    """List a name, whatever is there."""

    def make(folder):
        digest = sha256 or hashlib.sha256(b"").hexdigest()
        with (folder / MANIFEST).open("ab") as manifest:
            manifest.write(f"{digest}  ".encode() + os.fsencode(name) + b"\n")

    return make


def edit(change):
    """Change the manifest's bytes."""

    def make(folder):
        (folder / MANIFEST).write_bytes(change((folder / MANIFEST).read_bytes()))

    return make


def both(*makes):
    return lambda folder: [make(folder) for make in makes]


def replace_by(name, put):
    def make(folder):
        (folder / name).unlink()
        put(folder / name)

    return make


def device(path):
    os.mknod(path, stat.S_IFCHR | 0o644, os.makedev(1, 5))


def a_socket(path):
    with socket.socket(socket.AF_UNIX) as made:
        here = Path.cwd()
        os.chdir(path.parent)  # a socket's path is short
        try:
            made.bind(path.name)
        finally:
            os.chdir(here)


def link(goal):
    return lambda path: path.symlink_to(goal)


def version_is_a_link(folder):
    folder.rename(folder.parent / "elsewhere")
    folder.symlink_to("elsewhere")


def weights_behind_a_link(folder):
    shutil.move(folder / "weights", folder.parent / "weights")
    (folder / "weights").symlink_to("../weights")


def hard_link(folder):
    (folder / "model.onnx").rename(folder.parent / "hard")
    (folder / "model.onnx").hardlink_to(folder.parent / "hard")


def many(total):
    """List so many files."""

    def make(folder):
        there = len((folder / MANIFEST).read_bytes().splitlines())
        with (folder / MANIFEST).open("ab") as manifest:
            for i in range(total - there):
                (folder / f"file{i}").write_bytes(b"")
                manifest.write(line(folder, f"file{i}"))

    return make


def flip(folder):
    content = bytearray((folder / "weights" / "layer.bin").read_bytes())
    content[7] ^= 1
    (folder / "weights" / "layer.bin").write_bytes(content)


def escaped(folder):
    """As coreutils writes a name with a line feed."""
    (folder / "two\nlines").write_bytes(b"x")
    with (folder / MANIFEST).open("ab") as manifest:
        manifest.write(b"\\" + hashlib.sha256(b"x").hexdigest().encode() + b"  two\\nlines\n")


VERSIONS = {
    "as published": Case(OK, lambda _: None),
    "hard link": Case(OK, hard_link),
    "space in a name": Case(OK, add("with space")),
    "spaces around a name": Case(OK, add(" both ends ")),
    "single quote": Case(OK, add("it's")),
    "double quotes": Case(OK, add('say "yes"')),
    "shell characters": Case(OK, add("$(touch pwned) `id` ${HOME} *?[a] ~ ; & | # !")),
    "name is @": Case(OK, add("@")),
    "name is *": Case(OK, add("*")),
    "name with brackets": Case(OK, add("a]b[c")),
    "name like an option": Case(OK, add("-rf")),
    "name like a comment": Case(OK, add("#model")),
    "hidden file": Case(OK, add(".hidden")),
    "three dots": Case(OK, add("...")),
    "empty file": Case(OK, add("empty", b"")),
    "deep folders": Case(OK, add("a/b/c/d/e/f")),
    "nested manifest, listed": Case(OK, add(f"weights/{MANIFEST}")),
    "lines in another order": Case(OK, edit(lambda text: b"".join(reversed(text.splitlines(keepends=True))))),
    "as many files as may be": Case(OK, many(1000)),
    "name of 255 bytes": Case(OK, add("a" * 255)),
    "almost code": Case(
        OK, both(add("model.py.txt"), add("solution"), add("a.tarball"), add("sub.so/x".replace(".so", "so")))
    ),
    "one file too many": Case(REFUSED, many(1001)),
    "carriage returns": Case(REFUSED, edit(lambda text: text.replace(b"\n", b"\r\n"))),
    "line twice": Case(REFUSED, edit(lambda text: text + text.splitlines(keepends=True)[0])),
    "name twice, two sums": Case(REFUSED, list_also("model.onnx", ZEROS)),
    "blank line": Case(REFUSED, edit(lambda text: text.replace(b"\n", b"\n\n", 1))),
    "blank line at the end": Case(REFUSED, edit(lambda text: text + b"\n")),
    "comment line": Case(REFUSED, edit(lambda text: b"# made by hand\n" + text)),
    "no final line feed": Case(REFUSED, edit(lambda text: text[:-1])),
    "cut off in a sum": Case(REFUSED, edit(lambda text: text[:-90])),
    "empty manifest": Case(REFUSED, edit(lambda _: b"")),
    "only a line feed": Case(REFUSED, edit(lambda _: b"\n")),
    "NUL": Case(REFUSED, edit(lambda text: text + b"\0\n")),
    "NUL in a name": Case(REFUSED, edit(lambda text: text.replace(b"model.onnx", b"model\0.onnx"))),
    "byte order mark": Case(REFUSED, edit(lambda text: b"\xef\xbb\xbf" + text)),
    "UTF-16": Case(REFUSED, edit(lambda text: text.decode().encode("utf-16"))),
    "upper-case sum": Case(REFUSED, edit(lambda text: text[:64].upper() + text[64:])),
    "short sum": Case(REFUSED, edit(lambda text: text[1:])),
    "binary mode": Case(REFUSED, edit(lambda text: text.replace(b"  ", b" *"))),
    "one space": Case(REFUSED, edit(lambda text: text.replace(b"  ", b" "))),
    "tab": Case(REFUSED, edit(lambda text: text.replace(b"  ", b"\t"))),
    "no name": Case(REFUSED, edit(lambda text: text + ZEROS.encode() + b"  \n")),
    "BSD style": Case(REFUSED, edit(lambda text: b"SHA256 (model.onnx) = " + text[:64] + b"\n")),
    "escaped name": Case(REFUSED, escaped),
    "huge line": Case(REFUSED, list_also("a/" * 500_000 + "b")),
    "huge manifest": Case(REFUSED, edit(lambda text: text * 20_000)),
    "huge manifest of zeros": Case(REFUSED, lambda folder: os.truncate(folder / MANIFEST, 1 << 40)),
    "name beyond ASCII": Case(REFUSED, add("modèle.onnx")),
    "name that is no UTF-8": Case(REFUSED, add(b"mod\xe8le.onnx")),
    "name with a backslash": Case(REFUSED, add("a\\b")),
    "name with a line feed": Case(REFUSED, add("two\nlines")),
    "name with an escape sequence": Case(REFUSED, add("\x1b[2J")),
    "name with delete": Case(REFUSED, add("a\x7f")),
    "name of a drive": Case(REFUSED, add("C:model")),
    "name of standard input": Case(REFUSED, add("-")),
    "names that differ in case": Case(REFUSED, both(add("Layer"), add("layer"))),
    "folders that differ in case": Case(REFUSED, both(add("A/one"), add("a/two"))),
    "file and folder that differ in case": Case(REFUSED, both(add("A"), add("a/two"))),
    "parent": Case(REFUSED, both(lambda folder: (folder.parent / "up").write_bytes(b"x"), add("../up", b"x"))),
    "parent inside": Case(REFUSED, add("weights/../extra")),
    "absolute": Case(REFUSED, list_also("/dev/null")),
    "itself at the start": Case(REFUSED, add("extra", as_listed="./extra")),
    "itself inside": Case(REFUSED, add("weights/extra", as_listed="weights/./extra")),
    "two slashes": Case(REFUSED, add("weights/extra", as_listed="weights//extra")),
    "slash at the end": Case(REFUSED, list_also("weights/")),
    "name of 256 bytes": Case(REFUSED, list_also("a" * 256)),
    "path of 1025 bytes": Case(REFUSED, list_also("/".join(["a" * 204] * 5) + "b")),
    "entry that is a folder": Case(REFUSED, list_also("weights")),
    "entry below a file": Case(REFUSED, list_also("model.onnx/x")),
    "manifest lists itself": Case(REFUSED, list_also(MANIFEST)),
    "code: model.py": Case(REFUSED, add("model.py")),
    "code: Model.PY": Case(REFUSED, add("weights/Model.PY")),
    "code: shared library": Case(REFUSED, add("libtriton_onnxruntime.so")),
    "code: versioned library": Case(REFUSED, add("weights/libx.so.1.2")),
    "code: stub": Case(REFUSED, add("triton_python_backend_stub")),
    "code: execution environment": Case(REFUSED, add("environment.tar.gz")),
    "changed file": Case(REFUSED, flip),
    "missing file": Case(REFUSED, lambda folder: (folder / "model.onnx").unlink()),
    "missing folder": Case(REFUSED, lambda folder: shutil.rmtree(folder / "weights")),
    "unlisted file": Case(REFUSED, lambda folder: (folder / "extra").write_bytes(b"x")),
    "unlisted file below": Case(REFUSED, lambda folder: (folder / "weights" / "extra").write_bytes(b"x")),
    "unlisted name with a line feed": Case(REFUSED, lambda folder: (folder / "a\nmodel.onnx").write_bytes(b"x")),
    "unlisted name that is no UTF-8": Case(REFUSED, lambda folder: (folder / "\udce8").write_bytes(b"x")),
    "unlisted empty folder": Case(REFUSED, lambda folder: (folder / "empty").mkdir()),
    "unlisted empty folder below": Case(REFUSED, lambda folder: (folder / "weights" / "empty").mkdir()),
    "unlisted pipe": Case(REFUSED, lambda folder: os.mkfifo(folder / "pipe")),
    "unlisted socket": Case(REFUSED, lambda folder: a_socket(folder / "socket")),
    "unlisted device": Case(REFUSED, lambda folder: device(folder / "zero")),
    "unlisted link": Case(REFUSED, lambda folder: (folder / "link").symlink_to("model.onnx")),
    "unlisted link to a folder": Case(REFUSED, lambda folder: (folder / "link").symlink_to("/proc")),
    "unlisted nested manifest": Case(REFUSED, lambda folder: shutil.copy(folder / MANIFEST, folder / "weights")),
    "listed pipe": Case(REFUSED, replace_by("model.onnx", os.mkfifo)),
    "listed socket": Case(REFUSED, replace_by("model.onnx", a_socket)),
    "listed device": Case(REFUSED, replace_by("model.onnx", device)),
    "listed link to itself": Case(REFUSED, replace_by("model.onnx", link("model.onnx"))),
    "listed link to nothing": Case(REFUSED, replace_by("model.onnx", link("nothing"))),
    "listed link to /dev/zero": Case(REFUSED, replace_by("model.onnx", link("/dev/zero"))),
    "listed link to /dev/stdin": Case(REFUSED, replace_by("model.onnx", link("/dev/stdin"))),
    "listed link to the same bytes": Case(
        REFUSED,
        lambda folder: [
            (folder / "model.onnx").rename(folder.parent / "same"),
            (folder / "model.onnx").symlink_to("../same"),
        ],
    ),
    "folder behind a link": Case(REFUSED, weights_behind_a_link),
    "manifest missing": Case(REFUSED, lambda folder: (folder / MANIFEST).unlink()),
    "manifest is a link": Case(
        REFUSED,
        lambda folder: [(folder / MANIFEST).rename(folder.parent / "m"), (folder / MANIFEST).symlink_to("../m")],
    ),
    "manifest is a link to /dev/zero": Case(REFUSED, replace_by(MANIFEST, link("/dev/zero"))),
    "manifest is a pipe": Case(REFUSED, replace_by(MANIFEST, os.mkfifo)),
    "manifest is a device": Case(REFUSED, replace_by(MANIFEST, device)),
    "manifest is a folder": Case(REFUSED, replace_by(MANIFEST, Path.mkdir)),
    "version is a link": Case(REFUSED, version_is_a_link),
}

MODELS = {
    "as published": Case(OK, lambda _: None),
    "another configuration, listed": Case(OK, add("configs/three_3.v2-x.pbtxt")),
    "code beside": Case(OK, lambda model: [(model / name).write_text("x") for name in ("model.py", "x.so", "3")]),
    "unlisted configuration": Case(OK, lambda model: (model / "configs" / "other.pbtxt").write_text("x")),
    "pipe beside": Case(OK, lambda model: os.mkfifo(model / "pipe")),
    "link beside": Case(OK, lambda model: (model / "link").symlink_to("/dev/zero")),
    "no labels, none listed": Case(
        OK,
        lambda model: [
            (model / "labels.txt").unlink(),
            (model / MANIFEST).write_bytes(
                b"".join(lines for lines in (model / MANIFEST).read_bytes().splitlines(True) if b"labels" not in lines)
            ),
        ],
    ),
    "manifest missing": Case(REFUSED, lambda model: (model / MANIFEST).unlink()),
    "manifest empty": Case(REFUSED, edit(lambda _: b"")),
    "manifest is a link": Case(
        REFUSED, lambda model: [(model / MANIFEST).rename(model / "m"), (model / MANIFEST).symlink_to("m")]
    ),
    "manifest is a pipe": Case(REFUSED, replace_by(MANIFEST, os.mkfifo)),
    "carriage returns": Case(REFUSED, edit(lambda text: text.replace(b"\n", b"\r\n"))),
    "changed configuration": Case(REFUSED, lambda model: (model / "config.pbtxt").write_text("backend: 'python'")),
    "missing labels": Case(REFUSED, lambda model: (model / "labels.txt").unlink()),
    "labels are a pipe": Case(REFUSED, replace_by("labels.txt", os.mkfifo)),
    "labels are a link to /dev/zero": Case(REFUSED, replace_by("labels.txt", link("/dev/zero"))),
    "configurations behind a link": Case(
        REFUSED, lambda model: [(model / "configs").rename(model / "c"), (model / "configs").symlink_to("c")]
    ),
    "config.pbtxt not listed": Case(REFUSED, edit(lambda text: text.partition(b"\n")[2])),
    "lists code": Case(REFUSED, add("model.py")),
    "lists a notice": Case(REFUSED, add("README.md")),
    "lists a file of a version": Case(REFUSED, list_also("1/model.onnx", hashlib.sha256(b"graph").hexdigest())),
    "lists a hidden configuration": Case(REFUSED, add("configs/.hidden.pbtxt")),
    "lists a folder below configs": Case(REFUSED, add("configs/a/b.pbtxt")),
    "lists a parent": Case(REFUSED, list_also("configs/../../x.pbtxt")),
}
