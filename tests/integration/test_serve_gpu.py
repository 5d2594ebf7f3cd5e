"""A real tritonserver, started as on a machine with a GPU; what stands in for NVIDIA's libraries runs no kernel."""

from pathlib import Path

import numpy as np
import pytest

import slipway.triton._program as program
from slipway.client import Classifier
from slipway.triton import ServerDied, ServerSettings, TritonServer
from tests.unit.gpu_machine import build_libraries, make_machine

pytestmark = pytest.mark.triton


@pytest.fixture
def repository(own_repository, native_is_here, tmp_path, tmp_path_factory, monkeypatch):
    """A published model on a machine with a GPU; it is made before, with packages that this machine lacks."""
    if not native_is_here:
        pytest.skip("no native backend can be compiled here")
    monkeypatch.delenv("SLIPWAY_BACKEND", raising=False)
    libraries = build_libraries(tmp_path_factory.mktemp("libraries"))
    make_machine(tmp_path, libraries, monkeypatch, tritonserver=True)
    return own_repository


def test_a_model_for_the_cpu_answers_on_a_server_for_the_gpu(repository, tmp_path, monkeypatch):
    def find_gpu(**wanted):
        gpu = program_find_gpu(**wanted)
        monkeypatch.delenv("LD_LIBRARY_PATH")  # tritonserver calls more of a driver than this one has
        return gpu

    program_find_gpu = program.find_gpu
    monkeypatch.setattr(program, "find_gpu", find_gpu)
    log = tmp_path / "log"
    with TritonServer(ServerSettings(repository=repository, gpu=True, log_file=log)) as server:
        with Classifier(server.grpc_url, model="mnist") as classifier:
            prediction = classifier.predict(np.zeros((2, 28, 28, 1), np.uint8))
        mapped = Path(f"/proc/{server.pid}/maps").read_text()
        gpus = server.gpus

    assert (2, 10) == prediction.probabilities.shape
    assert ("NVIDIA H200",) == gpus
    assert "libonnxruntime.so" in mapped
    assert "DCGM" in log.read_text()  # GPU metrics were asked for


def test_a_gpu_on_which_nothing_runs_ends_the_start_with_the_reason(repository):
    with (
        pytest.raises(ServerDied, match="unable to get number of CUDA devices"),
        TritonServer(ServerSettings(repository=repository, gpu=True, config_name="gpu")),
    ):
        pass
