"""What an upgrade must not change, because the API server, or KServe's webhook, refuses the change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.chart.rendering import Object, Objects

_MODE = "serving.kserve.io/deploymentMode"
_MUTABLE_OF_STATEFUL_SET = frozenset(
    {
        "minReadySeconds",
        "ordinals",
        "persistentVolumeClaimRetentionPolicy",
        "replicas",
        "revisionHistoryLimit",
        "template",
        "updateStrategy",
    }
)
_MUTABLE_OF_STORAGE_CLASS = frozenset({"allowVolumeExpansion", "allowedTopologies", "apiVersion", "kind", "metadata"})
_IMMUTABLE_OF_JOB = (
    "backoffLimitPerIndex",
    "completionMode",
    "managedBy",
    "podFailurePolicy",
    "selector",
    "successPolicy",
    "template",
)


def _only(*keys: str) -> Callable[[Object], dict[str, Any]]:
    return lambda document: {key: (document.get("spec") or {}).get(key) for key in keys}


def _all_but(mutable: frozenset[str]) -> Callable[[Object], dict[str, Any]]:
    return lambda document: {key: value for key, value in document["spec"].items() if key not in mutable}


def _job(document: Object) -> dict[str, Any]:
    spec = document["spec"]
    fixed = {key: spec.get(key) for key in _IMMUTABLE_OF_JOB}
    # An indexed Job may be resized; any other may not.
    return fixed if spec.get("completionMode") == "Indexed" else {**fixed, "completions": spec.get("completions")}


def _service(document: Object) -> dict[str, Any]:
    return {"clusterIP": "None" if document["spec"].get("clusterIP") == "None" else "allocated"}


def _inference_service(document: Object) -> dict[str, Any]:
    annotations = document["metadata"].get("annotations") or {}
    return {"deploymentMode": annotations.get(_MODE), "predictor.name": document["spec"]["predictor"].get("name")}


def _sealed(document: Object) -> dict[str, Any]:
    sealed = {"type": document.get("type")}
    if document.get("immutable"):
        sealed |= {key: document.get(key) for key in ("immutable", "data", "binaryData", "stringData")}
    return sealed


def _storage_class(document: Object) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key not in _MUTABLE_OF_STORAGE_CLASS}


# What must stay, for each kind: the validation of updates in Kubernetes and in KServe.
FIXED: Mapping[str, Callable[[Object], dict[str, Any]]] = {
    "ClusterRoleBinding": lambda document: {"roleRef": document["roleRef"]},
    "ConfigMap": _sealed,
    "DaemonSet": _only("selector"),
    "Deployment": _only("selector"),
    "InferenceService": _inference_service,
    "Job": _job,
    "PersistentVolumeClaim": _all_but(frozenset({"resources", "volumeAttributesClassName"})),
    "Pod": lambda document: {"spec": document["spec"]},
    "PriorityClass": lambda document: {key: document.get(key) for key in ("value", "preemptionPolicy")},
    "ReplicaSet": _only("selector"),
    "RoleBinding": lambda document: {"roleRef": document["roleRef"]},
    "Secret": _sealed,
    "Service": _service,
    "StatefulSet": _all_but(_MUTABLE_OF_STATEFUL_SET),
    "StorageClass": _storage_class,
}


def changes(before: Objects, after: Objects) -> list[str]:
    """Return what an upgrade from one release to the other could not change, a sentence each.

    Hooks are left out: Helm deletes and makes them again.
    """
    said = []
    for key in sorted(before.keys() & after.keys()):
        old, new = before[key], after[key]
        if key[0] not in FIXED or _is_hook(old) or _is_hook(new):
            continue
        fixed, wanted = FIXED[key[0]](old), FIXED[key[0]](new)
        if key[0] in ("ConfigMap", "Secret") and not old.get("immutable"):
            wanted = {"type": new.get("type")}
        said += [
            f"{key[0]}/{key[1]}: {field} is fixed at {fixed.get(field)!r} and would become {wanted.get(field)!r}"
            for field in sorted(fixed.keys() | wanted.keys())
            if fixed.get(field) != wanted.get(field)
        ]
    return said


def _is_hook(document: Object) -> bool:
    return "helm.sh/hook" in (document["metadata"].get("annotations") or {})
