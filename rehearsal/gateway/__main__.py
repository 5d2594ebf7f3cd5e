"""`python -m rehearsal.gateway --cluster FOLDER`: see the package."""

from __future__ import annotations

from rehearsal.background import run_background
from rehearsal.gateway.feed import run_gateway

if __name__ == "__main__":
    run_background("rehearsal.gateway", lambda connection, _: run_gateway(connection))
