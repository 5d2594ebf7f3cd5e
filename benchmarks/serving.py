"""What the serving path costs: bare ONNX Runtime, tritonserver and slipway.client, side by side in one run.

    make bench-serving                                prints the tables
    .venv/bin/python benchmarks/serving.py --write    also replaces the results in docs/benchmarks.md

Contenders take turns, in random order, within each round; what is compared is the ratio of their medians, because a
figure alone says as much about the machine and its mood as about the code.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import re
import statistics
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import grpc
import numpy as np
import tritonclient.grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

from slipway.client import Classifier, MicroBatcher
from slipway.contract import IMAGE, PROBABILITIES
from slipway.onnx_runtime import onnxruntime
from slipway.repository import find_model, verify
from slipway.triton import ServerSettings, TritonServer

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "benchmarks.md"
MODEL = "mnist"
BATCH = 16

Call = Callable[[], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One contender's figure, and its ratio to the first one's."""

    name: str
    figure: float
    ratio: float


def latencies_us(contenders: dict[str, Call], *, rounds: int, calls: int) -> list[Row]:
    """Median time of one call, one caller, in microseconds."""
    samples: dict[str, list[int]] = {name: [] for name in contenders}
    for call in contenders.values():
        for _ in range(calls):
            call()
    for _ in range(rounds):
        for name in random.sample(list(contenders), len(contenders)):
            call = contenders[name]
            for _ in range(calls):
                started_ns = time.perf_counter_ns()
                call()
                samples[name].append(time.perf_counter_ns() - started_ns)
    return _rows({name: statistics.median(taken) / 1e3 for name, taken in samples.items()})


def rates(contenders: dict[str, Call], *, threads: int, rounds: int, round_s: float) -> list[Row]:
    """Median over rounds of the calls per second that so many threads complete."""
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name in random.sample(list(contenders), len(contenders)):
            samples[name].append(_calls_per_s(contenders[name], threads=threads, round_s=round_s))
    return _rows({name: statistics.median(taken) for name, taken in samples.items()})


def _calls_per_s(call: Call, *, threads: int, round_s: float) -> float:
    begin = threading.Barrier(threads + 1)

    def work() -> int:
        begin.wait()
        end_ns, done = time.perf_counter_ns() + int(round_s * 1e9), 0
        while time.perf_counter_ns() < end_ns:
            call()
            done += 1
        return done

    with ThreadPoolExecutor(threads) as pool:
        workers = [pool.submit(work) for _ in range(threads)]
        begin.wait()
        started_ns = time.perf_counter_ns()
        done = sum(worker.result() for worker in workers)
        return done / ((time.perf_counter_ns() - started_ns) / 1e9)


def _rows(figures: dict[str, float]) -> list[Row]:
    first = next(iter(figures.values()))
    return [Row(name=name, figure=figure, ratio=figure / first) for name, figure in figures.items()]


def bare_session(path: Path) -> onnxruntime.InferenceSession:
    """ONNX Runtime with the threads that config.pbtxt gives it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def raw_stub_call(stub: service_pb2_grpc.GRPCInferenceServiceStub, images: np.ndarray) -> Call:
    """Plain gRPC calls without a client library."""

    def call() -> np.ndarray:
        request = service_pb2.ModelInferRequest(model_name=MODEL, raw_input_contents=[images.tobytes()])
        request.inputs.add(name=IMAGE, datatype="UINT8", shape=images.shape)
        response = stub.ModelInfer(request, timeout=5.0)
        return np.frombuffer(response.raw_output_contents[0], np.float32).reshape(len(images), -1)

    return call


def tritonclient_call(client: tritonclient.grpc.InferenceServerClient, images: np.ndarray) -> Call:
    """NVIDIA's client, as its examples use it."""

    def call() -> np.ndarray:
        tensor = tritonclient.grpc.InferInput(IMAGE, list(images.shape), "UINT8")
        tensor.set_data_from_numpy(images)
        return client.infer(MODEL, [tensor], client_timeout=5.0).as_numpy(PROBABILITIES)

    return call


