"""From what was measured to what runs on a cluster."""

__all__: list[str] = []
