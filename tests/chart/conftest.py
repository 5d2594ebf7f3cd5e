"""What every test of a chart may ask for: `render`, `notes`, and the programs that `make tools` builds.

A test that asks for a program which is not built is skipped at the desk; in CI it fails.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.chart.rendering import ROOT, noted, rendered

TOOLS = ROOT / ".tools"
# Fixtures of this file that need `make tools`, and what they need.
NEEDS = {
    "helm": TOOLS / "bin" / "helm",
    "helm_docs": TOOLS / "bin" / "helm-docs",
    "kustomize": TOOLS / "bin" / "kustomize",
    "promtool": TOOLS / "bin" / "promtool",
    "crds": TOOLS / "crds" / "complete",
}


def pytest_collection_modifyitems(items):
    nothing_may_be_missing = os.environ.get("REQUIRE_ALL_TIERS") == "1" or bool(os.environ.get("CI"))
    for item in items:
        wanted = [NEEDS[name] for name in NEEDS if name in getattr(item, "fixturenames", ())]
        if not wanted:
            continue
        item.add_marker("tools")
        missing = [str(path.relative_to(ROOT)) for path in wanted if not path.exists()]
        if missing and not nothing_may_be_missing:
            item.add_marker(pytest.mark.skip(reason=f"no {', '.join(missing)}: run `make tools`"))


def _built(name: str) -> Path:
    path = NEEDS[name]
    assert path.exists(), f"{path} is not there: run `make tools`"
    return path


@pytest.fixture(scope="session")
def render():
    """Return render(chart, values, *, release, namespace, ...) -> objects by (kind, name); see `manifests`."""
    return rendered


@pytest.fixture(scope="session")
def notes():
    """Return notes(chart, values, *, release, namespace, ...) -> what Helm prints after the install."""
    return noted


@pytest.fixture(scope="session")
def helm() -> Path:
    """Return the path of Helm's command line."""
    return _built("helm")


@pytest.fixture(scope="session")
def helm_docs() -> Path:
    """Return the path of helm-docs, which writes a chart's README."""
    return _built("helm_docs")


@pytest.fixture(scope="session")
def kustomize() -> Path:
    """Return the path of kustomize."""
    return _built("kustomize")


@pytest.fixture(scope="session")
def promtool() -> Path:
    """Return the path of Prometheus' promtool."""
    return _built("promtool")


@pytest.fixture(scope="session")
def crds() -> Path:
    """Return the folder with the real custom resource definitions, a folder for each project."""
    return _built("crds").parent
