"""Whether our backend has a request in hand: a counter for each of its processes, odd while it answers.

tritonserver counts requests when they are answered, and those that wait, and not those that run.
"""

from __future__ import annotations

import time
from pathlib import Path

__all__ = ["VARIABLE", "Activity"]

VARIABLE = "SLIPWAY_ACTIVITY"
"""Names the folder to the backend, see `onnxruntime_backend/model.py`."""


class Activity:
    """Watches the counters; ask again and again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: dict[str, bytes] = {}
        self._since_s = time.monotonic()

    def quiet_s(self) -> float:
        """For how long no request was in hand, as far as was watched; 0 where nothing counts."""
        counters = self._read()
        if not counters or counters != self._seen or any(counter[0] % 2 for counter in counters.values()):
            self._seen, self._since_s = counters, time.monotonic()
            return 0.0
        return time.monotonic() - self._since_s

    def _read(self) -> dict[str, bytes]:
        try:
            return {path.name: counter for path in self._folder.iterdir() if (counter := path.read_bytes())}
        except OSError:
            return {}
