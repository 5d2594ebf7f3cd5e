"""helm/serving: who may reach the service, from where, and how it is disturbed."""

import pytest

from tests.chart.serving_release import PODS, predictor, release, with_


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


def test_clients_and_prometheus_reach_only_their_ports():
    peers = [{"namespaceSelector": {"matchLabels": {"team": "web"}}}]
    network = {"clients": peers, "prometheus": [{"podSelector": {}}]}
    clients, prometheus = release(with_(networkPolicy=network, tests={"enabled": False}))[
        "NetworkPolicy", "mnist-predictor"
    ]["spec"]["ingress"]

    assert (peers, {8080, 9000}) == (clients["from"], {port["port"] for port in clients["ports"]})
    assert ([{"podSelector": {}}], {8002}) == (prometheus["from"], {port["port"] for port in prometheus["ports"]})


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


def test_without_a_certificate_the_gateway_listens_in_the_clear():
    gateway = {"create": True, "className": "envoy"}
    (listener,) = release(with_(route={**OUTSIDE, "parentRefs": [], "gateway": gateway}))["Gateway", "mnist"]["spec"][
        "listeners"
    ]

    assert ("HTTP", 80) == (listener["protocol"], listener["port"])


def test_there_is_no_route_by_default_and_kserve_makes_none():
    objects = release(with_())

    assert not {"HTTPRoute", "Gateway"} & {kind for kind, _ in objects}
    assert (
        "cluster-local" == objects["InferenceService", "mnist"]["metadata"]["labels"]["networking.kserve.io/visibility"]
    )
