"""helm/loadtest: what is let in and out, and what cannot work is refused with the way out."""

import re

import helm_python
import pytest

from tests.chart.loadtest_release import CROWD, release

OUT = [{"to": [{"ipBlock": {"cidr": "192.0.2.1/32"}}], "ports": [{"port": 443, "protocol": "TCP"}]}]
OPEN = {"networkPolicy": {"enabled": False}}
CORES = {"requests": {"cpu": "500m"}, "limits": {"cpu": "1"}}


def policy(values=()):
    return release(values)["NetworkPolicy", "load"]["spec"]


def ports(rule):
    return [port["port"] for port in rule["ports"]]


def test_a_single_process_lets_nobody_in_and_goes_to_dns_and_target_only():
    spec = policy()
    dns, target = spec["egress"]

    assert ["Ingress", "Egress"] == spec["policyTypes"]
    assert "ingress" not in spec
    assert ([53, 53], [9000]) == (ports(dns), ports(target))
    assert {"kubernetes.io/metadata.name": "serving"} == target["to"][0]["namespaceSelector"]["matchLabels"]
    assert {"app": "isvc.mnist-predictor"} == target["to"][0]["podSelector"]["matchLabels"]


def test_workers_reach_the_master_and_nobody_else_does():
    spec = policy(CROWD)
    (way_in,) = spec["ingress"]
    (peer,) = way_in["from"]
    _, out, _ = spec["egress"]

    assert [5557] == ports(way_in) == ports(out)
    assert "worker" == peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"]
    assert "master" == out["to"][0]["podSelector"]["matchLabels"]["app.kubernetes.io/component"]


@pytest.mark.parametrize(
    ("target", "expected"),
    [({"protocol": "http"}, [80, 8080]), ({"metrics": "service"}, [9000, 8002])],
    ids=["http is 80 at the Service and 8080 at the pod", "metrics"],
)
def test_the_policy_names_the_ports_of_the_pods(target, expected):
    assert expected == ports(policy({"target": target})["egress"][-1])


def test_another_namespace_is_let_out_to():
    (peer,) = policy({"target": {"namespace": "models"}})["egress"][-1]["to"]

    assert {"kubernetes.io/metadata.name": "models"} == peer["namespaceSelector"]["matchLabels"]


def test_another_address_is_reached_by_the_rules_that_are_given():
    spec = policy({"target": {"url": "https://h"}, "networkPolicy": {"target": OUT}})

    assert OUT == spec["egress"][1:]


def test_the_page_is_closed_unless_somebody_is_named():
    page = {"web": {"enabled": True, "clients": [{"podSelector": {}}]}}

    assert "ingress" not in policy({"web": {"enabled": True}})
    assert [[8089]] == [ports(rule) for rule in policy(page)["ingress"]]


@pytest.mark.parametrize(
    "values", [OPEN, {"serviceAccount": {"create": False, "name": "mine"}}], ids=["policy", "account"]
)
def test_what_is_switched_off_is_not_made(values):
    kind = "NetworkPolicy" if values is OPEN else "ServiceAccount"

    assert (kind, "load") in release()
    assert (kind, "load") not in release(values)


def test_the_pods_use_the_account_and_its_token_stays_away():
    objects = release({"serviceAccount": {"create": False, "name": "mine"}})
    (job,) = [document for (kind, _), document in objects.items() if kind == "Job"]

    assert "mine" == job["spec"]["template"]["spec"]["serviceAccountName"]
    assert release()["ServiceAccount", "load"]["automountServiceAccountToken"] is False


@pytest.mark.parametrize(
    ("values", "remedy"),
    [
        ({"images": {}}, "set images.random=true"),
        ({"images": {"claim": "models", "random": True}}, "set images.random=false"),
        ({"scenario": {"files": {"a.csv": "x"}}}, "write the scenario that reads them there"),
        (
            {"scenario": {"inline": {"arrivals": {"duration_s": 1}}, "files": {"load.yaml": "x"}}},
            "the name of the scenario itself: choose another",
        ),
        ({"scenario": {"inline": {"arrivals": {"kind": "trace", "file": "a.csv"}}}}, "how long the scenario takes"),
        ({"scenario": {"set": {"arrivals": "{kind: closed, users: 2, duration_s: 9}"}}}, "set deadline.runSeconds"),
        ({"report": {"create": True, "claim": "mine"}}, "keep one of them"),
        ({"report": {"print": False}}, "or report.print=true"),
        ({"serviceAccount": {"create": False}}, "name the ServiceAccount of the pods"),
        ({"target": {"url": "grpcs://h"}}, "write egress rules in networkPolicy.target"),
        ({"target": {"url": "http://h", "metrics": "service"}, **OPEN}, "give the URL of its metrics"),
        ({"target": {"ca": {"secretName": "c"}}}, "give target.url as grpcs:// or https://"),
        ({"resources": CORES}, "resources asks for"),
        ({"master": {"resources": CORES}}, "master.resources asks for"),
        ({"resources": {"limits": {"cpu": None}}}, "set both to the same"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_work_is_refused_with_the_remedy(values, remedy):
    with pytest.raises(helm_python.HelmError, match=re.escape(remedy)):
        release(values)


@pytest.mark.parametrize("name", ["1-load", "my.load", "l" * 31], ids=["digit first", "dot", "long"])
def test_a_release_name_that_names_no_host_is_refused(name):
    with pytest.raises(helm_python.HelmError, match="choose a"):
        release(release=name)


@pytest.mark.parametrize(
    "values",
    [
        {"run": "Nightly"},
        {"run": "a-b"},
        {"scenario": {"name": "stedy"}},
        {"scenario": {"slo": {"p95_ms": 3}}},
        {"target": {"protocol": "udp"}},
        {"target": {"url": "mnist:9000"}},
        {"images": {"claim": "models", "file": "../secret.npz"}},
        {"images": {"claim": "models", "repositoryPath": "/models"}},
        {"workers": {"count": -1}},
        {"image": {"tag": "latest"}},
    ],
    ids=["run", "dash", "scenario", "objective", "protocol", "no scheme", "way out", "absolute", "workers", "latest"],
)
def test_the_schema_refuses_what_has_no_meaning(values):
    with pytest.raises(helm_python.HelmError, match="specifications of the schema"):
        release(values)
