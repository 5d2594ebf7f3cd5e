"""Names that a reader meets: a class name stands for one class, and a path in the architecture for a file."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("slipway", "training", "loadtest", "rehearsal")


def test_no_two_classes_share_a_name():
    places: dict[str, list[str]] = defaultdict(list)
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef):
                    places[node.name].append(f"{path.relative_to(ROOT)}:{node.lineno}")

    assert {} == {name: where for name, where in places.items() if len(where) > 1}


def test_every_path_of_the_architecture_is_a_file():
    files = [str(path.relative_to(ROOT)) for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"[\w/]+\.py\b", text))

    assert named
    assert [] == sorted(name for name in named if not any(f"/{file}".endswith(f"/{name}") for file in files))
