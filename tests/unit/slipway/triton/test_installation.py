from pathlib import Path

import pytest

import slipway.triton._installation as installation
from slipway.triton import (
    LibpythonMissing,
    PythonUnsupported,
    ServeError,
    ServerSettings,
    TritonNotFound,
    find_program,
    prepare,
)
from slipway.triton._installation import EmbeddedTriton, SystemTriton, find_tritonserver
from slipway.triton._python_backend import (
    PythonBackend,
    PythonRuntime,
    assemble_backends,
    current_python,
    python_backend,
    require_packages,
)

STUB = "triton_python_backend_stub"


def program(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def site(tmp_path):
    """The wheel as it lies in site-packages, with stubs for Python 3.9 and 3.11."""
    root = tmp_path / "site-packages" / "pytriton" / "tritonserver"
    program(root / "bin" / "tritonserver")
    for minor in ("3.11", "3.9"):
        program(root / "python_backend_stubs" / minor / STUB)
    (root / "backends" / "python").mkdir(parents=True)
    (root / "backends" / "python" / "triton_python_backend_utils.py").touch()
    return tmp_path / "site-packages"


@pytest.fixture
def python(tmp_path):
    """A Python 3.11 that was built with a shared library."""
    (tmp_path / "python" / "lib").mkdir(parents=True)
    (tmp_path / "python" / "lib" / "libpython3.11.so.1.0").touch()
    return PythonRuntime(
        minor="3.11",
        bin_directory=tmp_path / "bin",
        library_directories=(Path("/nowhere"), tmp_path / "python" / "lib"),
    )


@pytest.fixture
def wheel_is_at(monkeypatch, python):
    def place(site):
        monkeypatch.setattr(installation, "_wheel_site", lambda: site)
        monkeypatch.setattr("slipway.triton._program.current_python", lambda: python)
        monkeypatch.setenv("PATH", "")

    return place


def test_wheel_is_collected_for_its_python(site, python, tmp_path):
    root = site / "pytriton" / "tritonserver"

    assert PythonBackend(
        folder=root / "backends" / "python",
        stub=root / "python_backend_stubs" / "3.11" / STUB,
        library_directories=(tmp_path / "python" / "lib", site / "nvidia_pytriton.libs"),
        bin_directory=tmp_path / "bin",
    ) == python_backend(EmbeddedTriton(site=site), python)


def test_python_without_a_shared_library_says_how_to_get_one(site, python, monkeypatch):
    monkeypatch.setattr("ctypes.util.find_library", lambda _: None)
    (python.library_directories[1] / python.library).unlink()
    with pytest.raises(
        LibpythonMissing,
        match=r"no shared library libpython3\.11\.so\.1\.0, .*apt install libpython3\.11.*--enable-shared",
    ):
        python_backend(EmbeddedTriton(site=site), python)


def test_a_shared_library_that_the_linker_finds_needs_no_folder(site, python, monkeypatch):
    monkeypatch.setattr("ctypes.util.find_library", {"python3.11": "libpython3.11.so.1.0"}.get)
    (python.library_directories[1] / python.library).unlink()

    assert (site / "nvidia_pytriton.libs",) == python_backend(EmbeddedTriton(site=site), python).library_directories


def test_a_python_without_a_stub_is_told_which_have_one(site):
    future = PythonRuntime(minor="3.99", bin_directory=Path("/bin"), library_directories=())
    with pytest.raises(PythonUnsupported, match=r"built for Python 3\.9, 3\.11, this is 3\.99"):
        python_backend(EmbeddedTriton(site=site), future)


def test_a_wheel_that_lost_a_file_names_it(site, wheel_is_at, python):
    wheel_is_at(site)
    (site / "pytriton" / "tritonserver" / "bin" / "tritonserver").unlink()
    (site / "pytriton" / "tritonserver" / "backends" / "python" / "triton_python_backend_utils.py").unlink()
    with pytest.raises(TritonNotFound, match=r"bin/tritonserver is missing: pip install --force-reinstall"):
        find_tritonserver(None)
    with pytest.raises(TritonNotFound, match=r"backend_utils\.py is missing: pip install --force-reinstall"):
        python_backend(EmbeddedTriton(site=site), python)


def test_named_program_wins_over_path_and_path_over_the_wheel(site, tmp_path, wheel_is_at, monkeypatch):
    wheel_is_at(site)
    named, on_path = program(tmp_path / "a" / "tritonserver"), program(tmp_path / "b" / "tritonserver")
    from_wheel = find_tritonserver(None)
    monkeypatch.setenv("PATH", str(on_path.parent))

    assert SystemTriton(executable=named, backends=None) == find_tritonserver(named)
    assert SystemTriton(executable=on_path, backends=None) == find_tritonserver(None)
    assert isinstance(from_wheel, EmbeddedTriton)


def test_the_wheels_own_program_is_never_taken_for_the_systems(site, tmp_path, wheel_is_at):
    wheel_is_at(site)
    (tmp_path / "link").symlink_to(site / "pytriton" / "tritonserver" / "bin" / "tritonserver")

    assert isinstance(find_tritonserver(tmp_path / "link"), EmbeddedTriton)


def test_without_wheel_and_system_the_extra_is_named(wheel_is_at):
    wheel_is_at(None)
    with pytest.raises(TritonNotFound, match=r'pip install "slipway-serving\[serve\]" brings one'):
        find_tritonserver(None)


def test_an_environment_without_onnxruntime_is_told_the_extra(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "onnxruntime" else object())
    with pytest.raises(TritonNotFound, match=r'^onnxruntime missing in .*pip install "slipway-serving\[serve\]"'):
        require_packages()


def test_a_system_program_uses_the_backends_beside_it(tmp_path):
    executable = program(tmp_path / "opt" / "bin" / "tritonserver")
    (tmp_path / "opt" / "backends" / "onnxruntime").mkdir(parents=True)
    (tmp_path / "tritonserver").symlink_to(executable)

    assert SystemTriton(executable=executable, backends=tmp_path / "opt" / "backends") == find_tritonserver(
        tmp_path / "tritonserver"
    )


def test_a_system_program_without_onnx_runtime_is_refused(tmp_path):
    executable = program(tmp_path / "bin" / "tritonserver")
    for backend in ("python", "tensorrt"):
        (tmp_path / "backends" / backend).mkdir(parents=True)
    with pytest.raises(TritonNotFound, match=r"no ONNX Runtime backend: expected .*, available: python, tensorrt"):
        find_tritonserver(executable)


@pytest.mark.parametrize("mode", [None, 0o644], ids=["missing", "not executable"])
def test_a_path_that_is_no_program_is_refused(tmp_path, mode):
    path = tmp_path / "tritonserver"
    if mode is not None:
        path.touch(mode)
    with pytest.raises(TritonNotFound, match=r"expected a program, .*/tritonserver is none"):
        find_tritonserver(path)


def test_this_python_is_described_by_its_environment():
    python = current_python()

    assert (python.bin_directory / "python3").exists()
    assert f"libpython{python.minor}.so.1.0" == python.library


def test_backends_are_links_only(site, python, tmp_path):
    triton = python_backend(EmbeddedTriton(site=site), python)
    folder = assemble_backends(triton, tmp_path / "cache")
    ours = folder / "onnxruntime"

    assert triton.folder == (folder / "python").readlink()
    assert triton.stub == (ours / STUB).readlink()
    assert triton.folder / "triton_python_backend_utils.py" == (ours / "triton_python_backend_utils.py").readlink()
    assert "class TritonPythonModel" in (ours / "model.py").read_text()
    assert {True} == {path.is_symlink() for path in [folder / "python", *ours.iterdir()]}


def test_backends_are_made_once_and_mended(site, python, tmp_path):
    triton = python_backend(EmbeddedTriton(site=site), python)
    folder = assemble_backends(triton, tmp_path / "cache")
    kept = (folder / "python").lstat().st_ino
    (folder / "onnxruntime" / STUB).unlink()
    (folder / "onnxruntime" / "model.py").unlink()
    (folder / "onnxruntime" / "model.py").symlink_to("/nowhere")

    assert folder == assemble_backends(triton, tmp_path / "cache")
    assert kept == (folder / "python").lstat().st_ino
    assert (folder / "onnxruntime" / STUB).exists()
    assert (folder / "onnxruntime" / "model.py").exists()


def test_another_python_gets_a_folder_of_its_own(site, python, tmp_path):
    other = PythonRuntime(minor="3.9", bin_directory=python.bin_directory, library_directories=(tmp_path,))
    (tmp_path / other.library).touch()

    assert assemble_backends(python_backend(EmbeddedTriton(site=site), python), tmp_path) != assemble_backends(
        python_backend(EmbeddedTriton(site=site), other), tmp_path
    )


def test_a_cache_that_cannot_be_written_names_the_way_out(site, python, tmp_path):
    (tmp_path / "cache").touch()
    with pytest.raises(ServeError, match=r"cannot link the backends in .*SLIPWAY_CACHE"):
        assemble_backends(python_backend(EmbeddedTriton(site=site), python), tmp_path / "cache")


def test_environment_of_the_server_with_the_python_backend(site, tmp_path, wheel_is_at, monkeypatch):
    wheel_is_at(site)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", "/usr/bin")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/usr/local/lib")
    (tmp_path / "digits" / "1").mkdir(parents=True)
    (tmp_path / "digits" / "config.pbtxt").write_text('backend: "onnxruntime"')
    (tmp_path / "digits" / "1" / "model.onnx").touch()
    launch = prepare(ServerSettings(repository=tmp_path, verify=False, backend="python"), tmp_path / "run")

    assert {
        "LD_LIBRARY_PATH": f"{tmp_path}/python/lib:{site}/nvidia_pytriton.libs:/usr/local/lib",
        "ORT_DISABLE_TELEMETRY": "1",
        "PATH": f"{tmp_path}/bin:/usr/bin",
        "SLIPWAY_ACTIVITY": f"{tmp_path}/run/activity",
    } == launch.environment
    assert launch.directory is not None
    assert launch.directory.is_relative_to(tmp_path / "cache" / "slipway" / "backends")
    assert "--allow-gpu-metrics=false" in launch.command
    assert launch.shell_command().startswith(
        f"env \\\n  --chdir={launch.directory} \\\n  ORT_DISABLE_TELEMETRY=1 \\\n  LD_LIBRARY_PATH="
    )


def test_the_python_backends_program_says_what_any_start_of_it_takes(site, tmp_path, wheel_is_at, monkeypatch):
    wheel_is_at(site)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    found = find_program(backend="python")

    assert site / "pytriton" / "tritonserver" / "bin" / "tritonserver" == found.executable
    assert (f"--backend-directory={found.backends}", "--allow-gpu-metrics=false") == found.arguments
    assert found.backends / "onnxruntime" == found.directory
    assert f"{tmp_path}/python/lib:{site}/nvidia_pytriton.libs" == found.environment["LD_LIBRARY_PATH"]


def test_a_system_program_needs_nothing_but_its_backends(tmp_path):
    executable = program(tmp_path / "opt" / "bin" / "tritonserver")
    (tmp_path / "opt" / "backends" / "onnxruntime").mkdir(parents=True)
    found = find_program(executable)

    assert (f"--backend-directory={tmp_path}/opt/backends",) == found.arguments
    assert ({"ORT_DISABLE_TELEMETRY": "1"}, None, True) == (found.environment, found.directory, found.gpu_metrics)


def test_a_system_program_that_knows_its_backends_alone_is_given_none(tmp_path):
    assert () == find_program(program(tmp_path / "tritonserver")).arguments
