"""Pages, help texts, docstrings and messages use the terms of the field, not phrases that only this project uses."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

REPLACED = {
    r"nobody answers": "connection failed; the server does not answer",
    r"cores that are not to be had": "CPU cores that are unavailable",
    r"to be had": "available",
    r"What cannot be meant": "contradictory settings",
    r"wants a token, or another one": "missing or invalid token",
    r"may not change under its name": "a new version must keep the model's inputs, outputs and labels",
    r"at the door|[Tt]he door stays|one door": "on arrival; the contract, the inputs and outputs",
    r"nobody (learns|measures|scales|is told)": "what is down, or missing",
}
"""Each phrase, as a regular expression, with what is written in its place."""
LISTS_PHRASES = {"CONTRIBUTING.md", "tests/unit/test_words.py"}
"""Files that name a phrase as what not to write."""
SOURCES = ("slipway/", "training/", "loadtest/", "rehearsal/")


def texts(*patterns):
    listed = subprocess.run(["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.split("\0") if name and name not in LISTS_PHRASES]


def replaced_phrases(text):
    joined = " ".join(text.split())
    return {phrase: term for phrase, term in REPLACED.items() if re.search(phrase, joined)}


def spoken(source):
    """Docstrings and messages of a module: its string literals."""
    nodes = ast.walk(ast.parse(source))
    return " ".join(node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))


@pytest.mark.parametrize("name", texts("*.md"))
def test_a_page_uses_the_standard_terms(name):
    assert {} == replaced_phrases((ROOT / name).read_text())


def test_docstrings_messages_and_help_use_the_standard_terms():
    modules = [name for name in texts("*.py") if name.startswith(SOURCES)]
    found = {name: replaced_phrases(spoken((ROOT / name).read_text())) for name in modules}

    assert {} == {name: phrases for name, phrases in found.items() if phrases}


def test_the_places_that_the_glossary_names_exist():
    page = (ROOT / "docs" / "glossary.md").read_text()
    places = re.findall(rf"`((?:{'|'.join(SOURCES)}|helm/)[^`<]*)`", page)

    assert places
    assert [] == [place for place in places if not [*ROOT.glob(place.rstrip("/"))]]