def measure() -> dict[str, tuple[str, list[Row]]]:
    """Start one tritonserver and run every comparison against it: title -> (unit, rows)."""
    served = find_model(ROOT / "model_repository", MODEL).served
    verify(ROOT / "model_repository", MODEL, served.version)
    session = bare_session(served.path / "model.onnx")
    rng = np.random.default_rng(0)
    one = rng.integers(0, 256, (1, 28, 28, 1), np.uint8)
    batch = rng.integers(0, 256, (BATCH, 28, 28, 1), np.uint8)
    with ExitStack() as stack:
        server = stack.enter_context(
            TritonServer(ServerSettings(repository=ROOT / "model_repository", models=(MODEL,)))
        )
        grpc_address = server.grpc_url.removeprefix("grpc://")
        channel = stack.enter_context(grpc.insecure_channel(grpc_address))
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        nvidia = stack.enter_context(tritonclient.grpc.InferenceServerClient(grpc_address))
        over_grpc = stack.enter_context(Classifier(server.grpc_url, model=MODEL))
        over_http = stack.enter_context(Classifier(server.http_url, model=MODEL))
        batcher = stack.enter_context(MicroBatcher(over_grpc))

        def latency(images: np.ndarray, calls: int) -> list[Row]:
            return latencies_us(
                {
                    "raw gRPC stub": raw_stub_call(stub, images),
                    "slipway.client, gRPC": lambda: over_grpc.predict(images),
                    "tritonclient.grpc": tritonclient_call(nvidia, images),
                    "slipway.client, HTTP": lambda: over_http.predict(images),
                    "bare ONNX Runtime, no server": lambda: session.run([PROBABILITIES], {IMAGE: images}),
                },
                rounds=20,
                calls=calls,
            )

        return {
            "One caller, one image": ("median, µs", latency(one, 100)),
            f"One caller, {BATCH} images": ("median, µs", latency(batch, 50)),
            "64 threads, one image a call": (
                "images/s",
                rates(
                    {
                        "slipway.client, one by one": lambda: over_grpc.predict(one),
                        "slipway.client, MicroBatcher": lambda: batcher.predict(one),
                        "raw gRPC stub, one by one": raw_stub_call(stub, one),
                    },
                    threads=64,
                    rounds=5,
                    round_s=2.0,
                ),
            ),
        }


def render(command: str, subject: str, tables: dict[str, tuple[str, list[Row]]]) -> str:
    """Markdown: the conditions, then a table per comparison."""
    lines = [f"Measured {datetime.now(UTC):%Y-%m-%d} with `{command}` on {machine()}; {subject}.", ""]
    for title, (unit, rows) in tables.items():
        lines += [f"### {title}", "", f"| contender | {unit} | ratio to the first |", "|---|--:|--:|"]
        lines += [f"| {row.name} | {row.figure:,.0f} | {row.ratio:.2f} |" for row in rows]
        lines.append("")
    return "\n".join(lines)


def machine() -> str:
    """The processor, and the versions of what is measured on it."""
    cpu = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    names = ("onnxruntime", "grpcio", "tritonclient", "nvidia-pytriton")
    packages = ", ".join(f"{name} {version(name)}" for name in names)
    processor = cpu[1] if cpu else platform.machine()
    return f"{os.cpu_count()} cores ({processor}), Python {platform.python_version()}, {packages}"


def _served() -> str:
    served = find_model(ROOT / "model_repository", MODEL).served
    return f"server and callers share the cores; model.onnx sha256 {served.contents()['model.onnx'][:12]}…"


def report(name: str, description: str, measure_all: Callable[[], str]) -> None:
    """Measure, print, and on request write the results between their marks in the docs."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"replace the results in {RESULTS.relative_to(ROOT)}")
    write = parser.parse_args().write
    text = measure_all()
    print(text)
    if write:
        write_results(name, text)


def write_results(name: str, text: str, page: Path = RESULTS) -> None:
    """Replace what stands between the marks of these results on a page."""
    marked = rf"(?s)(<!-- results: {name} -->\n).*?(<!-- end -->)"
    before = page.read_text(encoding="utf-8")
    page.write_text(re.sub(marked, lambda m: f"{m[1]}\n{text}\n{m[2]}", before), encoding="utf-8")


if __name__ == "__main__":
    report("serving", __doc__ or "", lambda: render("make bench-serving", _served(), measure()))
