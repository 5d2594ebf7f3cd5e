"""Each alert of the serving chart fires in its bad case and is silent in near misses, as promtool runs the rules."""

import pytest

pytest.importorskip("helm_python")

from tests.chart.alert_cases import FIRES, SERVICE, SILENT
from tests.chart.healthy_service import HISTOGRAM, bucket, failure, healthy, triton
from tests.chart.promtool_runs import Rules, expected_alert, passes

RESTART_AFTER = 50


@pytest.fixture(scope="module")
def rules_of():
    """Rules by the values they are rendered from, rendered once."""
    rendered = {}

    def look_up(values):
        return rendered.setdefault(str(values), Rules.of(values))

    return look_up


@pytest.mark.parametrize("case", FIRES, ids=str)
def test_alert_fires_and_says_the_value(promtool, tmp_path, rules_of, case):
    rules = rules_of(case.values)
    (rule,) = [r for r in rules.alerts[case.alert] if r["labels"].get("cause", "") == case.cause]
    expected = expected_alert(rule, labels=case.labels, says=case.says)

    passes(
        promtool,
        tmp_path,
        rules,
        series=case.series,
        interval=f"{case.interval_s}s",
        evaluation=f"{case.evaluate_s}s",
        alerts=[{"alertname": case.alert, "eval_time": f"{case.minutes}m", "exp_alerts": [expected]}],
    )


@pytest.mark.parametrize("case", SILENT, ids=str)
def test_alert_is_silent(promtool, tmp_path, rules_of, case):
    passes(
        promtool,
        tmp_path,
        rules_of(case.values),
        series=case.series,
        interval=f"{case.interval_s}s",
        evaluation=f"{case.evaluate_s}s",
        alerts=[{"alertname": case.alert, "eval_time": f"{case.minutes}m", "exp_alerts": []}],
    )


def test_every_alert_has_a_bad_case_and_a_near_miss(rules_of):
    alerts = set(rules_of(SERVICE).alerts)

    assert alerts == {case.alert for case in FIRES}
    assert alerts == {case.alert for case in SILENT}


def silence(rules, *minutes):
    return [
        {"alertname": alert, "eval_time": f"{minute}m", "exp_alerts": []}
        for alert in rules.alerts
        for minute in minutes
    ]


def test_healthy_service_alerts_nobody(promtool, tmp_path, rules_of):
    rules = rules_of(SERVICE)

    passes(promtool, tmp_path, rules, series=healthy(40 * 12), alerts=silence(rules, 5, 10, 20, 39))


def test_counters_that_start_again_alert_nobody(promtool, tmp_path, rules_of):
    rules = rules_of(SERVICE)
    counters = [name for name, text in healthy(1).items() if text.startswith("0+")]
    again = {
        name: f"{text[: text.index('x')]}x{RESTART_AFTER} {text[: text.index('x')]}x{480 - RESTART_AFTER}"
        for name, text in healthy(480).items()
        if name in counters
    }

    assert {triton("nv_inference_request_success"), failure("BACKEND"), bucket("100.0"), HISTOGRAM} <= set(counters)
    passes(promtool, tmp_path, rules, series=healthy(480) | again, alerts=silence(rules, 5, 10, 20, 39))
