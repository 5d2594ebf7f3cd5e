"""Errors of a model repository.

* RepositoryError
  - ModelNotPublished   no such model, or no version of it yet
  - VersionNotFound     the model has no such version
  - VersionDamaged      a file of a version is changed, missing, or not listed in its manifest
  - ModelDamaged        the same of the files that all versions share, or their manifest was never written
  - VersionTaken        the requested number is already published; versions are immutable
  - ContractChanged     the new version's inputs, outputs or labels differ from those of the published model
  - NothingToRollBack   no earlier version with other contents
  - PublishFailed       the file system refused, or these files may not be published; nothing was left behind
  - RemoteFailed        an object store, or another remote file system, cannot be reached or refuses
      - StoreUnreachable  no connection, no answer in time, or no valid credentials: the next operation fails as well
  - SeveralFailed       more than one of the above, for different models or versions; the others succeeded

One model's failure does not stop the others; all failures are reported at the end:

    failures = Failures()
    for model in models:
        with failures.kept():
            ...
    failures.raise_any()
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from slipway.errors import SlipwayError

_REMEDIES = {
    errno.ENOSPC: "the disk is full: free some space, or run `slipway models prune`",
    errno.EDQUOT: "the disk quota is used up: free some space, or run `slipway models prune`",
    errno.EFBIG: "the file is larger than this process may write: raise `ulimit -f`",
    errno.EROFS: "the file system is read-only: name a writable repository",
    errno.EACCES: "permission denied: name a writable repository",
    errno.EPERM: "permission denied: name a writable repository",
}
_MOST_NAMED = 10


class RepositoryError(SlipwayError):
    """Base class of the repository's errors."""


class ModelNotPublished(RepositoryError):
    """The repository holds no version of the model."""

    exit_status = 2


class VersionNotFound(RepositoryError):
    """The model has no such version."""

    exit_status = 2


class VersionDamaged(RepositoryError):
    """The files of a version differ from its manifest."""


class ModelDamaged(RepositoryError):
    """The files that all versions share differ from the model's manifest, or there is no manifest."""


class VersionTaken(RepositoryError):
    """The version number is published already."""

    exit_status = 2


class ContractChanged(RepositoryError):
    """A new version must keep the model's inputs, outputs and labels."""

    exit_status = 2


class NothingToRollBack(RepositoryError):
    """There is no earlier version with other contents."""


class PublishFailed(RepositoryError):
    """The file system refused, or the files may not be published; nothing was left behind."""


class RemoteFailed(RepositoryError):
    """A remote repository cannot be reached, or refuses."""


class StoreUnreachable(RemoteFailed):
    """No operation on this store can succeed: no connection, no answer in time, or no valid credentials."""


class SeveralFailed(RepositoryError):
    """Several models or versions failed; the others succeeded.

    Attributes:
        failures: The individual errors; possibly not all of them.
    """

    def __init__(self, failures: Sequence[SlipwayError], *, more: int = 0) -> None:
        reasons = "; and ".join(str(failure).rstrip(".") for failure in failures)
        super().__init__(f"{reasons}; and {more} more" if more > 0 else reasons)
        self.failures = tuple(failures)
        self.exit_status = min(failure.exit_status for failure in failures)


@contextmanager
def refused_by_disk(action: str, root: Path) -> Iterator[None]:
    """Translate an OSError into `PublishFailed`, with the remedy."""
    try:
        yield
    except OSError as exc:
        remedy = _REMEDIES.get(exc.errno or 0, "see the system's message")
        raise PublishFailed(f"{action} in {root}: {exc.strerror or exc}; {remedy}. Nothing was left behind") from exc


class Failures:
    """Collects the failures of several models."""

    def __init__(self) -> None:
        self._found: list[RepositoryError] = []

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Record the failure of one model, and continue.

        Raises:
            RepositoryError: The store, or the local disk, would fail for the next one too; includes earlier failures.
        """
        try:
            yield
        except RepositoryError as exc:
            if str(exc) not in map(str, self._found):  # a fault of shared files is reported once
                self._found.append(exc)
            if _would_come_again(exc):
                self.raise_any()

    def raise_any(self) -> None:
        """Raise the recorded failures, if there are any.

        Raises:
            RepositoryError: The single failure, or `SeveralFailed`.
        """
        if len(self._found) == 1:
            raise self._found[0]
        if self._found:
            raise SeveralFailed(self._found[:_MOST_NAMED], more=len(self._found) - _MOST_NAMED)


def _would_come_again(exc: RepositoryError) -> bool:
    """Whether the store or the disk failed, not a single model."""
    several = exc.failures if isinstance(exc, SeveralFailed) else (exc,)
    return any(isinstance(one, StoreUnreachable | PublishFailed) for one in several)
