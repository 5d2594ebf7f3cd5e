"""Hostile YAML: one error, short, with line and column; nothing unfolds, nothing else is raised."""

import random

import pytest
from pydantic import Field

from slipway.errors import SlipwayError
from slipway.platform.settings import Settings, SettingsFiles, check_settings, overridden, read_yaml
from slipway.platform.strict_yaml import SETTINGS, SHIPPED, YamlLimits, YamlUnreadable, load_all_yaml, load_yaml


class Refused(SlipwayError):
    """The area's own error."""


class Fit(Settings):
    epochs: int
    rate: float = 0.1


class Recipe(Settings):
    name: str
    fit: Fit
    labels: list[str] = Field(default_factory=list)


def bomb(levels=9, width=9):
    lines = ["a0: &a0 [" + ", ".join(["lol"] * width) + "]"]
    lines += [f"a{n}: &a{n} [" + ", ".join([f"*a{n - 1}"] * width) + "]" for n in range(1, levels)]
    return "\n".join(lines)


HOSTILE = {
    "bomb": (bomb(), "line 6, column"),
    "long-strings": (f"a: &a {'x' * 100_000}\nb: [{', '.join(['*a'] * 1000)}]", "line 2, column"),
    "merged-bomb": (
        "a0: &a0 {"
        + ", ".join(f"k{n}: 1" for n in range(50))
        + "}\n"
        + "\n".join(f"a{n}: &a{n} [" + ", ".join([f"{{<<: *a0, x: *a{n - 1}}}"] * 50) + "]" for n in range(1, 5)),
        "line",
    ),
    "recursive": ("a: &a [*a]", "line 1, column 8: an alias refers to a node"),
    "deep-flow": ("[" * 5000, "line 1, column 41: expected at most 40 levels"),
    "deep-block": ("\n".join("  " * n + "a:" for n in range(200)), "expected at most 40 levels"),
    "large": ("a: " + "x" * (1 << 20), "expected at most 1,048,576 bytes"),
    "twice": ("a: 1\nb: 2\na: 3", "line 3, column 1: duplicate key 'a'"),
    "twice-below": ("s:\n  a: 1\n  a: 1", "line 3, column 3: duplicate key 'a'"),
    "twice-as-number": ("1: a\n0x1: b", "line 2, column 1: duplicate key '0x1'"),
    "date": ("a: 2026-13-45", "line 1, column 4: '2026-13-45' is no timestamp"),
    "time": ("a: 2026-01-01T25:61:00Z", "line 1, column 4"),
    "digits": ("a: " + "9" * 5000, "line 1, column 4"),
    "hex": ("a: 0x" + "f" * 5000, "line 1, column 4"),
    "base 8": ("a: 010", "line 1, column 4: '010' is 8 in YAML 1.1"),
    "base 8 below zero": ("a: -0777", "line 1, column 4: '-0777' is -511 in YAML 1.1"),
    "base 60": ("x: 1\na: 1:30", "line 2, column 4: '1:30' is 90 in YAML 1.1"),
    "base 60 with a fraction": ("a: 1:30.5", "line 1, column 4: '1:30.5' is 90.5 in YAML 1.1"),
    "base 8 as a key": ("010: a", "line 1, column 1: '010' is 8 in YAML 1.1"),
    "bool": ("a: !!bool x", "line 1, column 4: 'x' is no bool"),
    "int": ("a: !!int x", "line 1, column 4: 'x' is no int"),
    "int-list": ("a: !!int [1]", "line 1, column 4"),
    "float": ("a: !!float x", "line 1, column 4: 'x' is no float"),
    "timestamp": ("a: !!timestamp x", "line 1, column 4: 'x' is no timestamp"),
    "binary": ("a: !!binary é", "line 1, column 4"),
    "python": ("a: !!python/object/apply:os.system ['id']", "line 1, column 4"),
    "python-name": ("!!python/name:os.system", "line 1, column 1"),
    "own-tag": ("a: !Mine x", "line 1, column 4"),
    "map-of-scalar": ("a: !!map x", "line 1, column 4"),
    "nul": ("a: b\x00c", "line 1, column 5: a character that YAML does not allow"),
    "escape": ("x: 1\na: \x1b[2J", "line 2, column 4: a character that YAML does not allow"),
    "latin-1": ("x: 1\na: é".encode("latin-1"), "line 2, column 4: expected text in UTF-8"),
    "utf-16": ("a: 1".encode("utf-16"), "line 1, column 1: expected text in UTF-8"),
    "tab": ("a:\n\tb: 1", "line 2, column 1"),
    "two-documents": ("a: 1\n---\nb: 1", "line 2, column 1"),
    "list-as-key": ("? [a]\n: 1", "line 1, column 3"),
    "no-alias": ("a: *nowhere", "line 1, column 4"),
    "unclosed": ("a: [1", "line 1, column 6"),
    "directive": ("%YAML 9.9\n---\na: 1", "line 1"),
}


