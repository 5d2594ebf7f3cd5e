"""How long a container that ended waits before it is started again, as the kubelet counts it."""

from __future__ import annotations

__all__ = ["Backoff", "duration"]

_LONGEST_S = 300.0


class Backoff:
    """The first restart is immediate, the second waits `first_s` from the container's end, each next one twice as long.

    The longest wait is 300 s. A container that ended 600 s or later after its last start begins again at the front
    (kubelet: pkg/kubelet/kuberuntime, `doBackOff`; client-go: util/flowcontrol, `Backoff`).
    """

    def __init__(self, first_s: float) -> None:
        self._first_s = first_s
        self._wait_s = 0.0
        self._restarted_s: float | None = None

    def wait_s(self, *, ended_s: float) -> float:
        """Seconds to wait from the container's end; then `restarted` is to be told.

        Args:
            ended_s: When the container ended.
        """
        return 0.0 if self._expired(ended_s) else self._wait_s

    @property
    def current_s(self) -> float:
        """The wait that is in force, seconds; 0 before the first restart."""
        return self._wait_s

    def restarted(self, *, now_s: float) -> None:
        """A restart begins: the next one waits longer.

        Args:
            now_s: On the same clock as the ends.
        """
        self._wait_s = self._first_s if self._expired(now_s) else min(2 * self._wait_s, _LONGEST_S)
        self._restarted_s = now_s

    def _expired(self, now_s: float) -> bool:
        return self._restarted_s is None or now_s - self._restarted_s > 2 * _LONGEST_S


def duration(seconds: float) -> str:
    """A duration as Go, and so the kubelet's messages, write it: 500ms, 10s, 1m20s, 5m0s."""
    if seconds < 1:
        return f"{seconds * 1000:g}ms"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
