"""Write a file that must not be there yet, in one indivisible step where the store has one.

create_file(system, local, "bucket/mnist/3/model.onnx", scratch, bar)     # False: there is one, untouched

S3 and Google Cloud Storage decide themselves (`If-None-Match: *`, generation 0); a folder on disk does by a hard link.
Other back ends of fsspec look first and write then.
"""

from __future__ import annotations

import errno
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from fsspec.implementations.local import LocalFileSystem

from slipway.repository._store_errors import error_code

_TAKEN = {"PreconditionFailed", "412"}
_UNDECIDED = {"ConditionalRequestConflict", "409"}  # S3: another write of the same name has not ended yet
_TRIES, _PAUSE_S = 10, 0.5


def create_file(system: Any, source: Path | bytes, target: str, scratch: str, bar: Any) -> bool:  # noqa: ANN401 - fsspec ships no types
    """Write `source` to `target`.

    Args:
        system: fsspec's file system.
        source: A file, or a small one's bytes.
        target: Its path in the file system.
        scratch: A path in it that nobody else uses, on the same disk.
        bar: fsspec's callback.

    Returns:
        False when there is a file, which is untouched.
    """
    if isinstance(system, LocalFileSystem):
        return _create_on_disk(source, Path(target), Path(scratch))
    for attempt in range(_TRIES):
        try:
            if isinstance(source, bytes):
                system.pipe_file(target, source, mode="create")
            else:
                system.put_file(str(source), target, callback=bar, mode="create")
        except FileExistsError:
            return False
        except OSError as exc:
            if error_code(exc) in _TAKEN:
                return False
            if error_code(exc) not in _UNDECIDED or attempt == _TRIES - 1:
                raise
            time.sleep(_PAUSE_S)
        else:
            break
    return True


def replace_file(system: Any, content: bytes, target: str, scratch: str) -> None:  # noqa: ANN401
    """Write a small file over what is there."""
    if not isinstance(system, LocalFileSystem):
        system.pipe_file(target, content)
        return
    _write(content, Path(scratch))
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    Path(scratch).replace(target)


def _create_on_disk(source: Path | bytes, target: Path, scratch: Path) -> bool:
    if target.exists():
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        _write(source, scratch)
        os.link(scratch, target)
    except FileExistsError:
        return False
    except OSError as exc:
        if exc.errno not in {errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK}:
            raise
        return _copy_exclusively(scratch, target)  # a disk without hard links
    finally:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)
    return True


def _copy_exclusively(source: Path, target: Path) -> bool:
    try:
        with target.open("xb") as there, source.open("rb") as here:
            shutil.copyfileobj(here, there)
    except FileExistsError:
        return False
    return True


def _write(source: Path | bytes, scratch: Path) -> None:
    scratch.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(source, bytes):
        scratch.write_bytes(source)
    else:
        shutil.copyfile(source, scratch)
    scratch.chmod(0o644)
