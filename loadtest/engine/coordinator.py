"""Master: coordinates a run: plans, collects reports, builds the result, writes.

A run ends when every process has reported the end of its share. Ctrl-C, the page's Stop button or the loss of all
workers cut it short, and the result so far is reported as partial.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gevent
from locust.runners import STATE_MISSING, MasterRunner
from rich.console import Console
from rich.markup import escape

from loadtest.engine.active_run import ActiveRun
from loadtest.engine.progress import Progress
from loadtest.engine.request import Prepared, RunRequest, requested_run
from loadtest.engine.server_metrics import ServerWatch, watch_server
from loadtest.errors import GeneratorError, reason_of
from loadtest.report.outputs import write_outputs
from loadtest.report.terminal_summary import print_summary
from loadtest.result.build import WorkerRecord
from loadtest.result.run_result import Result
from loadtest.scenario.plan import Plan
from slipway.errors import SlipwayError
from slipway.verdict import EXIT_CODES

if TYPE_CHECKING:
    from locust.env import Environment
    from locust.rpc import Message
    from locust.runners import LocalRunner

__all__ = ["PLAN", "REPORT", "Coordinator"]

PLAN, REPORT = "slipway_plan", "slipway_report"

_START_S = 0.7
"""From sending the plan to the first request: time for every process to prepare its schedule and its users."""
_GRACE_S = 5.0
"""Wait for reports after the last request's time-out."""
_PREPARE_S, _PREPARE_CALLS = 120.0, 40
"""Longest preparation: for images and metrics, and this many calls with the target's time-out."""
_LOCAL = "local"


