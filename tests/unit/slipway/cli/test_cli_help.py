"""Every help text reads well in a terminal of 80 columns."""

import re
from itertools import pairwise

import pytest
import typer
from typer.testing import CliRunner

from slipway.cli import app
from slipway.cli._commands import joined

COLUMNS = 80


def commands(command, words=()):
    """Every command and every group, with the words that call it."""
    yield words
    for name, sub in getattr(command, "commands", {}).items():
        yield from commands(sub, (*words, name))


COMMANDS = sorted(commands(typer.main.get_command(app)))


def help_lines(words):
    result = CliRunner(env={"COLUMNS": str(COLUMNS), "TERMINAL_WIDTH": str(COLUMNS)}).invoke(app, [*words, "--help"])

    assert 0 == result.exit_code
    return [line.rstrip() for line in result.output.splitlines()]


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words) or "slipway")
def test_help_fits_80_columns_and_cuts_nothing(words):
    lines = help_lines(words)

    assert [] == [line for line in lines if len(line) > COLUMNS]
    assert [] == [line for line in lines if "…" in line]


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words) or "slipway")
def test_no_line_of_a_paragraph_ends_before_it_is_full(words):
    lines = [line for line in help_lines(words) if not line.startswith(("│", "╭", "╰"))]
    early = [
        line
        for line, following in pairwise(lines)
        if line and following and len(line) + 1 + len(following.split()[0]) < COLUMNS
    ]

    assert [] == early


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words) or "slipway")
def test_an_example_is_one_line(words):
    lines = help_lines(words)
    continued = [line for line, following in pairwise(lines) if line.startswith(" Example: ") and following]

    assert [] == continued


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words) or "slipway")
def test_no_list_of_choices_breaks_within_a_word(words):
    open_lists = [line for line in help_lines(words) if re.search(r"<[a-z0-9|-]*\|[a-z0-9|-]*(?![^>│]*>)\s", line)]

    assert [] == open_lists


def test_paragraphs_are_joined_and_stay_apart():
    assert "One.\n\nA line and its end." == joined("One.\n\n    A line\n    and its end.\n    ")
