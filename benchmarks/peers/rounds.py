"""The measurement: every contender once a round, in random order.

bench = Bench(published=Path("model_repository"), scratch=folder, timing=FULL, tell=print)
turns = bench.run(contenders)          # {"native": [Turn, Turn, ...], ...}
"""

from __future__ import annotations

import http.client
import random
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import numpy as np
from tritonclient.grpc import service_pb2_grpc

from benchmarks.peers.bare import bare_sample
from benchmarks.peers.contenders import Bare, Contender, Embedded, Peer, Ports
from benchmarks.peers.load import Sample, grpc_sample, http_sample
from benchmarks.peers.payloads import MODEL, grpc_message, grpc_probabilities
from benchmarks.peers.repositories import no_op, with_batches_of
from benchmarks.peers.rows import HTTP, LARGE, Row
from benchmarks.peers.running import HOST, RunningServer, ask, check_close
from benchmarks.serving import bare_session
from slipway.contract import IMAGE, PROBABILITIES
from slipway.errors import SlipwayError
from slipway.platform.ports import bound
from slipway.repository import find_model

if TYPE_CHECKING:
    from benchmarks.peers.contenders import Command

__all__ = ["FULL", "QUICK", "Bench", "Timing", "Turn"]

_UNUSABLE = (
    *(SlipwayError, OSError, ValueError, LookupError),
    *(subprocess.SubprocessError, http.client.HTTPException, grpc.RpcError),
)
_OVERHEAD_S = 2.2
_ROW_OVERHEAD_S = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long is measured.

    Attributes:
        rounds: Turns of each contender.
        row_s: One row, whole seconds.
        warm_up_s: Before a server's first row, whole seconds; 0 is none.
        only: Names of the rows that are measured; None is all.
    """

    rounds: int
    row_s: int
    warm_up_s: int
    only: tuple[str, ...] | None = None

    def rows(self, contender: Contender) -> tuple[Row, ...]:
        """What this contender is measured with."""
        return tuple(row for row in contender.rows if self.only is None or row.name in self.only)

    def estimate_s(self, contenders: Sequence[Contender]) -> float:
        """About how long all of it takes."""
        one = sum(
            each.start_s + self.warm_up_s + _OVERHEAD_S + len(self.rows(each)) * (self.row_s + _ROW_OVERHEAD_S)
            for each in contenders
        )
        return self.rounds * one


FULL = Timing(rounds=4, row_s=2, warm_up_s=1)
QUICK = Timing(rounds=1, row_s=1, warm_up_s=0, only=("http-c1", "http-16-images-c4", "http-32-images-c1", "grpc-c4"))


@dataclass(slots=True, kw_only=True)
class Turn:
    """What one contender did in one round.

    Attributes:
        samples: By the row's name.
        cold_start_s: From its start to its first right answer, files in the page cache.
        stop_s: From SIGTERM until no process is left.
        left: Processes that had to be killed after that.
        memory_mib: Proportional set size by program, after the load.
        failed: Why there is no more; empty where all was measured.
    """

    samples: dict[str, Sample] = field(default_factory=dict)
    cold_start_s: float | None = None
    stop_s: float | None = None
    left: int = 0
    memory_mib: dict[str, float] = field(default_factory=dict)
    failed: str = ""


class Bench:
    """The models and the images that every contender gets."""

    def __init__(self, *, published: Path, scratch: Path, timing: Timing, tell: Callable[[str], None]) -> None:
        self._timing = timing
        self._tell = tell
        self._scratch = scratch
        self._repositories = {
            "published": published.absolute(),
            "batch-32": with_batches_of(LARGE.images, published, scratch / "batch-32"),
            "no-op": no_op(published, scratch / "no-op"),
        }
        self._images = np.random.default_rng(0).integers(0, 256, (LARGE.images, 28, 28, 1), np.uint8)
        self._expected = {
            name: bare_session(model_file(root)).run([PROBABILITIES], {IMAGE: self._images})[0]
            for name, root in self._repositories.items()
        }

    def run(self, contenders: Sequence[Contender]) -> dict[str, list[Turn]]:
        """Measure all of them; one that does not work is told of, and has its reason in its turn."""
        turns: dict[str, list[Turn]] = {contender.name: [] for contender in contenders}
        for number in range(1, self._timing.rounds + 1):
            for contender in random.sample(list(contenders), len(contenders)):
                turn = self.turn(contender)
                turns[contender.name].append(turn)
                self._tell(f"round {number}/{self._timing.rounds}  {contender.name}: {_line(turn)}")
        return turns

    def turn(self, contender: Contender) -> Turn:
        """Start, check, measure and stop one contender."""
        turn = Turn()
        try:
            if isinstance(contender, Bare):
                self._measure_bare(contender, turn)
            else:
                with ExitStack() as stack:
                    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="peer-", dir=self._scratch)))
                    ports = _free_ports()
                    command = self._command(contender, ports, folder)
                    server = stack.enter_context(RunningServer(command, ports, folder))
                    self._measure(contender, server, turn)
        except _UNUSABLE as exc:
            turn.failed = f"{type(exc).__name__}: {exc}"
        return turn

    def _command(self, contender: Contender, ports: Ports, folder: Path) -> Command:
        if isinstance(contender, Embedded):
            return contender.command(self._repositories[contender.repository], ports)
        assert isinstance(contender, Peer)  # noqa: S101 - for mypy: there is no other kind
        return contender.command(model_file(self._repositories["published"]), ports, folder)

    def _measure(self, contender: Contender, server: RunningServer, turn: Turn) -> None:
        name = contender.repository if isinstance(contender, Embedded) else "published"
        expected = self._expected[name]
        turn.cold_start_s = server.wait_right(contender.http, self._images[:1], expected[:1])
        rows = self._timing.rows(contender)
        for row in rows:
            self._check(contender, server, row, expected)
        if self._timing.warm_up_s:
            self._sample(contender, server, HTTP[1], self._timing.warm_up_s)
        for row in rows:
            turn.samples[row.name] = self._sample(contender, server, row, self._timing.row_s)
        turn.memory_mib = server.memory_mib()
        turn.stop_s = server.stop()
        turn.left = server.killed

    def _check(self, contender: Contender, server: RunningServer, row: Row, expected: np.ndarray) -> None:
        images = self._images[: row.images]
        if row.transport == "http":
            got = ask(server.ports.http, contender.http, images)
        else:
            with grpc.insecure_channel(f"{HOST}:{server.ports.grpc}", [("grpc.enable_http_proxy", 0)]) as channel:
                stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
                got = grpc_probabilities(stub.ModelInfer(grpc_message(images), timeout=10, wait_for_ready=True))
        check_close(expected[: row.images], got)

    def _sample(self, contender: Contender, server: RunningServer, row: Row, duration_s: int) -> Sample:
        images = self._images[: row.images]
        if row.transport == "http":
            payload = contender.http.encode(images)
            address = f"{HOST}:{server.ports.http}"
            return http_sample(address, payload, connections=row.connections, duration_s=duration_s)
        message = grpc_message(images).SerializeToString()
        address = f"{HOST}:{server.ports.grpc}"
        return grpc_sample(address, message, connections=row.connections, duration_s=duration_s)

    def _measure_bare(self, contender: Bare, turn: Turn) -> None:
        model = model_file(self._repositories["published"])
        for row in self._timing.rows(contender):
            turn.samples[row.name] = bare_sample(
                model,
                images=row.images,
                processes=min(row.connections, contender.processes),
                duration_s=self._timing.row_s,
            )


def model_file(repository: Path) -> Path:
    """The served version's."""
    return find_model(repository, MODEL).served.path / "model.onnx"


def _free_ports() -> Ports:
    with bound(HOST) as http_port, bound(HOST) as grpc_port:
        return Ports(http=http_port, grpc=grpc_port)


def _line(turn: Turn) -> str:
    rates = ", ".join(f"{name} {sample.requests_per_s:,.0f}/s" for name, sample in turn.samples.items())
    started = "" if turn.cold_start_s is None else f"started in {turn.cold_start_s:.2f} s; "
    stopped = "" if turn.stop_s is None else f"; stopped in {turn.stop_s:.2f} s"
    left = f", {turn.left} processes left behind" if turn.left else ""
    memory = f"; {sum(turn.memory_mib.values()):,.0f} MiB" if turn.memory_mib else ""
    return f"{started}{rates}{memory}{stopped}{left}{f'; FAILED: {turn.failed}' if turn.failed else ''}"
