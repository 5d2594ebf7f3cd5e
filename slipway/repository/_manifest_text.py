"""Parse and render a manifest: SHA-256 of files below a folder, in the format of `sha256sum`.

Anyone can check a version without Slipway, in an init container for example: `sha256sum -c manifest.sha256`.
It detects damage and incomplete copies. It is not a signature: anyone who can change a file can change the manifest.

`helm/serving/files/start-triton.sh` implements the same rules in bash; one table of test folders covers both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from slipway.contained_path import UnsafePath, check_relative, refuse_collisions
from slipway.printable import printable

MANIFEST = "manifest.sha256"
MAX_MANIFEST_BYTES = 1 << 20
MAX_FILES = 1000

_SHA256 = re.compile(r"[0-9a-f]{64}")
_SEPARATOR = "  "  # two spaces; coreutils writes ` *` where a file was read in binary mode
_CODE = re.compile(r"model\.py|triton_python_backend_stub|.*\.so(\..*)?|.*\.tar(\..*)?|.*\.tgz")


class ManifestInvalid(ValueError):
    """A manifest is invalid; the message continues a sentence that begins with the file's name."""


def parse_manifest(content: bytes) -> dict[str, str]:
    """SHA-256 by path, if the text is valid.

    One `<sha256>  <path>` a line, each line ended by a line feed; lower-case hex; printable ASCII without backslash;
    paths as `check_relative` takes them, each once, whatever its case; at least one, at most `MAX_FILES`.

    Raises:
        ManifestInvalid: Names the line and the rule.
    """
    if not content:
        raise ManifestInvalid("it is empty: expected at least one line '<sha256>  <path>'")
    if len(content) > MAX_MANIFEST_BYTES:
        raise ManifestInvalid(f"it has more than {MAX_MANIFEST_BYTES:,} bytes")
    if not content.endswith(b"\n"):
        raise ManifestInvalid("its last line does not end: it was cut off")
    lines = content[:-1].split(b"\n")
    if len(lines) > MAX_FILES:
        raise ManifestInvalid(f"it lists more than {MAX_FILES:,} files")
    listed: dict[str, str] = {}
    for number, raw in enumerate(lines, start=1):
        sha256, path = _parse_line(number, raw)
        if path in listed:
            raise ManifestInvalid(f"line {number}: {path!r} is listed twice")
        listed[path] = sha256
    try:
        refuse_collisions(listed)
    except UnsafePath as exc:
        raise ManifestInvalid(str(exc)) from exc
    return listed


def render_manifest(listed: Mapping[str, str]) -> str:
    """The text that `parse_manifest` reads, sorted by path.

    Raises:
        ManifestInvalid: A path is not allowed in a manifest.
    """
    text = "".join(f"{sha256}{_SEPARATOR}{path}\n" for path, sha256 in sorted(listed.items()))
    parse_manifest(text.encode(errors="surrogateescape"))
    return text


def looks_like_code(path: str) -> bool:
    """Whether Triton would execute a file of that name in a version's folder."""
    return _CODE.fullmatch(path.rpartition("/")[2].lower()) is not None


def _parse_line(number: int, raw: bytes) -> tuple[str, str]:
    shown = printable(raw[:200].decode(errors="backslashreplace"), limit=120)
    line = raw.decode("ascii", errors="replace")
    sha256, path = line[:64], line[66:]
    if not _SHA256.fullmatch(sha256) or line[64:66] != _SEPARATOR or not path:
        raise ManifestInvalid(f"line {number}: expected '<sha256>  <path>', sha256 in lower case, got '{shown}'")
    if not (path.isascii() and path.isprintable()):
        raise ManifestInvalid(f"line {number}: expected a path of printable ASCII characters, got '{shown}'")
    try:
        check_relative(path)
    except UnsafePath as exc:
        raise ManifestInvalid(f"line {number}: {exc}") from exc
    if path in {MANIFEST, "-"}:
        raise ManifestInvalid(f"line {number}: '{path}' may not be listed")
    if looks_like_code(path):
        raise ManifestInvalid(
            f"line {number}: '{path}' is a file that Triton would execute. A version holds data only: remove it, and "
            "install backends in Triton's own folder"
        )
    return sha256, path
