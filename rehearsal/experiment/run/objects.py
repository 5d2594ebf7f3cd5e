"""Objects of the API server as a rehearsal reads and changes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx

__all__ = ["items", "merge_patch"]


async def items(api: httpx.AsyncClient, path: str) -> list[dict[str, Any]]:
    """Objects of a list; none where the server does not know the kind.

    Raises:
        httpx.HTTPError: The server does not answer, or refuses.
    """
    answer = await api.get(path)
    if answer.status_code == httpx.codes.NOT_FOUND:
        return []
    found: list[dict[str, Any]] = answer.raise_for_status().json()["items"]
    return found


async def merge_patch(api: httpx.AsyncClient, path: str, change: Mapping[str, Any]) -> None:
    """Merge a change into an object; raises as `items`, and when the object is not there."""
    headers = {"Content-Type": "application/merge-patch+json"}
    (await api.patch(path, content=json.dumps(change), headers=headers)).raise_for_status()
