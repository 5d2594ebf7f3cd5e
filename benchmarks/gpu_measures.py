"""What gpu.py measures of one running server."""

from __future__ import annotations

import json
import multiprocessing
import re
import shutil
import statistics
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
from tritonclient.grpc import service_pb2, service_pb2_grpc

from slipway.capacity import read_capacity
from slipway.client import Classifier
from slipway.contract import IMAGE
from slipway.triton import TritonServer

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
SHAPE = (28, 28, 1)
_FEWEST_CALLS = 20
_CALL_S = 10.0
_CAPACITY = "import typer; from loadtest.cli import capacity; typer.run(capacity)"
_DCGM_INTERVALS_S = 3.0  # tritonserver asks the driver every two seconds


def right_answers(server: TritonServer, model: str, samples: Path) -> dict[str, float]:
    """The share of the published samples that are classified as labelled, and a digest of the probabilities."""
    with np.load(samples) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    with Classifier(server.grpc_url, model=model) as client:
        probabilities = client.predict(images).probabilities
    return {
        "images": len(images),
        "accuracy": float((probabilities.argmax(1) == labels).mean()),
        "mean_top_probability": float(probabilities.max(1).mean()),
    }


def batches(server: TritonServer, model: str, *, sizes: tuple[int, ...], seconds: float) -> dict[str, Any]:
    """One caller over gRPC, for each batch size: latency in milliseconds, images per second."""
    figures = {}
    with grpc.insecure_channel(server.grpc_url.removeprefix("grpc://")) as channel:
        for size in sizes:
            call, taken = _caller(channel, model, size), []
            for _ in range(_FEWEST_CALLS):
                call()
            ends_s = time.perf_counter() + seconds
            while len(taken) < _FEWEST_CALLS or time.perf_counter() < ends_s:
                started_s = time.perf_counter()
                call()
                taken.append(time.perf_counter() - started_s)
            median_s = statistics.median(taken)
            figures[str(size)] = {
                "calls": len(taken),
                "p50_ms": round(1e3 * median_s, 4),
                "p99_ms": round(1e3 * statistics.quantiles(taken, n=100)[98], 4),
                "images_per_s": round(size / median_s, 1),
            }
    return figures


def throughput(
    server: TritonServer, model: str, *, loads: tuple[tuple[int, int], ...], processes: int, seconds: float
) -> dict[str, Any]:
    """Callers that wait for each answer, spread over processes: (callers, images a request) -> images per second."""
    address, figures = server.grpc_url.removeprefix("grpc://"), {}
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        for callers, size in loads:
            used = min(processes, callers)
            jobs = [pool.submit(_calls, address, model, size, callers // used, seconds) for _ in range(used)]
            rates = [job.result(timeout=seconds + 60) for job in jobs]
            figures[f"{callers} callers, {size} images"] = {
                "requests_per_s": round(sum(rates), 1),
                "images_per_s": round(size * sum(rates), 1),
            }
    return figures


def capacity(
    server: TritonServer, model: str, repository: Path, *, folder: Path, processes: int, quick: bool, timeout_s: float
) -> dict[str, Any]:
    """`slipway capacity`: the highest rate of 16 images a request at which p99 stays within 50 ms.

    Where the time is over first, what was measured until then.
    """
    search = ["--shortest-s", "1", "--resolution", "1"] if quick else ["--shortest-s", "2", "--resolution", "0.2"]
    output, reports = folder / "capacity.yaml", folder / "reports"
    shutil.rmtree(reports, ignore_errors=True)
    # Over HTTP: this server's gRPC front end does not survive requests that are cancelled under overload.
    command = [
        *(sys.executable, "-c", _CAPACITY, "steady", "--url", server.http_url, "--metrics-url", server.metrics_url),
        *("--model", model, "--repository", str(repository), "--processes", str(processes), *search),
        *("--report-dir", str(reports), "--output", str(output), "--force"),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        return {"ended_after_s": timeout_s, "probes": _probes(reports)}
    probes = _probes(reports)
    if done.returncode:
        return {"ended_with": (done.stdout + done.stderr)[-400:], "probes": probes}
    found = read_capacity(output)
    return {
        "requests_per_s": round(found.replica.requests_per_s, 1),
        "images_per_s": round(16 * found.replica.requests_per_s, 1),
        "in_flight": round(found.replica.in_flight, 2),
        "p99_ms": round(found.replica.p99_ms, 2),
        "limited_by": found.limited_by,
        "probes": probes,
    }


def _probes(reports: Path) -> dict[str, str]:
    """The outcome of each rate that was measured."""
    outcomes = {}
    for path in sorted(reports.glob("*/report.json")):
        with suppress(ValueError):  # half-written, when the time was over
            outcomes[path.parent.name] = json.loads(path.read_text(encoding="utf-8"))["verdict"]["outcome"]
    return outcomes


def gpu_metrics(server: TritonServer, model: str) -> dict[str, float]:
    """`nv_gpu_*` while requests are answered; empty where the server reports none."""
    with ThreadPoolExecutor(1) as pool:
        busy = pool.submit(_calls, server.grpc_url.removeprefix("grpc://"), model, SIZES[-1], 4, _DCGM_INTERVALS_S)
        time.sleep(_DCGM_INTERVALS_S - 0.2)
        text = httpx.get(server.metrics_url, timeout=10).raise_for_status().text
        busy.result()
    return {name: float(value) for name, value in re.findall(r"^(nv_gpu_\w+)(?:\{[^}]*\})? (\S+)$", text, re.MULTILINE)}


def _caller(channel: grpc.Channel, model: str, size: int) -> Any:  # noqa: ANN401 - a function
    images = np.random.default_rng(0).integers(0, 256, (size, *SHAPE), np.uint8)
    request = service_pb2.ModelInferRequest(model_name=model, raw_input_contents=[images.tobytes()])
    request.inputs.add(name=IMAGE, datatype="UINT8", shape=images.shape)
    stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
    return lambda: stub.ModelInfer(request, timeout=_CALL_S)


def _calls(address: str, model: str, size: int, callers: int, seconds: float) -> float:
    """Requests per second that so many threads of this process complete."""
    counted, begin = [0] * callers, threading.Barrier(callers)

    def work(number: int) -> float:
        with grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            call = _caller(channel, model, size)
            call()
            begin.wait(timeout=60)
            started_s = time.perf_counter()
            while time.perf_counter() - started_s < seconds:
                call()
                counted[number] += 1
            return counted[number] / (time.perf_counter() - started_s)

    with ThreadPoolExecutor(callers) as pool:
        return sum(pool.map(work, range(callers)))


def table(results: dict[str, Any]) -> str:
    """The batch sizes side by side, as Markdown; then what was left out."""
    measured = {name: figures["batches"] for name, figures in results["contenders"].items() if "batches" in figures}
    lines = [f"| images | {' | '.join(f'{name}, p50 ms' for name in measured)} |", "|--:" * (len(measured) + 1) + "|"]
    for size in map(str, SIZES):
        cells = [str(figures.get(size, {}).get("p50_ms", "")) for figures in measured.values()]
        if any(cells):
            lines.append(f"| {size} | {' | '.join(cells)} |")
    left_out = {name: figures["left_out"] for name, figures in results["contenders"].items() if "left_out" in figures}
    return "\n".join([*lines, *(f"left out: {name}: {reason}" for name, reason in left_out.items())])
