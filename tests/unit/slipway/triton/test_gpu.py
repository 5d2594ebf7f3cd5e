"""The GPU and its libraries: real shared libraries with the names of NVIDIA's, loaded by the real loader."""

import os
from pathlib import Path

import pytest

from slipway.triton import GpuLibraryMissing, GpuNotFound
from slipway.triton._gpu import find_gpu, find_gpu_names
from tests.unit.gpu_machine import CAPI, PLACES, build_libraries, install, make_machine


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    return build_libraries(tmp_path_factory.mktemp("libraries"))


@pytest.fixture(autouse=True)
def machine(libraries, tmp_path, monkeypatch):
    return make_machine(tmp_path, libraries, monkeypatch)


def test_what_a_server_needs_is_found_in_the_wheels(machine):
    gpu = find_gpu(tensorrt=False)

    assert ("NVIDIA H200",) == gpu.names
    assert machine / CAPI / "libonnxruntime.so.1.31.1" == gpu.onnxruntime
    assert "1.31.1" == gpu.onnxruntime_version
    assert {machine / "site/nvidia/cu13/lib", machine / "site/nvidia/cudnn/lib", machine / "site/tensorrt_libs"} == set(
        gpu.library_directories
    )


def test_the_version_of_tensorrt_is_read_from_its_library():
    assert 101601 == find_gpu(tensorrt=True).tensorrt_version
    assert 0 == find_gpu(tensorrt=False).tensorrt_version


def test_without_the_driver_s_device_there_is_no_gpu(machine):
    (machine / "nvidiactl").unlink()

    with pytest.raises(GpuNotFound, match=r"no NVIDIA GPU.*expected \S*nvidiactl.*Without a GPU: `slipway serve`"):
        find_gpu(tensorrt=False)


def test_a_driver_library_that_is_missing_is_named(machine):
    (machine / "driver/libcuda.so.1").unlink()

    with pytest.raises(GpuNotFound, match=r"libcuda\.so\.1: cannot open shared object file.*Install the driver"):
        find_gpu(tensorrt=False)


def test_a_driver_without_a_gpu_says_why(monkeypatch):
    monkeypatch.setenv("FAKE_INIT", "100")

    with pytest.raises(GpuNotFound, match=r"cuInit failed: no CUDA-capable device is detected \(error 100\)"):
        find_gpu(tensorrt=False)


def test_gpus_that_the_environment_hides_are_explained(monkeypatch):
    monkeypatch.setenv("FAKE_COUNT", "0")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")

    with pytest.raises(GpuNotFound, match=r"shows no GPU\. CUDA_VISIBLE_DEVICES is '' here"):
        find_gpu(tensorrt=False)


def test_a_driver_that_crashes_does_not_take_the_command_along(monkeypatch):
    monkeypatch.setenv("FAKE_CRASHES", "1")

    with pytest.raises(GpuNotFound, match="ended a test process with -6"):
        find_gpu(tensorrt=False)


def test_a_driver_that_hangs_is_ended_and_not_waited_for(monkeypatch, tmp_path):
    probe = tmp_path / "probe.py"
    probe.write_text("import time; time.sleep(600)")
    killed = []

    def as_if_stuck(process):
        killed.append(process)

    with monkeypatch.context() as patch:
        patch.setattr("slipway.triton._gpu._PROBE", probe)
        patch.setattr("slipway.triton._gpu._PROBE_LASTS_S", 0.1)
        patch.setattr("slipway.triton._gpu.ChildProcess.kill", as_if_stuck)
        with pytest.raises(GpuNotFound, match=r"did not answer within 0\.1 s: see `nvidia-smi`"):
            find_gpu(tensorrt=False)
    (process,) = killed
    process.kill()

    assert -9 == process.wait(30)


def test_a_driver_for_an_older_cuda_is_refused(monkeypatch):
    monkeypatch.setenv("FAKE_DRIVER", "12080")

    with pytest.raises(GpuLibraryMissing, match=r"expected a driver for CUDA 13\.5.*this one is for CUDA 12\.8"):
        find_gpu(tensorrt=False)


def test_a_driver_for_another_minor_version_is_no_obstacle(monkeypatch):
    monkeypatch.setenv("FAKE_DRIVER", "13000")

    assert ("NVIDIA H200",) == find_gpu(tensorrt=False).names


def test_without_the_gpu_build_of_onnx_runtime_the_extra_is_named(machine):
    for path in (machine / "site/onnxruntime_gpu-1.31.1.dist-info").iterdir():
        path.unlink()
    (machine / "site/onnxruntime_gpu-1.31.1.dist-info").rmdir()

    with pytest.raises(GpuLibraryMissing, match=r'pip install "slipway-serving\[serve-gpu\]"') as refused:
        find_gpu(tensorrt=False)

    assert 4 == refused.value.exit_status


def test_the_cpu_build_beside_the_gpu_build_is_refused(machine):
    install(machine, "onnxruntime", "1.32.0")

    with pytest.raises(GpuLibraryMissing, match=r"onnxruntime 1\.32\.0 \(CPU\) beside onnxruntime-gpu 1\.31\.1"):
        find_gpu(tensorrt=False)


@pytest.mark.parametrize(
    "name", ["libonnxruntime.so.1.31.1", "libonnxruntime_providers_shared.so", "libonnxruntime_providers_cuda.so"]
)
def test_a_file_that_the_wheel_has_lost_is_named(machine, name):
    (machine / CAPI / name).unlink()

    with pytest.raises(GpuLibraryMissing, match=rf"{name} is missing, .*--force-reinstall --no-deps onnxruntime-gpu=="):
        find_gpu(tensorrt=False)


@pytest.mark.parametrize("name", ["libcudart.so.13", "libcudnn.so.9"])
def test_a_library_of_nvidia_s_that_is_missing_is_named_with_where_it_was_looked_for(machine, name):
    (machine / PLACES[name] / name).unlink()

    with pytest.raises(GpuLibraryMissing, match=rf"{name}: cannot open shared object file.*Searched in {machine}"):
        find_gpu(tensorrt=False)


def test_tensorrt_that_is_missing_is_refused_with_another_way(machine):
    (machine / "site/tensorrt_libs/libnvinfer.so.10").unlink()

    with pytest.raises(GpuLibraryMissing, match=r"libnvinfer\.so\.10: cannot open.*Or serve without `--tensorrt`"):
        find_gpu(tensorrt=True)
    assert find_gpu(tensorrt=False).names


def test_a_server_that_brings_its_own_libraries_needs_gpu_and_driver_only(machine):
    for path in sorted((machine / "site").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    names = find_gpu_names()
    (machine / "driver/libcuda.so.1").unlink()

    assert ("NVIDIA H200",) == names
    with pytest.raises(GpuNotFound, match=r"libcuda\.so\.1"):
        find_gpu_names()


def test_the_process_that_asks_loads_nothing():
    find_gpu(tensorrt=True)

    assert "libcudart" not in Path(f"/proc/{os.getpid()}/maps").read_text()
