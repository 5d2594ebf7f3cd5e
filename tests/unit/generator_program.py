"""One process's share of a load, without Locust: the real generator in gevent, against a server of the test.

told = offered(url, arrivals={"kind": "constant", "rate_rps": 100, "duration_s": 1})
told.parts                     # the slices, merged to one
told.published                 # (latency in ns, error) of each request, as Locust's statistics are told
"""

from __future__ import annotations

import base64
import json
from typing import NamedTuple

import numpy as np

from loadtest.result.interval_statistics import IntervalStatistics
from tests.unit.gevent_programs import in_gevent

PROGRAM = """
import base64, json, sys, time
import gevent, numpy as np
from grpc.experimental.gevent import init_gevent
init_gevent()
from loadtest.engine.generator import Generator
from loadtest.engine.progress import Progress
from loadtest.scenario.payload import Payload
from loadtest.scenario.plan import Plan
from loadtest.scenario.schema import check_scenario
from slipway.samples import Samples

given = json.loads(sys.argv[1])
images = np.zeros((10, 28, 28, 1), np.uint8)
images[:, 0, 0, 0] = range(10)  # what the server of the test answers
samples = Samples(images=images, labels=(np.arange(10) + given["wrong_by"]) % 10)
plan = Plan(
    scenario=check_scenario(given["scenario"], where="a test"),
    payload=Payload(samples),
    begin_wall_ns=time.time_ns() + 200_000_000,
    share=given["share"],
    shares=given["shares"],
)
published = []
generator = Generator(plan, lambda *, latency_ns, error: published.append((latency_ns, error)))
DEFECT
generator.start()
users = [gevent.spawn(generator.serve) for _ in range(given["users"])]
if given["stop_s"] is None:
    generator.wait(20)
else:
    gevent.sleep(0.2 + given["stop_s"])
    gevent.killall(users)
    generator.stop()
progress = generator.report()
assert Progress.from_wire(progress.to_wire()).finished == progress.finished
pack = lambda value: base64.b64encode(value).decode() if isinstance(value, bytes) else value
print(json.dumps({
    "slices": [part.to_wire() for part in progress.slices],
    "published": published,
    "finished": progress.finished,
    "failed": progress.failed,
    "more": len(generator.report().slices),
}, default=pack))
"""


class Told(NamedTuple):
    """What the generator reported.

    Attributes:
        parts: Slices by second of the window.
        whole: All of them as one.
        published: Latency in nanoseconds and kind of error of each request.
        finished: Its share is over.
        failed: Why it could not go on.
        more: Slices of a second report, right after the first.
    """

    parts: dict[int, IntervalStatistics]
    whole: IntervalStatistics
    published: list[tuple[int, str | None]]
    finished: bool
    failed: str
    more: int


def offered(url, *, arrivals, users=None, share=0, shares=1, stop_s=None, wrong_by=0, defect="", **sections):
    """Offer a load and wait for its end.

    Args:
        url: Of the target.
        arrivals: The scenario's.
        users: How many take what is due; as many as may be in flight where it is None.
        share: Number of this process.
        shares: How many there are.
        stop_s: Take the users away after so long; None: wait for the end.
        wrong_by: What is added to each right label.
        defect: Lines of Python that break the generator before it starts.
        sections: Of the scenario.
    """
    sections = {"warmup_s": 0, "slo": {"p50_ms": 1_000}, **sections}
    target = {"url": url, "model": "mnist", "metrics_url": None, **sections.pop("target", {})}
    limits = {"max_in_flight": 64, "connections": 1, **sections.pop("generator", {})}
    given = {
        "scenario": {"description": "a test", "arrivals": arrivals, "target": target, "generator": limits, **sections},
        "users": limits["max_in_flight"] if users is None else users,
        "share": share,
        "shares": shares,
        "stop_s": stop_s,
        "wrong_by": wrong_by,
    }
    told = json.loads(in_gevent(PROGRAM.replace("DEFECT", defect), json.dumps(given)))
    parts = {each["second"]: IntervalStatistics.from_wire(_unpacked(each)) for each in told.pop("slices")}
    return Told(
        parts=parts, whole=IntervalStatistics.merged(parts.values()) if parts else IntervalStatistics(second=0), **told
    )


def _unpacked(message):
    histograms = {name: [base64.b64decode(part) for part in message[name]] for name in ("latency", "service", "lag")}
    return message | histograms


def metronome(rate_rps, duration_s):
    """Arrivals of which it is known when each is due."""
    return {"kind": "constant", "rate_rps": rate_rps, "duration_s": duration_s}


def closed(users, duration_s, think_time_ms=0.0):
    """Users who wait for each answer."""
    return {"kind": "closed", "users": users, "duration_s": duration_s, "think_time_ms": think_time_ms}


def percentile_ms(values_ns, percent):
    """Of latencies as they were published."""
    return float(np.percentile(values_ns, percent)) / 1e6
