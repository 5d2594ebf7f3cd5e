"""Load tests that can be believed: open-loop arrivals, latency from the due time, a verdict, and the capacity.

A run has three kinds of processes, and the first line of each file says which of them runs it: the *command*, which
imports neither Locust nor gevent; Locust's *master*, which coordinates; and its *workers*, which send the load. With
one process of Locust the master is the worker too.

The command line is the public interface (`slipway loadtest`, `slipway capacity`); for Python there are

    loadtest.scenario.schema     what is offered, and what it must reach
    loadtest.result.run_result   what a run came to; the JSON report, read and written
    loadtest.capacity.search     the highest rate within the objectives
"""

__all__: list[str] = []
