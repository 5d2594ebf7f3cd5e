"""Watch one file on its way: a bar on the terminal, and no byte more than was announced.

with Bar(progress, "mnist/3/model.onnx", size_bytes=12345, most_bytes=12345) as bar:
    system.get_file(path, local, callback=bar)      # MoreThanAnnounced in the middle, if it must be
"""

from __future__ import annotations

from typing import Self

from fsspec.callbacks import Callback
from rich.markup import escape
from rich.progress import Progress

from slipway.printable import printable


class MoreThanAnnounced(Exception):
    """A file is larger than its store said it is, or than the disk here can take."""


class Bar(Callback):  # type: ignore[misc]  # fsspec ships no types
    """One file's bar, moved by fsspec after each piece.

    Args:
        progress: Where it is shown.
        path: The file, as it is named there.
        size_bytes: What is expected; None is unknown.
        most_bytes: A transfer that announces or brings more is cut off; None is never.
    """

    def __init__(self, progress: Progress, path: str, *, size_bytes: int | None, most_bytes: int | None = None) -> None:
        super().__init__(size=size_bytes)
        self._progress = progress
        self._most_bytes = most_bytes
        self._task = progress.add_task(escape(printable(path)), total=size_bytes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_details: object) -> None:
        self._progress.remove_task(self._task)

    def call(self, hook_name: str | None = None, **kwargs: object) -> None:
        """Show how far the file is.

        Raises:
            MoreThanAnnounced: It is further than it may be.
        """
        super().call(hook_name, **kwargs)
        self._progress.update(self._task, total=self.size, completed=self.value)
        if self._most_bytes is not None and max(self.value, self.size or 0) > self._most_bytes:
            raise MoreThanAnnounced(f"expected at most {self._most_bytes} bytes, got more")
