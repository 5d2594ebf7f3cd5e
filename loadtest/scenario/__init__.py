"""Scenarios: target, arrivals, payload and objectives, read from YAML and turned into a schedule."""
