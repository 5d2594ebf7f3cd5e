"""What the API server would say to new objects, all admission included; nothing is stored.

refused = refusals(kubeconfig, objects)        # what it says to those that it refuses
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rehearsal.cluster.api.client import CHANGE_S, ApiClient, create
from rehearsal.errors import ApiError

_AT_ONCE = 8
# What is there already would not be made again; it was admitted.
_CONFLICT = 409


def refusals(kubeconfig: Path, objects: Sequence[dict[str, Any]]) -> list[str]:
    """As `kubectl create --dry-run=server --validate=strict`, many times faster."""
    return asyncio.run(_ask(kubeconfig, objects))


async def _ask(kubeconfig: Path, objects: Sequence[dict[str, Any]]) -> list[str]:
    slots = asyncio.Semaphore(_AT_ONCE)
    async with ApiClient.from_kubeconfig(kubeconfig) as api:
        groups = {root: await _kinds(api, root) for root in {_root(each) for each in objects}}

        async def one(item: dict[str, Any]) -> str:
            kind = groups[_root(item)].get(item["kind"])
            if kind is None:
                return f"the server knows no {item['kind']} of {item['apiVersion']}"
            space = f"/namespaces/{item['metadata'].get('namespace', 'default')}" if kind["namespaced"] else ""
            request = replace(
                create(item, dry_run=True),
                url=f"{_root(item)}{space}/{kind['name']}",
                params={"dryRun": "All", "fieldValidation": "Strict"},
                timeout=CHANGE_S,
            )
            try:
                async with slots:
                    await api.send(request)
            except ApiError as exc:
                there = exc.status == _CONFLICT and exc.said.endswith("already exists")
                return "" if there else f"{item['kind']} {item['metadata']['name']}: {exc.said}"
            return ""

        return [said for said in await asyncio.gather(*map(one, objects)) if said]


def _root(item: dict[str, Any]) -> str:
    version = item["apiVersion"]
    return f"/apis/{version}" if "/" in version else f"/api/{version}"


async def _kinds(api: ApiClient, root: str) -> dict[str, dict[str, Any]]:
    """What the server knows of a group and version, subresources aside."""
    resources = (await api.get(root) or {"resources": []})["resources"]
    return {each["kind"]: each for each in resources if "/" not in each["name"]}
