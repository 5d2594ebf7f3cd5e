"""The file that Keras publishes, from a host that may be slow, gone, or serve something else."""

from __future__ import annotations

import hashlib
import http.server
import importlib.util
import io
import socket
import threading
from pathlib import Path

import numpy as np
import pytest

from training.data.mnist import NPZ_SHA256, URL, KerasDownload
from training.errors import DataRefused, DataUnavailable

X_TRAIN = np.random.default_rng(0).integers(0, 256, (60, 28, 28), dtype=np.uint8)


class Responder(http.server.BaseHTTPRequestHandler):
    """Answers by path: `/whole`, `/cut` (fewer bytes than announced), anything else is not there."""

    content = b""

    def do_GET(self):
        if self.path not in {"/whole", "/cut"}:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content if self.path == "/whole" else self.content[:1000])

    def log_message(self, *arguments):
        """Stay silent."""


@pytest.fixture(scope="module")
def server():
    file = io.BytesIO()
    np.savez(file, x_train=X_TRAIN, y_train=np.arange(60) % 10, x_test=X_TRAIN[:10], y_test=np.arange(10))
    content = file.getvalue()
    handler = type("Handler", (Responder,), {"content": content})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}", hashlib.sha256(content).hexdigest()
        running.shutdown()
        thread.join()


def test_keras_file_is_downloaded_and_checked(server):
    url, sha256 = server

    arrays = KerasDownload(url=f"{url}/whole", sha256=sha256).fetch()

    assert np.array_equal(X_TRAIN[..., np.newaxis], arrays.x_train)
    assert list(range(10)) == arrays.y_test.tolist()


def test_a_download_that_is_cut_short_is_no_data(server):
    url, sha256 = server

    with pytest.raises(DataUnavailable, match="peer closed connection"):
        KerasDownload(url=f"{url}/cut", sha256=sha256).fetch()


def test_a_file_that_is_not_there_is_no_data(server):
    url, sha256 = server

    with pytest.raises(DataUnavailable, match="404"):
        KerasDownload(url=f"{url}/absent", sha256=sha256).fetch()


def test_another_file_than_keras_names_is_refused(server):
    url, _ = server

    with pytest.raises(DataRefused, match=rf"mnist\.npz \([\d,]+ bytes\): expected sha256 {NPZ_SHA256}, got "):
        KerasDownload(url=f"{url}/whole").fetch()


def test_a_silent_host_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/mnist.npz"

        with pytest.raises(DataUnavailable, match="timed out"):
            KerasDownload(url=url, timeout_s=0.1).fetch()


def test_address_and_checksum_are_those_of_keras():
    (keras,) = importlib.util.find_spec("keras").submodule_search_locations
    source = (Path(keras) / "src" / "datasets" / "mnist.py").read_text()
    folder, file = URL.rsplit("/", 1)

    assert f'"{folder}/"' in source
    assert f"origin_folder}}{file}" in source
    assert NPZ_SHA256 in source
