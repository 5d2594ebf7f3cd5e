"""Servers that answer with something else, never, or drop by drop.

with web_server(answer) as server:       # answer(handler) writes what it likes
    server.url, server.paths
with silent_server() as address:         # takes connections, and says nothing
"""

import socket
import threading
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace


class _Server(ThreadingHTTPServer):
    """Counts connections, those included whose handshake fails."""

    connections = 0

    def get_request(self):
        self.connections += 1
        return super().get_request()

    def handle_error(self, *_details):
        """A client that hangs up is what is tested."""


@contextmanager
def running(handler, context=None):
    server = _Server(("127.0.0.1", 0), handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def web_server(answer, context=None):
    """`answer(handler)` writes the answer to any question."""
    paths = []

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self):
            paths.append(self.path)
            answer(self)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any  # noqa: N815 - the names are http.server's

        def log_message(self, *_details):
            pass

    with running(Handler, context) as server:
        scheme, host = ("http", "127.0.0.1") if context is None else ("https", "localhost")
        port = server.server_port
        yield SimpleNamespace(url=f"{scheme}://{host}:{port}", port=port, paths=paths, server=server)


def page(status, body=b"", kind="text/html", **headers):
    """An answer for `web_server`."""

    def answer(handler):
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body)

    return answer


@contextmanager
def folder_server(folder):
    """What `python -m http.server` does."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_details):
            pass

    with running(partial(Handler, directory=str(folder))) as server:
        yield f"http://127.0.0.1:{server.server_port}"


@contextmanager
def silent_server(first=b"", drop=b""):
    """Takes connections and reads; says `first`, then `drop` for ever, or nothing."""
    listener = socket.create_server(("127.0.0.1", 0))
    closing = threading.Event()
    threads, connections = [], []

    def serve(connection):
        try:
            connection.recv(65536)
            connection.sendall(first)
            while not closing.wait(0.05):
                connection.sendall(drop)
        except OSError:
            pass  # the client hung up

    def accept():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connections.append(connection)
            threads.append(threading.Thread(target=serve, args=(connection,)))
            threads[-1].start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        closing.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join()
        for connection in connections:
            connection.close()
        for thread in threads:
            thread.join()
