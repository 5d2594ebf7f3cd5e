"""Master: whether the objectives were met, and whether the run can say so.

    verdict = judge(scenario.slo, metrics, generator, limits=scenario.generator, partial=False)

INVALID takes precedence over FAIL: if the generator could not offer the scenario's load, the metrics describe the
generator. A saturated generator invalidates only a FAIL: objectives that were met in spite of it are met.
"""

from __future__ import annotations

from loadtest.result.metrics import GeneratorMetrics, WindowMetrics
from loadtest.scenario.schema import GeneratorSettings, Slo
from slipway.verdict import Check, Outcome, Verdict

__all__ = ["judge"]


def judge(
    slo: Slo, metrics: WindowMetrics, generator: GeneratorMetrics, *, limits: GeneratorSettings, partial: bool
) -> Verdict[Check]:
    """Compare the metrics of the window with the objectives, and the generator with its limits."""
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
        # Without a correct response there is no percentile, and the objective is not met.
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
            f"the generator lagged behind its schedule: 1 % of the requests were dispatched more than "
            f"{metrics.lag_ms.p99:.3g} ms late, the limit is {limits.max_lag_ms:g} ms (generator.max_lag_ms); "
            "use more processes, or a separate machine"
        )
    for worker in generator.workers:
        missing = f"of its {worker.due:,} requests {worker.due - worker.reported:,} are unaccounted for"
        if worker.lost:
            doubts.append(f"generator {worker.name} was lost: {missing}; the metrics are those of the others' share")
        elif worker.reported < worker.due and not partial:
            doubts.append(f"generator {worker.name} did not report everything: {missing}")
    return doubts


def _full(generator: GeneratorMetrics, limits: GeneratorSettings) -> list[str]:
    return [
        f"generator {worker.name} was saturated: it used {worker.cpu_mean:.0%} of a core, the limit is "
        f"{limits.max_cpu:.0%} (generator.max_cpu), so the generator may have been the limit; use more processes"
        for worker in generator.workers
        if worker.cpu_mean > limits.max_cpu
    ]
