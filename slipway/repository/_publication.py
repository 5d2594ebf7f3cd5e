"""A small file of a version that says when it was published; listed in its manifest, so that a copy says the same.

It also holds a number that is drawn once: no two publications have the same manifest, so each can be told from another.
"""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime
from pathlib import Path

from slipway.contained_path import UnsafePath, open_contained

PUBLICATION = "publication.json"

_MAX_BYTES = 10_000


def write_publication(folder: Path) -> None:
    """Say that the version is published now.

    Raises:
        OSError: It cannot be written.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    document = {"published_at": now, "id": secrets.token_hex(16)}
    (folder / PUBLICATION).write_text(json.dumps(document) + "\n", encoding="utf-8")


def read_published_at(folder: Path) -> datetime | None:
    """When the version was published, UTC; None where it does not say, as versions of older releases do not."""
    try:
        with open_contained(folder, PUBLICATION) as file:
            document = json.loads(file.read(_MAX_BYTES))
        published_at = datetime.fromisoformat(document["published_at"])
        return published_at.astimezone(UTC) if published_at.tzinfo is not None else None
    except (OSError, UnsafePath, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
