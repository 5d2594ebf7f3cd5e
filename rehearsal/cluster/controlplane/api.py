"""The API server as the control plane's own parts talk to it: apply objects, ask for one.

api = Api(site)
api.apply(objects)
api.get("/api/v1/namespaces/serving")
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from rehearsal.cluster.api.kubeconfig import blocking_api_client
from rehearsal.cluster.controlplane.component import NotYet
from rehearsal.cluster.controlplane.layout import Site

__all__ = ["Api", "path_of"]

_CLUSTER_SCOPED = frozenset(
    {
        "APIService",
        "ClusterRole",
        "ClusterRoleBinding",
        "ClusterServingRuntime",
        "ClusterStorageContainer",
        "CustomResourceDefinition",
        "KWOKNodeClass",
        "MutatingWebhookConfiguration",
        "Namespace",
        "Node",
        "NodePool",
        "PersistentVolume",
        "PriorityClass",
        "StorageClass",
        "ValidatingWebhookConfiguration",
    }
)
_AT_ONCE = 6
_CHANGE_S = 60.0
"""On a busy machine the server takes its time for dozens of definitions; questions are answered sooner, or never."""


class Api:
    """A client with the administrator's certificate."""

    def __init__(self, site: Site) -> None:
        self._client = blocking_api_client(site.kubeconfig)

    def get(self, path: str) -> dict[str, Any]:
        """One object or list.

        Raises:
            NotYet: The server does not answer 200.
            httpx.HTTPError: It does not answer.
        """
        return self._checked(self._client.get(path))

    def text(self, path: str) -> str:
        """The body of an answer 200; raises as `get`."""
        answer = self._client.get(path)
        self._checked(answer, parse=False)
        return answer.text

    def try_create(self, item: Mapping[str, Any]) -> httpx.Response:
        """What the server would say to a new object, all admission included; nothing is stored."""
        path = path_of(item, collection=True)
        return self._client.post(path, params={"dryRun": "All"}, json=item)

    def patch(self, path: str, change: Mapping[str, Any]) -> dict[str, Any]:
        """Merge a change into an object; raises as `get`."""
        headers = {"Content-Type": "application/merge-patch+json"}
        return self._checked(self._client.patch(path, content=json.dumps(change), headers=headers))

    def apply(self, objects: Iterable[Mapping[str, Any]]) -> None:
        """Make every object what is given, several at once, namespaces before what lies in them; raises as `get`."""
        items = list(objects)
        namespaces = [item for item in items if item["kind"] == "Namespace"]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for group in (namespaces, [item for item in items if item not in namespaces]):
                for answer in [pool.submit(self._apply, item) for item in group]:
                    answer.result()

    def define(self, definitions: Iterable[str]) -> None:
        """Create CustomResourceDefinitions, in YAML, several at once; raises as `get`."""
        path, headers = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {"Content-Type": "application/yaml"}
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            made = [
                pool.submit(self._client.post, path, content=text, headers=headers, timeout=_CHANGE_S)
                for text in definitions
            ]
            for answer in made:
                self._checked(answer.result(), parse=False)

    def served(self, group: str) -> set[str]:
        """Plurals of the kinds that the server knows in a group; empty before it knows the group."""
        answer = self._client.get(f"/apis/{group}")
        if answer.is_error:
            return set()
        versions = [each["groupVersion"] for each in answer.json()["versions"]]
        return {kind["name"] for version in versions for kind in self.get(f"/apis/{version}")["resources"]}

    def _apply(self, item: Mapping[str, Any]) -> None:
        answer = self._client.patch(
            path_of(item),
            params={"fieldManager": "slipway", "force": "true"},
            content=json.dumps(item),
            headers={"Content-Type": "application/apply-patch+yaml"},
            timeout=_CHANGE_S,
        )
        self._checked(answer)
        if "status" in item:
            self.patch(f"{path_of(item)}/status", {"status": item["status"]})

    def _checked(self, answer: httpx.Response, *, parse: bool = True) -> dict[str, Any]:
        if answer.is_error:
            raise NotYet(f"{answer.request.url.path}: {answer.status_code} {answer.text[:400]}")
        result: dict[str, Any] = answer.json() if parse else {}
        return result


def path_of(item: Mapping[str, Any], *, collection: bool = False) -> str:
    """Where an object lives, its plural guessed as Kubernetes itself guesses it (UnsafeGuessKindToResource)."""
    kind, version = item["kind"], item["apiVersion"]
    plural = kind.lower()
    if plural.endswith("s"):
        plural += "es"
    elif plural.endswith("y"):
        plural = plural.removesuffix("y") + "ies"
    else:
        plural += "s"
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    metadata = item["metadata"]
    space = "" if kind in _CLUSTER_SCOPED else f"/namespaces/{metadata.get('namespace', 'default')}"
    return f"{root}{space}/{plural}" + ("" if collection else f"/{metadata['name']}")
