"""The loads: how many images in a request, on how many connections, over what."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["GRPC", "HTTP", "LARGE", "Row"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One kind of load.

    Attributes:
        name: In results.
        transport: http or grpc.
        images: In one request.
        connections: Each with one request in flight.
    """

    name: str
    transport: str
    images: int
    connections: int

    @property
    def title(self) -> str:
        """For a table's head."""
        many = f"{self.images} images, " if self.images > 1 else ""
        return f"{many}c={self.connections}"


HTTP = (
    Row(name="http-c1", transport="http", images=1, connections=1),
    Row(name="http-c16", transport="http", images=1, connections=16),
    Row(name="http-c64", transport="http", images=1, connections=64),
    Row(name="http-16-images-c4", transport="http", images=16, connections=4),
)
LARGE = Row(name="http-32-images-c1", transport="http", images=32, connections=1)
GRPC = (
    Row(name="grpc-c4", transport="grpc", images=1, connections=4),
    Row(name="grpc-c64", transport="grpc", images=1, connections=64),
)
