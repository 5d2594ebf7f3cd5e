"""A few clients that ask a service through the gateway, one request after another, and count.

with asking(service, clients=3) as traffic:
    ...
assert [] == traffic.failures
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from tests.cluster.service import Service

_QUESTION = {"inputs": [{"name": "image", "shape": [1, 28, 28, 1], "datatype": "UINT8", "data": [7] * 784}]}


@dataclass
class Traffic:
    """What came of the requests so far."""

    answers: int = 0
    failures: list[str] = field(default_factory=list)


@contextmanager
def asking(service: Service, *, clients: int) -> Iterator[Traffic]:
    """Ask until the block ends; what is under way then is answered first."""
    traffic, end = Traffic(), threading.Event()
    url, host = service.kube.connection.gateway_url, service.host

    def ask() -> None:
        with httpx.Client(base_url=url, headers={"Host": host}, timeout=20, trust_env=False) as client:
            while not end.is_set():
                try:
                    answer = client.post("/v2/models/mnist/infer", json=_QUESTION)
                except httpx.HTTPError as exc:
                    traffic.failures.append(repr(exc))
                    continue
                if answer.is_success:
                    traffic.answers += 1
                else:
                    traffic.failures.append(f"{answer.status_code} {answer.text[:200]}")

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield traffic
    finally:
        end.set()
        for thread in threads:
            thread.join()
