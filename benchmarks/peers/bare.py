"""The limit: ONNX Runtime without a server, in one process or several at once.

python -m benchmarks.peers.bare MODEL IMAGES      one of those processes: starts at a line on its standard input
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from benchmarks.peers.load import LoadFailed, Sample

__all__ = ["bare_sample"]

_ROOT = Path(__file__).parents[2]
_TIMEOUT_S = 30


def bare_sample(model: Path, *, images: int, processes: int, duration_s: int) -> Sample:
    """Calls per second of all processes together, each with one thread, and the median time of one call.

    Raises:
        LoadFailed: A process ended without a result.
    """
    command = [sys.executable, "-m", "benchmarks.peers.bare", str(model), str(images)]
    with ExitStack() as stack:
        running = [
            stack.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=_ROOT)
            )
            for _ in range(processes)
        ]
        for process in running:
            stack.callback(process.kill)
        for process in running:
            assert process.stdout is not None  # noqa: S101 - for mypy: it is a pipe
            process.stdout.readline()
        for process in running:
            assert process.stdin is not None  # noqa: S101 - as above
            process.stdin.write(f"{duration_s}\n")
            process.stdin.flush()
        said = [process.communicate(timeout=_TIMEOUT_S)[0] for process in running]
    try:
        results = [json.loads(text) for text in said]
    except ValueError as exc:
        raise LoadFailed(f"ONNX Runtime alone: expected a result, got {said}") from exc
    return Sample(
        requests_per_s=sum(result["calls_per_s"] for result in results),
        p50_us=statistics.median(result["p50_us"] for result in results),
    )


def main(model: Path, images: int) -> None:
    """Call the model for as long as the line says."""
    from benchmarks.serving import bare_session  # noqa: PLC0415 - the process that only starts others needs none of it
    from slipway.contract import IMAGE, PROBABILITIES  # noqa: PLC0415

    session = bare_session(model)
    batch = np.random.default_rng(0).integers(0, 256, (images, 28, 28, 1), np.uint8)
    for _ in range(20):
        session.run([PROBABILITIES], {IMAGE: batch})
    print("ready", flush=True)
    duration_ns = int(sys.stdin.readline()) * 10**9
    times_ns = []
    now_ns = started_ns = time.perf_counter_ns()
    while now_ns < started_ns + duration_ns:
        session.run([PROBABILITIES], {IMAGE: batch})
        ended_ns = time.perf_counter_ns()
        times_ns.append(ended_ns - now_ns)
        now_ns = ended_ns
    rate = len(times_ns) * 1e9 / (now_ns - started_ns)
    print(json.dumps({"calls_per_s": rate, "p50_us": statistics.median(times_ns) / 1e3}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
