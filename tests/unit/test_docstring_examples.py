"""Examples in docstrings are Python, and every function that they call exists.

Read, not imported: some modules run in Triton's or in Locust's process alone.
"""

import ast
import builtins
import doctest
import functools
import importlib
import re
import textwrap
from contextlib import suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("slipway", "training", "loadtest", "rehearsal")
PUBLIC = (
    *("slipway", "slipway.client", "slipway.contract", "slipway.model_config", "slipway.repository"),
    *("slipway.samples", "slipway.triton"),
)
FILES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def examples(docstring):
    """The paragraphs of a docstring that are Python."""
    for paragraph in re.split(r"\n\s*\n", docstring):
        with suppress(SyntaxError):  # prose, a drawing, a table, a command line
            yield ast.parse(textwrap.dedent(paragraph.strip("\n")))


def defined(tree):
    """Names that a piece of code binds, anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((each.asname or each.name).partition(".")[0] for each in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg


def called(tree):
    """Functions and classes that an example calls by a plain name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id


def modules_named(tree):
    """(module, name) of every import of ours in an example."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in PACKAGES:
            yield from ((node.module, each.name) for each in node.names)


def docstrings(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node, clean=False)  # cleaned, a text that is all example loses its indent
            if text:
                margin = " " * node.body[0].col_offset
                yield getattr(node, "name", "module"), re.sub(f"^{margin}", "", text, flags=re.MULTILINE)


def top_level(path):
    """Functions and classes of a module, which an example of another one may call."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name


EXAMPLES = [path for path in FILES if any([*examples(text)] for _, text in docstrings(ast.parse(path.read_text())))]
OURS = {name for path in FILES for name in top_level(path)} | {"Path"}


def keywords_of(path):
    """Name and keywords of each function that a module defines at its top level; none of one that takes any."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.args.kwarg is None:
            yield node.name, {each.arg for each in [*node.args.args, *node.args.kwonlyargs]}


@functools.cache
def keywords_taken():
    """By name of the function, of all files; to read them again for each example would take half a minute."""
    taken = {}
    for file in FILES:
        for name, keywords in keywords_of(file):
            taken.setdefault(name, set()).update(keywords)
    return taken


def unknown_keywords(path):
    taken = keywords_taken()
    for where, text in docstrings(ast.parse(path.read_text())):
        calls = [node for example in examples(text) for node in ast.walk(example) if isinstance(node, ast.Call)]
        for call in calls:
            name = call.func.id if isinstance(call.func, ast.Name) else ""
            given = {keyword.arg for keyword in call.keywords if keyword.arg}
            if name in taken and given - taken[name]:
                yield f"{where}: {name}() takes no {', '.join(sorted(given - taken[name]))}"


def unknown_names(path):
    source = ast.parse(path.read_text())
    known = {*defined(source), *dir(builtins), *OURS}
    for where, text in docstrings(source):
        bound = {name for example in examples(text) for name in defined(example)}
        for example in examples(text):
            for name in sorted({*called(example)} - known - bound):
                yield f"{where}: {name}() does not exist"
            for module, name in modules_named(example):
                folder = ROOT / module.replace(".", "/")
                file = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
                within = {*defined(ast.parse(file.read_text()))} if file.is_file() else set()
                if name not in within and not list(folder.glob(f"{name}*")):
                    yield f"{where}: {module} has no {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_function_that_an_example_calls_exists(path):
    assert [] == [*unknown_names(path)]


def test_every_keyword_that_an_example_gives_is_taken():
    assert [] == [f"{path.relative_to(ROOT)}: {problem}" for path in EXAMPLES for problem in unknown_keywords(path)]


@pytest.mark.parametrize("name", PUBLIC)
def test_the_prompts_in_docstrings_print_what_they_show(name):
    assert 0 == doctest.testmod(importlib.import_module(name)).failed


def test_an_example_that_calls_what_is_not_there_is_found(tmp_path):
    (tmp_path / "module.py").write_text('"""One.\n\n    gone(1)\n    here(2)\n"""\n\ndef here(a): ...\n')

    assert ["module: gone() does not exist"] == [*unknown_names(tmp_path / "module.py")]
