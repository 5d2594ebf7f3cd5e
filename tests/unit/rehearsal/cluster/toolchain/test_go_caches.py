"""Go's caches: those of a build are removed, those that the user named stay."""

from __future__ import annotations

import shutil

import pytest

from rehearsal.errors import BuildFailed
from tests.unit.go_modules import MODULE, VERSION, ensure_tiny, tiny


def test_private_go_caches_are_removed(workplace, console, monkeypatch):
    monkeypatch.delenv("GOCACHE")
    ensure_tiny(console, workplace)

    assert {"lock", "programs"} == {path.name for path in (workplace / "cache").iterdir()}
    assert not (workplace / "gopath").exists()


def test_go_caches_that_the_user_named_are_used_and_kept(workplace, console, monkeypatch, go_cache):
    modules = workplace / "my-modules"
    monkeypatch.setenv("GOMODCACHE", str(modules))
    ensure_tiny(console, workplace)

    assert (modules / f"{MODULE}@{VERSION}" / "go.mod").is_file()
    assert go_cache.is_dir()
    assert not (workplace / "cache" / "work").exists()


def test_go_caches_stay_while_something_is_missing(workplace, console):
    with pytest.raises(BuildFailed):
        ensure_tiny(console, workplace, tiny(executables={"broken": f"{MODULE}/cmd/broken"}))

    assert (workplace / "cache" / "work" / "modules").is_dir()


def test_archives_of_the_default_module_cache_come_before_the_network(workplace, console, monkeypatch):
    monkeypatch.setenv("GOMODCACHE", str(workplace / "gopath" / "pkg" / "mod"))
    ensure_tiny(console, workplace)
    shutil.rmtree(workplace / "cache")
    monkeypatch.delenv("GOMODCACHE")
    monkeypatch.setenv("GOPROXY", "off")

    assert ensure_tiny(console, workplace).executable("tiny").is_file()


def test_caches_of_an_earlier_build_make_room_for_the_next(workplace, console):
    earlier = workplace / "cache" / "work" / "objects" / "earlier"
    earlier.parent.mkdir(parents=True)
    with earlier.open("wb") as sparse:
        sparse.truncate(8 * 10**12)
    with pytest.raises(BuildFailed):
        ensure_tiny(console, workplace, tiny(modules_mb=8 * 10**6, executables={"broken": f"{MODULE}/cmd/broken"}))

    assert not earlier.exists()
