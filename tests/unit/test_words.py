"""Pages, help texts, docstrings and messages use the terms of the field, not phrases that only this project uses."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

REPLACED = {
    r"nobody answers(?! there is)": "connection failed; the server does not answer",
    r"cores that are not to be had": "CPU cores that are unavailable",
    r"What cannot be meant": "contradictory settings",
    r"wants a token, or another one": "missing or invalid token",
    r"may not change under its name": "a new version must keep the model's inputs, outputs and labels",
}
"""Each phrase, as a regular expression, with what is written in its place."""


def pages():
    """Every page but the one that quotes a phrase as what not to write."""
    listed = subprocess.run(["git", "ls-files", "-z", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in listed.stdout.split("\0"):
        if name and name != "CONTRIBUTING.md":
            yield pytest.param(ROOT / name, id=name)


@pytest.mark.parametrize("path", [*pages()])
def test_a_page_uses_the_standard_terms(path):
    text = " ".join(path.read_text().split())
    found = {phrase: term for phrase, term in REPLACED.items() if re.search(phrase, text)}

    assert {} == found
