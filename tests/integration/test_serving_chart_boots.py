"""The arguments, the start script and the probes that the chart renders, on a real tritonserver."""

import re
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from tritonclient.grpc import InferenceServerClient
from tritonclient.utils import InferenceServerException

pytest.importorskip("helm_python")

from slipway.client import Classifier
from slipway.repository import seal
from tests.chart.predictor_container import predictor_container, running, status

pytestmark = pytest.mark.triton

CPU = {
    "model": {"storageUri": "pvc://models", "configName": ""},
    "gpu": {"enabled": False},
    "autoscaling": {"mode": "none"},
}
GPU = {"model": {"storageUri": "pvc://models"}, "autoscaling": {"mode": "none"}}
IMAGES = np.random.default_rng(5).integers(0, 256, (4, 28, 28, 1), dtype=np.uint8)


def wait_until_started(container, process):
    while container.probe("startupProbe") != 200:
        assert process.poll() is None, container.said()
        time.sleep(0.05)


def test_the_cpu_profile_serves_the_published_repository(published_repository, in_process, tmp_path):
    container = predictor_container(CPU, repository=published_repository, folder=tmp_path)
    with running(container) as process:
        wait_until_started(container, process)
        probes = {name: container.probe(name) for name in ("startupProbe", "readinessProbe", "livenessProbe")}
        with Classifier(f"grpc://127.0.0.1:{container.ports['grpc']}", model="mnist") as classifier:
            over_grpc = classifier.predict(IMAGES).probabilities
        with Classifier(f"http://127.0.0.1:{container.ports['http']}", model="mnist") as classifier:
            over_http = classifier.predict(IMAGES).probabilities
        metrics = status(container.url("/metrics", "metrics"))

    assert {"startupProbe": 200, "readinessProbe": 200, "livenessProbe": 200} == probes
    np.testing.assert_allclose(in_process(IMAGES), over_grpc, atol=1e-6)
    np.testing.assert_allclose(in_process(IMAGES), over_http, atol=1e-6)
    assert 200 == metrics
    assert 0 == process.returncode
    assert "serving version 1 of mnist" in container.said()


def test_the_gpu_profile_has_arguments_that_tritonserver_takes(own_repository, tmp_path):
    # There is no GPU here: what is tested is every flag of the profile, on a configuration that CPUs can serve.
    shutil.copy(own_repository / "mnist" / "config.pbtxt", own_repository / "mnist" / "configs" / "gpu.pbtxt")
    seal(own_repository, "mnist")
    container = predictor_container(GPU, repository=own_repository, folder=tmp_path)
    with running(container) as process:
        wait_until_started(container, process)

    assert 0 == process.returncode
    assert "--model-config-name=gpu" in container.spec["args"]


def test_a_flag_that_tritonserver_refuses_never_becomes_ready(published_repository, tmp_path):
    refused = {**CPU, "triton": {"extraArgs": ["--disable-auto-complete-config=true"]}}
    container = predictor_container(refused, repository=published_repository, folder=tmp_path)
    with running(container) as process:
        code = process.wait(timeout=30)

    assert 0 != code
    assert 0 == container.probe("readinessProbe")


def test_admin_apis_are_closed_to_who_does_not_have_the_key(published_repository, tmp_path):
    container = predictor_container(CPU, repository=published_repository, folder=tmp_path)
    with running(container) as process:
        wait_until_started(container, process)
        admin = {"slipway-admin": container.admin_key_file.read_text().strip()}
        index = container.url("/v2/repository/index")
        refused = status(index, method="POST")
        guessed = status(index, method="POST", headers={"slipway-admin": "guess"})
        allowed = status(index, method="POST", headers=admin)
        unload = status(container.url("/v2/repository/models/mnist/unload"), method="POST")
        logging, tracing = status(container.url("/v2/logging")), status(container.url("/v2/trace/setting"))
        memory = status(container.url("/v2/systemsharedmemory/status"))
        with InferenceServerClient(f"127.0.0.1:{container.ports['grpc']}") as grpc_client:
            with pytest.raises(InferenceServerException, match="slipway-admin") as over_grpc:
                grpc_client.get_model_repository_index()
            models = grpc_client.get_model_repository_index(
                {f"triton-grpc-protocol-{key}": admin[key] for key in admin}
            )

    assert (403, 403, 200) == (refused, guessed, allowed)
    assert (403, 403, 403, 403) == (unload, logging, tracing, memory)
    assert "StatusCode.UNAVAILABLE" == over_grpc.value.status()
    assert ["mnist"] == [model.name for model in models.models]