@pytest.mark.parametrize(("content", "says"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_yaml_is_one_short_error_with_its_place(tmp_path, content, says):
    path = tmp_path / "my.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())

    with pytest.raises(Refused) as refused:
        read_yaml(path, sections="a", missing="none", error=Refused)
    said = str(refused.value)
    assert says in said
    assert len(said) < 600
    assert said.isprintable()


def test_a_document_within_the_limits_is_what_pyyaml_reads():
    text = "# é\nbase: &d {epochs: 3, rate: 1e-3}\nfit:\n  <<: *d\n  epochs: 4\nlist: [1, .inf, ~, yes]\n"

    loaded = load_yaml(text.encode("utf-8-sig"))

    assert {"epochs": 4, "rate": "1e-3"} == loaded["fit"], "YAML 1.1 wants a dot in a float, as before"
    assert [1, float("inf"), None, True] == loaded["list"]
    assert load_yaml("") is None
    assert [{"a": 1}, None, [2]] == load_all_yaml("a: 1\n---\n---\n[2]")


def test_numbers_that_people_and_yaml_read_alike_are_read():
    text = "[0, -0, 0.5, 00.5, 0x1f, 0b11, 1_000, 8, '010', '1:30', 08, 10:99]"

    assert [0, 0, 0.5, 0.5, 31, 3, 1000, 8, "010", "1:30", "08", "10:99"] == load_yaml(text)


def test_a_shipped_file_is_read_as_kubernetes_does():
    assert {"mode": 420} == load_yaml("mode: 0644", SHIPPED)


def test_a_shipped_file_may_be_larger_than_a_written_one():
    text = "\n".join(f"k{n}: {'x' * 50}" for n in range(SETTINGS.unfolded // 40))

    with pytest.raises(YamlUnreadable):
        load_yaml(text)
    assert load_yaml(text, YamlLimits(content_bytes=1 << 25, unfolded=1 << 25))


@pytest.mark.parametrize(
    "document",
    [
        {"name": "x" * 900_000, "fit": {"epochs": 1}, "labels": 3},
        {"name": "a", "fit": {"epochs": ["y" * 1000] * 500}},
        {"name": "a", "fit": {"epochs": 1}, "k" * 900_000: 1},
        {"name": "a", "fit": {"epochs": 1}, "labels": [1] * 5000},
        {"name": "\x1b[2J", "fit": {"epochs": "\x1b[2J"}},
        {1: 2, None: 3, "name": "a"},
    ],
    ids=["string", "list", "key", "many", "escape", "odd-keys"],
)
def test_what_is_wrong_with_large_values_is_said_in_short(document):
    with pytest.raises(Refused) as refused:
        check_settings(document, Recipe, where="my.yaml", error=Refused)

    said = str(refused.value)
    assert len(said) < 10_000
    assert said.replace("\n", "").isprintable()


def test_an_override_is_read_by_the_same_rules():
    for text in (bomb(), "2026-13-45", "!!bool x", "{a: 1, a: 2}", "9" * 5000, "x" * 2_000_000 + "["):
        with pytest.raises(Refused) as refused:
            overridden({}, {"fit.epochs": text}, error=Refused)
        assert len(str(refused.value)) < 600


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000, "no/such", "."], ids=["nul", "long", "absent", "folder"])
def test_a_name_that_is_no_files_is_refused(tmp_path, name):
    files = SettingsFiles(folder=tmp_path, kind="recipe", sections="a", error=Refused)

    with pytest.raises(Refused):
        files.read(name)


def test_a_shipped_file_goes_by_its_name_and_another_by_its_path(tmp_path):
    (tmp_path / "shipped").mkdir()
    (tmp_path / "shipped" / "mnist.yaml").write_text("a: 1")
    (tmp_path / "mine.yaml").write_text("a: 2")
    files = SettingsFiles(folder=tmp_path / "shipped", kind="recipe", sections="a", error=Refused)

    assert (tmp_path / "shipped" / "mnist.yaml", {"a": 1}) == files.read("mnist")
    assert (tmp_path / "mine.yaml", {"a": 2}) == files.read(str(tmp_path / "mine.yaml"))
    with pytest.raises(Refused, match=r"^no recipe 'mine': expected one of mnist, or a YAML file$"):
        files.read("mine")


SEEDS = [
    b"name: mnist\nfit:\n  epochs: 3\n  rate: 0.5\nlabels: [a, b]\n",
    b"a: &a {x: 1, y: [1, 2]}\nb:\n  <<: *a\n  z: !!float 1\nc: 2026-11-24T18:27:00Z\n",
    b"- |\n  text\n- >-\n  more\n- 'it''s'\n- \"\\u00e9\\n\"\n- ? k\n  : v\n---\nx: 0x1f\n",
]
PIECES = [
    *(b"&a ", b"*a", b"!!", b"!!int ", b"!!bool ", b"!!timestamp ", b"!!python/name:os ", b"!!set ", b"!!omap "),
    *(b"<<: ", b"\t", b"\x00", b"\xff", b"\xef\xbb\xbf", b"---\n", b"%TAG ! x\n", b"? ", b": ", b"\n", b"  ", b"#"),
    *(b"[", b"]", b"{", b"}", b"|2\n", b"'", b'"', b"\\x", b"~", b".nan", b"0b", b"=", b"1:99", b"2026-99-99"),
    b"9" * 4500,
]


def mutated(chance):
    content = bytearray(chance.choice(SEEDS))
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(content) + 1)
        what = chance.randrange(4)
        if what == 0:
            content[at:at] = chance.choice(PIECES)
        elif what == 1:
            del content[at : at + chance.randint(1, 5)]
        elif what == 2:
            content[at:at] = content[: chance.randint(0, 30)]
        else:
            content[at : at + 1] = bytes([chance.randrange(256)])
    return bytes(content)


def test_of_thousands_of_mutated_documents_each_is_read_or_refused_by_our_error(tmp_path):
    chance, path, refusals = random.Random(2026), tmp_path / "my.yaml", []
    for _ in range(4000):
        content = mutated(chance)
        path.write_bytes(content)
        try:
            document = read_yaml(path, sections="name", missing="none", error=Refused)
            check_settings(document, Recipe, where="my.yaml", error=Refused)
        except Refused as exc:
            refusals.append(str(exc))

    assert 0 < len(refusals) < 4000
    assert max(map(len, refusals)) < 5000
