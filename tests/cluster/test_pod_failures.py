"""What goes wrong in a pod is said in its status, in the words that a kubelet uses."""

from __future__ import annotations

import signal

import psutil
import pytest

from tests.cluster.kube import eventually
from tests.cluster.service import cpu

WRONG = {
    "flag": {"triton": {"extraArgs": ["--log-verbose=loud"]}},
    "image": {"image": {"repository": "registry.example.com/somebody-elses"}},
    "damaged": {"model": {"storageUri": "pvc://models/damaged"}},
    "frozen": {"probes": {"timeoutSeconds": 1, "liveness": {"periodSeconds": 1, "failureThreshold": 2}}},
}


@pytest.fixture(scope="module")
def services(new_service, fill, cluster):
    """A release for each of them, all at once; by name."""
    fill(cluster, "damaged").damage(2, how="unlike_manifest")
    found = {name: new_service("failures", name) for name in WRONG}
    for name, service in found.items():
        service.install(cpu(cluster, **WRONG[name]))
    yield found
    for service in found.values():
        service.uninstall()


def container(service):
    """The status of the one container; {} before there is one."""
    statuses = [each for pod in service.pods() for each in pod.get("status", {}).get("containerStatuses", ())]
    return statuses[0] if statuses else {}


def waits(service, *reasons):
    """The container's status, once it waits for one of these reasons."""
    eventually(lambda: container(service).get("state", {}).get("waiting", {}).get("reason") in reasons, str(reasons))
    return container(service)


def test_a_tritonserver_that_refuses_its_arguments_leaves_its_last_words(services):
    status = waits(services["flag"], "CrashLoopBackOff")
    ended = status["lastState"]["terminated"]

    assert status["restartCount"] >= 1
    assert 0 != ended["exitCode"]
    assert ended["message"].rstrip().endswith("Invalid option value. Got loud")
    assert not status["ready"]


def test_kubectl_shows_the_log_of_the_start_before(services, kube):
    service = services["flag"]
    waits(service, "CrashLoopBackOff")
    (pod,) = service.pods()
    said = kube.kubectl("logs", pod["metadata"]["name"], "--previous", "--namespace", service.namespace)

    assert "Invalid option value. Got loud" in said


def test_an_image_that_nothing_stands_for_is_not_pulled(services):
    waiting = waits(services["image"], "ErrImagePull", "ImagePullBackOff")["state"]["waiting"]

    assert "registry.example.com/somebody-elses" in waiting["message"]


def test_a_file_unlike_its_manifest_is_named_in_the_status(services):
    ended = waits(services["damaged"], "CrashLoopBackOff")["lastState"]["terminated"]

    assert "model.onnx: FAILED" in ended["message"]
    assert "version 2 is not what was published" in ended["message"]


def tritonserver(cluster, pod):
    """The process of a pod."""
    folder = f"{cluster.pods}/{pod['metadata']['namespace']}_{pod['metadata']['name']}_"
    for process in psutil.process_iter():
        try:
            if process.name() == "tritonserver" and process.environ().get("SLIPWAY_POD_FOLDER", "").startswith(folder):
                return process
        except psutil.Error:
            continue
    return None


def test_a_tritonserver_that_hangs_is_restarted(services, cluster):
    service = services["frozen"]
    service.wait_ready()
    (pod,) = service.pods()
    before = container(service)["restartCount"]
    process = eventually(lambda: tritonserver(cluster, pod), "the pod has no tritonserver")
    process.send_signal(signal.SIGSTOP)
    eventually(lambda: container(service)["restartCount"] > before, "no restart")
    eventually(lambda: container(service)["ready"], "the restarted container does not become ready")

    assert not psutil.pid_exists(process.pid)
    assert pod["metadata"]["uid"] == service.pods()[0]["metadata"]["uid"]
