"""The real Envoy in front of pods that are FakeTritons, on addresses as a cluster's pods have them."""

import threading
from concurrent import futures
from contextlib import ExitStack, contextmanager, suppress

import grpc
import httpx
import numpy as np
import pytest

from rehearsal.cluster.connection import GATEWAY_READY_PATH
from rehearsal.cluster.controlplane.layout import claim_network
from rehearsal.cluster.gateway.envoy import gateway_folder, start_envoy, write_resources
from rehearsal.cluster.gateway.services import Endpoint, PathMatch, Rule, Service
from slipway.client import Classifier, RetryPolicy
from tests.integration.envoy_stats import envoy_stats
from tests.unit import clusters
from tests.unit.fake_triton import FakeTriton, HttpHandler, HttpServer, grpc_handler


@contextmanager
def running_pod(address):
    """A FakeTriton on a pod's two ports."""
    fake = FakeTriton()
    web = HttpServer((address, 8080), type("Handler", (HttpHandler,), {"fake": fake}))
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    rpc = grpc.server(futures.ThreadPoolExecutor(20))
    rpc.add_generic_rpc_handlers((grpc_handler(fake),))
    rpc.add_insecure_port(f"{address}:9000")
    rpc.start()
    try:
        yield fake
    finally:
        rpc.stop(grace=None).wait()
        web.shutdown()
        thread.join()
        web.server_close()


class Gateway:
    """A running Envoy; `pods` starts pods that it does not know yet, `tell` tells it which are ready."""

    def __init__(self, connection, stack):
        self.connection, self.stack, self.url = connection, stack, connection.gateway_url

    def pods(self, *numbers):
        return [self.stack.enter_context(running_pod(self.address(number))) for number in numbers]

    def address(self, number):
        return f"{self.connection.network}.1.{number}"

    def tell(self, *numbers, rules=()):
        endpoints = tuple(Endpoint(address=self.address(number), pod=f"pod-{number}") for number in numbers)
        service = Service(namespace="serving", name="mnist", endpoints=endpoints, rules=tuple(rules))
        write_resources(gateway_folder(self.connection), [service])
        self.wait_until(lambda stats: {f"{a.address}:9000" for a in endpoints} <= {e.address for e in stats.endpoints})
        self.wait_until(lambda stats: 2 * len(endpoints) == len(stats.endpoints))

    def stats(self):
        return envoy_stats(self.connection)

    def wait_until(self, condition):
        """Envoy reads files on its own; a test that waits for ever is ended by its time limit."""
        while not condition(self.stats()):
            pass


@pytest.fixture
def gateway(tmp_path):
    network, lock = claim_network()
    connection = clusters.connection(tmp_path, network=network, gateway_url=f"http://{network}.0.2:8080")
    with lock, ExitStack() as stack:
        envoy = start_envoy(connection)
        stack.callback(envoy.wait, 10)
        stack.callback(envoy.kill)
        while envoy.exit_code is None:
            with suppress(httpx.TransportError):
                if httpx.get(f"{connection.gateway_url}{GATEWAY_READY_PATH}", trust_env=False).is_success:
                    break
        assert envoy.exit_code is None, envoy.log.read_text()
        yield Gateway(connection, stack)


@pytest.fixture(params=["grpc", "http"])
def classifier(request, gateway):
    """A client that never tries again itself: whatever is answered is the gateway's doing."""
    url = gateway.url.replace("http://", f"{request.param}://")
    with Classifier(url, model="mnist", retry=RetryPolicy(max_attempts=1)) as client:
        yield client


IMAGE = np.full((1, 28, 28), 7, np.uint8)


def test_both_protocols_reach_the_pods_through_one_port(gateway, classifier):
    (fake,) = gateway.pods(1)
    gateway.tell(1)

    assert [7] == [int(label) for label in classifier.predict(IMAGE).labels]
    assert 1 == fake.asked["infer"]


def test_every_ready_pod_gets_requests(gateway, classifier):
    fakes = gateway.pods(1, 2, 3)
    gateway.tell(1, 2, 3)
    for _ in range(60):
        classifier.predict(IMAGE)

    assert all(fake.asked["infer"] > 5 for fake in fakes)


def test_a_busy_pod_gets_fewer_requests(gateway, classifier):
    busy, idle = gateway.pods(1, 2)
    busy.delay_s = 0.05
    gateway.tell(1, 2)
    with futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: classifier.predict(IMAGE), range(80)))

    assert busy.asked["infer"] < idle.asked["infer"]


def test_a_pod_that_is_gone_but_listed_costs_no_request(gateway, classifier):
    gateway.pods(1)
    gateway.tell(1, 2)
    for _ in range(40):
        classifier.predict(IMAGE)

    stats = gateway.stats()
    assert stats.retries > 0
    assert stats.retries == stats.retries_that_helped
    assert {gateway.address(2)} == {e.address.split(":")[0] for e in stats.endpoints if e.set_aside}


def test_a_full_queue_is_tried_elsewhere_and_sets_no_pod_aside(gateway, classifier):
    full, _ = gateway.pods(1, 2)
    full.fail(grpc.StatusCode.UNAVAILABLE, 503, "queue is full")
    gateway.tell(1, 2)
    for _ in range(30):
        classifier.predict(IMAGE)

    assert full.asked["infer"] > 3
    assert not any(endpoint.set_aside for endpoint in gateway.stats().endpoints)


def test_a_pod_that_is_no_longer_ready_gets_nothing_and_no_request_is_lost(gateway, classifier):
    first, second = gateway.pods(1, 2)
    gateway.tell(1, 2)
    stop = threading.Event()

    def ask():
        while not stop.is_set():
            classifier.predict(IMAGE)

    with futures.ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask) for _ in range(4)]
        gateway.tell(1)
        asked = second.asked["infer"]
        first.asked["infer"] = 0
        while first.asked["infer"] < 50:
            pass
        stop.set()
        for future in asking:
            future.result()

    assert second.asked["infer"] - asked <= 4  # those under way


def test_a_route_lets_its_paths_through_and_no_other(gateway):
    gateway.pods(1)
    paths = (PathMatch(path="/v2/health/ready", exact=True),)
    gateway.tell(1, rules=[Rule(hostnames=("digits.example.com",), paths=paths, grpc=False, timeout_s=10)])
    with httpx.Client(base_url=gateway.url, trust_env=False) as client:
        status = {
            (host, path): client.get(path, headers={"Host": host}).status_code
            for host in ("digits.example.com:8080", "mnist-predictor.serving.svc")
            for path in ("/v2/health/ready", "/v2/repository/index")
        }

    assert [200, 404, 200, 200] == list(status.values())
