"""Tiers: a missing tool skips a test at the desk and fails it in CI (`CI` or `REQUIRE_ALL_TIERS=1`).

With `-n 2` a file's tests stay together, for they share what is slow to start; and whatever makes load stays in one
process: two generators on one machine would measure each other. The cluster tier judges nothing that this could spoil.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal

import pytest
from xdist.scheduler import LoadScopeScheduling

from slipway.telemetry import switch_off

switch_off()  # tests import onnxruntime by itself
# Tests ask local servers with gRPC's bare client, which would take a proxy of the environment there. Slipway's own
# clients decide for themselves, and other protocols are left as they are.
os.environ.setdefault("no_grpc_proxy", "localhost,127.0.0.1")


def _tritonserver_is_here() -> bool:
    return shutil.which("tritonserver") is not None or importlib.util.find_spec("pytriton") is not None


class _Together(LoadScopeScheduling):
    def _split_scope(self, nodeid):
        file = nodeid.split("::")[0]
        if file.startswith("tests/cluster/"):  # each process brings up one cluster, and keeps it
            return "faults" if file.endswith("_faults.py") else "cluster"
        return "load" if file.startswith(("tests/integration/test_loadtest", "tests/integration/test_bench")) else file


@pytest.fixture
def ctrl_c_heeded():
    """Ctrl-C raises KeyboardInterrupt in this process, also where pytest was started so that it ignores it (nohup)."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    return _Together(config, log)


def pytest_collection_modifyitems(items):
    if os.environ.get("REQUIRE_ALL_TIERS") == "1" or os.environ.get("CI") or _tritonserver_is_here():
        return
    for item in items:
        if item.get_closest_marker("triton"):
            item.add_marker(pytest.mark.skip(reason="no tritonserver: install the extra `serve`"))
