"""helm/training: who reaches whom, by its network policy."""

import pytest

pytest.importorskip("helm_python")

from tests.chart.egress import reaches
from tests.chart.rendering import HELM, values_of
from tests.chart.training_release import CLAIM, PROMOTE, STORE, WORKERS, release


def ports_out(values):
    policy = release(values)["NetworkPolicy", "demo-training"]["spec"]
    return {port["port"] for rule in policy["egress"] for port in rule.get("ports", [])}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({**CLAIM, "data": {"claim": "images", "file": "a.npz"}}, {53}),
        (CLAIM, {53, 443}),
        ({**STORE, "data": {"claim": "images", "file": "a.npz"}}, {53, 443}),
        (PROMOTE, {53, 443, 6443}),
    ],
    ids=["claims-hold-all", "data-set-is-downloaded", "object-store", "api-server"],
)
def test_a_run_gets_out_to_what_it_needs(values, expected):
    assert expected == ports_out(values)


API_SERVERS = ["10.96.0.1", "172.18.0.2", "203.0.113.7", "fd00::1", "2600:1f00::7"]


def way_out(values, address, port):
    return reaches(release(values)["NetworkPolicy", "demo-training"]["spec"], address, port)


@pytest.mark.parametrize("values", [STORE, CLAIM], ids=["object-store", "data-set-is-downloaded"])
def test_a_run_that_promotes_nothing_reaches_public_addresses_and_no_private_one(values):
    named = {**values, "networkPolicy": {"apiServerAddresses": ["203.0.113.7/32"]}}

    assert ["203.0.113.7", "2600:1f00::7"] == [address for address in API_SERVERS if way_out(values, address, 443)]
    assert ["2600:1f00::7"] == [address for address in API_SERVERS if way_out(named, address, 443)]
    assert [] == [address for address in API_SERVERS if way_out(values, address, 6443)]


def test_a_run_that_promotes_reaches_the_api_server_wherever_it_is_until_it_is_named():
    named = {**PROMOTE, "networkPolicy": {"apiServerAddresses": ["10.96.0.1/32", "fd00::1/128"]}}

    assert API_SERVERS == [address for address in API_SERVERS if way_out(PROMOTE, address, 6443)]
    assert ["10.96.0.1", "fd00::1"] == [address for address in API_SERVERS if way_out(named, address, 6443)]
    assert not way_out(named, "172.18.0.2", 443)
    assert not way_out(PROMOTE, "169.254.169.254", 443)


def test_a_rule_for_the_api_server_of_ones_own_is_kept():
    own = {"to": [{"ipBlock": {"cidr": "172.18.0.2/32"}}], "ports": [{"port": 8443, "protocol": "TCP"}]}
    values = {**PROMOTE, "networkPolicy": {"apiServer": [own], "apiServerAddresses": ["10.96.0.1/32"]}}

    assert own == release(values)["NetworkPolicy", "demo-training"]["spec"]["egress"][-1]


def test_an_identity_that_a_link_local_address_gives_is_reached():
    """GKE's metadata server; the default leaves out every link-local address, as an instance's own keys are there."""
    named = values_of(HELM / "training" / "ci" / "everything-values.yaml")

    assert way_out(named, "169.254.169.252", 988)
    assert not way_out(STORE, "169.254.169.252", 988)
    assert not way_out(STORE, "169.254.169.252", 443)


def test_workers_reach_each_other_on_every_port_and_nobody_else_gets_in():
    alone, many = (release(values)["NetworkPolicy", "demo-training"]["spec"] for values in (CLAIM, WORKERS))
    peers = {"podSelector": many["podSelector"]}

    assert "ingress" not in alone
    assert [{"from": [peers]}] == many["ingress"]
    assert {"to": [peers]} in many["egress"]
    assert all("podSelector" not in to for rule in alone["egress"] for to in rule["to"])
