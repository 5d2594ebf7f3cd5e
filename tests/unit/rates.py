"""Rates that a capacity search may end with."""

import pytest

from loadtest.capacity.search import RESOLUTION


def within(capacity_rps, resolution=RESOLUTION):
    """The rates that count as found: below what it holds, by no more than the resolution."""
    return pytest.approx(capacity_rps / (1 + resolution / 2), rel=resolution / 2 + 1e-9)
