"""TensorRT for the models of one server, and the engines that it builds: kept for the next server.

engines = use_tensorrt(view / "mnist", config, precision="fp16", gpu=gpu, used=folder, cache=cache)
...                                     # the server builds what is not there while it loads the model
engines.keep()

TensorRT compiles a model for one GPU, which takes from seconds to minutes. Engines are kept under a name that says what
they were made from and for: other weights, another GPU, TensorRT, ONNX Runtime or other options make another. A server
works on a copy of its own, and what it builds is kept, file by file and whole, when it is ready: two servers that build
at once, or one that is killed while it builds, leave nothing half-written.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import text_format

from slipway import protocol as pb
from slipway.model_config import parse_config
from slipway.platform.atomic_write import replacing, write_atomically
from slipway.triton._gpu import Gpu
from slipway.triton._own_cache import is_own, make_own, require_own
from slipway.triton._settings import Precision

__all__ = ["Engines", "asks_for_tensorrt", "use_tensorrt"]

_NAME = "tensorrt"
_PATHS = ("trt_engine_cache_path", "trt_timing_cache_path")
_ENGINE = ".engine"
_KEPT_MODELS = 32  # versions that are not served any more need none


@dataclass(frozen=True, slots=True, kw_only=True)
class Engines:
    """The engines of one model in one server.

    Attributes:
        used: Folder that the server reads and writes.
        kept: Folder in which they are kept for the next server.
    """

    used: Path
    kept: Path

    def keep(self) -> None:
        """Keep what the server has built. Without a writable cache the next server builds again."""
        with suppress(OSError):
            if not any(self.used.iterdir()):
                return
            if not is_own(self.kept):
                shutil.rmtree(self.kept, ignore_errors=True)
            make_own(self.kept)
            # What describes an engine comes first: a kill in between leaves no engine without it.
            for path in sorted(self.used.iterdir(), key=lambda path: path.suffix == _ENGINE):
                if not _same(path, self.kept / path.name):
                    with replacing(self.kept / path.name) as scratch:
                        shutil.copy2(path, scratch)
            self.kept.touch()
            _forget_oldest(self.kept.parent)

    def bring(self) -> None:
        """Copy what was kept to where the server looks, unless others can write it."""
        self.used.mkdir(mode=0o700, parents=True)
        if not is_own(self.kept):
            return
        with suppress(OSError):
            for path in self.kept.iterdir():
                if not path.name.startswith("."):  # one that is being written
                    shutil.copy2(path, self.used / path.name)


def asks_for_tensorrt(config: Path) -> bool:
    """Whether a model's configuration names TensorRT as its accelerator."""
    accelerators = parse_config(config.read_text(encoding="utf-8")).optimization.execution_accelerators
    return any(accelerator.name == _NAME for accelerator in accelerators.gpu_execution_accelerator)


def use_tensorrt(
    model: Path, config: Path, *, precision: Precision | None, gpu: Gpu, used: Path, cache: Path
) -> Engines:
    """Have a model run on TensorRT, with the engines that an earlier server built.

    Args:
        model: Folder of the model as the server is shown it.
        config: The configuration that is served; it is rewritten.
        precision: What TensorRT may compute in; None is what the configuration says.
        gpu: The GPU.
        used: Folder of this server's engines of this model; it is made.
        cache: Folder of the engines that are kept.

    Raises:
        CacheUnsafe: Another user can write the cache.
    """
    require_own(cache.parent, cache)
    message = parse_config(config.read_text(encoding="utf-8"))
    options = _accelerator(message).parameters
    if precision is not None:
        options["precision_mode"] = precision.upper()
    for name, value in {"trt_engine_cache_enable": "1", **_profile(message)}.items():
        if name not in options:
            options[name] = value
    for path in _PATHS:
        options.pop(path, None)  # of the configuration's author, for another machine
    engines = Engines(used=used, kept=cache / _key(model, dict(options), gpu))
    engines.bring()
    for path in _PATHS:
        options[path] = str(used)
    write_atomically(config, text_format.MessageToString(message))
    return engines


def _accelerator(config: pb.Message) -> pb.Message:
    accelerators = config.optimization.execution_accelerators.gpu_execution_accelerator
    for accelerator in accelerators:
        if accelerator.name == _NAME:
            return accelerator
    return accelerators.add(name=_NAME)


def _profile(config: pb.Message) -> dict[str, str]:
    """The batch sizes that one engine is built for, or none where that follows from the model itself.

    Without it the engine of the first request fits that request's batch size alone, and is built again for the next.
    """
    dims = {tensor.name: list(tensor.dims) for tensor in config.input}
    if not config.max_batch_size or any(size < 1 for sizes in dims.values() for size in sizes):
        return {}

    def shapes(batch_size: int) -> str:
        return ",".join(f"{name}:{'x'.join(map(str, [batch_size, *sizes]))}" for name, sizes in dims.items())

    largest = shapes(config.max_batch_size)
    return {
        "trt_profile_min_shapes": shapes(1),
        "trt_profile_opt_shapes": largest,
        "trt_profile_max_shapes": largest,
    }


def _key(model: Path, options: dict[str, str], gpu: Gpu) -> str:
    """Of what an engine is made from and for. The files of the version are those that were verified."""
    files = sorted(path for path in model.glob("[0-9]*/**/*") if path.is_file())
    made_from = {str(path.relative_to(model)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    made_for = [gpu.names, gpu.tensorrt_version, gpu.onnxruntime_version, options]
    described = json.dumps([model.name, made_from, made_for], sort_keys=True)
    return f"{model.name[:40]}-{hashlib.sha256(described.encode()).hexdigest()[:20]}"


def _same(path: Path, other: Path) -> bool:
    """Whether one is a copy of the other; a copy keeps the time of its original."""
    try:
        one, two = path.stat(), other.stat()
    except FileNotFoundError:
        return False
    return (one.st_size, one.st_mtime_ns) == (two.st_size, two.st_mtime_ns)


def _forget_oldest(cache: Path) -> None:
    folders = sorted(cache.iterdir(), key=lambda path: path.stat().st_mtime)
    for folder in folders[:-_KEPT_MODELS]:
        shutil.rmtree(folder, ignore_errors=True)
