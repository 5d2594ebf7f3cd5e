"""As much of Google Cloud Storage's JSON API on loopback as `slipway models` asks for.

with gcs_bucket(monkeypatch) as gcs:
    gcs.url, gcs.objects, gcs.conditions    # what was asked of each write: None is "overwrite"
"""

import base64
import hashlib
import json
import threading
from contextlib import contextmanager
from types import SimpleNamespace
from urllib.parse import parse_qs, unquote, urlsplit

import fsspec

from tests.unit.odd_servers import page, web_server

WRITTEN = "2026-01-02T03:04:05.000Z"


def described(name, content):
    md5 = base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()
    known = {
        "kind": "storage#object",
        "bucket": "bucket",
        "generation": "1",
        "timeCreated": WRITTEN,
        "updated": WRITTEN,
    }
    return {**known, "name": name, "size": str(len(content)), "md5Hash": md5}


def said(document, status=200):
    return page(status, json.dumps(document).encode(), "application/json")


class Bucket:
    def __init__(self):
        self.objects, self.conditions = {}, []
        self._one_at_a_time = threading.Lock()

    def __call__(self, handler):
        address = urlsplit(handler.path)
        query = {key: values[0] for key, values in parse_qs(address.query).items()}
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        with self._one_at_a_time:
            answer = self.answer(handler, address.path, query, body)
        answer(handler)

    def answer(self, handler, path, query, body):
        if path.startswith("/upload/"):
            return self.write(query, body)
        name = unquote(path.partition("/o/")[2])
        if not name:
            return self.listing(query.get("prefix", ""))
        if name not in self.objects:
            return said({"error": {"code": 404, "message": "no such object"}}, 404)
        if handler.command == "DELETE":
            del self.objects[name]
            return page(204)
        return self.read(name, query.get("alt"), handler.headers.get("Range"))

    def listing(self, prefix):
        items = [described(name, text) for name, text in sorted(self.objects.items()) if name.startswith(prefix)]
        return said({"kind": "storage#objects", "items": items} if items else {"kind": "storage#objects"})

    def read(self, name, kind, part):
        content = self.objects[name]
        if kind != "media":
            return said(described(name, content))
        if part is None:
            return page(200, content, "application/octet-stream")
        start, _, end = part.removeprefix("bytes=").partition("-")
        return page(206, content[int(start) : int(end) + 1 if end else None], "application/octet-stream")

    def write(self, query, body):
        """`uploadType=multipart`: the object's name in JSON, then its bytes."""
        _, document, content, _ = body.split(b"--==0==")
        name = json.loads(document.partition(b"\n\n")[2])["name"]
        condition = query.get("ifGenerationMatch")
        self.conditions.append((name, condition))
        if condition == "0" and name in self.objects:
            return said({"error": {"code": 412, "message": "At least one of the pre-conditions did not hold"}}, 412)
        self.objects[name] = content.partition(b"\n\n")[2].removesuffix(b"\n")
        return said(described(name, self.objects[name]))


@contextmanager
def gcs_endpoint(monkeypatch, endpoint):
    """Lead gs:// to an endpoint, without credentials."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", endpoint)
    monkeypatch.setenv("NO_GCE_CHECK", "true")  # nobody looks for credentials on the network
    monkeypatch.setenv("CLOUDSDK_CONFIG", "/nonexistent")
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    fsspec.get_filesystem_class("gs").clear_instance_cache()  # one of them knows another server's address
    yield
    fsspec.get_filesystem_class("gs").clear_instance_cache()


@contextmanager
def gcs_bucket(monkeypatch):
    bucket = Bucket()
    with web_server(bucket) as server, gcs_endpoint(monkeypatch, server.url):
        yield SimpleNamespace(url="gs://bucket/prod", objects=bucket.objects, conditions=bucket.conditions)
