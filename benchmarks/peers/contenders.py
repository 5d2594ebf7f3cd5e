"""Who is measured: how each server is started, and what it speaks."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.environments import prepared
from benchmarks.peers.payloads import MODEL, Base64Json, HttpFormat, RawBytes, V2Binary, V2Json
from benchmarks.peers.rows import GRPC, HTTP, LARGE, Row

__all__ = ["BARE", "EMBEDDED", "PEERS", "Bare", "Command", "Contender", "Embedded", "Peer", "Ports"]

_SLIPWAY = Path(sys.executable).with_name("slipway")
_SERVERS = Path(__file__).with_name("servers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where a server listens on the loopback address."""

    http: int
    grpc: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A program, and the variables that it is given beside this process's."""

    words: tuple[str, ...]
    environment: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One server in one setting.

    Attributes:
        name: In results and on the command line.
        title: For people.
        http: What its HTTP requests look like.
        rows: What it is measured with.
        start_s: About how long it takes to start, for the estimate.
    """

    name: str
    title: str
    http: HttpFormat
    rows: tuple[Row, ...] = HTTP
    start_s: float = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded(Contender):
    """`slipway serve`.

    Attributes:
        backend: native or python.
        repository: Which one of `repositories`; the published one is `published`.
    """

    backend: str
    repository: str = "published"
    rows: tuple[Row, ...] = (*HTTP, *GRPC)  # the published model takes batches of 16 at most
    start_s: float = 1

    def command(self, repository: Path, ports: Ports) -> Command:
        """As a user would start it, on given ports."""
        verify = ("--no-verify",) if self.repository == "no-op" else ()
        return Command(
            words=(
                *(str(_SLIPWAY), "serve", "--repository", str(repository), "--model", MODEL),
                *("--http-port", str(ports.http), "--grpc-port", str(ports.grpc), "--metrics-port", "0"),
                *("--backend", self.backend, *verify),
            ),
            environment={},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer(Contender):
    """Another server, in its own environment.

    Attributes:
        environment: The name of its lock.
        program: Arguments for the environment's Python, in the folder `servers`.
        workers: Processes that classify.
    """

    environment: str
    program: tuple[str, ...]
    workers: int = 1

    def command(self, model: Path, ports: Ports, folder: Path) -> Command:
        """Nothing of it is left outside `folder`."""
        return Command(
            words=(str(prepared(self.environment)), *self.argument_words(ports)),
            environment={
                "PYTHONPATH": str(_SERVERS),
                "HOME": str(folder),
                "PEER_FOLDER": str(folder),
                "PEER_MODEL": str(model),
                "PEER_HTTP_PORT": str(ports.http),
                "PEER_GRPC_PORT": str(ports.grpc),
                "PEER_WORKERS": str(self.workers),
                **_QUIET,
            },
        )

    def argument_words(self, ports: Ports) -> tuple[str, ...]:
        """The program, with the port where it takes that as an argument."""
        return tuple(word.format(http=ports.http, servers=_SERVERS) for word in self.program)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bare(Contender):
    """ONNX Runtime without a server.

    Attributes:
        processes: At most; a row with one request in flight uses one.
    """

    processes: int = 2


_QUIET = {
    "BENTOML_DO_NOT_TRACK": "True",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",
}
"""None of them is to call home."""

EMBEDDED: tuple[Embedded, ...] = (
    Embedded(name="native", title="slipway serve, native backend", http=V2Binary(), backend="native"),
    Embedded(name="python", title="slipway serve, Python backend", http=V2Binary(), backend="python", start_s=5),
    Embedded(
        name="native-json",
        title="slipway serve, native backend, JSON",
        http=V2Json(),
        backend="native",
        rows=(HTTP[0], HTTP[2]),
    ),
    Embedded(
        name="native-32",
        title="slipway serve, native backend, `max_batch_size: 32`",
        http=V2Binary(),
        backend="native",
        repository="batch-32",
        rows=(LARGE,),
    ),
    Embedded(
        name="no-op",
        title="limit: a model that does nothing, native backend",
        http=V2Binary(),
        backend="native",
        repository="no-op",
    ),
)

BARE = Bare(
    name="onnxruntime",
    title="limit: ONNX Runtime alone, two processes (c=1: one)",
    http=RawBytes(),
    rows=(HTTP[0], HTTP[2], HTTP[3], LARGE),
    start_s=2,
)

PEERS: tuple[Peer, ...] = (
    *(
        Peer(
            name=f"fastapi-{workers}",
            title=f"FastAPI + ONNX Runtime, {workers} worker{'s' if workers > 1 else ''}",
            http=RawBytes(),
            rows=(*HTTP, LARGE),
            environment="fastapi",
            program=("{servers}/fastapi_app.py",),
            workers=workers,
            start_s=2,
        )
        for workers in (1, 2)
    ),
    Peer(
        name="kserve",
        title="KServe's SDK server",
        http=V2Binary(),
        rows=(*HTTP, LARGE, *GRPC),
        environment="kserve",
        program=("{servers}/kserve_server.py",),
    ),
    Peer(
        name="mlserver",
        title="MLServer",
        http=V2Json(),
        rows=(*HTTP, *GRPC),
        environment="mlserver",
        program=("{servers}/mlserver_model.py",),
    ),
    Peer(
        name="litserve",
        title="LitServe",
        http=Base64Json(),
        environment="litserve",
        program=("{servers}/litserve_server.py",),
    ),
    Peer(
        name="bentoml",
        title="BentoML",
        http=Base64Json(),
        environment="bentoml",
        program=("-m", "bentoml", "serve", "bentoml_service:Mnist", "--host", "127.0.0.1", "--port", "{http}"),
    ),
    Peer(
        name="ray",
        title="Ray Serve",
        http=RawBytes(),
        environment="ray",
        program=("{servers}/ray_app.py",),
        start_s=12,
    ),
)
