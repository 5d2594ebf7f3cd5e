"""helm/serving: who may reach the service, from where, and how it is disturbed."""

import helm_python
import numpy as np
import pytest
import yaml
from tritonclient.grpc import service_pb2

from slipway.client._operations import Infer, IsModelReady, IsServerReady, ReadConfig
from slipway.client._transports import grpc_transport, http_transport
from tests.chart.egress import reaches
from tests.chart.rendering import ROOT, noted
from tests.chart.serving_release import CAPACITY, PODS, predictor, release, with_

SCENARIOS = ROOT / "helm" / "serving" / "ci"


def test_the_disruption_budget_follows_the_scale():
    budget = release(with_())["PodDisruptionBudget", "mnist-predictor"]["spec"]

    assert "25%" == budget["maxUnavailable"]
    assert PODS == budget["selector"]["matchLabels"]
    assert "AlwaysAllow" == budget["unhealthyPodEvictionPolicy"]
    assert ("PodDisruptionBudget", "mnist-predictor") not in release(with_(podDisruptionBudget={"enabled": False}))


def test_spread_counts_the_pods_of_this_service():
    spread = predictor(with_())["topologySpreadConstraints"]

    assert [PODS] == [constraint["labelSelector"]["matchLabels"] for constraint in spread]
    assert "topologySpreadConstraints" not in predictor(with_(topologySpreadConstraints=[]))


@pytest.mark.parametrize(
    ("uri", "ports"),
    [("pvc://models/folder", {53}), ("s3://models/folder", {53, 443})],
    ids=["claim", "bucket"],
)
def test_pods_reach_storage_only_if_they_fetch_the_model_themselves(uri, ports):
    policy = release(with_(model={"storageUri": uri}))["NetworkPolicy", "mnist-predictor"]["spec"]

    assert PODS == policy["podSelector"]["matchLabels"]
    assert ports == {port["port"] for rule in policy["egress"] for port in rule["ports"]}
    assert {"Ingress", "Egress"} == set(policy["policyTypes"])


BUCKET = {"storageUri": "s3://models/folder"}
NOT_PUBLIC = ["10.0.0.1", "100.64.0.1", "169.254.169.254", "172.20.0.1", "192.168.49.2", "fd00:ec2::254", "fe80::1"]
PUBLIC = ["8.8.8.8", "203.0.113.7", "2600:1f00::7"]


def predictors_policy(**values):
    return release(with_(model=BUCKET, **values))["NetworkPolicy", "mnist-predictor"]["spec"]


@pytest.mark.parametrize("port", [443, 6443])
def test_a_pod_that_fetches_its_model_cannot_reach_an_api_server_with_a_private_address(port):
    policy = predictors_policy()

    assert [] == [address for address in NOT_PUBLIC if reaches(policy, address, port)]


def test_a_pod_that_fetches_its_model_reaches_public_storage_over_both_families():
    policy = predictors_policy()

    assert PUBLIC == [address for address in PUBLIC if reaches(policy, address, 443)]
    assert [] == [address for address in PUBLIC if reaches(policy, address, 6443)]


def test_an_api_server_with_a_public_address_is_left_out_of_storage():
    policy = predictors_policy(networkPolicy={"apiServerAddresses": ["203.0.113.0/29", "2600:1f00::7/128"]})

    assert ["8.8.8.8"] == [address for address in [*PUBLIC, *NOT_PUBLIC] if reaches(policy, address, 443)]


def test_the_api_servers_addresses_leave_a_rule_of_ones_own_as_it_is():
    own = [{"to": [{"ipBlock": {"cidr": "10.20.0.0/24"}}], "ports": [{"port": 9000, "protocol": "TCP"}]}]
    policy = predictors_policy(networkPolicy={"storage": own, "apiServerAddresses": ["10.96.0.1/32"]})

    assert own == policy["egress"][1:]


@pytest.mark.parametrize(
    "rule", [{"ports": [{"port": 443}]}, {"to": [], "ports": [{"port": 443}]}], ids=["no-peers", "empty"]
)
def test_a_rule_for_storage_says_where_to(rule):
    with pytest.raises(helm_python.HelmError, match="/networkPolicy/storage/0"):
        predictors_policy(networkPolicy={"storage": [rule]})


@pytest.mark.parametrize("everything", ["0.0.0.0/0", "::/0", "10.0.0.1"])
def test_an_address_of_the_api_server_that_no_policy_could_leave_out_is_refused(everything):
    with pytest.raises(helm_python.HelmError, match="/networkPolicy/apiServerAddresses/0"):
        predictors_policy(networkPolicy={"apiServerAddresses": [everything]})


