"""Many objects at once, in an order that the API server takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from rehearsal.cluster.api.client import CHANGE_S, BlockingApiClient, Request, apply, patch
from rehearsal.errors import ApiError

__all__ = ["apply_all", "define_all", "served"]

_AT_ONCE = 6
_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def apply_all(api: BlockingApiClient, objects: Iterable[Mapping[str, Any]]) -> None:
    """Make every object what is given, its status too, namespaces before what lies in them; raises ApiError."""

    def one(item: Mapping[str, Any]) -> None:
        request = apply(item)
        api.send(request)
        if "status" in item:
            api.send(patch(f"{request.url}/status", {"status": item["status"]}))

    items = list(objects)
    namespaces = [item for item in items if item["kind"] == "Namespace"]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for group in (namespaces, [item for item in items if item not in namespaces]):
            list(pool.map(one, group))


def define_all(api: BlockingApiClient, definitions: Iterable[str]) -> None:
    """Create CustomResourceDefinitions, in YAML; raises ApiError."""
    headers = {"Content-Type": "application/yaml"}
    new = [
        Request(method="POST", url=_DEFINITIONS, content=text, headers=headers, timeout=CHANGE_S)
        for text in definitions
    ]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(api.send, new))


def served(api: BlockingApiClient, group: str) -> set[str]:
    """Plurals of the kinds that the server knows in a group; empty before it knows the group."""
    try:
        versions = [each["groupVersion"] for each in api.get(f"/apis/{group}")["versions"]]
    except ApiError:
        return set()
    return {kind["name"] for version in versions for kind in api.get(f"/apis/{version}")["resources"]}
