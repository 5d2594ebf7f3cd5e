"""Every pod of every scenario is admitted to a namespace that enforces `restricted`, and keeps Slipway's own habits."""

from __future__ import annotations

import pytest

from tests.chart import pod_habits, pod_security
from tests.chart.pods import pods
from tests.chart.rendering import ROOT, every_scenario, rendered, scenario_id

in_every_scenario = pytest.mark.parametrize(("chart", "scenario"), every_scenario(), ids=scenario_id)
# Pods that ask the Kubernetes API, as "chart: Kind/name", each with its reason.
NEED_A_TOKEN: frozenset[str] = frozenset()


@in_every_scenario
def test_every_pod_is_restricted(chart, scenario):
    found = pods(rendered(chart, scenario))

    assert [] == [sentence for each in found for sentence in pod_security.findings(each)]


@in_every_scenario
def test_every_pod_is_bounded_read_only_silent_pinned_and_without_a_token(chart, scenario):
    found = pods(rendered(chart, scenario))
    said = []
    for each in found:
        said += pod_habits.findings(each, needs_token=f"{chart.name}: {each.owner}" in NEED_A_TOKEN)

    assert [] == said


def test_the_clients_image_holds_no_onnxruntime_that_could_report():
    lock = (ROOT / "requirements" / "loadtest.txt").read_text()

    assert [] == [line for line in lock.splitlines() if line.startswith("onnxruntime")]
