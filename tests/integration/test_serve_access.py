"""What a real tritonserver lets do who has its key, and who has not."""

import base64
import json

import httpx
import pytest
import tritonclient.grpc as triton_grpc
from tritonclient.utils import InferenceServerException

from slipway.triton import ServerSettings, TritonServer

pytestmark = pytest.mark.triton

FORBIDDEN = 403
CODE = "raise SystemExit('code of a stranger')"


@pytest.fixture(scope="module")
def server(published_repository):
    """One whose models the tests may load and unload."""
    with TritonServer(ServerSettings(repository=published_repository)) as server:
        yield server


@pytest.fixture
def from_a_page(server):
    """A browser on a page of somebody else: text, an origin, no header that the browser would have to ask for."""
    headers = {"Content-Type": "text/plain", "Origin": "https://stranger.example"}
    with httpx.Client(base_url=server.http_url, headers=headers, trust_env=False, timeout=60) as client:
        yield client


@pytest.fixture
def grpc_client(server):
    with triton_grpc.InferenceServerClient(server.grpc_url.removeprefix("grpc://")) as client:
        yield client


CHANGES = {
    "load": ("POST", "/v2/repository/models/mnist/load", {}),
    "unload": ("POST", "/v2/repository/models/nosuch/unload", {}),
    "index": ("POST", "/v2/repository/index", {}),
    "shared memory": (
        "POST",
        "/v2/systemsharedmemory/region/r/register",
        {"key": "/no-such-region", "offset": 0, "byte_size": 8},
    ),
    "shared memory status": ("GET", "/v2/systemsharedmemory/status", None),
    "cuda memory status": ("GET", "/v2/cudasharedmemory/status", None),
    "log settings": ("POST", "/v2/logging", {"log_verbose_level": 1}),
    "trace settings": ("POST", "/v2/trace/setting", {"trace_rate": "1"}),
    "trace settings of a model": ("POST", "/v2/models/mnist/trace/setting", {"trace_rate": "1"}),
}


@pytest.mark.parametrize(("method", "path", "body"), CHANGES.values(), ids=CHANGES)
def test_what_changes_the_server_wants_the_key_over_http(server, from_a_page, method, path, body):
    content = None if body is None else json.dumps(body)
    refused = from_a_page.request(method, path, content=content)
    guessed = from_a_page.request(method, path, content=content, headers={"slipway-admin": "0"})
    allowed = from_a_page.request(method, path, content=content, headers=server.admin.http_headers)

    assert (FORBIDDEN, FORBIDDEN) == (refused.status_code, guessed.status_code)
    assert FORBIDDEN != allowed.status_code


def test_a_stranger_does_not_bring_code_along(server, from_a_page):
    config = {"backend": "python", "max_batch_size": 0}
    file = base64.b64encode(CODE.encode()).decode()
    body = {"parameters": {"config": json.dumps(config), "file:1/model.py": file}}
    answer = from_a_page.post("/v2/repository/models/stranger/load", content=json.dumps(body))

    assert FORBIDDEN == answer.status_code
    assert server.poll() is None


GRPC_CHANGES = {
    "load": lambda client, key: client.load_model("mnist", headers=key),
    "unload": lambda client, key: client.unload_model("nosuch", headers=key),
    "index": lambda client, key: client.get_model_repository_index(headers=key),
    "shared memory": lambda client, key: client.register_system_shared_memory("r", "/no-such-region", 8, headers=key),
    "shared memory status": lambda client, key: client.get_system_shared_memory_status(headers=key),
    "cuda memory status": lambda client, key: client.get_cuda_shared_memory_status(headers=key),
    "log settings": lambda client, key: client.update_log_settings({"log_verbose_level": 0}, headers=key),
    "trace settings": lambda client, key: client.get_trace_settings(headers=key),
}


@pytest.mark.parametrize("change", GRPC_CHANGES.values(), ids=GRPC_CHANGES)
def test_what_changes_the_server_wants_the_key_over_grpc(server, grpc_client, change):
    with pytest.raises(InferenceServerException, match="slipway-admin") as refused:
        change(grpc_client, {})
    try:
        change(grpc_client, server.admin.grpc_metadata)
    except InferenceServerException as exc:
        allowed = exc.message()  # there is no such region; whoever may ask is told so
    else:
        allowed = ""

    assert "StatusCode.UNAVAILABLE" == refused.value.status()
    assert "slipway-admin" not in allowed


def test_who_only_classifies_needs_no_key(from_a_page):
    for path in ("/v2/health/live", "/v2/models/mnist", "/v2/models/mnist/config", "/v2/models/mnist/stats"):
        answer = from_a_page.get(path)

        assert httpx.codes.OK == answer.status_code
        assert "access-control-allow-origin" not in answer.headers  # a page may send, and does not read


def test_the_key_stands_in_no_log(server):
    assert "slipway-admin" not in server.log_tail(1000)
