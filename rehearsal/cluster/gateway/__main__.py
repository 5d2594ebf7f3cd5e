"""`python -m rehearsal.cluster.gateway --cluster FOLDER`: see the package."""

from __future__ import annotations

from rehearsal.cluster.background import run_background
from rehearsal.cluster.gateway.envoy_updates import run_gateway

if __name__ == "__main__":
    run_background("rehearsal.cluster.gateway", lambda connection, _: run_gateway(connection))
