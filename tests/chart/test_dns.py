"""Every policy that lets pods out lets them ask DNS: over UDP, which resolvers try first, and over TCP."""

import pytest
import yaml

from tests.chart.loadtest_release import CROWD
from tests.chart.loadtest_release import release as loadtest
from tests.chart.rendering import ROOT, every_scenario, rendered, scenario_id
from tests.chart.serving_release import release as serving
from tests.chart.serving_release import with_
from tests.chart.training_release import STORE
from tests.chart.training_release import release as training

CLUSTER_DNS = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}


def dns_protocols(policy):
    """Over what the cluster's DNS can be asked, on port 53."""
    rules = [rule for rule in policy["spec"]["egress"] if CLUSTER_DNS in rule.get("to", [])]
    return sorted(port["protocol"] for rule in rules for port in rule["ports"] if port["port"] == 53)


def policies(objects):
    return {name: policy for (kind, name), policy in objects.items() if kind == "NetworkPolicy"}


RELEASES = {
    "load": lambda: loadtest(CROWD),
    "demo-training": lambda: training(STORE),
    "mnist-predictor": lambda: serving(with_()),
    "mnist-test": lambda: serving(with_()),
}


@pytest.mark.parametrize("name", RELEASES)
def test_pods_may_ask_dns_over_udp_and_tcp(name):
    assert ["TCP", "UDP"] == dns_protocols(policies(RELEASES[name]())[name])


@pytest.mark.parametrize(("chart", "scenario"), every_scenario(), ids=scenario_id)
def test_pods_may_ask_dns_however_the_chart_is_used(chart, scenario):
    found = policies(rendered(chart, scenario))

    assert {name: ["TCP", "UDP"] for name in found} == {name: dns_protocols(found[name]) for name in found}


def test_pods_of_the_plain_manifests_may_ask_dns():
    policy = yaml.safe_load((ROOT / "k8s" / "base" / "networkpolicy-mnist-predictor.yaml").read_text())

    assert ["TCP", "UDP"] == dns_protocols(policy)
