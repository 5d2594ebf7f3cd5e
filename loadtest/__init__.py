"""Load tests that can be believed: open-loop arrivals, latency from the due time, a verdict, and the capacity.

The command line is the public door (`slipway loadtest`, `slipway capacity`); for Python there are

    loadtest.scenario.schema     what is offered, and what it must reach
    loadtest.result.run_result   what a run came to; the JSON report, read and written
    loadtest.capacity.search     the highest rate within the objectives
"""

__all__: list[str] = []
