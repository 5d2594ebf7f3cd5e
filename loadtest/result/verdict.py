"""Master: whether the objectives were met, and whether the run can say so.

    verdict = judge(scenario.slo, metrics, generator, limits=scenario.generator, partial=False)

INVALID goes before FAIL: when the generator could not offer what the scenario says, the metrics describe the
generator. A full generator is a doubt about a FAIL alone: what was fast enough in spite of it is fast enough.
"""

from __future__ import annotations

from loadtest.result.metrics import GeneratorMetrics, WindowMetrics
from loadtest.scenario.schema import GeneratorSettings, Slo
from slipway.verdict import Check, Outcome, Verdict

__all__ = ["judge"]


def judge(
    slo: Slo, metrics: WindowMetrics, generator: GeneratorMetrics, *, limits: GeneratorSettings, partial: bool
) -> Verdict[Check]:
    """Hold the metrics of the window against the objectives, and the generator against its limits."""
    checks = _checks(slo, metrics)
    failed = [_failure(check, metrics) for check in checks if not check.passed]
    doubts = _doubts(metrics, generator, limits=limits, partial=partial, failed=bool(failed))
    if failed:
        doubts += _full(generator, limits)
    outcome: Outcome = "INVALID" if doubts else "FAIL" if failed else "PASS"
    return Verdict(outcome=outcome, checks=checks, reasons=tuple(doubts or failed))


def _checks(slo: Slo, metrics: WindowMetrics) -> tuple[Check, ...]:
    measured = {50.0: metrics.latency_ms.p50, 99.0: metrics.latency_ms.p99, 99.9: metrics.latency_ms.p99_9}
    checks = [
        # Without a single right answer there is no percentile, and none is met.
        _at_most(f"p{percent:g}", bound, measured[percent], "ms", met=metrics.answered > 0)
        for percent, bound in slo.latency_bounds_ms().items()
    ]
    checks.append(_at_most("error rate", 100 * slo.error_rate, 100 * metrics.error_rate, "%"))
    if slo.min_rps is not None:
        got, bound = metrics.answered_rps, slo.min_rps
        checks.append(
            Check(name="throughput", relation=">=", bound=bound, got=got, unit="requests/s", passed=got >= bound)
        )
    return tuple(checks)


def _failure(check: Check, metrics: WindowMetrics) -> str:
    if check.unit == "ms" and not metrics.answered:
        return f"{check.name} has no value: no request was answered"
    objective = f"the objective is {check.relation} {check.bound:.4g} {check.unit}"
    return f"{check.name} is {check.got:.4g} {check.unit}, {objective}"


def _at_most(name: str, bound: float, got: float, unit: str, *, met: bool = True) -> Check:
    return Check(name=name, relation="<=", bound=bound, got=got, unit=unit, passed=met and got <= bound)


def _doubts(
    metrics: WindowMetrics, generator: GeneratorMetrics, *, limits: GeneratorSettings, partial: bool, failed: bool
) -> list[str]:
    doubts = []
    if partial:
        doubts.append(f"the run was interrupted; only {metrics.window_s:.1f} s of its window were measured")
    if not metrics.due:
        doubts.append("nothing was measured: no request was due in the measured window")
    elif not metrics.answered and not failed:
        doubts.append(f"nothing was measured: none of {metrics.due:,} requests was answered")
    if generator.open_loop and metrics.lag_ms.p99 > limits.max_lag_ms:
        doubts.append(
            f"the generator lagged its own schedule: 1 % of the requests were dispatched more than "
            f"{metrics.lag_ms.p99:.3g} ms late, the limit is {limits.max_lag_ms:g} ms (generator.max_lag_ms); "
            "use more processes, or a machine of its own"
        )
    for worker in generator.workers:
        missing = f"of its {worker.due:,} requests {worker.due - worker.reported:,} are unaccounted for"
        if worker.lost:
            doubts.append(f"generator {worker.name} was lost: {missing}; the metrics are those of the others' share")
        elif worker.reported < worker.due and not partial:
            doubts.append(f"generator {worker.name} did not tell all: {missing}")
    return doubts


def _full(generator: GeneratorMetrics, limits: GeneratorSettings) -> list[str]:
    return [
        f"generator {worker.name} was full: it used {worker.cpu_mean:.0%} of a core, the limit is {limits.max_cpu:.0%} "
        "(generator.max_cpu), so it may have been the slow one; use more processes"
        for worker in generator.workers
        if worker.cpu_mean > limits.max_cpu
    ]
