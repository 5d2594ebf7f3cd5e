"""Each rule about pods refuses its violation, wherever in a pod, and wherever the pod is written."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import pytest

from tests.chart import pod_habits, pod_security
from tests.chart.pods import Pod, pods

GOOD = {
    "automountServiceAccountToken": False,
    "enableServiceLinks": False,
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [
        {
            "name": "main",
            "image": "registry.example:5000/main:1.0",
            "resources": {"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}},
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": True,
            },
        }
    ],
    "volumes": [{"name": "tmp", "emptyDir": {}}],
}


def pod(change=None, *, container_of="containers"):
    """Return the good pod after `change(draft)`; a draft has the pod, its only container, and that one's context."""
    spec = copy.deepcopy(GOOD)
    (main,) = spec["containers"]
    if change is not None:
        change(SimpleNamespace(pod=spec, main=main, context=main["securityContext"]))
    if container_of != "containers":
        spec[container_of], spec["containers"] = spec["containers"], copy.deepcopy(GOOD["containers"])
    return Pod(owner="Pod/demo", spec=spec)


BREAKS = {
    "HostProcess": lambda d: d.context.update(windowsOptions={"hostProcess": True}),
    "Host Namespaces": lambda d: d.pod.update(hostNetwork=True),
    "Privileged Containers": lambda d: d.context.update(privileged=True),
    "Capabilities": lambda d: d.context["capabilities"].update(add=["SYS_ADMIN"]),
    "HostPath Volumes": lambda d: d.pod["volumes"].append({"name": "host", "hostPath": {"path": "/"}}),
    "Host Ports": lambda d: d.main.update(ports=[{"containerPort": 80, "hostPort": 80}]),
    "Host Probes / Lifecycle Hooks": lambda d: d.main.update(
        livenessProbe={"tcpSocket": {"host": "other", "port": 80}}
    ),
    "AppArmor": lambda d: d.context.update(appArmorProfile={"type": "Unconfined"}),
    "SELinux": lambda d: d.context.update(seLinuxOptions={"type": "spc_t"}),
    "/proc Mount Type": lambda d: d.context.update(procMount="Unmasked"),
    "Sysctls": lambda d: d.pod["securityContext"].update(sysctls=[{"name": "kernel.msgmax", "value": "1"}]),
    "Volume Types": lambda d: d.pod["volumes"].append({"name": "nfs", "nfs": {"server": "a", "path": "/"}}),
    "Privilege Escalation": lambda d: d.context.pop("allowPrivilegeEscalation"),
    "Running as Non-root": lambda d: d.pod["securityContext"].pop("runAsNonRoot"),
    "Running as Non-root user": lambda d: d.context.update(runAsUser=0),
    "Seccomp": lambda d: d.pod["securityContext"].pop("seccompProfile"),
    "Capabilities, too": lambda d: d.context["capabilities"].update(drop=["NET_RAW"]),
    "Host Namespaces, too": lambda d: d.pod.update(hostIPC=True),
    "Host Probes / Lifecycle Hooks, too": lambda d: d.main.update(
        lifecycle={"preStop": {"httpGet": {"host": "b", "port": 1}}}
    ),
    "SELinux, too": lambda d: d.context.update(seLinuxOptions={"user": "root"}),
    "Privilege Escalation, too": lambda d: d.context.update(allowPrivilegeEscalation=True),
    "Running as Non-root, too": lambda d: d.context.update(runAsNonRoot=False),
    "Running as Non-root user, too": lambda d: d.pod["securityContext"].update(runAsUser=0),
    "Seccomp, too": lambda d: d.context.update(seccompProfile={"type": "Unconfined"}),
}
HABITS = {
    "mounts its account's token": lambda d: d.pod.pop("automountServiceAccountToken"),
    "gets an environment variable": lambda d: d.pod.pop("enableServiceLinks"),
    "requests no cpu": lambda d: d.main["resources"].pop("requests"),
    "requests no memory": lambda d: d.main["resources"].pop("limits"),
    "has no memory limit": lambda d: d.main["resources"].update(requests=d.main["resources"].pop("limits")),
    "may write to its image": lambda d: d.context.pop("readOnlyRootFilesystem"),
    "neither tag nor digest": lambda d: d.main.update(image="registry.example:5000/main"),
    "another image tomorrow": lambda d: d.main.update(image="main:latest"),
    "may report to the maker of onnxruntime": lambda d: d.main.update(image="registry.example:5000/tritonserver:1"),
}


