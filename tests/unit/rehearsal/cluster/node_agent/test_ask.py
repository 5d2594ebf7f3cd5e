"""What the node agent asks a container, over the real wire."""

import grpc
import pytest

from rehearsal.cluster.node_agent.ask import Asker
from rehearsal.cluster.node_agent.probe import Action

SERVING, NOT_SERVING = b"\x08\x01", b"\x08\x02"


class Health(grpc.GenericRpcHandler):
    """`grpc.health.v1.Health`, as bytes."""

    def __init__(self, answer):
        self.answer, self.asked = answer, []

    def service(self, handler_call_details):
        assert "/grpc.health.v1.Health/Check" == handler_call_details.method
        return grpc.unary_unary_rpc_method_handler(self._check)

    async def _check(self, request, _context):
        self.asked.append(request)
        return self.answer


async def asked(health, path=""):
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((health,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    asker = Asker()
    try:
        return await asker.ask(Action(kind="grpc", host="127.0.0.1", port=port, path=path), timeout_s=20, run=None)
    finally:
        await asker.close()
        await server.stop(grace=None)


@pytest.mark.parametrize(("answer", "passed"), [(SERVING, True), (NOT_SERVING, False)])
async def test_a_grpc_probe_passes_where_the_service_says_that_it_serves(answer, passed):
    health = Health(answer)

    assert passed == (await asked(health, "mnist")).passed
    assert [b"\x0a\x05mnist"] == health.asked


async def test_a_grpc_probe_asks_the_pod_itself_whatever_proxy_the_environment_names(monkeypatch):
    monkeypatch.delenv("no_grpc_proxy", raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    assert (await asked(Health(SERVING))).passed
