"""Worker: one process's share of the load: requests are put out when they are due, users take them.

    generator = Generator(plan, publish)
    generator.start()
    generator.serve()            # in each Locust user, until the run is over
    generator.report()           # once a second: results since the last call

A request's latency has three parts. `lag`: the dispatcher woke late, a delay of the generator. The wait for a free user
while the maximum of requests is in flight, a delay of the server. And `service`, from sent to answered.
"""

from __future__ import annotations

import gc
import itertools
import os
import time
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from typing import Protocol

import gevent
import psutil
from gevent.event import Event
from gevent.queue import SimpleQueue

from loadtest.engine.precise_timer import PreciseTimer
from loadtest.engine.progress import Progress
from loadtest.engine.recorder import Recorder
from loadtest.engine.transports import GrpcLoadTransport, HttpLoadTransport, LoadTransport, PreparedRequest, prepare
from loadtest.errors import reason_of
from loadtest.result.interval_statistics import NOT_SENT, STOPPED
from loadtest.scenario.payload import choose
from loadtest.scenario.plan import Plan
from loadtest.scenario.schema import Scenario
from slipway.client.wire import parse_address

__all__ = ["Generator", "Publish", "avoid_cpus"]

_FOLD_S = 0.2
_NICENESS = -10
_LEAST_SHARE = 0.1
"""With less than this left of its time-out, a request is not sent any more. A call that is cancelled on arrival is
useless, and kills a tritonserver before 25.02 (triton-inference-server/server#7368, #8034)."""
_CHOICES = 1 << 16  # a closed loop cycles through this many requests


class Publish(Protocol):
    """Called for each completed request, for Locust's own statistics."""

    def __call__(self, *, latency_ns: int, error: str | None) -> None:
        """`latency_ns` from due to done; `error` is the kind of error, None for success."""