@pytest.mark.parametrize(
    ("address", "port"),
    [("169.254.169.254", 80), ("169.254.169.252", 988), ("169.254.169.254", 53)],
    ids=["token-dataplane-v2", "token-calico", "cloud-dns"],
)
def test_on_gke_pods_reach_the_server_on_their_node_that_proves_who_they_are(address, port):
    gke = release(SCENARIOS / "gcs-values.yaml")["NetworkPolicy", "mnist-predictor"]["spec"]
    elsewhere = release(with_(model={"storageUri": "s3://models/folder"}))["NetworkPolicy", "mnist-predictor"]["spec"]

    assert reaches(gke, address, port)
    assert not reaches(elsewhere, address, port)
    assert reaches(gke, "8.8.8.8", 443)


def test_the_example_with_a_gateway_lets_the_gateway_in():
    values = SCENARIOS / "everything-values.yaml"
    clients = release(values)["NetworkPolicy", "mnist-predictor"]["spec"]["ingress"][0]["from"]
    others = [peer["namespaceSelector"]["matchLabels"] for peer in clients if "namespaceSelector" in peer]

    assert yaml.safe_load(values.read_text())["route"]["enabled"]
    assert {"kubernetes.io/metadata.name": "envoy-gateway-system"} in others


def test_further_egress_is_added_whatever_holds_the_model():
    collector = {"to": [{"namespaceSelector": {"matchLabels": {"name": "traces"}}}], "ports": [{"port": 4318}]}
    policy = release(with_(networkPolicy={"egress": [collector]}))["NetworkPolicy", "mnist-predictor"]["spec"]

    assert collector == policy["egress"][-1]
    assert 1 == len(release(with_())["NetworkPolicy", "mnist-predictor"]["spec"]["egress"])


def test_clients_and_prometheus_reach_only_their_ports():
    peers = [{"namespaceSelector": {"matchLabels": {"team": "web"}}}]
    network = {"clients": peers, "prometheus": [{"podSelector": {}}]}
    clients, prometheus = release(with_(networkPolicy=network, tests={"enabled": False}))[
        "NetworkPolicy", "mnist-predictor"
    ]["spec"]["ingress"]

    assert (peers, {8080, 9000}) == (clients["from"], {port["port"] for port in clients["ports"]})
    assert ([{"podSelector": {}}], {8002}) == (prometheus["from"], {port["port"] for port in prometheus["ports"]})


@pytest.mark.parametrize(("key", "port"), [("clients", 8080), ("prometheus", 8002)])
def test_a_list_of_nobody_lets_nobody_in(key, port):
    """Kubernetes reads a rule without peers as one for everybody."""
    closed = release(with_(networkPolicy={key: []}, tests={"enabled": False}))["NetworkPolicy", "mnist-predictor"]

    assert [] == [rule for rule in closed["spec"]["ingress"] if not rule["from"]]
    assert port not in {named["port"] for rule in closed["spec"]["ingress"] for named in rule["ports"]}


def test_a_policy_without_any_peer_lets_nobody_in_or_out():
    nobody = {"clients": [], "prometheus": [], "dns": [], "storage": []}
    policy = release(with_(model=BUCKET, networkPolicy=nobody, tests={"enabled": False}))
    spec = policy["NetworkPolicy", "mnist-predictor"]["spec"]

    assert not spec["ingress"]
    assert not spec["egress"]
    assert {"Ingress", "Egress"} == set(spec["policyTypes"])


def test_network_policies_can_be_left_to_others():
    assert "NetworkPolicy" not in {kind for kind, _ in release(with_(networkPolicy={"enabled": False}))}


def test_the_service_account_brings_credentials_and_no_token():
    account = {"annotations": {"role": "reader"}, "secrets": ["s3-credentials"]}
    objects = release(with_(serviceAccount=account))

    assert [{"name": "s3-credentials"}] == objects["ServiceAccount", "mnist"]["secrets"]
    assert {"role": "reader"} == objects["ServiceAccount", "mnist"]["metadata"]["annotations"]
    assert objects["ServiceAccount", "mnist"]["automountServiceAccountToken"] is False


def test_another_service_account_is_used_and_not_made():
    objects = release(with_(serviceAccount={"create": False, "name": "reader"}))

    assert "reader" == objects["InferenceService", "mnist"]["spec"]["predictor"]["serviceAccountName"]
    assert "ServiceAccount" not in {kind for kind, _ in objects}


OUTSIDE = {
    "enabled": True,
    "parentRefs": [{"name": "public", "namespace": "gateway"}],
    "hostnames": ["mnist.example.com"],
}


def backend(route, path):
    """Port that a path is sent to; None if the route does not know it."""
    for rule in route["spec"]["rules"]:
        for match in rule["matches"]:
            exact, value = match["path"]["type"] == "Exact", match["path"]["value"]
            if path == value or (not exact and path.startswith(f"{value}/")):
                return rule["backendRefs"][0]["port"]
    return None


