"""Load tests: open-loop arrivals, latency from the due time, a verdict, and the capacity of one replica.

A run has three kinds of processes, and the first line of each file says which of them runs it: the *command*, which
imports neither Locust nor gevent; Locust's *master*, which coordinates; and its *workers*, which send the load. With
one process of Locust the master is the worker too.

The command line is the public interface (`slipway loadtest`, `slipway capacity`); for Python there are

    loadtest.scenario.schema     arrivals, payload and objectives of a scenario
    loadtest.result.run_result   the result of a run; the JSON report, read and written
    loadtest.capacity.search     the highest rate within the objectives
"""

__all__: list[str] = []
