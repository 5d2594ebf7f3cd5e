"""The `slipway` command. The application is in `slipway.cli._app`, whose import takes a third of a second.

`main` starts before that import, so that Ctrl-C during it ends the command without a traceback.
"""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from slipway.cli._app import app

__all__ = ["app", "main"]

_INTERRUPTED = 130


def main() -> None:
    """Run the command line."""
    handled = (
        signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )  # otherwise ignored, as in a shell's `&` job
    if handled:
        signal.signal(signal.SIGINT, _end)
    from slipway.cli._app import run

    if handled:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


def _end(_number: int, _frame: FrameType | None) -> NoReturn:
    """Exit at once: an exception during an import could be mistaken for another one."""
    os._exit(_INTERRUPTED)


def __getattr__(name: str) -> Any:  # noqa: ANN401  # any attribute
    """Import the application lazily."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from slipway.cli._app import app as application

    return application
