"""What the public packages offer is what their `__all__` lists."""

import ast
import importlib
import types
from pathlib import Path

import pytest

PUBLIC = (
    *("slipway", "slipway.client", "slipway.contract", "slipway.model_config", "slipway.repository"),
    *("slipway.samples", "slipway.triton"),
)


def order(name):
    """Constants, then classes, then functions, as ruff's RUF022 keeps them."""
    return (0 if name.isupper() else 1 if name.lstrip("_")[0].isupper() else 2, name)


def defined_in(module):
    """Names without an underscore that a module assigns or defines at its top level."""
    for node in ast.parse(Path(module.__file__).read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


def imported_into(package):
    """Names without an underscore that a package's `__init__` takes out of its own modules."""
    for name, value in vars(package).items():
        own = getattr(value, "__module__", "") or ""
        if not isinstance(value, types.ModuleType) and own.startswith(f"{package.__name__}."):
            yield name


@pytest.mark.parametrize("name", PUBLIC)
def test_all_is_sorted(name):
    listed = importlib.import_module(name).__all__

    assert sorted(listed, key=order) == listed


@pytest.mark.parametrize("name", PUBLIC)
def test_all_equals_the_public_names(name):
    module = importlib.import_module(name)
    public = {each for each in defined_in(module) if not each.startswith("_")}
    if hasattr(module, "__path__"):
        public |= {each for each in imported_into(module) if not each.startswith("_")}

    assert public - set(module.__all__) == set()
    assert [each for each in module.__all__ if not hasattr(module, each)] == []
