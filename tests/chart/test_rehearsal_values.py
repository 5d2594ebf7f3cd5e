"""The values that a rehearsal gives the serving chart are values that the chart takes."""

import pytest

pytest.importorskip("helm_python")

from rehearsal.experiment.run.chart_values import RELEASE, chart_values
from rehearsal.experiment.scenario.assertions import AlertFired
from rehearsal.experiment.scenario.schema import load_scenario, shipped_scenarios
from tests.chart.rendering import rendered
from tests.unit.clusters import connection


@pytest.mark.parametrize("name", shipped_scenarios())
def test_every_scenario_renders_and_expects_only_alerts_of_the_chart(name):
    scenario = load_scenario(name)
    objects = rendered("serving", chart_values(scenario, connection(), {}), release=RELEASE)
    rules = objects["PrometheusRule", RELEASE]["spec"]["groups"]
    alerts = {rule["alert"] for group in rules for rule in group["rules"] if "alert" in rule}
    trigger = objects["ScaledObject", RELEASE]["spec"]["triggers"][0]["metadata"]

    assert {each.alert for each in scenario.expect if isinstance(each, AlertFired)} <= alerts
    assert "http://127.64.0.1:9090" == trigger["serverAddress"]