def test_the_admin_key_is_another_at_every_start_and_stands_in_no_log_and_no_variable(published_repository, tmp_path):
    container = predictor_container(CPU, repository=published_repository, folder=tmp_path)
    keys = []
    for _ in range(2):
        with running(container) as process:
            wait_until_started(container, process)
            keys.append(container.admin_key_file.read_text().strip())
            mode = container.admin_key_file.stat().st_mode & 0o777
            variables = Path(f"/proc/{process.pid}/environ").read_text()

        assert re.fullmatch("[0-9a-f]{64}", keys[-1])
        assert 0o600 == mode
        assert keys[-1] not in variables
        assert keys[-1] not in container.said()

    assert keys[0] != keys[1]


def test_admin_apis_that_were_opened_ask_for_no_key(published_repository, tmp_path):
    opened = {**CPU, "triton": {"restrictAdminApis": False}}
    container = predictor_container(opened, repository=published_repository, folder=tmp_path)
    with running(container) as process:
        wait_until_started(container, process)
        index = status(container.url("/v2/repository/index"), method="POST")

    assert 200 == index
    assert not container.admin_key_file.exists()


def damage_a_file(folder):
    with (folder / "model.onnx").open("r+b") as file:
        file.write(b"x")


def lose_a_file(folder):
    (folder / "model.onnx").unlink()


def add_a_file(folder):
    (folder / "model.py").write_text("print('anything')\n")


def lose_the_manifest(folder):
    (folder / "manifest.sha256").unlink()


@pytest.mark.parametrize(
    ("harm", "names"),
    [
        (damage_a_file, "model.onnx: FAILED"),
        (lose_a_file, "model.onnx"),
        (add_a_file, "does not list: model.py"),
        (lose_the_manifest, "no manifest.sha256"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_version_that_is_not_what_was_published_does_not_start_and_names_the_file(
    own_repository, tmp_path, harm, names
):
    harm(own_repository / "mnist" / "1")
    container = predictor_container(CPU, repository=own_repository, folder=tmp_path, model_version="1")
    with running(container) as process:
        code = process.wait(timeout=30)

    assert 1 == code
    assert names in container.said()
    assert "start-triton:" in container.said()
    assert not (tmp_path / "view").exists()


def test_integrity_can_be_switched_off(own_repository, tmp_path):
    lose_the_manifest(own_repository / "mnist" / "1")
    values = {**CPU, "model": {**CPU["model"], "checkIntegrity": False}}
    container = predictor_container(values, repository=own_repository, folder=tmp_path)
    with running(container) as process:
        wait_until_started(container, process)

    assert 0 == process.returncode


@pytest.fixture
def three_versions(own_repository):
    """Versions 1 and 10 are published, 11 is still being written: it has no manifest yet."""
    model = own_repository / "mnist"
    for number in ("10", "11"):
        shutil.copytree(model / "1", model / number)
    lose_the_manifest(model / "11")
    return own_repository


@pytest.mark.parametrize(("annotation", "served"), [(None, "10"), ("1", "1")], ids=["newest", "pinned"])
def test_only_the_chosen_version_is_shown_to_triton(three_versions, tmp_path, annotation, served):
    container = predictor_container(CPU, repository=three_versions, folder=tmp_path, model_version=annotation)
    with running(container) as process:
        wait_until_started(container, process)
        answers = {
            number: status(container.url(f"/v2/models/mnist/versions/{number}/ready")) for number in ("1", "10", "11")
        }

    assert {served} == {number for number, answer in answers.items() if answer == 200}


def test_a_version_that_is_not_there_is_named(own_repository, tmp_path):
    container = predictor_container(CPU, repository=own_repository, folder=tmp_path, model_version="7")
    with running(container) as process:
        code = process.wait(timeout=30)

    assert 1 == code
    assert "version 7 is not in" in container.said()


def test_a_storage_uri_one_folder_too_deep_is_explained(own_repository, tmp_path):
    container = predictor_container(CPU, repository=own_repository, folder=tmp_path)
    (own_repository / "mnist").rename(own_repository / "elsewhere")
    with running(container) as process:
        code = process.wait(timeout=30)

    assert 1 == code
    assert "model.storageUri must name the folder that holds mnist/" in container.said()
