"""The load test's senders at the wire, before a server that misbehaves."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from loadtest.payload import Question
from loadtest.scenario import TargetSettings
from loadtest.senders import HttpSender, prepare


@pytest.fixture
def late_once():
    """URL of a server that answers everything but its first request."""
    release, served = threading.Event(), []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            served.append(self.path)
            if len(served) == 1:
                release.wait(10)
                return
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_words):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    release.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_request_after_one_that_was_too_late_is_sent(late_once):
    target = TargetSettings(url=late_once, timeout_s=5.0)
    question = Question(images=np.zeros((1, 28, 28, 1), np.uint8), labels=np.zeros(1, np.int64), weight=1)
    (request,) = prepare(target, [question])
    sender = HttpSender(target)

    answers = [sender.send(request, timeout_s=timeout_s, check=False) for timeout_s in (0.1, 5.0, 5.0)]
    sender.close()

    assert ["deadline", None, None] == answers
