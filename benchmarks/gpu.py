"""The same server on this machine's GPU and on its CPU; run by gpu.sh. Results go to OUTPUT/results.json as they come.

What is left out, and why, is a result too: no GPU, no TensorRT, a step that did not end in time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import gpu_measures as measures

from slipway.errors import SlipwayError
from slipway.model_config import ServingProfile, parse_config, read_contract, render_config
from slipway.repository import find_model, seal
from slipway.triton import ServerSettings, TritonServer

MODEL = "mnist"
LARGEST_BATCH = 256
PACKAGES = ("nvidia-pytriton", "onnxruntime-gpu", "onnxruntime", "numpy", "grpcio", "locust")
BUDGET_S = 530.0
CAPACITY_S = 150.0


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One way to serve the model.

    Attributes:
        config_name: None is `config.pbtxt`, for the CPU.
        precision: Of TensorRT; None is without TensorRT.
    """

    name: str
    config_name: str | None
    precision: str | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """For `ServerSettings`."""
        gpu = {} if self.config_name is None else {"gpu": True, "tensorrt": self.precision}
        return {"config_name": self.config_name, **gpu}


CONTENDERS = (
    Contender(name="cpu", config_name=None),
    Contender(name="cuda", config_name="gpu"),
    Contender(name="tensorrt-fp32", config_name="gpu", precision="fp32"),
    Contender(name="tensorrt-fp16", config_name="gpu", precision="fp16"),
)


@dataclass(kw_only=True)
class Benchmark:
    """Everything that is measured, and where it is written."""

    repository: Path
    output: Path
    quick: bool
    ends_s: float
    results: dict[str, Any] = field(default_factory=dict)

    def run(self, contender: Contender) -> None:
        """Measure one contender; what fails is written down, and the next one comes."""
        figures: dict[str, Any] = {}
        self.results.setdefault("contenders", {})[contender.name] = figures
        try:
            self._measure(contender, figures)
        except SlipwayError as exc:
            figures["left_out"] = str(exc)
        except Exception as exc:  # noqa: BLE001 - unattended: the other contenders are still worth their time
            figures["failed"] = f"{type(exc).__name__}: {exc}"
            traceback.print_exc()
        print(f"{contender.name}: {figures.get('left_out') or figures.get('failed') or 'measured'}", flush=True)
        self.write()

    def write(self) -> None:
        """Replace the results with what there is."""
        (self.output / "results.json").write_text(json.dumps(self.results, indent=2) + "\n", encoding="utf-8")

    def _measure(self, contender: Contender, figures: dict[str, Any]) -> None:
        settings = ServerSettings(
            repository=self.repository,
            models=(MODEL,),
            log_file=self.output / f"{contender.name}.log",
            ready_timeout_s=180,
            **contender.settings,
        )
        figures["start_s"] = [self._start_s(settings)]
        started_s = time.monotonic()
        with on_cpus(SERVER_CPUS), TritonServer(settings) as server:
            figures["start_s"].append(round(time.monotonic() - started_s, 3))
            with on_cpus(CLIENT_CPUS):
                self._steps(contender, server, figures)
        figures["log"] = [line for line in log_of(settings).splitlines() if re.search(r"CUDA|GPU|DCGM|TensorRT", line)]

    def _start_s(self, settings: ServerSettings) -> float:
        """The first start compiles the backend and TensorRT's engines."""
        started_s = time.monotonic()
        with on_cpus(SERVER_CPUS), TritonServer(settings):
            return round(time.monotonic() - started_s, 3)

    def _steps(self, contender: Contender, server: TritonServer, figures: dict[str, Any]) -> None:
        entry = find_model(self.repository, MODEL)
        quick, processes = self.quick, 1 if self.quick else max(1, len(CLIENT_CPUS) - 1)
        steps: dict[str, Callable[[], Any]] = {
            "right_answers": lambda: measures.right_answers(server, MODEL, entry.served.path / "samples.npz"),
            "batches": lambda: measures.batches(
                server, MODEL, sizes=(1, LARGEST_BATCH) if quick else measures.SIZES, seconds=0.3 if quick else 1.5
            ),
            "throughput": lambda: measures.throughput(
                server,
                MODEL,
                loads=((4, 1), (2, LARGEST_BATCH))
                if quick
                else ((1, 1), (16, 1), (64, 1), (64, 16), (16, LARGEST_BATCH)),
                processes=processes,
                seconds=0.5 if quick else 3,
            ),
            "gpu_metrics": lambda: measures.gpu_metrics(server, MODEL),
            "capacity": lambda: measures.capacity(
                server,
                MODEL,
                self.repository,
                folder=self.repository.parent,  # a few files are enough for a result
                processes=processes,
                quick=quick,
                timeout_s=max(5, min(15 if quick else CAPACITY_S, self.left_s() / 2)),
            ),
        }
        if contender.config_name is None:
            del steps["gpu_metrics"]
        for name, step in steps.items():
            if self.left_s() < 5:
                figures[name] = {"left_out": "no time was left"}
                continue
            try:
                figures[name] = step()
            except (SlipwayError, OSError, ValueError, subprocess.SubprocessError) as exc:
                figures[name] = {"failed": f"{type(exc).__name__}: {exc}"}
            self.write()

    def left_s(self) -> float:
        """Until the end of the budget."""
        return self.ends_s - time.monotonic()