def test_what_clients_ask_is_routed_and_what_operators_ask_is_not():
    route = release(with_(route=OUTSIDE))["HTTPRoute", "mnist"]

    assert 80 == backend(route, "/v2/models/mnist/infer")
    assert 80 == backend(route, "/v2/models/mnist/versions/3/infer")
    assert 9000 == backend(route, "/inference.GRPCInferenceService/ModelInfer")
    assert [None] * 5 == [
        backend(route, path)
        for path in (
            "/v2/repository/index",
            "/v2/repository/models/mnist/unload",
            "/v2/logging",
            "/v2/models/mnist/trace/setting",
            "/v2/models/other/infer",
        )
    ]


GRPC = "/inference.GRPCInferenceService"
IMAGE = np.zeros((1, 28, 28), np.uint8)
# What `slipway predict` asks, of the newest version and of a named one.
CALLS = [
    IsServerReady(),
    *(kind("mnist", version) for kind in (ReadConfig, IsModelReady) for version in ("", "3")),
    *(Infer("mnist", version, IMAGE) for version in ("", "3")),
]


@pytest.mark.parametrize("question", CALLS, ids=lambda asked: f"{type(asked).__name__}{getattr(asked, 'version', '')}")
def test_every_call_of_slipway_predict_is_routed(question):
    route = release(with_(route=OUTSIDE))["HTTPRoute", "mnist"]

    assert 80 == backend(route, http_transport.encode(question, 1.0).path)
    assert 9000 == backend(route, grpc_transport.METHODS[type(question)])


def test_of_the_grpc_service_only_what_clients_ask_is_routed():
    route = release(with_(route=OUTSIDE))["HTTPRoute", "mnist"]
    methods = {method.name for method in service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"].methods}
    asked = {"ServerLive", "ServerReady", "ServerMetadata", "ModelReady", "ModelMetadata", "ModelConfig", "ModelInfer"}

    assert asked == {method for method in methods if backend(route, f"{GRPC}/{method}")}


def test_a_route_joins_the_named_gateway_or_makes_its_own():
    joined = release(with_(route=OUTSIDE))
    gateway = {"create": True, "className": "envoy", "tlsSecretName": "certificate"}
    own = release(with_(route={**OUTSIDE, "parentRefs": [], "gateway": gateway}))
    (listener,) = own["Gateway", "mnist"]["spec"]["listeners"]

    assert OUTSIDE["parentRefs"] == joined["HTTPRoute", "mnist"]["spec"]["parentRefs"]
    assert ("Gateway", "mnist") not in joined
    assert [{"name": "mnist"}] == own["HTTPRoute", "mnist"]["spec"]["parentRefs"]
    assert ("HTTPS", 443, "mnist.example.com") == (listener["protocol"], listener["port"], listener["hostname"])
    assert [{"kind": "Secret", "name": "certificate"}] == listener["tls"]["certificateRefs"]


def test_a_gateway_listens_in_the_clear_only_where_that_is_allowed():
    gateway = {"create": True, "className": "envoy", "plainHttp": True}
    (listener,) = release(with_(route={**OUTSIDE, "parentRefs": [], "gateway": gateway}))["Gateway", "mnist"]["spec"][
        "listeners"
    ]

    assert ("HTTP", 80) == (listener["protocol"], listener["port"])


def test_the_notes_say_what_a_route_needs_and_what_wakes_a_service():
    to_zero = {"minReplicas": 0, "wake": {"query": "sum(gateway_requests)"}}
    plain, outside, asleep = (
        noted("serving", values, release="mnist")
        for values in (with_(), with_(route=OUTSIDE), with_(autoscaling={"capacity": CAPACITY, **to_zero}))
    )

    assert "networkPolicy.clients" not in plain
    assert "networkPolicy.clients" in outside
    assert "`helm test` calls the Service itself" in asleep


def test_the_notes_say_that_a_gateway_speaks_plain_http_or_whose_affair_that_is():
    plain = {**OUTSIDE, "parentRefs": [], "gateway": {"create": True, "className": "envoy", "plainHttp": True}}
    sealed = {**plain, "gateway": {"create": True, "className": "envoy", "tlsSecretName": "certificate"}}
    in_the_clear, with_tls, anothers = (
        noted("serving", with_(route=route), release="mnist") for route in (plain, sealed, OUTSIDE)
    )

    assert "route.gateway.plainHttp is true" in in_the_clear
    assert "the listeners of the Gateway decide" in anothers
    assert "plainHttp" not in with_tls
    assert "listener" not in with_tls


def test_the_notes_wait_as_long_as_a_replica_may_take_to_come():
    patient = with_(monitoring={"rules": {"replicaStartSeconds": 1800}})

    assert "--for=condition=Ready --timeout=900s" in noted("serving", with_(), release="mnist")
    assert "--for=condition=Ready --timeout=1800s" in noted("serving", patient, release="mnist")


def test_there_is_no_route_by_default_and_kserve_makes_none():
    objects = release(with_())

    assert not {"HTTPRoute", "Gateway"} & {kind for kind, _ in objects}
    assert (
        "cluster-local" == objects["InferenceService", "mnist"]["metadata"]["labels"]["networking.kserve.io/visibility"]
    )
