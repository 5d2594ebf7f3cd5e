"""Where the time of one request goes in the embedded server, and which settings change it.

    make bench-requests                                          prints the tables; about six minutes
    .venv/bin/python -m benchmarks.peers.request_cost --write    also replaces them in docs/benchmarks.md

The stages inside are Triton's own statistics. What a client waits beyond them is HTTP, the sockets, and the client.
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import tempfile
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import numpy as np
import psutil

from benchmarks.peers.load import Sample, grpc_sample, http_sample, missing_programs
from benchmarks.peers.payloads import MODEL, V2Binary, grpc_message
from benchmarks.peers.repositories import with_config
from benchmarks.peers.rows import GRPC, HTTP, Row
from benchmarks.serving import ROOT, machine, report
from slipway.errors import SlipwayError
from slipway.triton import ServerSettings, TritonServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slipway import protocol as pb

_STAGES = ("queue", "compute_input", "compute_infer", "compute_output")
_WARM_UP = HTTP[1]
_ROUNDS = 4
_COST_S = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One difference from how the published model is served.

    Attributes:
        title: For people.
        arguments: Further ones for tritonserver.
        edit: Changes the configuration.
        cpus: Where tritonserver runs; None is everywhere.
    """

    title: str
    arguments: tuple[str, ...] = ()
    edit: Callable[[pb.Message], None] = lambda _: None
    cpus: frozenset[int] | None = None


def _unbatched(config: pb.Message) -> None:
    config.ClearField("dynamic_batching")


def _one_instance(config: pb.Message) -> None:
    config.instance_group[0].count = 1


_FIRST_CPU = frozenset({min(os.sched_getaffinity(0))})
_VARIANTS = (
    Variant(title="as published and started"),
    *(
        Variant(
            title=f"`--http-thread-count={threads}` (8 is tritonserver's own)",
            arguments=(f"--http-thread-count={threads}",),
        )
        for threads in (1, 2, 4)
    ),
    *(
        Variant(
            title=f"`--grpc-infer-allocation-pool-size={size}` (8 is tritonserver's own)",
            arguments=(f"--grpc-infer-allocation-pool-size={size}",),
        )
        for size in (0, 64)
    ),
    Variant(title="no dynamic batching", edit=_unbatched),
    Variant(title="one instance", edit=_one_instance),
    Variant(title="no metrics", arguments=("--allow-metrics=false",)),
    Variant(title="`slipway serve --cpus`, one CPU", cpus=_FIRST_CPU),
    Variant(title="one CPU, no dynamic batching", edit=_unbatched, cpus=_FIRST_CPU),
)


def measure() -> str:
    """Both tables as Markdown."""
    if missing := missing_programs():
        raise SlipwayError(missing)
    with tempfile.TemporaryDirectory(prefix="slipway-cost-") as name:
        scratch = Path(name)
        cost = _cost(scratch)
        rates = _rates(scratch)
    head = (
        f"Measured {datetime.now(UTC):%Y-%m-%d} with `make bench-requests` on {machine()}; native "
        f"backend; load average {os.getloadavg()[0]:.2f} at the end."
    )
    return "\n\n".join([head, _cost_table(cost), _rate_table(rates)]) + "\n"


@contextmanager
def _served(variant: Variant, scratch: Path) -> Iterator[TritonServer]:
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        repository = with_config(variant.edit, ROOT / "model_repository", Path(folder) / "repository")
        settings = ServerSettings(
            repository=repository, models=(MODEL,), verify=False, backend="native", extra_args=variant.arguments
        )
        with TritonServer(settings) as server:
            if variant.cpus is not None:
                for thread in psutil.Process(server.pid).threads():
                    os.sched_setaffinity(thread.id, variant.cpus)
            yield server


