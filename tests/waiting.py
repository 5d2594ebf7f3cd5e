"""Wait for what another process does."""

import time


def eventually(condition, timeout_s=30):
    """Return once the condition holds; fail after the time-out."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.05)
