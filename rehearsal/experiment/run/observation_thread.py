"""A thread that observes the cluster and carries out the actions, while the main thread offers the load.

with ObservationThread(context, work) as thread:
    thread.begin(window_start_s)                  # as soon as the start of the measured window is known
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from rehearsal.cluster.api.client import ApiClient
from rehearsal.errors import ClusterError
from rehearsal.experiment.run.context import RehearsalContext

__all__ = ["ObservationThread", "Work"]

Work = Callable[[ApiClient, float], Awaitable[None]]
"""Takes the API client and the Unix time at which the window begins, in seconds."""


class ObservationThread:
    """Observes from the beginning of the block to its end."""

    def __init__(self, context: RehearsalContext, work: Work) -> None:
        self._context = context
        self._work = work
        self._loop = asyncio.new_event_loop()
        self._window_start_s: asyncio.Future[float] = self._loop.create_future()
        self._task: asyncio.Task[None] | None = None
        self._error: BaseException | None = None
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="observation", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._call(self._cancel)
        self._thread.join()
        if error is None:
            self.require_alive()

    def require_alive(self) -> None:
        """Check that the cluster is still observed.

        Raises:
            ClusterError: The thread ended by an error.
        """
        if self._error is not None:
            raise ClusterError(f"the cluster is no longer observed: {self._error!r}") from self._error

    def begin(self, window_start_s: float) -> None:
        """Let the scenario's work begin; later calls change nothing."""
        self._call(self._begin, window_start_s)

    def _begin(self, window_start_s: float) -> None:
        if not self._window_start_s.done():
            self._window_start_s.set_result(window_start_s)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _call(self, function: Callable[..., None], *arguments: float) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *arguments)

    def _run(self) -> None:
        try:
            self._task = self._loop.create_task(self._main())
            self._loop.call_soon(self._started.set)
            self._loop.run_until_complete(self._task)
        except asyncio.CancelledError:
            pass
        except BaseException as exc:  # noqa: BLE001 - handed to the main thread
            self._error = exc
        finally:
            self._started.set()
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    async def _main(self) -> None:
        async with ApiClient.from_kubeconfig(self._context.connection.kubeconfig) as api, asyncio.TaskGroup() as tasks:
            tasks.create_task(self._context.sampler.run(api))
            tasks.create_task(self._do_work(api))

    async def _do_work(self, api: ApiClient) -> None:
        await self._work(api, await self._window_start_s)
