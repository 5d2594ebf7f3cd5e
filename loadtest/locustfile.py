"""For the `locust` command: `locust -f loadtest/locustfile.py --scenario steady`, with all of Locust's own options.

Locust comes first: importing it prepares Python's sockets for gevent.
"""

from locust import events  # isort: skip

import sys
from pathlib import Path

# Locust puts the working folder first on Python's path, and there may be another package `loadtest`.
_HOME = str(Path(__file__).resolve().parents[1])
sys.path.insert(0, _HOME)
try:
    from loadtest.engine.locust_plugin import install
    from loadtest.engine.user import ClassifierUser
finally:
    sys.path.remove(_HOME)

__all__ = ["ClassifierUser"]

install(events)
