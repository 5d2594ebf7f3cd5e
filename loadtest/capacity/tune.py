"""Command: how many instances, how large a batch? Each combination is served by a tritonserver and searched.

    rows = tune(request, grid, repository=Path("model_repository"), console=Console())
    proposal(repository, "mnist", best(rows))         # a diff of config.pbtxt; nothing is written

Each server serves a copy of the published version from a scratch repository, on free ports of this machine.
"""

from __future__ import annotations

import difflib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from rich.console import Console
from rich.table import Table

from loadtest.capacity.measure import CapacityRequest, measure_capacity
from loadtest.errors import CapacityError
from loadtest.report.formatting import short_milliseconds
from slipway.capacity import Capacity
from slipway.client.wire import parse_address
from slipway.model_config import parse_config, read_contract, read_profile, render_config
from slipway.repository import find_model, seal
from slipway.triton import ServerSettings, TritonServer

__all__ = ["Setting", "TunedRow", "best", "proposal", "render_rows", "tune"]

_CONFIG = "config.pbtxt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One combination. `instances` per device; `max_batch_size` images."""

    instances: int
    max_batch_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TunedRow:
    """Capacity of one combination; None if no rate met the objectives, then `why` says so."""

    setting: Setting
    capacity: Capacity | None
    why: str = ""


def tune(
    request: CapacityRequest,
    *,
    instances: Sequence[int],
    max_batch_sizes: Sequence[int],
    repository: Path,
    console: Console,
) -> tuple[TunedRow, ...]:
    """Measure every combination.

    Raises:
        RepositoryError: The model is not published in this repository.
        ServeError: A server does not start.
        LoadTestError: A run failed.
    """
    target = request.run.scenario.target
    protocol = parse_address(target.url).protocol
    rows: list[TunedRow] = []
    for count, size in product(instances, max_batch_sizes):
        setting = Setting(instances=count, max_batch_size=size)
        console.print(f"[bold]{count} instances, batches of at most {size}[/]", highlight=False)
        with _served(repository, target.model, setting) as server:
            if server.fallback and not rows:
                console.print(f"! {server.fallback}", highlight=False, markup=False, soft_wrap=True)
            url = server.grpc_url if protocol == "grpc" else server.http_url
            run = request.run.with_changes(
                {"target.url": url, "target.metrics_url": server.metrics_url}, repository=repository
            )
            folder = request.folder / f"instances-{count}-batch-{size}"
            try:
                capacity = measure_capacity(replace(request, run=run, folder=folder), console)
            except CapacityError as exc:
                rows.append(TunedRow(setting=setting, capacity=None, why=str(exc)))
            else:
                rows.append(TunedRow(setting=setting, capacity=capacity))
    return tuple(rows)


def best(rows: Sequence[TunedRow]) -> TunedRow:
    """The row with the highest capacity; of two within 5 % the one with fewer instances, then smaller batches.

    Raises:
        CapacityError: No row has a capacity.
    """
    carrying = [(row.capacity.replica.requests_per_s, row) for row in rows if row.capacity is not None]
    if not carrying:
        raise CapacityError("no combination meets the objectives; relax them with --slo, or try others")
    most = max(rate for rate, _ in carrying)
    close = [row for rate, row in carrying if rate >= 0.95 * most]
    return min(close, key=lambda row: (row.setting.instances, row.setting.max_batch_size))


def proposal(repository: Path, model: str, setting: Setting) -> str:
    """A unified diff from the current config.pbtxt to that setting; empty if they are equal."""
    path = find_model(repository, model).path / _CONFIG
    current = path.read_text(encoding="utf-8")
    after = _configured(current, setting)
    name = f"{model}/{_CONFIG}"
    return "".join(difflib.unified_diff(current.splitlines(True), after.splitlines(True), f"a/{name}", f"b/{name}"))


def render_rows(rows: Sequence[TunedRow]) -> Table:
    """A table: combination, rate, latency, in flight."""
    table = Table("instances", "max batch", "requests/s", "p99 ms", "in flight", "", box=None)
    for column in table.columns[:5]:
        column.justify = "right"
    for row in rows:
        setting, capacity = row.setting, row.capacity
        figures = ("-", "-", "-")
        if capacity is not None:
            load = capacity.replica
            figures = (f"{load.requests_per_s:,.0f}", short_milliseconds(load.p99_ms), f"{load.in_flight:.1f}")
        limited = capacity is not None and capacity.limited_by == "generator"
        remark = "at least: the generator was the limit" if limited else row.why
        table.add_row(str(setting.instances), str(setting.max_batch_size), *figures, remark)
    return table


@contextmanager
def _served(repository: Path, model: str, setting: Setting) -> Iterator[TritonServer]:
    entry = find_model(repository, model)
    with tempfile.TemporaryDirectory(prefix="slipway-tune-") as scratch:
        copy = Path(scratch) / model
        shutil.copytree(entry.served.path, copy / entry.served.path.name)
        shutil.copyfile(entry.path / "labels.txt", copy / "labels.txt")
        text = (entry.path / _CONFIG).read_text(encoding="utf-8")
        (copy / _CONFIG).write_text(_configured(text, setting), encoding="utf-8")
        seal(Path(scratch), model)
        with TritonServer(ServerSettings(repository=Path(scratch), models=(model,), verify=False)) as server:
            yield server


def _configured(text: str, setting: Setting) -> str:
    config = parse_config(text)
    contract = replace(read_contract(config), max_batch_size=setting.max_batch_size)
    return render_config(contract, replace(read_profile(config), instances=setting.instances))