def _cost(scratch: Path) -> list[list[str]]:
    rows = []
    with _served(_VARIANTS[0], scratch) as server:
        _load(server, _WARM_UP, 1)
        process = psutil.Process(server.pid)
        for row in HTTP:
            before = _counters(server, process)
            sample = _load(server, row, _COST_S)
            after = _counters(server, process)
            requests = after["requests"] - before["requests"]
            one = {key: (after[key] - before[key]) / requests for key in after}
            waited_us = row.connections * 1e6 / sample.requests_per_s
            inside_us = one["success"]
            rows.append(
                [
                    row.title,
                    *(
                        f"{value:,.0f}"
                        for value in (waited_us, *(one[stage] for stage in _STAGES), waited_us - inside_us)
                    ),
                    f"{one['user']:,.0f}",
                    f"{one['system']:,.0f}",
                    f"{one['switches']:.1f}",
                ]
            )
            _tell(f"cost: {rows[-1]}")
    return rows


def _counters(server: TritonServer, process: psutil.Process) -> dict[str, float]:
    """What has been counted since the start, times in microseconds."""
    answer = httpx.get(f"{server.http_url}/v2/models/{MODEL}/stats", timeout=10).raise_for_status().json()
    stats = answer["model_stats"][0]["inference_stats"]
    times = process.cpu_times()
    switches = sum(
        int(line.split()[1])
        for task in Path(f"/proc/{process.pid}/task").iterdir()
        for line in (task / "status").read_text(encoding="utf-8").splitlines()
        if "ctxt_switches" in line
    )
    return {
        "requests": stats["success"]["count"],
        "success": stats["success"]["ns"] / 1e3,
        **{stage: stats[stage]["ns"] / 1e3 for stage in _STAGES},
        "user": times.user * 1e6,
        "system": times.system * 1e6,
        "switches": switches,
    }


def _rates(scratch: Path) -> dict[str, list[list[float]]]:
    """By variant, round and load: requests per second."""
    taken: dict[str, list[list[float]]] = {variant.title: [] for variant in _VARIANTS}
    for number in range(1, _ROUNDS + 1):
        for variant in random.sample(_VARIANTS, len(_VARIANTS)):
            with _served(variant, scratch) as server:
                _load(server, _WARM_UP, 1)
                rates = [_load(server, row, 1).requests_per_s for row in (*HTTP, *GRPC)]
            taken[variant.title].append(rates)
            _tell(f"round {number}/{_ROUNDS}  {variant.title}: {', '.join(f'{rate:,.0f}/s' for rate in rates)}")
    return taken


def _load(server: TritonServer, row: Row, duration_s: int) -> Sample:
    pixels = np.random.default_rng(0).integers(0, 256, (row.images, 28, 28, 1), np.uint8)
    if row.transport == "grpc":
        address, message = server.grpc_url.removeprefix("grpc://"), grpc_message(pixels).SerializeToString()
        return grpc_sample(address, message, connections=row.connections, duration_s=duration_s)
    address = server.http_url.removeprefix("http://")
    return http_sample(address, V2Binary().encode(pixels), connections=row.connections, duration_s=duration_s)


def _cost_table(rows: list[list[str]]) -> str:
    heads = (
        *("load", "a client waits, µs", "queue", "input", "ONNX Runtime", "output and rest of the batch"),
        *("HTTP and sockets", "CPU, user", "CPU, kernel", "thread switches"),
    )
    return _table("One request, in microseconds", heads, rows)


def _rate_table(taken: dict[str, list[list[float]]]) -> str:
    base = taken[_VARIANTS[0].title]
    rows = []
    for title, rounds in taken.items():
        cells = []
        for load in range(len(base[0])):
            ratios = [one[load] / first[load] for one, first in zip(rounds, base, strict=True)]
            cells.append(f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
        rows.append([title, *cells])
    heads = ("setting", *(row.title for row in HTTP), *(f"gRPC {row.title}" for row in GRPC))
    return _table("Requests per second, as a multiple of the published settings", heads, rows)


def _table(title: str, heads: tuple[str, ...], rows: list[list[str]]) -> str:
    lines = [heads, ("---", *("--:" for _ in heads[1:])), *rows]
    return "\n".join([f"### {title}", "", *(f"| {' | '.join(line)} |" for line in lines)])


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    report("requests", __doc__ or "", measure)
