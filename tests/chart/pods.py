"""Every pod that a release leads to, wherever its specification is written.

A ServingRuntime and the InferenceService that names it make one pod together: KServe lays the predictor's fields over
the runtime's, and the model's container fields over the container `kserve-container`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.chart.rendering import Object, Objects

# Where each kind keeps its pod template; "" is the object itself.
TEMPLATES = {
    "CronJob": "spec.jobTemplate.spec.template",
    "DaemonSet": "spec.template",
    "Deployment": "spec.template",
    "Job": "spec.template",
    "Pod": "",
    "PodTemplate": "template",
    "ReplicaSet": "spec.template",
    "ScaledJob": "spec.jobTargetRef.template",
    "StatefulSet": "spec.template",
}
SERVED = ("ClusterServingRuntime", "InferenceService", "ServingRuntime")
MAIN_CONTAINER = "kserve-container"
# What KServe appends instead of replacing.
_APPENDED = ("args", "env", "volumeMounts")
# What `predictor.model` says about the model; everything else in it is a container's field.
_MODEL_ONLY = frozenset({"modelFormat", "protocolVersion", "runtime", "runtimeVersion", "storage", "storageUri"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """One pod: `owner` is the kind and name of the object that makes it."""

    owner: str
    spec: Mapping[str, Any]

    def containers(self) -> Iterator[Mapping[str, Any]]:
        """Return all containers: main, init and ephemeral."""
        for key in ("initContainers", "containers", "ephemeralContainers"):
            yield from self.spec.get(key) or ()


def pods(objects: Objects) -> list[Pod]:
    """Return every pod of the release.

    Raises:
        AssertionError: If an object of another kind holds containers, which nobody would check.
    """
    found = list(_served(objects))
    for (kind, name), document in objects.items():
        if kind in TEMPLATES:
            found.append(Pod(owner=f"{kind}/{name}", spec=_at(document, TEMPLATES[kind])["spec"]))
        else:
            known = kind in SERVED or not _holds_containers(document)
            assert known, f"{kind}/{name} holds containers: say in pods.py where its pod template is"
    return found


def _at(document: Object, path: str) -> Any:
    for key in filter(None, path.split(".")):
        document = document[key]
    return document


def _holds_containers(value: Any) -> bool:
    if isinstance(value, Mapping):
        return isinstance(value.get("containers"), list) or any(map(_holds_containers, value.values()))
    return isinstance(value, list) and any(map(_holds_containers, value))


def _served(objects: Objects) -> Iterator[Pod]:
    specs = {key: document["spec"] for key, document in objects.items() if key[0] in SERVED}
    runtimes = {name: spec for (kind, name), spec in specs.items() if kind.endswith("ServingRuntime")}
    services = {name: spec["predictor"] for (kind, name), spec in specs.items() if kind == "InferenceService"}
    used = set()
    for name, predictor in services.items():
        runtime = (predictor.get("model") or {}).get("runtime")
        used.add(runtime)
        yield Pod(owner=f"InferenceService/{name}", spec=_laid_over(runtimes.get(runtime, {}), predictor))
    for name in runtimes.keys() - used:
        yield Pod(owner=f"ServingRuntime/{name}", spec=runtimes[name])


def _laid_over(runtime: Mapping[str, Any], predictor: Mapping[str, Any]) -> dict[str, Any]:
    containers = {container["name"]: dict(container) for container in runtime.get("containers") or ()}
    model = {key: value for key, value in (predictor.get("model") or {}).items() if key not in _MODEL_ONLY}
    for container in [*(predictor.get("containers") or ()), *([{**model, "name": MAIN_CONTAINER}] if model else ())]:
        below = containers.get(container["name"], {})
        appended = {key: [*below[key], *container[key]] for key in _APPENDED if key in below and key in container}
        containers[container["name"]] = {**below, **container, **appended}
    volumes = [*(runtime.get("volumes") or ()), *(predictor.get("volumes") or ())]
    return {**runtime, **predictor, "containers": list(containers.values()), "volumes": volumes}
