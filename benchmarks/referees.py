"""Hold slipway loadtest's figures against two outside referees: MLPerf's LoadGen and NVIDIA's perf_analyzer.

One tritonserver serves the published model with a simulated 10 ms a batch of at most 8, so that the latencies are those
of its queue, and not of three clients' own speed. Each tool offers the same rate of Poisson arrivals over gRPC, in
turns, several times; what is compared is the median of each tool's p50 and p99.

LoadGen and perf_analyzer are not among Slipway's dependencies. They live in an environment of their own:

    make bench-referees            sets up .referees/ and prints the table
    .venv/bin/python benchmarks/referees.py --write   also replaces the results in docs/benchmarks.md
"""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from serving import ROOT, Row, render, report

from slipway.model_config import ServingProfile, parse_config, read_contract, render_config
from slipway.repository import find_model, seal
from slipway.triton import ServerSettings, TritonServer

MODEL = "mnist"
RATE_RPS = 300
DURATION_S = 20
ROUNDS = 3
BATCH_MS = 10
MAX_BATCH = 8
REFEREES = ROOT / ".referees"
SLIPWAY = str(Path(sys.executable).with_name("slipway"))

Measured = dict[str, float]
"""`p50` and `p99` in milliseconds."""


def slow_repository(folder: Path) -> Path:
    """The served version of the published model, with one instance and the simulated time."""
    entry = find_model(ROOT / "model_repository", MODEL)
    copy = folder / MODEL
    shutil.copytree(entry.served.path, copy / entry.served.path.name)
    shutil.copyfile(entry.path / "labels.txt", copy / "labels.txt")
    contract = read_contract(parse_config((entry.path / "config.pbtxt").read_text(encoding="utf-8")))
    config = render_config(replace(contract, max_batch_size=MAX_BATCH), ServingProfile(accelerator="cpu", instances=1))
    simulated = f'parameters {{ key: "simulated_batch_ms" value {{ string_value: "{BATCH_MS}" }} }}\n'
    (copy / "config.pbtxt").write_text(config + simulated, encoding="utf-8")
    seal(folder, MODEL)
    return folder


def with_slipway(server: TritonServer, folder: Path) -> Measured:
    """`slipway loadtest`: from when a request was due."""
    run(
        [
            *(SLIPWAY, "loadtest", "smoke", "--url", server.grpc_url),
            *("--metrics-url", server.metrics_url, "--repository", str(ROOT / "model_repository")),
            *("--rate", str(RATE_RPS), "--duration-s", str(DURATION_S), "-o", str(folder)),
            *("--slo", "p50_ms=1000", "--slo", "p99_ms=1000"),
        ]
    )
    latency = json.loads((folder / "report.json").read_text(encoding="utf-8"))["figures"]["latency_ms"]
    return {"p50": latency["p50"], "p99": latency["p99"]}


def with_loadgen(server: TritonServer, folder: Path) -> Measured:
    """MLPerf's Server scenario: from when a query was scheduled."""
    folder.mkdir()
    address = server.grpc_url.removeprefix("grpc://")
    script = Path(__file__).with_name("loadgen_server.py")
    run([str(REFEREES / "bin" / "python"), str(script), address, MODEL, str(RATE_RPS), str(DURATION_S), str(folder)])
    summary = (folder / "mlperf_log_summary.txt").read_text(encoding="utf-8")
    nanoseconds = {
        name: float(re.search(rf"{percent} percentile latency \(ns\)\s*: (\d+)", summary)[1])  # type: ignore[index]
        for name, percent in (("p50", "50.00"), ("p99", "99.00"))
    }
    return {name: value / 1e6 for name, value in nanoseconds.items()}


def with_perf_analyzer(server: TritonServer, folder: Path) -> Measured:
    """NVIDIA's tool with a Poisson request rate: from when a request was sent."""
    address = server.grpc_url.removeprefix("grpc://")
    said = run(
        [
            *(str(REFEREES / "bin" / "perf_analyzer"), "-m", MODEL, "-u", address, "-i", "grpc", "-b", "1"),
            *("--request-rate-range", str(RATE_RPS), "--request-distribution", "poisson"),
            *("--measurement-interval", str(DURATION_S * 1000), "--max-trials", "3", "--stability-percentage", "999"),
            *("--percentile", "99", "--async", "-f", str(folder.with_suffix(".csv"))),
        ]
    )
    found = {name: re.search(rf"{name} latency: (\d+) usec", said) for name in ("p50", "p99")}
    return {name: float(match[1]) / 1e3 for name, match in found.items() if match}


def run(command: list[str]) -> str:
    """Run a tool to its end and return what it said; one that fails says why."""
    libraries = [str(path.parent) for path in REFEREES.rglob("libcudart.so.12")]  # perf_analyzer is linked with it
    environment = {**os.environ, "LD_LIBRARY_PATH": os.pathsep.join(libraries)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=environment)
    if done.returncode:
        sys.exit(f"{command[0]} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def measure() -> dict[str, tuple[str, list[Row]]]:
    """Every tool in turn, several times: title -> (unit, rows)."""
    tools: dict[str, Callable[[TritonServer, Path], Measured]] = {
        "slipway loadtest": with_slipway,
        "MLPerf LoadGen, Server scenario": with_loadgen,
        "perf_analyzer, Poisson request rate": with_perf_analyzer,
    }
    taken: dict[str, list[Measured]] = {name: [] for name in tools}
    with tempfile.TemporaryDirectory() as scratch:
        repository = slow_repository(Path(scratch) / "repository")
        with TritonServer(ServerSettings(repository=repository, models=(MODEL,))) as server:
            for number in range(ROUNDS):
                for name, tool in tools.items():
                    taken[name].append(tool(server, Path(scratch) / f"{number}-{name.split()[0]}"))
                    print(f"round {number + 1}  {name}: {taken[name][-1]}", file=sys.stderr)
    tables = {}
    for percentile in ("p50", "p99"):
        medians = {name: 1e3 * statistics.median(m[percentile] for m in rounds) for name, rounds in taken.items()}
        first = next(iter(medians.values()))
        rows = [Row(name=name, figure=value, ratio=value / first) for name, value in medians.items()]
        tables[f"{percentile} at {RATE_RPS} requests/s"] = ("µs", rows)
    return tables


if __name__ == "__main__":
    subject = f"simulated {BATCH_MS} ms a batch of at most {MAX_BATCH}; medians of {ROUNDS} rounds of {DURATION_S} s"
    report("referees", __doc__ or "", lambda: render("make bench-referees", subject, measure()))
