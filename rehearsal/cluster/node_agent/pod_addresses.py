"""A loopback address for each running pod.

addresses = PodAddresses("127.64")
addresses.take()               # 127.64.1.1
"""

from __future__ import annotations

import threading
from itertools import chain, product

from rehearsal.errors import ClusterError

__all__ = ["PodAddresses"]

_HOSTS = tuple(product(range(1, 255), range(1, 255)))


class PodAddresses:
    """The addresses `<network>.1.1` to `<network>.254.254`.

    They are given out in turn, so that the address of a pod that is gone rests before another pod gets it: clients
    keep connections, and Prometheus series, for a while.
    """

    def __init__(self, network: str) -> None:
        self._network = network
        self._taken: set[str] = set()
        self._next = 0
        self._lock = threading.Lock()

    def take(self, preferred: str | None = None) -> str:
        """An address that no other pod has.

        Args:
            preferred: The one that the pod had; given back to it unless another pod has it, or it is not ours.

        Raises:
            ClusterError: All of them are taken.
        """
        with self._lock:
            if preferred and preferred.startswith(f"{self._network}.") and preferred not in self._taken:
                self._taken.add(preferred)
                return preferred
            for place in chain(range(self._next, len(_HOSTS)), range(self._next)):
                third, fourth = _HOSTS[place]
                address = f"{self._network}.{third}.{fourth}"
                if address not in self._taken:
                    self._next = (place + 1) % len(_HOSTS)
                    self._taken.add(address)
                    return address
        raise ClusterError(f"all {len(_HOSTS)} addresses for pods in {self._network}.0.0/16 are taken: delete pods")

    def release(self, address: str) -> None:
        """Release an address."""
        with self._lock:
            self._taken.discard(address)
