"""The clients: wrk for HTTP and h2load for gRPC, each with one thread. Both are programs of Debian's.

perf_analyzer takes several times the CPU for a request, and on shared cores would hide the server.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.payloads import GRPC_PATH, Payload
from slipway.errors import SlipwayError

__all__ = ["LoadFailed", "Sample", "grpc_sample", "http_sample", "missing_programs", "program_versions"]

_PACKAGES = {"wrk": "wrk", "h2load": "nghttp2-client"}
_SCRIPT = Path(__file__).with_name("post.lua")
_SLOWEST_S = 60
_PROBE_REQUESTS = 200  # how fast a gRPC server is, before the number of its requests is chosen
_LEAST_ANSWER_BYTES = 40  # ten floats


class LoadFailed(SlipwayError):
    """A client could not measure, or not every answer was a good one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One measurement of one server.

    Attributes:
        requests_per_s: Answered ones.
        p50_us: Median latency in microseconds; None where the client does not say it.
        p99_us: As `p50_us`.
    """

    requests_per_s: float
    p50_us: float | None = None
    p99_us: float | None = None


def missing_programs() -> str:
    """What has to be installed first, as a sentence; empty where nothing has."""
    missing = [program for program in _PACKAGES if shutil.which(program) is None]
    packages = " ".join(_PACKAGES[program] for program in missing)
    return f"not found on PATH: {', '.join(missing)}; install it: apt-get install {packages}" if missing else ""


def program_versions() -> dict[str, str]:
    """Of both clients."""
    said = {name: _output([name, flag], {}, ok=(0, 1)) for name, flag in (("wrk", "-v"), ("h2load", "--version"))}
    found = {name: re.search(r"\d+\.\d+(\.\d+)?", text) for name, text in said.items()}
    return {name: match[0] if match else "unknown" for name, match in found.items()}


def http_sample(address: str, payload: Payload, *, connections: int, duration_s: int) -> Sample:
    """Send one POST after the other on so many connections.

    Raises:
        LoadFailed: wrk did not run, or an answer was an error.
    """
    with tempfile.NamedTemporaryFile() as body:
        body.write(payload.body)
        body.flush()
        headers = [word for name, value in payload.headers.items() for word in ("-H", f"{name}: {value}")]
        options = ["-t1", f"-c{connections}", f"-d{duration_s}s", "--timeout", "10s", "-s", str(_SCRIPT)]
        said = _output(["wrk", *options, *headers, f"http://{address}{payload.path}"], {"PEER_BODY": body.name})
    return read_wrk(said)


def read_wrk(said: str) -> Sample:
    """The line that `post.lua` writes."""
    found = re.search(r"^RESULT (\{.*\})$", said, re.MULTILINE)
    result = json.loads(found[1]) if found else {}
    if not result or result["failed"] or not result["requests"]:
        raise LoadFailed(f"expected every answer to be 200, got {said.strip()[-300:]}")
    return Sample(
        requests_per_s=result["requests"] * 1e6 / result["duration_us"],
        p50_us=result["p50_us"],
        p99_us=result["p99_us"],
    )


def grpc_sample(address: str, message: bytes, *, connections: int, duration_s: float) -> Sample:
    """Call ModelInfer on so many connections, one call at a time on each.

    A number of requests is asked for, not a time: h2load ends a time by breaking its streams off, and tritonserver
    2.51 can die of that.

    Raises:
        LoadFailed: h2load did not run, or an answer was an error.
    """
    with tempfile.NamedTemporaryFile() as body:
        body.write(struct.pack(">?I", False, len(message)) + message)
        body.flush()
        options = [f"-c{connections}", "-m1", "-t1", f"--data={body.name}"]
        headers = ["-H", "content-type: application/grpc", "-H", "te: trailers"]

        def run(requests: int) -> Sample:
            count = max(requests, connections)
            return read_h2load(
                _output(["h2load", f"-n{count}", *options, *headers, f"http://{address}{GRPC_PATH}"], {})
            )

        probed = run(_PROBE_REQUESTS)
        return run(int(probed.requests_per_s * duration_s))


def read_h2load(said: str) -> Sample:
    """Its own words; an error of gRPC has status 200 and no message, so the bytes are counted."""
    rate = re.search(r"finished in [^,]+, ([\d.]+) req/s", said)
    counts = re.search(r"requests: (\d+) total, .* (\d+) succeeded", said)
    data = re.search(r"\((\d+)\) data$", said, re.MULTILINE)
    if not (rate and counts and data):
        raise LoadFailed(f"expected h2load's summary, got {said.strip()[-300:]}")
    total, succeeded = int(counts[1]), int(counts[2])
    if succeeded < total or int(data[1]) < total * _LEAST_ANSWER_BYTES:
        raise LoadFailed(f"expected {total} answers with probabilities, got {said.strip()[-300:]}")
    return Sample(requests_per_s=float(rate[1]))


def _output(command: Sequence[str], environment: Mapping[str, str], *, ok: tuple[int, ...] = (0,)) -> str:
    variables = {**os.environ, **environment}
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SLOWEST_S, env=variables)
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise LoadFailed(f"{command[0]}: {exc}") from exc
    if done.returncode not in ok:
        raise LoadFailed(f"{command[0]} ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-300:]}")
    return done.stdout + done.stderr
