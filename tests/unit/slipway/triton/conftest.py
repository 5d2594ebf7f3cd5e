"""A package with C sources, and a machine whose compilers are scripts."""

import shutil
from functools import partial

import pytest

import slipway.triton._native_backend as native
from tests.unit.compilers import COMPILE, script


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of two sources, and a machine that has no compiler."""
    folder = tmp_path / "package"
    (folder / "native").mkdir(parents=True)
    (folder / "native" / "a.c").write_text("int a;")
    (folder / "native" / "a.h").write_text("extern int a;")
    (folder / "native" / "onnxruntime_api.h").write_text("#define ORT_API_VERSION 24 /* of 1.24 */")
    monkeypatch.setattr(native, "_PACKAGE", folder)
    monkeypatch.setattr(native, "PREBUILT", folder / "prebuilt")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    # The scripts need /bin, where a compiler of the machine may be.
    monkeypatch.setattr("shutil.which", partial(shutil.which, path=f"{tmp_path}/bin"))
    monkeypatch.delenv("CC", raising=False)
    return folder


@pytest.fixture
def cc(tmp_path):
    return script(tmp_path / "bin" / "cc", COMPILE)


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache" / "native"