def test_a_good_pod_has_no_findings():
    good = pod()

    assert [] == pod_security.findings(good) + pod_habits.findings(good)


def test_each_rule_is_shown_to_bite():
    assert set(pod_security.RULES) == {name.removesuffix(", too") for name in BREAKS}


@pytest.mark.parametrize("container_of", ["containers", "initContainers", "ephemeralContainers"])
@pytest.mark.parametrize("name", BREAKS)
def test_a_violation_names_its_rule(name, container_of):
    broken = pod(BREAKS[name], container_of=container_of)

    assert {name.removesuffix(", too")} == {sentence.split(": ")[1] for sentence in pod_security.findings(broken)}


def test_a_container_may_say_for_itself_what_its_pod_does_not():
    def move(draft):
        draft.context.update(draft.pod.pop("securityContext"))

    assert [] == pod_security.findings(pod(move))


@pytest.mark.parametrize(("expected", "change"), HABITS.items(), ids=HABITS)
def test_a_broken_habit_is_found(expected, change):
    said = pod_habits.findings(pod(change))

    assert any(expected in sentence for sentence in said), said


def test_a_digest_pins_an_image():
    assert [] == pod_habits.findings(pod(lambda d: d.main.update(image=f"main@sha256:{'0' * 64}")))


def test_a_pod_that_asks_the_api_may_have_a_token():
    assert [] == pod_habits.findings(pod(lambda d: d.pod.pop("automountServiceAccountToken")), needs_token=True)


TEMPLATED = {"metadata": {}, "spec": GOOD}
WRAPPED = {
    "Pod": {"spec": GOOD},
    "PodTemplate": {"template": TEMPLATED},
    "Deployment": {"spec": {"template": TEMPLATED}},
    "Job": {"spec": {"template": TEMPLATED}},
    "CronJob": {"spec": {"jobTemplate": {"spec": {"template": TEMPLATED}}}},
    "ScaledJob": {"spec": {"jobTargetRef": {"template": TEMPLATED}}},
}


@pytest.mark.parametrize(("kind", "document"), WRAPPED.items(), ids=WRAPPED)
def test_a_pod_is_found_in_its_owner(kind, document):
    assert [Pod(owner=f"{kind}/demo", spec=GOOD)] == pods({(kind, "demo"): document})


def test_an_unknown_owner_of_containers_is_refused():
    with pytest.raises(AssertionError, match="Robot/demo holds containers"):
        pods({("Robot", "demo"): {"spec": {"arms": [{"containers": []}]}}})


def served(*, runtime, predictor):
    return {
        ("ServingRuntime", "triton"): {"spec": runtime},
        ("InferenceService", "demo"): {"spec": {"predictor": {**predictor}}},
    }


def test_a_runtime_and_its_service_make_one_pod():
    main = {**GOOD["containers"][0], "name": "kserve-container", "args": ["a"]}
    model = {"runtime": "triton", "args": ["b"], "image": "other:2", "storageUri": "pvc://x"}
    predictor = {"securityContext": {"runAsNonRoot": True}, "model": model, "volumes": [{"name": "v", "emptyDir": {}}]}
    (found,) = pods(served(runtime={"containers": [main], "volumes": GOOD["volumes"]}, predictor=predictor))
    (container,) = found.containers()

    assert "InferenceService/demo" == found.owner
    assert {"runAsNonRoot": True} == found.spec["securityContext"]
    assert ["tmp", "v"] == [volume["name"] for volume in found.spec["volumes"]]
    assert (["a", "b"], "other:2") == (container["args"], container["image"])


def test_the_init_containers_of_a_predictor_are_looked_at():
    predictor = {"model": {"runtime": "triton"}, "initContainers": [{"name": "fetch"}]}
    (found,) = pods(served(runtime={"containers": []}, predictor=predictor))

    assert ["fetch"] == [container["name"] for container in found.containers()]


def test_a_runtime_that_nobody_uses_is_a_pod_of_its_own():
    objects = served(runtime=GOOD, predictor={"model": {"runtime": "another"}})

    assert {"InferenceService/demo", "ServingRuntime/triton"} == {each.owner for each in pods(objects)}
