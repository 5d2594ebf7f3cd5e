"""A folder of backends for the wheel's tritonserver, made of links only.

    <folder>/python                -> the wheel's Python backend, whose library runs ours
    <folder>/onnxruntime/model.py  -> our backend
    <folder>/onnxruntime/triton_python_backend_{stub,utils.py} -> the wheel's, for this Python

Triton refuses a backend library that is itself a link out of its folder, so the Python backend is linked as a
whole; it looks for stub and utils beside our model.py first.
"""

from __future__ import annotations

import hashlib
import secrets
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from slipway.triton._errors import ServeError

if TYPE_CHECKING:
    from slipway.triton._installation import EmbeddedTriton

BACKEND = "onnxruntime"
_MODEL = Path(__file__).with_name("onnxruntime_backend") / "model.py"


def assemble_backends(triton: EmbeddedTriton, cache: Path) -> Path:
    """Link a folder of backends together; what is there and right already stays.

    Args:
        triton: The wheel's parts.
        cache: Folder for such folders. Each is named after what it links to, so that two environments, or two
            servers that start at once, do not disturb each other.

    Returns:
        The folder, for `--backend-directory`.

    Raises:
        ServeError: The cache cannot be written.
    """
    links = {
        "python": triton.python_backend,
        f"{BACKEND}/model.py": _MODEL,
        f"{BACKEND}/triton_python_backend_utils.py": triton.python_backend / "triton_python_backend_utils.py",
        f"{BACKEND}/triton_python_backend_stub": triton.stub,
    }
    folder = cache / hashlib.sha256("\n".join(map(str, links.values())).encode()).hexdigest()[:12]
    try:
        for name, target in links.items():
            _link(folder / name, target)
    except OSError as exc:
        raise ServeError(
            f"cannot link the backends in {folder}: {exc.strerror}; name a writable folder in SLIPWAY_CACHE"
        ) from exc
    return folder


def _link(path: Path, target: Path) -> None:
    with suppress(OSError):
        if path.readlink() == target:
            return
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    scratch.symlink_to(target)
    scratch.replace(path)  # one step: no server ever sees the link missing
