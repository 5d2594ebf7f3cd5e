"""What a server on a GPU is started with: libraries, metrics, configuration, TensorRT and its engines."""

from pathlib import Path

import pytest

import slipway.triton._program as program
from slipway.model_config import parse_config
from slipway.triton import GpuLibraryMissing, GpuNotFound, ServerSettings, SettingsInvalid, find_program, prepare
from slipway.triton._gpu import find_gpu
from slipway.triton._installation import EmbeddedTriton, SystemTriton
from tests.unit.digits_repository import publish_text
from tests.unit.gpu_machine import build_libraries, make_machine


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    return build_libraries(tmp_path_factory.mktemp("libraries"))


@pytest.fixture
def machine(libraries, tmp_path, monkeypatch):
    monkeypatch.delenv("SLIPWAY_BACKEND", raising=False)
    monkeypatch.setenv("SLIPWAY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(program, "find_tritonserver", lambda _: EmbeddedTriton(site=Path("/site")))
    monkeypatch.setattr(program, "native_backends", lambda _: Path("/native"))
    return make_machine(tmp_path, libraries, monkeypatch)


@pytest.fixture
def launched(machine):
    publish_text(machine / "repository", "one")
    starts = iter(range(9))

    def launch(**settings):
        settings = {"config_name": "gpu", "gpu": True, **settings}
        return prepare(
            ServerSettings(repository=machine / "repository", **settings), machine / f"server-{next(starts)}"
        )

    return launch


def config_of(launch, name="configs/gpu.pbtxt"):
    (shown,) = [path for path in launch.shown if path.match(f"digits/{name}")]
    return parse_config(shown.read_text())


def test_the_server_finds_the_libraries_of_the_wheels_and_reports_gpu_metrics(launched, machine):
    launch = launched()
    site = machine / "site"

    assert ("NVIDIA H200",) == launch.gpus
    assert str(site / "onnxruntime/capi/libonnxruntime.so.1.31.1") == launch.environment["SLIPWAY_ONNXRUNTIME_LIBRARY"]
    assert [
        *(str(site / name) for name in ("nvidia/cu13/lib", "nvidia/cudnn/lib", "tensorrt_libs")),
        str(machine / "driver"),
    ] == launch.environment["LD_LIBRARY_PATH"].split(":")
    assert "native" == launch.backend
    assert "--model-config-name=gpu" in launch.command
    assert not [word for word in launch.command if word.startswith("--allow-gpu-metrics")]


def test_without_the_option_no_gpu_is_looked_for(machine, monkeypatch):
    monkeypatch.setattr(program, "onnxruntime_library", lambda: Path("/libonnxruntime.so.1"))
    (machine / "nvidiactl").unlink()
    (machine / "driver/libcuda.so.1").unlink()
    found = find_program()

    assert found.gpu is None
    assert not found.gpu_metrics


def test_a_machine_without_a_gpu_is_refused_before_anything_is_copied(launched, machine):
    (machine / "nvidiactl").unlink()

    with pytest.raises(GpuNotFound, match="no NVIDIA GPU on this machine"):
        launched()
    assert not (machine / "server-0").exists()


def test_the_models_run_on_cuda_unless_tensorrt_is_asked_for(launched):
    launch = launched()

    assert () == launch.engines
    assert not config_of(launch).optimization.execution_accelerators.gpu_execution_accelerator


def test_tensorrt_is_written_into_the_configuration_that_is_served(launched, machine):
    launch = launched(tensorrt="fp16")
    (accelerator,) = config_of(launch).optimization.execution_accelerators.gpu_execution_accelerator

    assert "tensorrt" == accelerator.name
    assert "FP16" == accelerator.parameters["precision_mode"]
    assert str(machine / "server-0/engines/digits") == accelerator.parameters["trt_engine_cache_path"]
    assert not config_of(launch, "config.pbtxt").optimization.execution_accelerators.gpu_execution_accelerator
    assert "tensorrt" not in (machine / "repository/digits/configs/gpu.pbtxt").read_text()


def test_the_engines_of_one_server_are_there_for_the_next(launched):
    (engines,) = launched(tensorrt="fp32").engines
    (engines.used / "part_sm90.engine").write_bytes(b"engine")
    engines.keep()
    (again,) = launched(tensorrt="fp32").engines
    (other,) = launched(tensorrt="fp16").engines

    assert b"engine" == (again.used / "part_sm90.engine").read_bytes()
    assert [] == list(other.used.iterdir())


def test_a_configuration_that_asks_for_tensorrt_needs_its_library(launched, machine):
    config = machine / "repository/digits/configs/gpu.pbtxt"
    accelerator = 'optimization { execution_accelerators { gpu_execution_accelerator { name: "tensorrt" } } }'
    config.write_text(config.read_text() + accelerator)
    (engines,) = launched(verify=False).engines
    (machine / "site/tensorrt_libs/libnvinfer.so.10").unlink()

    assert engines.used.is_dir()
    with pytest.raises(GpuLibraryMissing, match=r"libnvinfer\.so\.10"):
        launched(verify=False)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"tensorrt": "fp16"}, "expected `gpu` with it"),
        ({"tensorrt": "int4", "gpu": True}, "expected fp32 or fp16"),
        ({"backend": "python", "gpu": True}, "the Python backend uses no GPU"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(tmp_path, settings, said):
    with pytest.raises(SettingsInvalid, match=said):
        ServerSettings(repository=tmp_path, **settings)


def test_the_python_backend_that_the_environment_names_uses_no_gpu(launched, monkeypatch):
    monkeypatch.setenv("SLIPWAY_BACKEND", "python")

    with pytest.raises(SettingsInvalid, match="SLIPWAY_BACKEND: expected 'native' for a GPU"):
        launched()


def test_another_tritonserver_gets_gpu_and_configuration_and_brings_the_rest(launched, machine, monkeypatch):
    system = SystemTriton(executable=Path("/opt/tritonserver/bin/tritonserver"), backends=None)
    monkeypatch.setattr(program, "find_tritonserver", lambda _: system)
    launch = launched()
    (machine / "driver/libcuda.so.1").unlink()

    assert "--model-config-name=gpu" in launch.command
    assert "LD_LIBRARY_PATH" not in launch.environment
    with pytest.raises(GpuNotFound, match=r"libcuda\.so\.1"):
        launched()
    with pytest.raises(SettingsInvalid, match="takes it from the model's configuration"):
        launched(tensorrt="fp16")


def test_this_machine_is_looked_at_without_an_argument():
    if any(Path(name).exists() for name in ("/dev/nvidiactl", "/dev/dxg")):
        pytest.skip("this machine has a GPU")

    with pytest.raises(GpuNotFound, match="/dev/nvidiactl or /dev/dxg"):
        find_gpu(tensorrt=False)
