"""Master: whose metrics are these? A page on a port says nothing of the server that is asked through another.

    doubt = whose(page.scrape, ask)                # before the load: do its counters count our requests?
    doubt = disagreement(counted, counts)          # after it: did they count exactly our requests?

The usual case of a mix-up is a port-forwarded server beside a local tritonserver: port 8002 then belongs to the local
one, which may serve the same model.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from loadtest.engine.metrics_page import Scrape

__all__ = ["Counts", "disagreement", "whose"]

_TRIES = 3
_STEP_S = 0.05
_FEW, _MANY = 4, 12
_SLACK = 50
_SHARE = 0.05


def whose(scrape: Callable[[], Scrape], ask: Callable[[int], None], *, patience_s: float = 2.0) -> str:
    """Check that the counters stay constant while nothing is sent, and then increase by exactly what is sent.

    Args:
        scrape: Reads the page.
        ask: Sends a number of requests to the target and waits for the responses.
        patience_s: Time that counters may take to become constant, and to count what was sent.

    Returns:
        Why the metrics are not the target's, or include other clients; empty if they match.
    """
    doubt = ""
    for _ in range(_TRIES):
        count = random.randint(_FEW, _MANY)
        before = _at_rest(scrape, patience_s)
        if before is None:
            doubt = (
                "they count requests while this process sends none: they belong to another server, or other clients "
                "use the target too"
            )
            continue
        ask(count)
        moved = _moved(scrape, before, count, patience_s) - before
        if moved == count:
            return ""
        doubt = f"{count} requests were sent to the target, and they counted {moved}: they belong to another server"
        doubt += ", or the target has several replicas" if moved < count else ", or other clients use the target too"
    return doubt


def _at_rest(scrape: Callable[[], Scrape], patience_s: float) -> int | None:
    """The counter's value once it is constant; None if it keeps changing."""
    until_s = time.monotonic() + patience_s
    last = scrape().success
    while time.monotonic() < until_s:
        time.sleep(2 * _STEP_S)
        now = scrape().success
        if now == last:
            return now
        last = now
    return None


def _moved(scrape: Callable[[], Scrape], before: int, count: int, patience_s: float) -> int:
    """The counter's value once it has increased by `count`, or after the wait; Triton counts just after it responds."""
    until_s = time.monotonic() + patience_s
    while (now := scrape().success) < before + count and time.monotonic() < until_s:
        time.sleep(_STEP_S)
    time.sleep(_STEP_S)
    return max(now, scrape().success)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The generator's counts of the requests between the two readings of the page.

    Attributes:
        answered: Lower bound of the requests that the server answered.
        sent: Upper bound of the requests that were sent; None if unknown, since a worker was lost.
        edge: Requests near the first reading, which may be on either side of it.
    """

    answered: int
    sent: int | None
    edge: int


def disagreement(counted: int, counts: Counts) -> str:
    """Why the server's count does not match this run; empty if it matches."""
    fewest = counts.answered * (1 - _SHARE) - counts.edge - min(_SLACK, counts.answered / 2)
    if counted < fewest:
        return (
            f"the server counted {counted:,} requests and answered {counts.answered:,} of this run: the metrics belong "
            "to another server, or the target has several replicas"
        )
    if counts.sent is not None and counted > counts.sent * (1 + _SHARE) + counts.edge + _SLACK:
        return (
            f"the server counted {counted:,} requests and this run sent {counts.sent:,}: other clients use the target "
            "too, or the metrics belong to another server"
        )
    return ""
