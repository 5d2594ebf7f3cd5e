"""Which backend the tritonserver of the wheel gets."""

from pathlib import Path

import pytest

import slipway.triton._program as program
from slipway.triton import (
    LibpythonMissing,
    NativeUnavailable,
    ServerSettings,
    SettingsInvalid,
    find_program,
    prepare,
)
from slipway.triton._installation import EmbeddedTriton, SystemTriton
from slipway.triton._python_backend import PythonBackend

EMBEDDED = EmbeddedTriton(site=Path("/site"))
PARTS = PythonBackend(
    folder=Path("/python"), stub=Path("/stub"), library_directories=(Path("/lib"),), bin_directory=Path("/bin")
)


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """One with everything: the wheel, a native backend, and a Python that the Python backend can load."""
    monkeypatch.delenv("SLIPWAY_BACKEND", raising=False)
    monkeypatch.setattr(program, "find_tritonserver", lambda _: EMBEDDED)
    monkeypatch.setattr(program, "native_backends", lambda _: Path("/native"))
    monkeypatch.setattr(program, "onnxruntime_library", lambda: Path("/libonnxruntime.so.1"))
    monkeypatch.setattr(program, "python_backend", lambda *_: PARTS)
    monkeypatch.setattr(program, "assemble_backends", lambda *_: Path("/python backends"))


def raises(error):
    def refuse(*_):
        raise error

    return refuse


def test_the_native_backend_is_the_first_choice_and_needs_little(monkeypatch):
    monkeypatch.setattr(program, "python_backend", raises(AssertionError("the Python backend was looked for")))
    found = find_program()

    assert ("native", "") == (found.backend, found.fallback)
    assert ("--backend-directory=/native", "--allow-gpu-metrics=false") == found.arguments
    assert {
        "ORT_DISABLE_TELEMETRY": "1",
        "SLIPWAY_ONNXRUNTIME_LIBRARY": "/libonnxruntime.so.1",
    } == found.environment
    assert found.directory is None
    assert found.onnx_only


@pytest.mark.parametrize("part", ["native_backends", "onnxruntime_library"])
def test_without_a_native_backend_the_python_one_serves_and_says_why(monkeypatch, part):
    monkeypatch.setattr(program, part, raises(NativeUnavailable("there is no compiler: install one")))
    found = find_program()

    assert "python" == found.backend
    assert found.fallback.endswith("slower than the native one: there is no compiler: install one")


def test_the_native_backend_that_is_asked_for_is_not_replaced(monkeypatch):
    monkeypatch.setattr(program, "native_backends", raises(NativeUnavailable("there is no compiler")))
    with pytest.raises(NativeUnavailable, match=r"^there is no compiler$"):
        find_program(backend="native")


def test_the_python_backend_that_is_asked_for_compiles_nothing(monkeypatch):
    monkeypatch.setattr(program, "native_backends", raises(AssertionError("it was compiled")))
    found = find_program(backend="python")

    assert ("python", "") == (found.backend, found.fallback)
    assert Path("/python backends/onnxruntime") == found.directory


def test_a_machine_with_neither_is_told_of_both(monkeypatch):
    monkeypatch.setattr(program, "native_backends", raises(NativeUnavailable("there is no compiler: install one")))
    monkeypatch.setattr(program, "python_backend", raises(LibpythonMissing("Python has no shared library")))
    with pytest.raises(LibpythonMissing, match=r"^Python has no shared library\. .* but there is no compiler: install"):
        find_program()


def test_the_environment_chooses_where_the_call_does_not(monkeypatch):
    monkeypatch.setenv("SLIPWAY_BACKEND", "python")

    assert ["python", "native"] == [find_program().backend, find_program(backend="native").backend]
    monkeypatch.setenv("SLIPWAY_BACKEND", "rust")
    with pytest.raises(SettingsInvalid, match=r"^SLIPWAY_BACKEND: expected native or python, got 'rust'$"):
        find_program()


def test_a_setting_that_is_no_backend_is_refused():
    with pytest.raises(SettingsInvalid, match=r"^backend: expected native or python, or None, got 'rust'$"):
        ServerSettings(repository=Path(), backend="rust")


def test_a_tritonserver_with_a_backend_of_its_own_gets_none_of_ours(monkeypatch):
    monkeypatch.setattr(
        program, "find_tritonserver", lambda _: SystemTriton(executable=Path("/tritonserver"), backends=None)
    )
    monkeypatch.setenv("SLIPWAY_BACKEND", "native")

    assert (None, "") == (find_program().backend, find_program().fallback)
    with pytest.raises(SettingsInvalid, match=r"^backend: 'native' is one for .*, /tritonserver brings its own"):
        find_program(backend="native")


def test_a_launch_with_the_native_backend_has_no_shared_memory(tmp_path):
    (tmp_path / "digits" / "1").mkdir(parents=True)
    (tmp_path / "digits" / "config.pbtxt").write_text('backend: "onnxruntime"')
    (tmp_path / "digits" / "1" / "model.onnx").touch()
    launch = prepare(ServerSettings(repository=tmp_path, verify=False), tmp_path / "run")

    assert ("native", None) == (launch.backend, launch.shared_memory)
    assert not [word for word in launch.command if "backend-config" in word]
