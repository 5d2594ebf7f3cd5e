"""A TCP relay in front of a server: it can forget its connections, end them, and go on with another server."""

from __future__ import annotations

import contextlib
import socket
import threading


class Relay:
    """Listens on a free port of 127.0.0.1 and passes bytes to `upstream`, the port of a server here."""

    def __init__(self, upstream):
        self.upstream = upstream
        self.opened = 0
        self._pairs = []  # (client, server, whether it is remembered)
        self._lock = threading.Lock()
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self._listening.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def forget(self):
        """Pass nothing on any more over the connections that there are, and say so to nobody."""
        with self._lock:
            for pair in self._pairs:
                pair["remembered"] = False

    def cut(self):
        """End the connections that there are."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            self._end(pair)

    def switch(self, upstream):
        """Go on with another server."""
        with self._lock:
            self.upstream = upstream
        self.cut()

    def close(self):
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._threads[0].join()
        self.cut()
        for thread in self._threads:
            thread.join()

    def _accept(self):
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            upstream = self.upstream
            try:
                server = socket.create_connection(("127.0.0.1", upstream))
            except OSError:
                client.close()
                continue
            pair = {"client": client, "server": server, "remembered": True}
            with self._lock:
                replaced = upstream != self.upstream  # `switch` has ended the others, and did not know of this one
                self.opened += 1
                if not replaced:
                    self._pairs.append(pair)
            if replaced:
                self._end(pair)
                continue
            for source, sink in ((client, server), (server, client)):
                self._threads.append(threading.Thread(target=self._pass, args=(pair, source, sink)))
                self._threads[-1].start()

    def _pass(self, pair, source, sink):
        with contextlib.suppress(OSError):
            while content := source.recv(65536):
                if pair["remembered"]:
                    sink.sendall(content)
        if pair["remembered"]:
            self._end(pair)

    @staticmethod
    def _end(pair):
        for end in (pair["client"], pair["server"]):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
