"""Who may use the doors of tritonserver that change it.

Whoever may load a model runs code: `POST /v2/repository/models/x/load` takes the files of a Python model. Shared
memory, trace and log settings read and write this machine. tritonserver closes them all to who does not send a key.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

__all__ = ["AdminKey"]

_HEADER = "slipway-admin"
_GRPC_PREFIX = "triton-grpc-protocol-"  # tritonserver puts it before the name that its option gives
_CLOSED = "model-repository,shared-memory,trace,logging"


def _new_secret() -> str:
    return secrets.token_hex(16)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminKey:
    """The key to one tritonserver, new at each start of one.

    tritonserver takes it on its command line only, which other users of the machine can read: see SECURITY.md.

    Attributes:
        secret: What `repr` does not show.
    """

    secret: str = field(default_factory=_new_secret, repr=False)

    @property
    def arguments(self) -> tuple[str, ...]:
        """For tritonserver's command line."""
        restricted = f"{_CLOSED}:{_HEADER}={self.secret}"
        return (f"--http-restricted-api={restricted}", f"--grpc-restricted-protocol={restricted}")

    @property
    def http_headers(self) -> dict[str, str]:
        """What an HTTP request sends along."""
        return {_HEADER: self.secret}

    @property
    def grpc_metadata(self) -> dict[str, str]:
        """What a gRPC call sends along."""
        return {f"{_GRPC_PREFIX}{_HEADER}": self.secret}
