"""Master: whose metrics are these? A page on a port says nothing of the server that is asked through another.

    doubt = whose(page.scrape, ask)                # before the load: do its counters count our requests?
    doubt = disagreement(counted, counts)          # after it: did they count all of them, and nobody else's?

A port-forwarded server beside a tritonserver of this machine is the usual case: Triton's own port 8002 belongs to the
other one then, which may serve the same model.
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
    """See that the counters stand still while nothing is sent, and move by just what is sent then.

    Args:
        scrape: Reads the page.
        ask: Sends so many requests to the target and waits for the answers.
        patience_s: How long counters may take to come to rest, and to count what was sent.

    Returns:
        Why the metrics cannot be the target's, or not its alone; empty where they are.
    """
    doubt = ""
    for _ in range(_TRIES):
        count = random.randint(_FEW, _MANY)
        before = _at_rest(scrape, patience_s)
        if before is None:
            doubt = (
                "they count requests while this process sends none: they are another server's, or others use the "
                "target too"
            )
            continue
        ask(count)
        moved = _moved(scrape, before, count, patience_s) - before
        if moved == count:
            return ""
        doubt = f"{count} requests were sent to the target, and they counted {moved}: they are another server's"
        doubt += ", or the target has several replicas" if moved < count else ", or others use the target too"
    return doubt


def _at_rest(scrape: Callable[[], Scrape], patience_s: float) -> int | None:
    """What the counter stands at; None when it does not come to rest."""
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
    """What the counter stands at once it has moved so far, or long enough; Triton counts just after it answers."""
    until_s = time.monotonic() + patience_s
    while (now := scrape().success) < before + count and time.monotonic() < until_s:
        time.sleep(_STEP_S)
    time.sleep(_STEP_S)
    return max(now, scrape().success)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What the generator knows of the requests between the two readings of the page.

    Attributes:
        answered: Fewest that the server answered.
        sent: Most that it can have been sent; None: not known, as a part of the generator was lost.
        edge: Requests near the first reading, which may be on either side of it.
    """

    answered: int
    sent: int | None
    edge: int


def disagreement(counted: int, counts: Counts) -> str:
    """Why the server's count is not that of this run; empty where it is."""
    fewest = counts.answered * (1 - _SHARE) - counts.edge - min(_SLACK, counts.answered / 2)
    if counted < fewest:
        return (
            f"the server counted {counted:,} requests and answered {counts.answered:,} of this run: the metrics are "
            "another server's, or the target has several replicas"
        )
    if counts.sent is not None and counted > counts.sent * (1 + _SHARE) + counts.edge + _SLACK:
        return (
            f"the server counted {counted:,} requests and was sent {counts.sent:,} by this run: others use the target "
            "too, or the metrics are another server's"
        )
    return ""
