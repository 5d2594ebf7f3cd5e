import json

import pytest

from rehearsal.cluster.connection import GATEWAY_READY_PATH
from rehearsal.cluster.gateway.envoy import bootstrap, write_resources
from rehearsal.cluster.gateway.resources import CLUSTERS_FILE, ROUTES_FILE, resource_files
from rehearsal.cluster.gateway.services import Endpoint, PathMatch, Rule, Service, known_services

INFER = "/inference.GRPCInferenceService/ModelInfer"


def by_name(*items):
    return {(item["metadata"]["namespace"], item["metadata"]["name"]): item for item in items}


def pod(name, address="127.64.1.1", *, ready="True", leaving=False, service="mnist"):
    metadata = {"namespace": "serving", "name": name, "labels": {"serving.kserve.io/inferenceservice": service}}
    if leaving:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    status = {"conditions": [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": ready}]}
    return {"metadata": metadata, "status": status | ({"podIP": address} if address else {})}


def inference_service(name):
    return {"metadata": {"namespace": "serving", "name": name}}


def route(*rules, hostnames=(), name="mnist"):
    spec = {"rules": list(rules)} | ({"hostnames": list(hostnames)} if hostnames else {})
    return {"metadata": {"namespace": "serving", "name": name}, "spec": spec}


def rule(*paths, port=80, timeout=None, backend="mnist-predictor"):
    matches = [{"path": {"type": kind, "value": value}} for kind, value in paths]
    return {"matches": matches, "backendRefs": [{"name": backend, "port": port}]} | (
        {"timeouts": {"request": timeout}} if timeout else {}
    )


def service(name="mnist", *addresses, rules=()):
    endpoints = tuple(Endpoint(address=address, pod=f"{name}-{address}") for address in addresses)
    return Service(namespace="serving", name=name, endpoints=endpoints, rules=tuple(rules))


def resources(*services, folder="/cluster/gateway"):
    """What Envoy would read: resources by file."""
    return {name: json.loads(text)["resources"] for name, text in resource_files(services, folder).items()}


def virtual_hosts(*services):
    (routes,) = resources(*services)[ROUTES_FILE]
    return {host["domains"][0]: host["routes"] for host in routes["virtual_hosts"]}


def targets(routes):
    """Where requests go: the matcher and Envoy's cluster, without the gateway's own path."""
    return [(r["match"], r["route"]["cluster"]) for r in routes if "route" in r]


@pytest.mark.parametrize(
    "item",
    [pod("a", ready="False"), pod("a", leaving=True), pod("a", address=None)],
    ids=["not ready", "on its way out", "without an address"],
)
def test_only_pods_that_can_answer_get_requests(item):
    services = known_services(by_name(item, pod("b", "127.64.1.2")), {}, {})

    assert (Endpoint(address="127.64.1.2", pod="b"),) == services[0].endpoints


def test_a_service_without_pods_is_known():
    assert (service("mnist"),) == known_services({}, by_name(inference_service("mnist")), {})


def test_pods_are_told_apart_by_their_service():
    pods = by_name(pod("a", "127.64.1.1"), pod("b", "127.64.1.2", service="other"))

    assert ["mnist", "other"] == [known.name for known in known_services(pods, {}, {})]


def test_a_route_brings_its_hostnames_paths_port_and_timeout():
    item = route(rule(("Exact", INFER), port=9000, timeout="1m30s"), hostnames=["digits.example.com"])
    (known,) = known_services({}, by_name(inference_service("mnist")), by_name(item))

    path = PathMatch(path=INFER, exact=True)
    assert (Rule(hostnames=("digits.example.com",), paths=(path,), grpc=True, timeout_s=90.0),) == known.rules


def test_a_rule_without_matches_is_for_every_path():
    item = route({"backendRefs": [{"name": "mnist-predictor", "port": 80}]})
    (known,) = known_services({}, by_name(inference_service("mnist")), by_name(item))

    assert (PathMatch(path="/", exact=False),) == known.rules[0].paths
    assert known.rules[0].timeout_s is None


def test_a_route_to_something_else_is_not_ours():
    item = route(rule(("Exact", "/"), backend="web"))

    assert () == known_services({}, by_name(inference_service("mnist")), by_name(item))[0].rules


def test_endpoints_are_the_pods_at_the_port_of_the_protocol():
    files = resources(service("mnist", "127.64.1.1", "127.64.1.2"))

    for protocol, port in (("grpc", 9000), ("http", 8080)):
        (assignment,) = files[f"endpoints-serving.mnist-{protocol}.json"]
        addresses = [e["endpoint"]["address"]["socket_address"] for e in assignment["endpoints"][0]["lb_endpoints"]]
        assert [("127.64.1.1", port), ("127.64.1.2", port)] == [(a["address"], a["port_value"]) for a in addresses]


def test_files_are_written_before_what_refers_to_them():
    names = list(resources(service("mnist", "127.64.1.1")))

    assert [CLUSTERS_FILE, ROUTES_FILE] == names[-2:]


def test_a_request_goes_to_the_less_busy_of_two_pods():
    clusters = resources(service("mnist", "127.64.1.1"))[CLUSTERS_FILE]

    assert ["LEAST_REQUEST"] * 2 == [cluster["lb_policy"] for cluster in clusters]
    assert [{"choice_count": 2}] * 2 == [cluster["least_request_lb_config"] for cluster in clusters]


def test_an_answer_never_sets_a_pod_aside():
    (grpc, _) = resources(service())[CLUSTERS_FILE]
    outliers = grpc["outlier_detection"]

    assert outliers["split_external_local_origin_errors"]
    assert 0 == outliers["enforcing_consecutive_5xx"] == outliers["enforcing_consecutive_gateway_failure"]
    assert 100 == outliers["enforcing_consecutive_local_origin_failure"]


def test_by_default_grpc_goes_to_the_grpc_port_and_the_rest_to_the_http_port():
    everybody = virtual_hosts(service("mnist"))["*"]

    assert [
        ({"prefix": "/", "grpc": {}}, "serving/mnist/grpc"),
        ({"prefix": "/"}, "serving/mnist/http"),
    ] == targets(everybody)


def test_every_try_is_on_another_pod_and_there_are_three():
    policy = virtual_hosts(service("mnist"))["*"][-1]["route"]["retry_policy"]

    assert 2 == policy["num_retries"]
    assert {"reset", "connect-failure", "refused-stream", "unavailable"} < set(policy["retry_on"].split(","))
    assert ["envoy.retry_host_predicates.previous_hosts"] == [p["name"] for p in policy["retry_host_predicate"]]


def test_a_service_answers_to_the_names_of_its_kubernetes_service():
    hosts = virtual_hosts(service("mnist"), service("other"))

    names = ("other-predictor.serving", "other-predictor.serving.svc", "other-predictor.serving.svc.cluster.local")
    assert ["serving/other/http"] * 3 == [targets(hosts[name])[-1][1] for name in names]


def test_other_hosts_go_to_the_first_service():
    assert "serving/mnist/http" == targets(virtual_hosts(service("mnist"), service("other"))["*"])[-1][1]


def test_a_hostname_of_a_route_leads_to_the_routes_paths_only():
    paths = (PathMatch(path="/v2/models/mnist/versions", exact=False), PathMatch(path="/v2", exact=True))
    hosts = virtual_hosts(
        service(rules=[Rule(hostnames=("digits.example.com",), paths=paths, grpc=False, timeout_s=10)])
    )

    assert [
        ({"path": "/v2"}, "serving/mnist/http"),
        ({"path_separated_prefix": "/v2/models/mnist/versions"}, "serving/mnist/http"),
    ] == targets(hosts["digits.example.com"])
    assert "10s" == hosts["digits.example.com"][-1]["route"]["timeout"]
    assert 2 == len(targets(hosts["*"]))


def test_a_route_without_hostnames_is_for_every_host():
    rules = [Rule(hostnames=(), paths=(PathMatch(path="/v2", exact=True),), grpc=False, timeout_s=None)]

    assert [({"path": "/v2"}, "serving/mnist/http")] == targets(virtual_hosts(service(rules=rules))["*"])


def test_longer_prefixes_come_first():
    paths = tuple(PathMatch(path=path, exact=False) for path in ("/", "/v2", "/v2/models"))
    rules = [Rule(hostnames=(), paths=paths, grpc=False, timeout_s=None)]
    matches = [match for match, _ in targets(virtual_hosts(service(rules=rules))["*"])]

    assert [{"path_separated_prefix": "/v2/models"}, {"path_separated_prefix": "/v2"}, {"prefix": "/"}] == matches


@pytest.mark.parametrize("services", [(), (service(),)], ids=["without a service", "with one"])
def test_the_gateway_says_that_it_is_ready_itself(services):
    for routes in virtual_hosts(*services).values():
        assert {"path": GATEWAY_READY_PATH} == routes[0]["match"]
        assert 200 == routes[0]["direct_response"]["status"]


def test_no_domain_has_two_owners():
    rules = [Rule(hostnames=("a.example.com",), paths=(PathMatch(path="/", exact=False),), grpc=False, timeout_s=None)]
    (routes,) = resources(service("one", rules=rules), service("two", rules=rules))[ROUTES_FILE]
    domains = [domain for host in routes["virtual_hosts"] for domain in host["domains"]]

    assert sorted(set(domains)) == sorted(domains)


def test_only_what_changed_is_written(tmp_path):
    write_resources(tmp_path, [service("mnist", "127.64.1.1")])
    changed = write_resources(tmp_path, [service("mnist", "127.64.1.1", "127.64.1.2")])

    assert ["endpoints-serving.mnist-grpc.json", "endpoints-serving.mnist-http.json"] == sorted(changed)
    assert [] == write_resources(tmp_path, [service("mnist", "127.64.1.1", "127.64.1.2")])


def test_files_of_a_service_that_is_gone_are_removed(tmp_path):
    write_resources(tmp_path, [service("mnist", "127.64.1.1")])
    write_resources(tmp_path, [])

    assert [CLUSTERS_FILE, ROUTES_FILE] == sorted(path.name for path in tmp_path.iterdir())


def test_the_listener_takes_both_protocols_at_one_port_that_it_shares_with_nobody(tmp_path):
    (listener,) = json.loads(bootstrap("127.64.0.2", 8080, "127.64.0.1", tmp_path))["static_resources"]["listeners"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]

    assert {"socket_address": {"address": "127.64.0.2", "port_value": 8080}} == listener["address"]
    assert "AUTO" == manager["codec_type"]
    assert not listener["enable_reuse_port"]
