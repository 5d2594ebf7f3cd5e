"""Tiers: a missing tool skips a test at the desk and fails it in CI (`CI` or `REQUIRE_ALL_TIERS=1`)."""

from __future__ import annotations

import importlib.util
import os
import shutil

import pytest


def _tritonserver_is_here() -> bool:
    return shutil.which("tritonserver") is not None or importlib.util.find_spec("pytriton") is not None


def pytest_collection_modifyitems(items):
    if os.environ.get("REQUIRE_ALL_TIERS") == "1" or os.environ.get("CI") or _tritonserver_is_here():
        return
    for item in items:
        if item.get_closest_marker("triton"):
            item.add_marker(pytest.mark.skip(reason="no tritonserver: install the extra `serve`"))
