"""Everything that starting one tritonserver takes, decided before it is started; it can be run here, or printed."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from slipway.platform.cache import cache_folder
from slipway.triton._arguments import AdminKey, arguments
from slipway.triton._errors import FilesRemoved, ServeError
from slipway.triton._gpu import Gpu, find_gpu
from slipway.triton._models import servable_models, show_models
from slipway.triton._own_cache import make_own, require_own
from slipway.triton._ports import Ports, choose_ports, name_ports
from slipway.triton._program import find_program
from slipway.triton._tensorrt import Engines, asks_for_tensorrt, use_tensorrt

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from slipway.triton._settings import Backend, ServerSettings


ACTIVITY_VARIABLE = "SLIPWAY_ACTIVITY"
"""Names the folder of the counters to the backend, see `onnxruntime_backend/model.py`."""
_REPOSITORY = "repository"
_ACTIVITY = "activity"
_ENGINES = "engines"


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One start of a tritonserver, or several of the same.

    Attributes:
        command: The program and its arguments.
        environment: Variables that differ from this process's.
        directory: Working directory; None for this process's.
        http_url: URL for clients on this machine.
        ports: Its ports.
        models: The models to load.
        skipped: Why a newer version is not what is served, one text for each.
        left_out: Why a published model is not served, one text for each.
        admin: The key to what changes the server.
        shown: The files that tritonserver loads its models from.
        activity: Folder of the backend's counters.
        shared_memory: What the names of its shared memory begin with; None where its backend has none.
        backend: Which of our backends runs the models; None is the server's own.
        fallback: Why it is not the native one, although it was not deselected; empty otherwise.
        gpus: Names of the GPUs that it may use beside the CPU.
        engines: TensorRT's, of each model that runs on it.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    directory: Path | None
    http_url: str
    ports: Ports
    models: tuple[str, ...]
    skipped: tuple[str, ...]
    left_out: tuple[str, ...]
    admin: AdminKey
    activity: Path
    shared_memory: str | None
    backend: Backend | None
    fallback: str
    gpus: tuple[str, ...] = ()
    engines: tuple[Engines, ...] = ()
    shown: tuple[Path, ...] = ()

    def refuse_removed(self) -> None:
        """See that what tritonserver is started on is still there.

        Raises:
            FilesRemoved: The cache was emptied.
        """
        gone = [path for path in self.shown if not path.is_file()]
        if gone:
            more = f", with {len(gone) - 1} more" if len(gone) > 1 else ""
            raise FilesRemoved(
                f"expected {gone[0]} to stay as long as the server runs, but it was removed{more}: tritonserver cannot "
                "be started on it again. Start `slipway serve` again, and do not empty its cache while it runs "
                "(SLIPWAY_CACHE names another)"
            )

    def shell_command(self) -> str:
        """The same start as one copyable shell command."""
        variables = [f"{name}={value}" for name, value in self.environment.items()]
        directory = [f"--chdir={self.directory}"] if self.directory else []
        prefix = ["env", *directory, *variables] if directory or variables else []
        return " \\\n  ".join(shlex.quote(word) for word in (*prefix, *self.command))


def prepare(settings: ServerSettings, into: Path, *, ports: Ports | None = None) -> Launch:
    """Copy the verified files, find the program, choose the ports.

    tritonserver is shown the copy: what is in no manifest is not in it, and what is changed in the repository from
    now on does not reach the server.

    Args:
        settings: Settings of the server.
        into: A folder that only this user can write, with a name that no other server's has; it must stay until the
            server has ended.
        ports: Its ports; None for those of the settings, if they are free.

    Raises:
        ServeError: Whatever would keep tritonserver from starting and can be known before.
        RepositoryError: The files are not those that were published.
    """
    into = into.resolve()
    # Of every published model, one without this configuration is left out; a named one is missed.
    everywhere = settings.config_name if settings.models is not None else None
    names = servable_models(settings.repository, settings.models, everywhere)
    servable_models(settings.repository, settings.loadable, settings.config_name)
    program = find_program(
        settings.tritonserver, backend=settings.backend, gpu=settings.gpu, tensorrt=settings.tensorrt is not None
    )
    ports = ports or choose_ports(settings)
    view = into / _REPOSITORY
    shown = show_models(settings, names, view, onnx_only=program.onnx_only)
    engines = _with_tensorrt(settings, (*shown.load, *settings.loadable), program.gpu, into) if program.gpu else ()
    (into / _ACTIVITY).mkdir(mode=0o700, parents=True, exist_ok=True)
    admin = AdminKey()
    shared_memory = None if program.backend == "native" else into.name
    return Launch(
        command=(
            str(program.executable),
            *arguments(
                replace(settings, repository=view, models=shown.load),
                ports,
                program.backends,
                admin=admin,
                shared_memory=shared_memory,
                gpu_metrics=program.gpu_metrics,
            ),
        ),
        environment={**program.environment, ACTIVITY_VARIABLE: str(into / _ACTIVITY)},
        directory=program.directory,
        http_url=f"http://{settings.reachable_address}:{ports.http}",
        ports=ports,
        models=shown.load,
        skipped=shown.skipped,
        left_out=shown.left_out,
        admin=admin,
        activity=into / _ACTIVITY,
        shared_memory=shared_memory,
        backend=program.backend,
        fallback=program.fallback,
        gpus=program.gpu.names if program.gpu else (),
        engines=engines,
        shown=tuple(sorted(path for path in view.rglob("*") if path.is_file())),
    )


def _with_tensorrt(settings: ServerSettings, models: tuple[str, ...], gpu: Gpu, into: Path) -> tuple[Engines, ...]:
    """Have the models that are to run on TensorRT do so; those are all, or the ones that say so themselves."""
    config = f"configs/{settings.config_name}.pbtxt" if settings.config_name else "config.pbtxt"
    folders = [into / _REPOSITORY / name for name in models]
    chosen = [folder for folder in folders if settings.tensorrt or asks_for_tensorrt(folder / config)]
    if chosen and not gpu.tensorrt_version:
        gpu = find_gpu(tensorrt=True)
    return tuple(
        use_tensorrt(
            folder,
            folder / config,
            precision=settings.tensorrt,
            gpu=gpu,
            used=into / _ENGINES / folder.name,
            cache=cache_folder() / "tensorrt",
        )
        for folder in chosen
    )


def prepare_to_print(settings: ServerSettings) -> Launch:
    """Prepare a command line that runs without Slipway.

    What it serves stays on disk, until the next command of the same is printed.

    Nothing is started, so a port that is in use now is named as well.

    Raises:
        ServeError: See `prepare`; or the cache cannot be written.
        RepositoryError: See `prepare`.
    """
    same = "\n".join([str(settings.repository.resolve()), *(settings.models or ()), settings.config_name or ""])
    folder = cache_folder() / "printed" / f"slipway-printed-{hashlib.sha256(os.fsencode(same)).hexdigest()[:12]}"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        make_own(folder.parent)
        folder.mkdir(mode=0o700)
    except OSError as exc:
        raise ServeError(
            f"cannot make the folder {folder} of the printed command: {exc.strerror}; name a writable folder in "
            "SLIPWAY_CACHE, or print it again if another process prints the same"
        ) from exc
    require_own(cache_folder(), folder.parent)
    return prepare(settings, folder, ports=name_ports(settings))
