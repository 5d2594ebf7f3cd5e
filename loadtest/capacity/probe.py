"""Command: measures one rate for the capacity search: a short run of the scenario's own load, with its own report.

Duration: enough requests that the observed share of slow ones is within a quarter of 1 - p of the true one, at 95 %
(`sample_size.requests_for`: 6,085 for p99), and at least some seconds, since successive latencies are correlated and
count for fewer. A confirming measurement takes twice as long.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from loadtest.capacity.search import Held
from loadtest.engine.request import RunRequest
from loadtest.engine.target import AUTO
from loadtest.errors import CapacityError
from loadtest.report.formatting import short_milliseconds
from loadtest.result.run_result import Result
from loadtest.run import run_scenario
from loadtest.scenario.arrivals import ClosedArrivals
from loadtest.scenario.sample_size import requests_for
from loadtest.scenario.schema import Scenario
from slipway.verdict import Outcome

__all__ = ["RateProbe", "check_searchable", "in_flight", "window_s"]

RELATIVE_MARGIN = 0.25
SHORTEST_S = 5.0
LONGEST_S = 60.0
WARMUP_S = 1.0


def check_searchable(scenario: Scenario) -> float:
    """The scenario's rate, at which the search starts.

    Raises:
        CapacityError: Its arrivals have no rate, or it has no objective that a high rate would miss.
    """
    arrivals = scenario.arrivals
    if isinstance(arrivals, ClosedArrivals):
        raise CapacityError("a closed loop has no rate to search; use a scenario with open arrivals, such as steady")
    if not scenario.slo.latency_bounds_ms():
        raise CapacityError(
            "the capacity is the highest rate within a latency objective: set one, such as --slo p99_ms=50"
        )
    return arrivals.mean_rps


def window_s(scenario: Scenario, rate_rps: float, *, shortest_s: float = SHORTEST_S) -> float:
    """Seconds in which the highest percentile of the objectives gets enough requests, within bounds."""
    percent = max(scenario.slo.latency_bounds_ms())
    return min(LONGEST_S, max(shortest_s, requests_for(percent, relative_margin=RELATIVE_MARGIN) / rate_rps))


@dataclass(slots=True, kw_only=True)
class RateProbe:
    """Measures rates of one scenario.

    Attributes:
        request: The scenario and the target.
        folder: Parent folder of the reports.
        processes: Number of load generator processes.
        console: Gets one line per measurement with the bounds so far; without a progress bar, also one before it.
        shortest_s: Shortest measurement.
    """

    request: RunRequest
    folder: Path
    processes: int
    console: Console
    shortest_s: float = SHORTEST_S
    results: list[Result] = field(default_factory=list)
    outcomes: dict[float, Outcome] = field(default_factory=dict)

    def __call__(self, rate_rps: float, longer: bool) -> Held:
        """Offer the rate from independent users, and compare the result with the objectives."""
        seconds = window_s(self.request.scenario, rate_rps, shortest_s=self.shortest_s) * (2 if longer else 1)
        arrivals = {"kind": "poisson", "rate_rps": rate_rps, "duration_s": seconds}
        number = len(self.results) + 1
        request = self.request.with_changes(
            {"arrivals": arrivals, "warmup_s": WARMUP_S, "slo.min_rps": None},
            page=False,
            report_dir=self.folder / f"{number:02d}-at-{rate_rps:.0f}-rps",
        )
        title = f"{number:>2}  {rate_rps:>9,.0f}/s"
        if not self.console.is_terminal:
            self.console.print(f"{title}  measuring for {WARMUP_S + seconds:.0f} s", soft_wrap=True, highlight=False)
        result, _ = run_scenario(request, processes=self.processes, console=self.console, title=title)
        if result.partial:
            raise KeyboardInterrupt  # stopping the run also stops the search
        self.results.append(result)
        held = Held(
            rate_rps=rate_rps,
            outcome=result.verdict.outcome,
            p99_ms=result.figures.latency_ms.p99,
            in_flight=in_flight(result),
            excess=_excess(result),
            reasons=result.verdict.reasons,
        )
        self.outcomes[rate_rps] = held.outcome  # the last measurement at a rate counts
        self._say(title, held, result)
        return held

    def bounds(self) -> str:
        """Text: the highest rate that met the objectives, and the lowest above it that did not."""
        held = max((rate for rate, outcome in self.outcomes.items() if outcome == "PASS"), default=0.0)
        above = [rate for rate, outcome in self.outcomes.items() if outcome != "PASS" and rate > held]
        words = [f"holds {held:,.0f}/s"] if held else []
        return ", ".join([*words, *([f"not {min(above):,.0f}/s"] if above else [])])

    def _say(self, title: str, held: Held, result: Result) -> None:
        colour = {"PASS": "green", "FAIL": "red", "INVALID": "yellow"}[held.outcome]
        figures = result.figures
        why = f"  {held.reasons[0]}" if held.reasons and held.outcome == "INVALID" else ""
        self.console.print(
            f"{title}  [{colour}]{held.outcome:<7}[/]  p99 {short_milliseconds(held.p99_ms):>7} ms  errors "
            f"{figures.error_rate:.2%}  in flight {held.in_flight:.1f}  ({figures.due:,} requests)  "
            f"so far: {self.bounds()}{why}",
            soft_wrap=True,
            highlight=False,
        )


def _excess(result: Result) -> float:
    checks = result.verdict.checks
    if any(not check.passed and check.unit != "ms" for check in checks) or not result.figures.answered:
        return math.inf
    return max(check.got / check.bound for check in checks if check.unit == "ms")


def in_flight(result: Result) -> float:
    """Mean number of requests in the server, by Little's law.

    From the server's own counters, which the autoscaler reads too; from client timings if they were not requested.

    Raises:
        CapacityError: The counters may be another server's; or their address was given and they could not be read:
            client timings include the network, and would set the autoscaler's target too high.
    """
    if result.server is not None:
        return result.server.in_flight
    if result.metrics_doubt:
        raise CapacityError(
            f"INVALID: {result.metrics_doubt}, or use client timings, which include the network, with "
            "--set target.metrics_url=null"
        )
    url = result.scenario.target.metrics_url
    if url is not None and url != AUTO:
        unread = f"the server's metrics were not read at {url}"
        why = next((note for note in result.notes if "metrics were not read" in note), unread)
        raise CapacityError(
            f"{why}; requests in flight are computed from the server's metrics: make them reachable, or use "
            "client timings, which include the network, with --set target.metrics_url=null"
        )
    return result.figures.answered_rps * result.figures.service_ms.mean / 1e3
