"""What the API server would say to new objects, all admission included; nothing is stored.

refused = refusals(kubeconfig, objects)        # what it says to those that it refuses
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from rehearsal.cluster.api.kubeconfig import api_client

_AT_ONCE = 8
# What is there already would not be made again; it was admitted.
_THERE = "AlreadyExists"


def refusals(kubeconfig: Path, objects: Sequence[dict[str, Any]]) -> list[str]:
    """As `kubectl create --dry-run=server --validate=strict`, many times faster."""
    return asyncio.run(_ask(kubeconfig, objects))


async def _ask(kubeconfig: Path, objects: Sequence[dict[str, Any]]) -> list[str]:
    door = asyncio.Semaphore(_AT_ONCE)
    async with api_client(kubeconfig) as api:
        groups = {root: await _kinds(api, root) for root in {_root(each) for each in objects}}

        async def one(item: dict[str, Any]) -> str:
            kind = groups[_root(item)].get(item["kind"])
            if kind is None:
                return f"the server knows no {item['kind']} of {item['apiVersion']}"
            space = f"/namespaces/{item['metadata'].get('namespace', 'default')}" if kind["namespaced"] else ""
            question = {"dryRun": "All", "fieldValidation": "Strict"}
            async with door:
                answer = await api.post(f"{_root(item)}{space}/{kind['name']}", params=question, json=item, timeout=60)
            if answer.is_success or answer.json().get("reason") == _THERE:
                return ""
            return f"{item['kind']} {item['metadata']['name']}: {answer.json()['message']}"

        return [said for said in await asyncio.gather(*map(one, objects)) if said]


def _root(item: dict[str, Any]) -> str:
    version = item["apiVersion"]
    return f"/apis/{version}" if "/" in version else f"/api/{version}"


async def _kinds(api: httpx.AsyncClient, root: str) -> dict[str, dict[str, Any]]:
    """What the server knows of a group and version, subresources aside."""
    answer = await api.get(root)
    resources = answer.json()["resources"] if answer.is_success else []
    return {each["kind"]: each for each in resources if "/" not in each["name"]}
