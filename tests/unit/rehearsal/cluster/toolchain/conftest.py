"""A workplace for builds: Go, its caches, a module proxy, and a console."""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from tests.unit.go_modules import ModuleProxy, pin

ROOT = Path(__file__).parents[5]


@pytest.fixture(scope="session")
def go_folder():
    """The folder of the `go` that is on PATH, or else of the one that `make tools` installed."""
    found = shutil.which("go") or next(map(str, ROOT.glob(".tools/go/lib/python*/site-packages/go/bin/go")), None)
    if found is None and not (os.environ.get("CI") or os.environ.get("REQUIRE_ALL_TIERS") == "1"):
        pytest.skip("no Go on PATH: `make tools` installs one")
    assert found is not None, "no Go: put one on PATH, or run `make tools`"
    return str(Path(found).parent)


@pytest.fixture(scope="session")
def go_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("go") / "objects"


@pytest.fixture
def proxy():
    with ModuleProxy() as proxy:
        yield proxy


@pytest.fixture
def workplace(tmp_path, monkeypatch, go_folder, go_cache, proxy):
    """A folder with the pins of `tiny`, a user whose Go knows no module yet, and a build cache that tests share."""
    monkeypatch.setenv("PATH", go_folder, prepend=os.pathsep)
    monkeypatch.setenv("GOPATH", str(tmp_path / "gopath"))
    monkeypatch.setenv("GOCACHE", str(go_cache))
    monkeypatch.setenv("GOPROXY", proxy.url)
    monkeypatch.delenv("GOMODCACHE", raising=False)
    pin(tmp_path / "modules" / "tiny")
    return tmp_path


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=200)