class Coordinator:
    """Coordinates the runs of one Locust instance, one after another if the web page starts them."""

    def __init__(self, environment: Environment, runner: MasterRunner | LocalRunner) -> None:
        self._environment = environment
        self._runner = runner
        self._options = environment.parsed_options
        self._request: RunRequest | None = None
        self._active: ActiveRun | None = None
        self._page: Path | None = None
        self._written: set[Path] = set()

    def request(self) -> RunRequest:
        """The run request: read once; with a web page, whose fields may change it, read again for each run.

        Raises:
            ScenarioError: Its scenario cannot be run.
        """
        if self._request is None or self._environment.web_ui is not None:
            self._request = requested_run(self._options, host=self._environment.host)
        return self._request

    def begin(self) -> None:
        """Prepare a run and send every process its plan; a failure is reported and ends the run."""
        try:
            self._begin()
        except SlipwayError as exc:
            self._give_up(exc)
        except Exception as exc:  # noqa: BLE001 - Locust would log it and wait for a run that never begins
            self._give_up(GeneratorError(f"the run could not begin: {reason_of(exc)}"))

    def refuse(self, error: SlipwayError) -> None:
        """Report on the terminal and on Locust's page why there is no run."""
        if self._tells_progress:
            self._tell({"refused": str(error), "exit_code": error.exit_status})
        else:
            Console(stderr=True, highlight=False).print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
        if self._environment.web_ui is not None:
            self._runner.log_exception("coordinator", str(error), "")

    def on_report(self, environment: Environment, msg: Message, **_: Any) -> None:  # noqa: ANN401, ARG002 - Locust's call
        """Handle the report of a process."""
        if self._active is not None:
            self._active.take(msg.node_id, Progress.from_wire(msg.data))

    def interrupt(self) -> None:
        """Build the result of the active run, which was cut short; without one, do nothing."""
        run = self._active
        if run is None:
            return
        if run.greenlet is not None:
            run.greenlet.kill()
        try:
            self._mark_lost(run)
            self._finish(run, ended_s=run.second)
        except Exception as exc:  # noqa: BLE001 - Locust would log it, and end as if all were well
            self._fail_to_complete(exc)

    def close(self) -> None:
        """End the active run; a command that measured nothing reports it and exits with an error."""
        self.interrupt()
        if self._environment.process_exit_code is None and self._environment.web_ui is None:
            self.refuse(GeneratorError("nothing was measured: it was stopped before the run had begun"))
            self._environment.process_exit_code = GeneratorError.exit_status

    def page(self) -> Any:  # noqa: ANN401 - a Flask response
        """The latest report, for Locust's web server."""
        if self._page is None:
            return "No run has ended yet.", 404
        return self._page.read_text(encoding="utf-8")

    @property
    def _tells_progress(self) -> bool:
        descriptor: int = self._options.progress_fd
        return descriptor >= 0

    def _begin(self) -> None:
        request = self.request()
        request.refuse_to_overwrite(own=self._written)  # the page may name another folder for each run
        longest_s = _PREPARE_S + _PREPARE_CALLS * max(5.0, request.scenario.target.timeout_s)
        late = GeneratorError(f"the run could not begin: its preparation took more than {longest_s:g} s")
        with gevent.Timeout(longest_s, late):
            prepared = request.prepare()
            watch = watch_server(prepared.scenario.target, prepared.target)
        self._start(request, prepared, watch)

    def _start(self, request: RunRequest, prepared: Prepared, watch: ServerWatch) -> None:
        plan = Plan(
            scenario=prepared.scenario,
            payload=prepared.payload,
            begin_wall_ns=time.time_ns() + round(_START_S * 1e9),
            others_cores=tuple(watch.bound_cores),
        )
        names = self._worker_names()
        self._active = run = ActiveRun(
            request=request,
            prepared=prepared,
            plan=plan,
            watch=watch,
            started=datetime.now(UTC),
            workers={name: WorkerRecord(share=share) for share, name in enumerate(names)},
        )
        for share, name in enumerate(names):
            self._runner.send_message(PLAN, plan.of_share(share, len(names)).to_wire(), name)
        run.greenlet = gevent.spawn(self._follow, run)
        run.greenlet.link_exception(self._on_defect)

    def _worker_names(self) -> list[str]:
        if isinstance(self._runner, MasterRunner):
            clients = self._runner.clients
            return [client.id for client in (*clients.ready, *clients.spawning, *clients.running)]
        return [_LOCAL]

    def _follow(self, run: ActiveRun) -> None:
        """Wait until every process has reported the end of its share, or the time for that is over."""
        scenario = run.plan.scenario
        while run.second < 0 and not run.failure:
            self._tell(run.progress())
            run.failed.wait(min(1.0, max(0.0, -run.second)))
        self._runner.stats.reset_all()  # Locust's statistics exclude the warm-up too
        run.watch.begin()
        run.begun_s = run.second
        last_s = scenario.arrivals.seconds + scenario.target.timeout_s + _GRACE_S
        while not run.over and not run.failure and run.second < last_s:
            run.done.wait(1.0)
            run.watch.sample(second=run.second)
            self._mark_lost(run)
            self._tell(run.progress())
        if run.failure:
            self._active = None
            self.refuse(GeneratorError(run.failure))
            self._end(GeneratorError.exit_status)
            return
        for worker in run.workers.values():
            worker.lost = worker.lost or not worker.finished
        self._end(self._finish(run, ended_s=None))

    def _give_up(self, error: SlipwayError) -> None:
        """End a run that failed to begin; Locust is still starting it."""
        self.refuse(error)
        gevent.spawn(self._end, error.exit_status)

    def _on_defect(self, greenlet: gevent.Greenlet) -> None:
        """The greenlet that follows the run failed: end the run, which would not end by itself."""
        self._fail_to_complete(greenlet.exception)
        self._end(GeneratorError.exit_status)

    def _fail_to_complete(self, error: BaseException) -> None:
        self._active = None
        self.refuse(GeneratorError(f"the run could not be completed: {reason_of(error)}"))
        self._environment.process_exit_code = GeneratorError.exit_status

    def _mark_lost(self, run: ActiveRun) -> None:
        if isinstance(self._runner, MasterRunner):
            clients = self._runner.clients
            run.mark_lost({client.id for client in clients.values() if client.state != STATE_MISSING})

    def _finish(self, run: ActiveRun, *, ended_s: float | None) -> int:
        """Build, write and print the result; returns the exit code."""
        self._active = None
        result = run.result(ended_s=ended_s)
        exit_code = EXIT_CODES[result.verdict.outcome]
        try:
            self._page = self._write(run.request, result)
        except SlipwayError as exc:
            self.refuse(exc)
            exit_code = exc.exit_status
        if self._tells_progress:
            self._tell({"report": str(self._page) if self._page else None, "exit_code": exit_code})
        else:
            print_summary(result, self._page, Console())
        if self._options.print_report and not self._tells_progress:
            print(result.model_dump_json(), flush=True)  # noqa: T201 - one machine-readable line
        self._environment.process_exit_code = exit_code
        return exit_code

    def _write(self, request: RunRequest, result: Result) -> Path:
        folder = request.folder(result.started)
        self._written |= {folder} if request.junit is None else {folder, request.junit}
        return write_outputs(result, folder, page=request.page, junit=request.junit)

    def _end(self, exit_code: int) -> None:
        self._environment.process_exit_code = exit_code
        if self._environment.web_ui is None:
            self._runner.quit()
        else:
            self._runner.stop()

    def _tell(self, message: Mapping[str, object]) -> None:
        if self._tells_progress:
            with suppress(OSError):  # the reader has closed the pipe
                os.write(self._options.progress_fd, json.dumps(dict(message)).encode() + b"\n")
