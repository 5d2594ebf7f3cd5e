"""Deployment: values files from a measured capacity, and promotion of versions on a cluster."""

__all__: list[str] = []
