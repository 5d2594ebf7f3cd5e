"""The GPU and its libraries: real shared libraries with the names of NVIDIA's, loaded by the real loader."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from slipway.triton import GpuLibraryMissing, GpuNotFound
from slipway.triton._gpu import find_gpu

DRIVER = r"""
#include <stdlib.h>
#include <string.h>
static int number(const char *name, int otherwise) { const char *v = getenv(name); return v ? atoi(v) : otherwise; }
int cuInit(unsigned flags) {
  if (number("FAKE_CRASHES", 0)) abort();
  return number("FAKE_INIT", 0);
}
int cuDriverGetVersion(int *v) { *v = number("FAKE_DRIVER", 13000); return 0; }
int cuDeviceGetCount(int *n) { *n = number("FAKE_COUNT", 1); return 0; }
int cuDeviceGetName(char *name, int size, int device) { strncpy(name, "NVIDIA H200", size); return 0; }
int cuGetErrorString(int code, const char **text) { *text = "no CUDA-capable device is detected"; return 0; }
"""
SOURCES = {
    "libcuda.so.1": (DRIVER, ()),
    "libcudart.so.13": ("int cudaRuntimeGetVersion(int *v) { *v = 13050; return 0; }", ()),
    "libcudnn.so.9": ("int cudnn;", ()),
    "libnvinfer.so.10": ("int getInferLibVersion(void) { return 101601; }", ()),
    "libonnxruntime_providers_shared.so": ("int Provider_GetHost;", ()),
    "libonnxruntime_providers_cuda.so": ("int cuda;", ("libcudart.so.13", "libcuda.so.1")),
    "libonnxruntime_providers_tensorrt.so": ("int tensorrt;", ("libnvinfer.so.10",)),
}
PLACES = {
    "libcuda.so.1": "driver",
    "libcudart.so.13": "site/nvidia/cu13/lib",
    "libcudnn.so.9": "site/nvidia/cudnn/lib",
    "libnvinfer.so.10": "site/tensorrt_libs",
}
CAPI = "site/onnxruntime/capi"


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    folder = tmp_path_factory.mktemp("libraries")
    compiler = [found] if (found := shutil.which("cc")) else [sys.executable, "-m", "ziglang", "cc"]
    for name, (source, needed) in SOURCES.items():
        (folder / "source.c").write_text(source)
        command = [*compiler, "-shared", "-fPIC", f"-Wl,-soname,{name}", "source.c"]
        needs = ["-Wl,--no-as-needed", *needed] if needed else []
        subprocess.run([*command, *needs, "-o", name], cwd=folder, check=True, capture_output=True, timeout=240)
    return folder


@pytest.fixture
def machine(libraries, tmp_path, monkeypatch):
    """A machine with a GPU, its driver, and an environment of the extra `serve-gpu` with TensorRT."""
    for name in SOURCES:
        place = tmp_path / PLACES.get(name, CAPI) / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(libraries / name)
    (tmp_path / CAPI / "libonnxruntime.so.1.31.1").touch()
    (tmp_path / "nvidiactl").touch()
    install(tmp_path, "onnxruntime_gpu", "1.31.1")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site"), *(entry for entry in sys.path if "site-" not in entry)])
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path / "driver"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return tmp_path


def install(machine, name, version):
    info = machine / "site" / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n")
    files = [path.relative_to(machine / "site") for path in (machine / CAPI).iterdir()]
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))


def found(machine, *, tensorrt=False):
    return find_gpu(tensorrt=tensorrt, devices=(machine / "nvidiactl",))


def test_what_a_server_needs_is_found_in_the_wheels(machine):
    gpu = found(machine)

    assert ("NVIDIA H200",) == gpu.names
    assert machine / CAPI / "libonnxruntime.so.1.31.1" == gpu.onnxruntime
    assert "1.31.1" == gpu.onnxruntime_version
    assert {machine / "site/nvidia/cu13/lib", machine / "site/nvidia/cudnn/lib", machine / "site/tensorrt_libs"} == set(
        gpu.library_directories
    )


def test_the_version_of_tensorrt_is_read_from_its_library(machine):
    assert 101601 == found(machine, tensorrt=True).tensorrt_version
    assert 0 == found(machine).tensorrt_version


def test_without_the_driver_s_device_there_is_no_gpu(machine):
    (machine / "nvidiactl").unlink()

    with pytest.raises(GpuNotFound, match=r"no NVIDIA GPU.*expected \S*nvidiactl.*Without a GPU: `slipway serve`"):
        found(machine)


def test_a_driver_library_that_is_missing_is_named(machine):
    (machine / "driver/libcuda.so.1").unlink()

    with pytest.raises(GpuNotFound, match=r"libcuda\.so\.1: cannot open shared object file.*Install the driver"):
        found(machine)


def test_a_driver_without_a_gpu_says_why(machine, monkeypatch):
    monkeypatch.setenv("FAKE_INIT", "100")

    with pytest.raises(GpuNotFound, match=r"cuInit failed: no CUDA-capable device is detected \(error 100\)"):
        found(machine)


def test_gpus_that_the_environment_hides_are_explained(machine, monkeypatch):
    monkeypatch.setenv("FAKE_COUNT", "0")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")

    with pytest.raises(GpuNotFound, match=r"shows no GPU\. CUDA_VISIBLE_DEVICES is '' here"):
        found(machine)


def test_a_driver_that_crashes_does_not_take_the_command_along(machine, monkeypatch):
    monkeypatch.setenv("FAKE_CRASHES", "1")

    with pytest.raises(GpuNotFound, match="ended a test process with -6"):
        found(machine)


def test_a_driver_for_an_older_cuda_is_refused(machine, monkeypatch):
    monkeypatch.setenv("FAKE_DRIVER", "12080")

    with pytest.raises(GpuLibraryMissing, match=r"expected a driver for CUDA 13\.5.*this one is for CUDA 12\.8"):
        found(machine)


def test_a_driver_for_another_minor_version_is_no_obstacle(machine, monkeypatch):
    monkeypatch.setenv("FAKE_DRIVER", "13000")

    assert ("NVIDIA H200",) == found(machine).names


def test_without_the_gpu_build_of_onnx_runtime_the_extra_is_named(machine):
    for path in (machine / "site/onnxruntime_gpu-1.31.1.dist-info").iterdir():
        path.unlink()
    (machine / "site/onnxruntime_gpu-1.31.1.dist-info").rmdir()

    with pytest.raises(GpuLibraryMissing, match=r'pip install "slipway-serving\[serve-gpu\]"') as refused:
        found(machine)

    assert 4 == refused.value.exit_status


def test_the_cpu_build_beside_the_gpu_build_is_refused(machine):
    install(machine, "onnxruntime", "1.32.0")

    with pytest.raises(GpuLibraryMissing, match=r"onnxruntime 1\.32\.0 \(CPU\) beside onnxruntime-gpu 1\.31\.1"):
        found(machine)


@pytest.mark.parametrize(
    "name", ["libonnxruntime.so.1.31.1", "libonnxruntime_providers_shared.so", "libonnxruntime_providers_cuda.so"]
)
def test_a_file_that_the_wheel_has_lost_is_named(machine, name):
    (machine / CAPI / name).unlink()

    with pytest.raises(GpuLibraryMissing, match=rf"{name} is missing, .*--force-reinstall --no-deps onnxruntime-gpu=="):
        found(machine)


@pytest.mark.parametrize("name", ["libcudart.so.13", "libcudnn.so.9"])
def test_a_library_of_nvidia_s_that_is_missing_is_named_with_where_it_was_looked_for(machine, name):
    (machine / PLACES[name] / name).unlink()

    with pytest.raises(GpuLibraryMissing, match=rf"{name}: cannot open shared object file.*Searched in {machine}"):
        found(machine)


def test_tensorrt_that_is_missing_is_refused_with_another_way(machine):
    (machine / "site/tensorrt_libs/libnvinfer.so.10").unlink()

    with pytest.raises(GpuLibraryMissing, match=r"libnvinfer\.so\.10: cannot open.*Or serve without `--tensorrt`"):
        found(machine, tensorrt=True)
    assert found(machine).names


def test_this_machine_is_looked_at_without_an_argument():
    if any(Path(name).exists() for name in ("/dev/nvidiactl", "/dev/dxg")):
        pytest.skip("this machine has a GPU")

    with pytest.raises(GpuNotFound, match="/dev/nvidiactl or /dev/dxg"):
        find_gpu(tensorrt=False)


def test_the_process_that_asks_loads_nothing(machine):
    found(machine, tensorrt=True)

    assert "libcudart" not in Path(f"/proc/{os.getpid()}/maps").read_text()
