"""List every file below a URL, or fail: never a silently incomplete list, never an empty one by mistake.

list_files(system, root)      # {"mnist/1/model.onnx": 123456}; {} means that it exists and is empty

fsspec's own walk skips what it cannot list, so an unreadable folder or an unavailable server looks empty. Object stores
are listed by prefix in one request, which fails as a whole.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from fsspec.implementations.local import LocalFileSystem

MAX_PAGES = 1000
_NO_LISTING = (
    "the response is not a directory listing of a model repository. Over http(s) a repository is read-only, and its "
    "server must list folders as pages with links (nginx: `autoindex on`; `python -m http.server`), without a login"
)


class NoListing(Exception):
    """The response cannot be distinguished from an empty location."""


def is_http(system: Any) -> bool:  # noqa: ANN401 - fsspec ships no types
    """Whether a file system is a web server, which is read-only."""
    return "https" in _protocols(system)


def list_files(system: Any, root: str) -> dict[str, int | None]:  # noqa: ANN401
    """Size in bytes by name relative to `root`; None if the store does not say.

    Names are untrusted: exactly as the store returns them.

    Raises:
        FileNotFoundError: The bucket, or the folder's parent, does not exist.
        NoListing: A web server answered with something else.
        Exception: Whatever the back end raises.
    """
    if isinstance(system, LocalFileSystem):
        return dict(_on_disk(Path(root)))
    if is_http(system):
        return dict(_in_pages(system, root))
    sizes = {
        _below(root, name): details.get("size")
        for name, details in system.find(root, detail=True).items()
        if details.get("type", "file") == "file" and not name.endswith("/") and name.rstrip("/") != root
    }
    if not sizes:
        _refuse_absent(system, root)
    return sizes


def _refuse_absent(system: Any, root: str) -> None:  # noqa: ANN401
    """Distinguish an empty location from a missing bucket; for s3 and gs the listing itself has failed by then."""
    top = root.lstrip("/").partition("/")[0]
    if not top or not {"s3", "gs", "memory"}.isdisjoint(_protocols(system)):
        return
    if not system.exists(root[: root.index(top)] + top):
        raise FileNotFoundError(f"there is no {top!r}")


def _on_disk(root: Path) -> Iterator[tuple[str, int | None]]:
    if not root.is_dir():
        if root.exists() or not root.parent.is_dir():
            raise FileNotFoundError(f"{root.parent if not root.exists() else root} is no folder")
        return

    def fail(exc: OSError) -> None:
        raise exc

    for folder, _, files in os.walk(root, onerror=fail):
        for name in files:
            path = Path(folder, name)
            try:
                status = path.stat()
            except FileNotFoundError:  # a dangling link, or removed meanwhile
                continue
            if stat.S_ISREG(status.st_mode):  # reading a pipe or a device could block for ever
                yield path.relative_to(root).as_posix(), status.st_size


def _in_pages(system: Any, root: str) -> Iterator[tuple[str, int | None]]:  # noqa: ANN401
    """Follow the links of listing pages that stay below the URL."""
    waiting, seen, files = [root], {root}, 0
    while waiting:
        page = waiting.pop()
        for entry in system.ls(f"{page}/", detail=True):
            link = entry["name"]
            folder, name = entry["type"] == "directory", link.rstrip("/")
            if "?" in link or "#" in link or not name.startswith(f"{root}/") or name in seen:
                continue
            seen.add(name)
            if len(seen) > MAX_PAGES * 10 or len(waiting) > MAX_PAGES:
                raise NoListing(f"more than {MAX_PAGES} pages; {_NO_LISTING}")
            if folder:
                waiting.append(name)
            else:
                files += 1
                yield unquote(_below(root, name)), None
    if not files:
        raise NoListing(_NO_LISTING)


def _below(root: str, name: str) -> str:
    """The name relative to the root; an unsafe one may begin with another slash."""
    if root and not name.startswith(f"{root}/"):
        raise NoListing(f"expected names below {root!r}, got {name!r}")
    return name[len(root) + 1 :] if root else name.removeprefix("/")


def _protocols(system: Any) -> set[str]:  # noqa: ANN401
    protocol = system.protocol
    return {protocol} if isinstance(protocol, str) else set(protocol)
