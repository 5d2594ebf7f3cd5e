"""How the API server is reached, against a server on the wire that asks for a client certificate."""

import asyncio
import base64
import json
import ssl
from contextlib import asynccontextmanager

import pytest
import trustme
import yaml

from rehearsal.cluster.api.client import ApiClient, apply, create, delete, patch
from rehearsal.errors import ApiError, ApiRefused, ClusterError
from tests.unit.api_server import write_kubeconfig

PATH = "/api/v1/namespaces/serving/pods/p"
ITEM = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "serving"}}


class Server:
    """Answers every request alike; keeps the head, the body and the name in the client's certificate."""

    def __init__(self, status=200, content=b"{}"):
        self.status, self.content = status, content
        self.heads, self.bodies, self.clients = [], [], []

    async def __call__(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = next((int(line[15:]) for line in head.splitlines() if line.startswith("content-length:")), 0)
        self.heads.append(head)
        self.bodies.append(await reader.readexactly(length))
        if certificate := writer.get_extra_info("peercert"):
            self.clients.append(dict(part[0] for part in certificate["subject"])["commonName"])
        length = len(self.content)
        writer.write(f"HTTP/1.1 {self.status} X\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n".encode())
        writer.write(self.content)
        writer.close()


@asynccontextmanager
async def listening(server, tls=None):
    async with await asyncio.start_server(server, "127.0.0.1", 0, ssl=tls) as listener:
        yield listener.sockets[0].getsockname()[1]


@asynccontextmanager
async def client_of(server, folder):
    async with listening(server) as port:
        write_kubeconfig(folder / "config", port)
        async with ApiClient.from_kubeconfig(folder / "config") as api:
            yield api


@pytest.mark.parametrize("kept_as", ["data", "relative paths"])
async def test_both_sides_are_known_by_their_certificates(tmp_path, kept_as):
    authority = trustme.CA()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(tls)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    admin = authority.issue_cert("admin@rehearsal", common_name="admin")
    pems = {
        "certificate-authority": authority.cert_pem.bytes(),
        "client-certificate": admin.cert_chain_pems[0].bytes(),
        "client-key": admin.private_key_pem.bytes(),
    }
    server = Server()
    async with listening(server, tls) as port:
        write_kubeconfig(tmp_path / "config", port)
        config = yaml.safe_load((tmp_path / "config").read_text())
        entries = dict.fromkeys(pems, config["users"][0]["user"])
        entries["certificate-authority"] = config["clusters"][0]["cluster"]
        config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{port}"
        for name, pem in pems.items():
            if kept_as == "data":
                entries[name][f"{name}-data"] = base64.b64encode(pem).decode()
            else:
                (tmp_path / name).write_bytes(pem)
                entries[name][name] = name
        (tmp_path / "config").write_text(yaml.safe_dump(config))
        async with ApiClient.from_kubeconfig(tmp_path / "config") as api:
            await api.get(PATH)

    assert ["admin"] == server.clients


async def test_the_token_of_the_current_context_is_sent(tmp_path):
    server = Server()
    async with client_of(server, tmp_path) as api:
        await api.get(PATH)

    assert "authorization: bearer t\r\n" in server.heads[0]


@pytest.mark.parametrize("content", [None, "a: [", "{}", "current-context: here"])
def test_a_file_that_is_no_kubeconfig_is_said_with_its_path(tmp_path, content):
    if content is not None:
        (tmp_path / "config").write_text(content)

    with pytest.raises(ClusterError, match=r"config: expected a kubeconfig"):
        ApiClient.from_kubeconfig(tmp_path / "config")


@pytest.mark.parametrize(
    ("request_", "line", "kind", "body"),
    [
        (apply(ITEM), f"patch {PATH}?fieldmanager=slipway&force=true", "application/apply-patch+yaml", ITEM),
        (
            create(ITEM, dry_run=True),
            "post /api/v1/namespaces/serving/pods?dryrun=all",
            "application/json",
            ITEM,
        ),
        (patch(PATH, {"a": None}), f"patch {PATH}", "application/merge-patch+json", {"a": None}),
        (
            patch(f"{PATH}/status", {"status": {}}, strategic=True),
            f"patch {PATH}/status",
            "application/strategic-merge-patch+json",
            {"status": {}},
        ),
        (
            delete(PATH, grace_period_s=0, uid="u-1"),
            f"delete {PATH}",
            "application/json",
            {"gracePeriodSeconds": 0, "preconditions": {"uid": "u-1"}},
        ),
    ],
    ids=["apply", "dry run", "merge", "status", "deletion of this very one"],
)
async def test_a_change_on_the_wire(tmp_path, request_, line, kind, body):
    server = Server()
    async with client_of(server, tmp_path) as api:
        await api.send(request_)

    assert f"{line} http/1.1\r\n" == server.heads[0].splitlines(keepends=True)[0]
    assert f"content-type: {kind}\r\n" in server.heads[0]
    assert body == json.loads(server.bodies[0])


@pytest.mark.parametrize(("status", "error"), [(500, ApiError), (403, ApiError), (404, ApiError), (422, ApiRefused)])
async def test_an_answer_that_is_no_success_is_an_error_in_the_servers_words(tmp_path, status, error):
    said = json.dumps({"kind": "Status", "message": "no\x1b[2J room"}).encode()
    async with client_of(Server(status, said), tmp_path) as api:
        with pytest.raises(ApiError, match=rf"^DELETE {PATH}: the API server answered {status}: no") as caught:
            await api.send(delete(PATH))

    assert (error, status, r"no\x1b[2J room") == (type(caught.value), caught.value.status, caught.value.said)


async def test_a_server_that_is_away_is_an_error_without_a_status(tmp_path):
    async with listening(Server()) as port:
        write_kubeconfig(tmp_path / "config", port)
    async with ApiClient.from_kubeconfig(tmp_path / "config") as api:
        with pytest.raises(ApiError, match="the API server does not answer") as caught:
            await api.get(PATH)

    assert caught.value.status is None


async def test_what_the_server_does_not_know_is_none(tmp_path):
    async with client_of(Server(404), tmp_path) as api:
        assert await api.get(PATH) is None
        assert [] == await api.items("/apis/karpenter.sh/v1/nodepools")


async def test_an_answer_that_is_no_json_is_an_error(tmp_path):
    async with client_of(Server(content=b"<html>"), tmp_path) as api:
        with pytest.raises(ApiError, match="expected JSON"):
            await api.get(PATH)
