import pytest

from slipway.printable import printable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sevén 七", "sevén 七"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("one\nSECOND: forged", "one\\nSECOND: forged"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("lone \ud800 surrogate", "lone \\ud800 surrogate"),
        ("", ""),
    ],
    ids=["plain", "escape sequence", "new line", "direction override", "surrogate", "empty"],
)
def test_what_a_terminal_would_obey_is_written_as_an_escape(text, expected):
    assert expected == printable(text)


def test_a_long_text_is_cut_and_says_so():
    assert "aaaa…" == printable("a" * 10_000_000, limit=5)
    assert "aaaaa" == printable("aaaaa", limit=5)


def test_escapes_count_towards_the_limit():
    assert 5 >= len(printable("\x00" * 5, limit=5))
