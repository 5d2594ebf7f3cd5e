"""The command that repeats a run, as reports show it: what a header says may be a secret, and stays out.

command_line(["/bin/slipway", "loadtest", "--header", "X-Key: 1"])   # slipway loadtest --header 'X-Key: …'
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

__all__ = ["command_line", "without_secrets"]

_HEADERS = re.compile(r"(target[.]headers[^=]*=).*|(--header=[^:]*:).*", re.DOTALL)


def command_line(words: Sequence[str]) -> str:
    """The words of a process as one line of a shell, without the values of headers."""
    program, *options = words
    shown = [Path(program).name]
    for before, word in zip([program, *options], options, strict=False):
        shown.append(f"{word.partition(':')[0]}: …" if before == "--header" else without_secrets(word))
    return shlex.join(shown)


def without_secrets(text: str) -> str:
    """An option or an override, without the values of headers in it."""
    return _HEADERS.sub(lambda found: f"{found[1] or found[2]}…", text)
