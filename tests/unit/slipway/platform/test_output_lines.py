"""Lines of a child process: whole, in order, and never waited for without a bound."""

import os

import pytest

from slipway.platform.output_lines import Lines
from slipway.platform.processes import ChildProcess


@pytest.fixture
def lines():
    pipe = Lines()
    yield pipe
    pipe.close()


def written(lines, content):
    with lines.writer() as descriptor:
        os.write(descriptor, content)


def test_lines_come_whole_and_in_order(lines):
    with lines.writer() as descriptor:
        os.write(descriptor, b"one\ntw")
        read = [lines.next(0), lines.next(0)]
        os.write(descriptor, b"o\n\n")
        read += [lines.next(0), lines.next(0), lines.next(0)]

    assert [b"one", None, b"two", b"", None] == read
    assert not lines.ended


def test_the_end_is_told_when_the_last_writer_has_gone(lines):
    written(lines, b"one\nrest")

    assert (b"one", False) == (lines.next(0), lines.ended)
    assert (None, True) == (lines.next(None), lines.ended)


@pytest.mark.parametrize("content", [b"", b"one\n", b"one\n\ntwo", b"\n\n"])
def test_all_lines_are_read_up_to_the_end_the_last_without_one_too(lines, content):
    written(lines, content)

    assert content.splitlines() == list(lines)


def test_what_a_child_leaves_open_is_not_waited_for(lines):
    with lines.writer() as descriptor:
        child = ChildProcess(("/bin/sh", "-c", "sleep 60 & echo done"), output=descriptor)
    line, code = lines.next(60), child.wait(60)

    assert (b"done", 0) == (line, code)
    assert (None, False) == (lines.next(0), lines.ended)
    child.end_group()


def test_an_error_in_the_start_closes_both_ends():
    lines = Lines()

    with pytest.raises(LookupError), lines.writer() as descriptor:
        raise LookupError

    for each in (descriptor, lines._descriptor):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(each)