def halves() -> tuple[set[int], set[int]]:
    """The CPUs of the server, and those of whoever makes the load."""
    cpus = sorted(os.sched_getaffinity(0))
    middle = max(1, len(cpus) // 2)
    return set(cpus[:middle]), set(cpus[middle:] or cpus)


SERVER_CPUS, CLIENT_CPUS = halves()


class on_cpus:  # noqa: N801 - reads as a statement
    """What is started inside runs on these CPUs."""

    def __init__(self, cpus: set[int]) -> None:
        self.cpus = cpus

    def __enter__(self) -> None:
        self.before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, self.cpus)

    def __exit__(self, *_: object) -> None:
        os.sched_setaffinity(0, self.before)


def large_batches(repository: Path, into: Path) -> Path:
    """The published model with a batch limit that lets a GPU show what it can do, and an instance for each CPU."""
    entry, copy = find_model(repository, MODEL), into / MODEL
    shutil.copytree(entry.served.path, copy / entry.served.path.name)
    shutil.copyfile(entry.path / "labels.txt", copy / "labels.txt")
    contract = read_contract(parse_config((entry.path / "config.pbtxt").read_text(encoding="utf-8")))
    contract = replace(contract, max_batch_size=LARGEST_BATCH)
    (copy / "configs").mkdir()
    for name, profile in {
        "config.pbtxt": ServingProfile(accelerator="cpu", instances=len(SERVER_CPUS)),
        "configs/gpu.pbtxt": ServingProfile(accelerator="gpu", instances=2, queue_delay_us=100),
    }.items():
        (copy / name).write_text(render_config(contract, profile), encoding="utf-8")
    seal(into, MODEL)
    return into


def conditions() -> dict[str, Any]:
    """What the figures were measured on."""
    packages = {}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            packages[name] = version(name)
    return {
        "python": platform.python_version(),
        "kernel": platform.release(),
        "cpus": {"server": sorted(SERVER_CPUS), "load": sorted(CLIENT_CPUS)},
        "packages": packages,
        "gpu": nvidia_smi(),
    }


def nvidia_smi() -> str:
    """What the driver says of its GPUs; empty without one."""
    query = "--query-gpu=name,driver_version,memory.total,compute_cap,clocks.max.sm"
    program = shutil.which("nvidia-smi")
    try:
        said = subprocess.run(
            [program or "nvidia-smi", query, "--format=csv"], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return said.stdout.strip()


def log_of(settings: ServerSettings) -> str:
    """The server's log, as far as it was kept."""
    return settings.log_file.read_text(encoding="utf-8", errors="replace") if settings.log_file else ""


def main() -> None:
    """Read the command line and run every contender."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repository", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--cpu-only", action="store_true", help="leave out what needs a GPU")
    parser.add_argument("--quick", action="store_true", help="a few short measurements: does every part work?")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        benchmark = Benchmark(
            repository=large_batches(arguments.repository, Path(folder) / "models"),
            output=arguments.output,
            quick=arguments.quick,
            ends_s=time.monotonic() + BUDGET_S,
            results={"conditions": conditions()},
        )
        for contender in CONTENDERS:
            if not (arguments.cpu_only and contender.config_name):
                benchmark.run(contender)
    print(measures.table(benchmark.results))
    failed = [name for name, figures in benchmark.results["contenders"].items() if "failed" in json.dumps(figures)]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
