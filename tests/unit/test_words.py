"""Pages, help texts, docstrings and messages use the terms of the field, not phrases that only this project uses."""

import ast
import io
import re
import subprocess
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

REPLACED = {
    r"[Nn]obody": "no process, no client; or the passive: is not read",
    r"[Ss]omebody": "another process, another client, a user",
    r"[Ww]hoever": "any process that, a user who; or the passive",
    r"cores that are not to be had": "CPU cores that are unavailable",
    r"to be had|can be had|cannot be had": "available; cannot be downloaded, fetched",
    r"What cannot be meant": "contradictory settings",
    r"wants a token, or another one": "missing or invalid token",
    r"may not change under its name": "a new version must keep the model's inputs, outputs and labels",
    r"at the door|[Tt]he door stays|one door|public door|kubelet's door": "on arrival; the interface, the endpoint",
    r"answers there|let this client ask": "connection failed; the server does not answer",
    r"speaks no (TLS|HTTP)": "does not use TLS, HTTP",
    r"how you know|likeliest": "the sign of it; the most probable",
    r"lives there|who may write": "is in; has write access",
    r"\bflavours?\b|\bwiring\b": "variant, module; connection settings",
    r"poison a model": "is unfit for training",
    r"same bytes twice|had to be found out": "is reproducible; was determined",
    r"made where it is missing": "created if missing",
    r"is there already": "exists already",
    r"put it right first|take it out first": "fix it first, remove it first",
    r"goes on where it was": "resumes",
    r"Before you (believe|rely on) it": "notes, warnings",
    r"a machine of its own": "a separate machine",
}
"""Each phrase, as a regular expression, with what is written in its place."""
LISTS_PHRASES = {"CONTRIBUTING.md", "tests/unit/test_words.py"}
"""Files that name a phrase as what not to write."""
SOURCES = ("slipway/", "training/", "loadtest/", "rehearsal/")
CHARTS = (
    "helm/*.yaml",
    "helm/*.tpl",
    "helm/*.json",
    "k8s/*.yaml",
    "loadtest/*.html",
    "rehearsal/*.html",
    "training/*.html",
)
IDENTIFIES_RUNS = "training/networks.py"
"""Its digest identifies the runs that can be resumed: not a byte of it may change."""
ROLLS_PODS = ("helm/training/templates/job/", "k8s/overlays/cpu/servingruntime-", "k8s/overlays/gpu/servingruntime-")
"""With scripts of the containers, where a changed comment restarts every pod or training job."""


def texts(*patterns):
    listed = subprocess.run(["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.split("\0") if name and name not in LISTS_PHRASES]


def replaced_phrases(text):
    joined = " ".join(text.split())
    return {phrase: term for phrase, term in REPLACED.items() if re.search(phrase, joined)}


def spoken(source):
    """Docstrings, messages and comments of a module: its string literals, and what follows a `#`."""
    nodes = ast.walk(ast.parse(source))
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return " ".join([*texts, *(token.string for token in tokens if token.type == tokenize.COMMENT)])


@pytest.mark.parametrize("name", texts("*.md"))
def test_a_page_uses_the_standard_terms(name):
    assert {} == replaced_phrases((ROOT / name).read_text())


def test_docstrings_comments_messages_and_help_use_the_standard_terms():
    modules = [name for name in texts("*.py") if name.startswith(SOURCES) and name != IDENTIFIES_RUNS]
    found = {name: replaced_phrases(spoken((ROOT / name).read_text())) for name in modules}

    assert {} == {name: phrases for name, phrases in found.items() if phrases}


def test_charts_manifests_and_page_templates_use_the_standard_terms():
    files = [name for name in texts(*CHARTS) if not name.startswith(ROLLS_PODS)]
    found = {name: replaced_phrases((ROOT / name).read_text()) for name in files}

    assert files
    assert {} == {name: phrases for name, phrases in found.items() if phrases}


def test_the_places_that_the_glossary_names_exist():
    page = (ROOT / "docs" / "glossary.md").read_text()
    places = re.findall(rf"`((?:{'|'.join(SOURCES)}|helm/)[^`<]*)`", page)

    assert places
    assert [] == [place for place in places if not [*ROOT.glob(place.rstrip("/"))]]