class Generator:
    """The load of one process in one run."""

    def __init__(self, plan: Plan, publish: Publish) -> None:
        scenario = plan.scenario
        self._plan = plan
        self._publish = publish
        self._begin_ns = plan.begin_monotonic_ns()
        self._timeout_ns = round(scenario.target.timeout_s * 1e9)
        self._least_ns = round(self._timeout_ns * _LEAST_SHARE)
        batches = plan.payload.batches(scenario.payload)
        self._requests: tuple[PreparedRequest, ...] = prepare(scenario.target, batches)
        schedule = plan.schedule_ns()
        choice, checked = choose(batches, scenario, count=len(schedule) or _CHOICES)
        mine = slice(plan.share, None, plan.shares)
        self._due_ns = schedule[mine]
        self._choice, self._checked = choice[mine], checked[mine]
        self._open = _opener(scenario)
        self._ready: SimpleQueue[tuple[int, int]] = SimpleQueue()
        self._recorder = Recorder(window_begin_ns=self._begin_ns + plan.window_begin_ns)
        self._turns = itertools.count()
        self._under_way = 0
        self._scheduled_all = False
        self._failed = ""
        self._over = Event()
        self._cpu_ns, self._cpu_at_ns = time.process_time_ns(), time.monotonic_ns()
        self._greenlets: list[gevent.Greenlet] = []

    def start(self) -> None:
        """Start to dispatch requests at the plan's time."""
        # Exclude everything imported and prepared so far from garbage collection, which would otherwise pause the
        # process for some fifty milliseconds again and again.
        gc.collect()
        gc.freeze()
        avoid_cpus(self._plan.others_cores)
        dispatch = self._dispatch if self._plan.open_loop else self._wait_for_the_end
        self._greenlets = [gevent.spawn(dispatch), gevent.spawn(self._fold)]
        for greenlet in self._greenlets:
            greenlet.link_exception(lambda ended: self._fail(ended.exception))

    def stop(self) -> None:
        """Stop at once; recorded results can still be reported."""
        gevent.killall(self._greenlets)

    def serve(self) -> None:
        """Act as one user: send requests that are due, or in a closed loop the next one after each response.

        An exception that no transport maps to a request error ends the run: every user would raise it again.
        """
        try:
            with closing(self._open()) as transport:
                (self._serve_open if self._plan.open_loop else self._serve_closed)(transport)
        except Exception as exc:  # noqa: BLE001 - reported to the coordinator
            self._fail(exc)

    def report(self) -> Progress:
        """Results since the last call."""
        cpu_ns, at_ns = time.process_time_ns(), time.monotonic_ns()
        cpu = (cpu_ns - self._cpu_ns) / max(1, at_ns - self._cpu_at_ns)
        self._cpu_ns, self._cpu_at_ns = cpu_ns, at_ns
        over = self._over.is_set() and not self._failed
        return Progress(slices=self._recorder.take(), cpu=cpu, finished=over, failed=self._failed)

    def wait(self, timeout_s: float) -> None:
        """Wait until every request is done or the generator failed, at most `timeout_s`."""
        self._over.wait(timeout_s)

    def _fail(self, error: BaseException) -> None:
        self._failed = self._failed or reason_of(error)
        self._over.set()

    def _dispatch(self) -> None:
        """Dispatch each request when it is due, with the time of dispatch."""
        put, now_ns = self._ready.put, time.monotonic_ns
        begin_ns = self._begin_ns
        with closing(PreciseTimer()) as timer:
            for index, due_ns in enumerate(self._due_ns.tolist()):
                timer.sleep_until(begin_ns + due_ns)
                self._under_way += 1
                put((index, now_ns()))
        self._end_schedule()

    def _serve_open(self, transport: LoadTransport) -> None:
        take, now_ns = self._ready.get, time.monotonic_ns
        due_ns, choice, checked = self._due_ns, self._choice, self._checked
        while True:
            index, dispatched_ns = take()
            at_ns = self._begin_ns + int(due_ns[index])
            sent_ns = now_ns()
            left_ns = at_ns + self._timeout_ns - sent_ns
            request = self._requests[choice[index]]
            error: str | None = STOPPED  # unless the request completes
            try:
                if left_ns >= self._least_ns:
                    error = transport.send(request, timeout_s=left_ns / 1e9, check=bool(checked[index]))
                else:
                    error = NOT_SENT
            finally:
                self._note(request, due_ns=at_ns, dispatched_ns=dispatched_ns, sent_ns=sent_ns, error=error)

    def _serve_closed(self, transport: LoadTransport) -> None:
        think_s = self._plan.scenario.arrivals.think_time_ms / 1e3  # type: ignore[union-attr] # closed has one
        timeout_s = self._plan.scenario.target.timeout_s
        gevent.sleep(max(0.0, (self._begin_ns - time.monotonic_ns()) / 1e9))
        while (sent_ns := time.monotonic_ns()) < self._begin_ns + self._plan.end_ns:
            index = next(self._turns) % len(self._choice)
            request = self._requests[self._choice[index]]
            self._under_way += 1
            error: str | None = STOPPED
            try:
                error = transport.send(request, timeout_s=timeout_s, check=bool(self._checked[index]))
            finally:
                self._note(request, due_ns=sent_ns, dispatched_ns=sent_ns, sent_ns=sent_ns, error=error)
            gevent.sleep(think_s)

    def _note(
        self, request: PreparedRequest, *, due_ns: int, dispatched_ns: int, sent_ns: int, error: str | None
    ) -> None:
        done_ns = time.monotonic_ns()
        self._under_way -= 1
        latency_ns = self._recorder.note(
            due_ns=due_ns,
            dispatched_ns=dispatched_ns,
            sent_ns=sent_ns,
            done_ns=done_ns,
            error=error,
            images=len(request.batch.labels),
        )
        self._publish(latency_ns=latency_ns, error=error)
        if self._scheduled_all and not self._under_way:
            self._over.set()

    def _wait_for_the_end(self) -> None:
        gevent.sleep((self._begin_ns + self._plan.end_ns - time.monotonic_ns()) / 1e9)
        self._end_schedule()

    def _end_schedule(self) -> None:
        self._scheduled_all = True
        if not self._under_way:
            self._over.set()

    def _fold(self) -> None:
        """Fold in small portions: counting a whole second at once would delay requests."""
        while True:
            gevent.sleep(_FOLD_S)
            self._recorder.fold()


def _opener(scenario: Scenario) -> Callable[[], LoadTransport]:
    """Factory of a user's transport."""
    target = scenario.target
    if parse_address(target.url).protocol == "http":
        return HttpLoadTransport.opener(target)
    # Each call in flight blocks a thread of gevent's pool. With the default of ten threads, ten calls that hang would
    # block the processing of every other response, and the delay would count as the server's.
    pool = gevent.get_hub().threadpool
    pool.maxsize = max(pool.maxsize, scenario.generator.max_in_flight)
    return GrpcLoadTransport.opener(target, scenario.generator.connections)


def avoid_cpus(cores: Iterable[int]) -> None:
    """Bind every thread of this process to the other cores, and raise its priority if permitted.

    A generator that waits for a core would measure its own wait, so the server's cores are left to the server. If no
    core would remain, the affinity stays unchanged.
    """
    mine = os.sched_getaffinity(0) - set(cores)
    for thread in psutil.Process().threads():
        with suppress(ProcessLookupError):
            if mine:
                os.sched_setaffinity(thread.id, mine)
        with suppress(ProcessLookupError, PermissionError):
            os.setpriority(os.PRIO_PROCESS, thread.id, _NICENESS)
