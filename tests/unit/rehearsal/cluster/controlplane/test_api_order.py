"""The control plane's own client, against an API server on the wire that is as slow with a namespace as a busy one."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from rehearsal.cluster.api.client import BlockingApiClient
from rehearsal.cluster.controlplane.startup import apply_all
from tests.unit.api_server import write_kubeconfig


class Handler(BaseHTTPRequestHandler):
    def do_PATCH(self):  # the name is http.server's
        self.rfile.read(int(self.headers["Content-Length"]))
        path = self.path.partition("?")[0]
        if path == "/api/v1/namespaces/serving":
            time.sleep(0.2)
            self.server.namespaces.add("serving")
        status = 200 if "serving" in self.server.namespaces else 404
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps({"kind": "Status"}).encode())

    def log_message(self, *_details):
        pass


@pytest.fixture
def busy_server(tmp_path):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.namespaces = set()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    write_kubeconfig(tmp_path / "kubeconfig", server.server_port)
    yield tmp_path / "kubeconfig"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_namespace_is_there_before_what_lies_in_it(busy_server):
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "models", "namespace": "serving"},
    }
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "serving"}}

    apply_all(BlockingApiClient.from_kubeconfig(busy_server), [claim, namespace])  # a 404 would be raised
