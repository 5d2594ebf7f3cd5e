"""Master and workers: ties a run to Locust's events. Everything Locust calls is here; what it leads to is not.

    install(locust.events)          # once, from the locustfile

Locust's master, or its only process, has a Coordinator; each process that sends has a Generator during a run.
"""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import gevent
import greenlet
import locust.stats
import psutil
from grpc.experimental.gevent import init_gevent
from locust.runners import LocalRunner, MasterRunner, WorkerRunner

from loadtest.engine.coordinator import PLAN, REPORT, Coordinator
from loadtest.engine.generator import Generator, Publish
from loadtest.engine.progress import Progress
from loadtest.errors import GeneratorError
from loadtest.scenario.arrivals import ClosedArrivals
from loadtest.scenario.plan import Plan
from loadtest.scenario.scenario_file import shipped_scenarios
from slipway.client.wire import parse_address
from slipway.errors import SlipwayError

if TYPE_CHECKING:
    from locust.env import Environment
    from locust.event import Events
    from locust.rpc import Message
    from locust.runners import Runner

__all__ = ["install", "running_generator"]

_REPORT_S = 1.0

_generators: dict[int, Generator] = {}


def running_generator(environment: Environment) -> Generator | None:
    """The generator of this process; None if no run is active."""
    return _generators.get(id(environment))


def install(events: Events) -> None:
    """Register the event handlers."""
    # Whole milliseconds would show a small model as "1 ms"; the histograms have three digits.
    locust.stats.bucket_response_time = _three_digits
    events.init_command_line_parser.add_listener(_add_arguments)
    events.init.add_listener(_on_init)


def _three_digits(response_time_ms: float) -> float:
    return float(f"{response_time_ms:.3g}")


def _add_arguments(parser: Any) -> None:  # noqa: ANN401 - Locust's parser takes more than argparse's
    parser.add_argument(
        "--scenario",
        default="smoke",
        env_var="SLIPWAY_SCENARIO",
        help=f"A shipped scenario ({', '.join(shipped_scenarios())}) or the path of a YAML file.",
    )
    parser.add_argument(
        "--override",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        include_in_web_ui=False,
        help="Override one value of the scenario, such as slo.p99_ms=20. Repeatable.",
    )
    parser.add_argument("--target", default="", help="Overrides the scenario's target.url, as --host does.")
    parser.add_argument(
        "--repository",
        default="model_repository",
        env_var="SLIPWAY_REPOSITORY",
        help="Model repository of the served version, whose samples are sent.",
    )
    parser.add_argument(
        "--report-dir", default="", help="Folder for the report (default: runs/loadtest/<scenario>-<time>)."
    )
    parser.add_argument(
        "--junit", default="", include_in_web_ui=False, help="Write the verdict as JUnit XML to this file."
    )
    parser.add_argument(
        "--force",
        action="store_true",
        include_in_web_ui=False,
        help="Overwrite an existing report or JUnit file.",
    )
    parser.add_argument(
        "--print-report",
        action="store_true",
        include_in_web_ui=False,
        help="Also print report.json as one line after the summary, for example into a pod's log.",
    )
    parser.add_argument("--no-page", action="store_true", include_in_web_ui=False, help=argparse.SUPPRESS)
    parser.add_argument("--request-fd", type=int, default=-1, include_in_web_ui=False, help=argparse.SUPPRESS)
    parser.add_argument("--progress-fd", type=int, default=-1, include_in_web_ui=False, help=argparse.SUPPRESS)


def _on_init(environment: Environment, runner: Runner, **_: Any) -> None:  # noqa: ANN401 - whatever Locust adds
    init_gevent()  # after Locust's fork, before the first channel
    if isinstance(runner, WorkerRunner):
        _close_inherited(environment.parsed_options)
    if isinstance(runner, (WorkerRunner, LocalRunner)):
        runner.register_message(PLAN, _on_plan)
        environment.events.test_stop.add_listener(_stop_generator)
    if isinstance(runner, (MasterRunner, LocalRunner)):
        _coordinate(environment, runner)


def _close_inherited(options: argparse.Namespace) -> None:
    """Close the descriptors that only the coordinator uses.

    The reader of the progress pipe takes an open write end as a sign that the run is active; only the coordinator reads
    the request.
    """
    for name in ("progress_fd", "request_fd"):
        if getattr(options, name) >= 0:
            with suppress(OSError):
                os.close(getattr(options, name))
            setattr(options, name, -1)


