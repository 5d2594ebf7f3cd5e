"""What the two clients say is read, and an answer that is none is refused."""

import pytest

from benchmarks.peers import load
from benchmarks.peers.load import LoadFailed, Sample, read_h2load, read_wrk

WRK = """\
Running 2s test @ http://127.0.0.1:8000/v2/models/mnist/infer
  1 threads and 16 connections
Requests/sec:   9512.11

RESULT {"requests": 19000, "duration_us": 2000000, "bytes": 5800000, "p50_us": 1600, "p99_us": 4100, "failed": 0}
"""
H2LOAD = """\
finished in 1.50s, 6800.00 req/s, 1.25MB/s
requests: 10200 total, 10200 started, 10200 done, 10200 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 10200 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 1.88MB (1970000) total, 450KB (460000) headers (space savings 70.00%), 1.10MB (1150000) data
"""


def test_wrks_rate_and_latencies_are_read():
    assert Sample(requests_per_s=9500.0, p50_us=1600, p99_us=4100) == read_wrk(WRK)


@pytest.mark.parametrize(
    "said", [WRK.replace('"failed": 0', '"failed": 3'), WRK.replace('"requests": 19000', '"requests": 0'), "no result"]
)
def test_a_run_of_wrk_with_errors_is_refused(said):
    with pytest.raises(LoadFailed, match="expected every answer to be 200"):
        read_wrk(said)


def test_h2loads_rate_is_read():
    assert Sample(requests_per_s=6800.0) == read_h2load(H2LOAD)


@pytest.mark.parametrize(
    "said",
    [
        H2LOAD.replace("10200 succeeded, 0 failed", "10100 succeeded, 100 failed"),
        H2LOAD.replace("(1150000) data", "(0) data"),  # gRPC's errors have status 200 and no message
    ],
)
def test_a_run_of_h2load_with_errors_is_refused(said):
    with pytest.raises(LoadFailed, match="expected 10200 answers"):
        read_h2load(said)


def test_what_h2load_did_not_finish_is_refused():
    with pytest.raises(LoadFailed, match="expected h2load's summary"):
        read_h2load("connection refused")


def test_missing_clients_are_named_with_their_packages(monkeypatch):
    monkeypatch.setattr(load.shutil, "which", lambda _program: None)

    assert ("not found on PATH: wrk, h2load; install it: apt-get install wrk nghttp2-client") == load.missing_programs()
