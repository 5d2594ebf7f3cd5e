"""For the `locust` command: `locust -f loadtest/locustfile.py --scenario steady`, with all of Locust's own options.

Locust comes first: importing it prepares Python's sockets for gevent.
"""

from locust import events  # isort: skip

from loadtest.hooks import install
from loadtest.users import ClassifierUser

__all__ = ["ClassifierUser"]

install(events)
