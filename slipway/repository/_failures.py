"""One model's fault does not keep the others from their turn; every fault is said at the end.

failures = Failures()
for model in models:
    with failures.kept():
        ...
failures.raise_any()
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from slipway.repository._errors import PublishFailed, RepositoryError, SeveralFailed, StoreUnreachable

_MOST_NAMED = 10


class Failures:
    """What went wrong so far."""

    def __init__(self) -> None:
        self._found: list[RepositoryError] = []

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep the fault of one model, and go on.

        Raises:
            RepositoryError: The store, or the disk here, would fail for the next one too; says what was kept as well.
        """
        try:
            yield
        except RepositoryError as exc:
            if str(exc) not in map(str, self._found):  # what all versions share is at fault once
                self._found.append(exc)
            if _would_come_again(exc):
                self.raise_any()

    def raise_any(self) -> None:
        """End with what was kept, if anything was.

        Raises:
            RepositoryError: The one fault, or `SeveralFailed`.
        """
        if len(self._found) == 1:
            raise self._found[0]
        if self._found:
            raise SeveralFailed(self._found[:_MOST_NAMED], more=len(self._found) - _MOST_NAMED)


def _would_come_again(exc: RepositoryError) -> bool:
    """Whether it is the store's fault or the disk's, and no model's."""
    several = exc.failures if isinstance(exc, SeveralFailed) else (exc,)
    return any(isinstance(one, StoreUnreachable | PublishFailed) for one in several)
