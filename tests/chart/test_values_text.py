"""Whatever a value is, the file that `slipway values` writes gives it back: to a YAML 1.1 reader and to Helm's own."""

import math
import random
import string

import helm_python
import pytest
import yaml

from slipway.deploy._chart_values import ChartValue
from slipway.deploy._values_text import render_values
from tests.unit.values_inputs import measured, requested

KEY = "autoscaling.prometheus.serverAddress"
WORDS = {
    "truth": ["y", "Y", "n", "N", "yes", "Yes", "YES", "no", "No", "NO", "on", "On", "ON", "off", "Off", "OFF"],
    "booleans": ["true", "True", "TRUE", "false", "False", "FALSE", "t", "f"],
    "nothing": ["", "null", "Null", "NULL", "~", "none", "None", "nil"],
    "numbers": ["0", "7", "-7", "+7", "1.5", "1.", ".5", "1e3", "1E3", "1e+3", "1.0e-3", "1_000", "1,000", "0.0", "-0"],
    "bases": ["0x10", "0X1F", "0o17", "0b101", "017", "010", "08", "0_7", "00", "0x"],
    "sexagesimal": ["1:30", "190:20:30", "190:20:30.15", "12:30:45", "-1:30", "08:15"],
    "not finite": [".inf", "-.inf", "+.Inf", ".INF", ".nan", ".NaN", "inf", "nan", "Infinity", "NaN"],
    "dates": ["2026-11-28", "2026-11-28T12:00:00Z", "2026-11-28 12:00:00 +1", "2001-1-1"],
    "marks": [
        "-",
        "- a",
        "?",
        "? a",
        ":",
        ": a",
        "a:",
        "a: b",
        "a:b",
        "{}",
        "{a: b}",
        "[]",
        "[a]",
        ",",
        "a,b",
        "]",
        "}",
    ],
    "signs": ["#", "# a", "a # b", "a#b", "&a", "*a", "!a", "!!str a", "|", ">", "%a", "@a", "`a`", "=", "<<"],
    "quotes": ["'", '"', "'a'", '"a"', "a'b", 'a"b', "\\", "\\n", "a\\b", "\\x41", "\\u0041"],
    "spaces": [" ", " a", "a ", "a b", "a  b", "\t", "\ta", "a\tb", "\n", "a\nb", "a\n", "\na", "a\r\nb", "\r"],
    "documents": ["---", "...", "--- a", "a\n---\nb", "%YAML 1.1"],
    "templates": ["{{ .Values.x }}", "$(HOME)", "${HOME}"],
    "other alphabets": [
        "ä",
        "числа",
        "数字",
        "😀",
        "a😀b",
        "é",
        "\u00a0",
        "\u2028",
        "\u2029",
        "\u0085",
        "\ufeff",
        "\u200b",
    ],
    "not printable": ["\x01", "\x1b[31m", "\x7f", "\x9f", "a\x0bb", "\x0c", "\ufffd", "\U0010ffff"],
}
ALPHABET = "yYnNoO0123456789eExX+-._:~ #'\"\\{}[],&*!|>%@`=\n\ttrufalsinf\u00e9\u2028\u0085\x07😀数"


def written(tmp_path, value):
    """The file with this one value."""
    entry = ChartValue(key=KEY, value=value, why="a test")
    request = requested(tmp_path)
    return render_values([entry], request=request, capacity=measured(), release="mnist", warnings=())


def read(text):
    """The value, as PyYAML reads it and as Helm does."""
    return [
        reader(text)["autoscaling"]["prometheus"]["serverAddress"]
        for reader in (yaml.safe_load, helm_python.values_from_yaml)
    ]


def same(value, found):
    return type(value) is type(found) and value == found


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
def test_a_text_that_looks_like_something_else_stays_a_text(tmp_path, words):
    changed = [(word, found) for word in words for found in read(written(tmp_path, word)) if not same(word, found)]

    assert [] == changed


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
def test_so_does_each_of_a_list(tmp_path, words):
    assert [words, words] == read(written(tmp_path, tuple(words)))


def test_any_text_stays_as_it_is(tmp_path):
    chance = random.Random(11)
    words = ["".join(chance.choices(ALPHABET, k=chance.randint(1, 8))) for _ in range(1500)]
    words += ["".join(chance.choices(string.printable, k=chance.randint(1, 20))) for _ in range(300)]

    assert [words, words] == read(written(tmp_path, tuple(words)))


@pytest.mark.parametrize(
    "number", [0, 7, -7, 1.74, 865, 0.5, 1e-5, 1.5e-7, 1e16, 1.5e300, 12345.678, 2**53, 5e-324, True, False, None]
)
def test_a_number_stays_that_number_for_every_reader(tmp_path, number):
    yaml_1_1, helm = read(written(tmp_path, number))

    assert same(number, yaml_1_1)
    assert number == helm
    assert isinstance(helm, bool) == isinstance(number, bool)


def test_any_number_stays_that_number(tmp_path):
    chance = random.Random(12)
    for number in [math.ldexp(chance.random(), chance.randint(-60, 60)) for _ in range(60)]:
        assert [number, number] == read(written(tmp_path, number))
