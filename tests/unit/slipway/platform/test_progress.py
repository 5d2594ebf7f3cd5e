"""A bar is drawn at a terminal, gone at the end, and not in a log."""

from io import StringIO

import pytest
from rich.console import Console
from rich.progress import MofNCompleteColumn, TextColumn

from slipway.platform.progress import ProgressBar


class Steps(ProgressBar):
    def __init__(self, console):
        super().__init__(
            console, MofNCompleteColumn(), TextColumn("{task.fields[loss]}"), description="fit", total=9, loss=""
        )

    def step(self, loss):
        self._update(advance=1, loss=loss)

    def finish(self, line):
        self._print(line)


def drawn(*, terminal):
    console = Console(file=StringIO(), force_terminal=terminal, width=60)
    with Steps(console) as steps:
        steps.step("0.25")
        steps.finish("a line " * 20)
    return console.file.getvalue()


@pytest.mark.parametrize("text", ["fit", "1/9", "0.25"])
def test_a_bar_is_drawn_at_a_terminal_alone(text):
    assert text in drawn(terminal=True)
    assert text not in drawn(terminal=False)


def test_the_bar_is_erased_at_the_end():
    assert drawn(terminal=True).endswith("\x1b[1A\x1b[2K")


def test_a_line_is_printed_whole():
    assert "a line " * 20 + "\n" == drawn(terminal=False)
