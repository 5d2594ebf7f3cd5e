"""A small Kubernetes API server on loopback that holds one InferenceService, `mnist` in the namespace `serving`.

with api_server() as api:
    write_kubeconfig(path, api.server_port)
    api.predictor              # its spec.predictor, as the last patch left it
"""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import yaml

PATH = "/apis/serving.kserve.io/v1beta1/namespaces/serving/inferenceservices/mnist"


class ApiServer(ThreadingHTTPServer):
    """Holds one InferenceService, `mnist` in `serving`, and what was asked."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.predictor = {"minReplicas": 2, "model": {"modelFormat": {"name": "onnx"}}}
        self.requests, self.refuse_with, self.refuse_patches_with, self.refusal = [], None, None, "no"


class Handler(BaseHTTPRequestHandler):
    def _answer(self):
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, _, query = self.path.partition("?")
        self.server.requests.append((self.command, self.path, self.headers.get("Content-Type"), content))
        status = self.server.refuse_with or (200 if path == PATH else 404)
        if status == 200 and self.command == "PATCH":
            status = self.server.refuse_patches_with or 200
        if status == 200 and self.command == "PATCH" and parse_qs(query).get("dryRun") != ["All"]:
            merge(self.server.predictor, json.loads(content)["spec"]["predictor"])
        answer = {"spec": {"predictor": self.server.predictor}} if status == 200 else {"message": self.server.refusal}
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(answer, ensure_ascii=False).encode())

    do_GET = do_PATCH = _answer  # noqa: N815  # the names are http.server's

    def log_message(self, *_details):
        pass


def merge(target, patch):
    for key, value in patch.items():
        if isinstance(value, dict):
            merge(target.setdefault(key, {}), value)
        else:
            target[key] = value


@contextmanager
def api_server():
    server = ApiServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def write_kubeconfig(path, port, *, host="127.0.0.1", proxy_url=None):
    entry = {"server": f"http://{host}:{port}"} | ({} if proxy_url is None else {"proxy-url": proxy_url})
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        "clusters": [{"name": "here", "cluster": entry}],
        "users": [{"name": "me", "user": {"token": "t"}}],
    }
    path.write_text(yaml.safe_dump(document))
