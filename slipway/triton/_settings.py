"""What a tritonserver is asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from slipway.triton._errors import SettingsInvalid

Backend: TypeAlias = Literal["native", "python"]
"""What runs the ONNX files in the tritonserver that comes with Slipway."""
BACKENDS: tuple[Backend, ...] = get_args(Backend)
Precision: TypeAlias = Literal["fp32", "fp16"]
"""What TensorRT may compute in; the tensors of requests and answers stay what they are."""
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """How a tritonserver serves a model repository.

    Attributes:
        repository: The model repository, `<repository>/<model>/<version>/model.onnx`.
        models: The models to load; None is every model that has a version.
        loadable: Further models that tritonserver sees but does not load; a client with the key can load them.
        http_port: None is any free port; so for the other two.
        grpc_port: As `http_port`.
        metrics_port: As `http_port`.
        address: IPv4 address for all three; 0.0.0.0 is every interface.
        verify: Compare the files with their manifests, and serve the newest version that is intact. Without it the
            newest version is served whatever its bytes; files that are code are not shown either way.
        config_name: Serve `<model>/configs/<config_name>.pbtxt` in place of `<model>/config.pbtxt`.
        tritonserver: The program; None is the one on PATH, else the one in the wheel of the extra `serve`.
        backend: Which of Slipway's backends the tritonserver of the wheel gets, `native` or `python`; None is what
            SLIPWAY_BACKEND says, else the native one if it is available, else the Python one. Only None for another
            tritonserver.
        gpu: Run the models whose configuration asks for it (`KIND_GPU`) on this machine's GPU, with the native backend
            and the packages of the extra `serve-gpu`, and report GPU metrics.
        tensorrt: Run them on TensorRT, in this precision; None is what their configuration says.
        ready_timeout_s: Longest wait until every model is ready.
        exit_timeout_s: Longest wait when the server is stopped, whole seconds: for requests in flight, then for the
            models to unload, which alone takes about three seconds with the Python backend.
        log_file: File to which the log is appended; None keeps only what an error message needs.
        restrict_admin_apis: Close model control, shared memory, traces and logs to who has not the server's key. A
            server that leaves them open runs the code of any client.
        extra_args: Further arguments for tritonserver, last. Paths in them are absolute.
    """

    repository: Path
    models: tuple[str, ...] | None = None
    loadable: tuple[str, ...] = ()
    http_port: int | None = None
    grpc_port: int | None = None
    metrics_port: int | None = None
    address: str = "127.0.0.1"
    verify: bool = True
    config_name: str | None = None
    tritonserver: Path | None = None
    backend: Backend | None = None
    gpu: bool = False
    tensorrt: Precision | None = None
    ready_timeout_s: float = 60
    exit_timeout_s: int = 30
    log_file: Path | None = None
    restrict_admin_apis: bool = True
    extra_args: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        given = {
            name: port
            for name, port in (("http", self.http_port), ("grpc", self.grpc_port), ("metrics", self.metrics_port))
            if port is not None
        }
        for name, port in given.items():
            if not 1 <= port <= 65535:
                raise SettingsInvalid(f"{name} port: expected 1 to 65535, or none for a free one, got {port}")
        if len(set(given.values())) < len(given):
            raise SettingsInvalid(f"ports: expected three different ones, got {given}")
        try:
            IPv4Address(self.address)
        except AddressValueError as exc:
            raise SettingsInvalid(f"address: expected IPv4 such as 127.0.0.1 or 0.0.0.0, got {self.address!r}") from exc
        if self.models is not None and not self.models:
            raise SettingsInvalid("models: expected at least one name, or None for every published model")
        if self.backend not in (None, *BACKENDS):
            raise SettingsInvalid(f"backend: expected {' or '.join(BACKENDS)}, or None, got {self.backend!r}")
        self._check_gpu()
        if self.ready_timeout_s <= 0:
            raise SettingsInvalid(f"ready_timeout_s: expected more than 0, got {self.ready_timeout_s}")
        if self.exit_timeout_s < 0:
            raise SettingsInvalid(f"exit_timeout_s: expected 0 or more, got {self.exit_timeout_s}")

    def _check_gpu(self) -> None:
        if self.tensorrt not in (None, *PRECISIONS):
            raise SettingsInvalid(f"tensorrt: expected {' or '.join(PRECISIONS)}, or None, got {self.tensorrt!r}")
        if self.tensorrt is not None and not self.gpu:
            raise SettingsInvalid(f"tensorrt: expected `gpu` with it, for {self.tensorrt!r} runs on a GPU")
        if self.gpu and self.backend == "python":
            raise SettingsInvalid("backend: expected 'native', or None, with `gpu`: the Python backend uses no GPU")

    @property
    def reachable_address(self) -> str:
        """Where a client on this machine finds the server."""
        return "127.0.0.1" if self.address == "0.0.0.0" else self.address  # noqa: S104 - compared, not bound