def _coordinate(environment: Environment, runner: MasterRunner | LocalRunner) -> None:
    options = environment.parsed_options
    coordinator = Coordinator(environment, runner)
    try:
        request = coordinator.request()  # report an invalid request now, not when the test starts
        request.refuse_to_overwrite()
    except SlipwayError as exc:
        coordinator.refuse(exc)
        _end_own_workers(runner)
        sys.exit(exc.exit_status)
    scenario = request.scenario
    if options.num_users is None:
        arrivals = scenario.arrivals
        options.num_users = arrivals.users if isinstance(arrivals, ClosedArrivals) else scenario.generator.max_in_flight
    if options.spawn_rate is None:
        options.spawn_rate = options.num_users
    runner.register_message(REPORT, coordinator.on_report)
    environment.events.test_start.add_listener(lambda **_: coordinator.begin())
    if isinstance(runner, MasterRunner) and options.expect_workers_max_wait:
        wait_s, options.expect_workers_max_wait = options.expect_workers_max_wait, 0
        _give_up_on_workers(environment, coordinator, wait_s=wait_s)
    environment.events.test_stop.add_listener(lambda **_: coordinator.interrupt())
    environment.events.quitting.add_listener(lambda **_: coordinator.close())
    if environment.web_ui is not None:
        environment.web_ui.app.add_url_rule("/report", "slipway_report", coordinator.page)


def _give_up_on_workers(environment: Environment, coordinator: Coordinator, *, wait_s: float) -> None:
    """Exit with the code of INVALID if too few workers connect.

    Locust (2.47) would exit with 1, which is the code of FAIL here.
    """
    runner, expected = environment.runner, environment.parsed_options.expect_workers
    main = greenlet.getcurrent()

    def give_up() -> None:
        if len(runner.clients.ready) >= expected:
            return  # they connected meanwhile
        coordinator.refuse(
            GeneratorError(
                f"expected {expected} workers within {wait_s:g} s, got {len(runner.clients.ready)}: check why the "
                "others do not start or connect, or wait longer with --expect-workers-max-wait"
            )
        )
        runner.quit()
        gevent.get_hub().loop.run_callback(main.throw, SystemExit(GeneratorError.exit_status))

    timer = gevent.spawn_later(wait_s, give_up)
    environment.events.test_start.add_listener(lambda **_: timer.kill())


def _end_own_workers(runner: Runner) -> None:
    """Stop the workers that `--processes` forked.

    They are not connected yet, and Locust (2.47, `kill_workers`) does not kill a child that is still running: they
    would try to connect for minutes.
    """
    if isinstance(runner, MasterRunner):
        for child in psutil.Process().children():
            child.terminate()


def _on_plan(environment: Environment, msg: Message, **_: Any) -> None:  # noqa: ANN401 - whatever Locust adds
    """Begin this process's share of a run; a failure is reported to the coordinator, which would wait otherwise."""
    try:
        plan = Plan.from_wire(msg.data)
        generator = Generator(plan, _publisher(environment, plan))
        _generators[id(environment)] = generator
        generator.start()
    except Exception as exc:  # noqa: BLE001 - reported to the coordinator
        environment.runner.send_message(REPORT, Progress.of_failure(exc).to_wire())
    else:
        gevent.spawn(_report, environment, generator)


def _report(environment: Environment, generator: Generator) -> None:
    """Send the coordinator new results each second, until the share is complete."""
    over = False
    while not over and _generators.get(id(environment)) is generator:
        generator.wait(_REPORT_S)
        progress = generator.report()
        environment.runner.send_message(REPORT, progress.to_wire())
        over = progress.finished or bool(progress.failed)


def _stop_generator(environment: Environment, **_: Any) -> None:  # noqa: ANN401 - whatever Locust adds
    generator = _generators.pop(id(environment), None)
    if generator is not None:
        generator.stop()


def _publisher(environment: Environment, plan: Plan) -> Publish:
    """Add each request to Locust's statistics, with its latency from the due time."""
    fire = environment.events.request.fire
    protocol, name = parse_address(plan.scenario.target.url).protocol, plan.scenario.target.model
    failures: dict[str, RequestFailed] = {}

    def publish(*, latency_ns: int, error: str | None) -> None:
        failure = None if error is None else failures.setdefault(error, RequestFailed(error))
        fire(
            request_type=protocol,
            name=name,
            response_time=latency_ns / 1e6,
            response_length=0,
            exception=failure,
            context={},
        )

    return publish


class RequestFailed(Exception):
    """A failed request in Locust's statistics; its message is the kind of error."""
