"""What the node agent asks a container, of gRPC's own health service on the wire."""

import grpc
import pytest
from grpc_health.v1.health import aio as health
from grpc_health.v1.health_pb2 import HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server

from rehearsal.cluster.node_agent.probe import ProbeAction
from rehearsal.cluster.node_agent.probe_client import ProbeClient

LONG = "of.a.long.package." * 20
SERVING, NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING


async def asked(service="", **statuses):
    """What a probe of the service is told by a server with these statuses, by service; "" is the server itself."""
    servicer = health.HealthServicer()
    for name, status in statuses.items():
        await servicer.set(name, status)
    server = grpc.aio.server()
    add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    client = ProbeClient()
    try:
        return await client.send(
            ProbeAction(kind="grpc", host="127.0.0.1", port=port, path=service), timeout_s=20, run=None
        )
    finally:
        await client.close()
        await server.stop(grace=None)


@pytest.mark.parametrize(("status", "passed"), [(SERVING, True), (NOT_SERVING, False)])
@pytest.mark.parametrize("service", ["", "mnist", LONG], ids=["the server", "a service", "a long name"])
async def test_a_grpc_probe_passes_where_the_service_says_that_it_serves(service, status, passed):
    assert passed == (await asked(service, **{service: status})).passed


async def test_a_grpc_probe_of_an_unknown_service_says_so():
    answer = await asked("other", mnist=SERVING)

    assert not answer.passed
    assert answer.text.startswith("NOT_FOUND")


async def test_a_grpc_probe_asks_the_pod_itself_whatever_proxy_the_environment_names(monkeypatch):
    monkeypatch.delenv("no_grpc_proxy", raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    assert (await asked()).passed
