"""Command: capacity from the first probe to the file: search, then one more measurement at the target rate.

capacity = measure_capacity(request, console)
write_capacity(capacity, Path("capacity.yaml"))
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from loadtest.capacity.probe import SHORTEST_S, RateProbe, check_searchable
from loadtest.capacity.search import RESOLUTION, Held, find_capacity
from loadtest.engine.request import RunRequest
from loadtest.output_file import refuse_to_overwrite
from loadtest.result.run_result import REPORT
from loadtest.scenario.schema import Scenario
from slipway.capacity import Capacity, Load, ProbeRow

__all__ = ["CapacityRequest", "measure_capacity"]

_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityRequest:
    """The requested measurement.

    Attributes:
        run: Scenario, target, images and objectives; its rate is where the search starts.
        folder: Folder of the probes' reports.
        utilisation_margin: Share of the capacity to be left free, from 0 to below 1.
        processes: That make the load.
        resolution: Relative precision at which the search stops, see `search.RESOLUTION`.
        shortest_s: Shortest measurement, see `probe.SHORTEST_S`.
    """

    run: RunRequest
    folder: Path
    utilisation_margin: float
    processes: int
    resolution: float = RESOLUTION
    shortest_s: float = SHORTEST_S

    def refuse_to_overwrite(self) -> None:
        """Check before the search that no existing report would be overwritten.

        Raises:
            ReportExists: A report exists.
        """
        for pattern in (f"*-at-*-rps/{REPORT}", f"instances-*-batch-*/*-at-*-rps/{REPORT}"):
            for report in sorted(self.folder.glob(pattern)):
                refuse_to_overwrite(report, other="--report-dir", force=self.run.force)


def measure_capacity(request: CapacityRequest, console: Console) -> Capacity:
    """Search, confirm, and measure the target rate.

    Raises:
        LoadTestError: The scenario cannot be searched, or a run failed.
        CapacityError: No rate holds the objectives.
    """
    scenario = request.run.scenario
    start_rps = check_searchable(scenario)
    probe = RateProbe(
        request=request.run,
        folder=request.folder,
        processes=request.processes,
        console=console,
        shortest_s=request.shortest_s,
    )
    search = find_capacity(probe, start_rps=start_rps, resolution=request.resolution)
    at_target = _measured(probe, search.rate_rps * (1 - request.utilisation_margin))
    first = probe.results[0]
    return Capacity(
        target_server=first.target,
        images_per_request=_images_per_request(scenario),
        slo={name: bound for name, bound in scenario.slo.model_dump().items() if bound is not None},
        limited_by=search.limited_by,
        in_flight_counted_by="client" if any(result.server is None for result in probe.results) else "server",
        replica=_load(search.best),
        utilisation_margin=request.utilisation_margin,
        target=_load(at_target),
        machine=first.environment,
        measured=datetime.now(UTC),
        command=request.run.command,
        probes=tuple(
            ProbeRow(requests_per_s=held.rate_rps, outcome=held.outcome, p99_ms=held.p99_ms, in_flight=held.in_flight)
            for held in search.probes
        ),
    )


def _measured(probe: RateProbe, rate_rps: float) -> Held:
    """Measure until the result is valid, at most a few times; an invalid one says nothing about the server."""
    for _ in range(_TRIES):
        held = probe(rate_rps, False)
        if held.outcome == "PASS":
            break
    return held


def _load(held: Held) -> Load:
    return Load(requests_per_s=held.rate_rps, in_flight=held.in_flight, p99_ms=held.p99_ms)


def _images_per_request(scenario: Scenario) -> float:
    batches = scenario.payload.batches
    return sum(share.images * share.weight for share in batches) / sum(share.weight for share in batches)
