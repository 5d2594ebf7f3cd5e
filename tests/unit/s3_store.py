"""A real S3 wire for tests: moto's server on loopback, behind an interceptor that counts, refuses and interferes.

with s3_interceptor() as interceptor, s3_bucket(interceptor, monkeypatch, "name") as s3:
    interceptor.refuse_from = 3          # the fourth write and all after it are denied
    s3.names()                    # what is in the bucket
"""

import threading
from contextlib import contextmanager
from types import SimpleNamespace

import fsspec
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

from slipway.repository import MANIFEST

DENIED = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"


class Interceptor:
    """In front of the S3 server: notes every write, refuses those from the n-th on, tells `after` about each.

    Like some stores, it can ignore that a write is to create and not to overwrite.
    """

    def __init__(self):
        self.application = DomainDispatcherApplication(create_backend_app)
        self.endpoint = ""
        self._one_at_a_time = threading.Lock()  # moto looks and writes in two steps, S3 in one
        self.reset()

    def published(self):
        """Paths that were written, without the claim and other scratch files."""
        return [path for path in self.writes if "/.scratch-" not in path]

    def reset(self):
        self.writes, self.refuse_from, self.after = [], None, None
        self.ignores_conditions = False

    def __call__(self, environ, start_response):
        if environ["REQUEST_METHOD"] not in {"PUT", "POST", "DELETE"}:
            return self.application(environ, start_response)
        if self.refuse_from is not None and len(self.writes) >= self.refuse_from:
            start_response("403 Forbidden", [("Content-Type", "application/xml")])
            return [DENIED]
        self.writes.append(environ["PATH_INFO"])
        if self.ignores_conditions:
            environ.pop("HTTP_IF_NONE_MATCH", None)
        with self._one_at_a_time:
            answer = list(self.application(environ, start_response))
        if self.after:
            self.after(environ["PATH_INFO"])
        return answer


class _Silent(WSGIRequestHandler):
    def log_request(self, *_details):
        pass


@contextmanager
def s3_interceptor():
    interceptor = Interceptor()
    server = make_server("127.0.0.1", 0, interceptor, threaded=True, request_handler=_Silent)
    interceptor.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    fsspec.get_filesystem_class("s3").clear_instance_cache()  # one of them knows another server's address
    yield interceptor
    server.shutdown()
    thread.join()
    server.server_close()


def s3_bucket(interceptor, monkeypatch, name):
    """Make an empty bucket; its address, what is in it, and the environment that leads there."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")  # Amazon's library leaves no address out by itself
    monkeypatch.setenv("AWS_ENDPOINT_URL", interceptor.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "anybody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "anything")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    interceptor.reset()
    files = fsspec.filesystem("s3", use_listings_cache=False)
    files.mkdir(name)
    interceptor.reset()
    root = f"{name}/prod"

    def names():
        return {path.removeprefix(f"{root}/") for path in files.find(root)}

    return SimpleNamespace(url=f"s3://{root}", root=root, files=files, interceptor=interceptor, names=names)


def below(version):
    """Every name that belongs to a version of `digits`."""
    shared, own = (
        {"config.pbtxt", "configs/gpu.pbtxt", "labels.txt", MANIFEST},
        {"card.json", MANIFEST, "model.onnx", "publication.json"},
    )
    return {f"digits/{version}/{name}" for name in own} | {f"digits/{name}" for name in shared}
