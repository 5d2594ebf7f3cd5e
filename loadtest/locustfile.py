"""Master and workers: `locust -f loadtest/locustfile.py --scenario steady`, with all of Locust's own options.

Locust is imported first: it patches Python's sockets for gevent.
"""

from locust import User, events, task  # isort: skip

import sys
from pathlib import Path

from locust.exception import StopUser

# Locust puts the working folder first on Python's path, and there may be another package `loadtest`.
_HOME = str(Path(__file__).resolve().parents[1])
sys.path.insert(0, _HOME)
try:
    from loadtest.engine.locust_plugin import install, running_generator
finally:
    sys.path.remove(_HOME)

__all__ = ["ClassifierUser"]


class ClassifierUser(User):  # type: ignore[misc] # Locust is taken as untyped
    """Sends the scenario's requests over the protocol of its target's URL.

    The number of users limits the requests in flight; the scenario sets the rate. In a closed loop the users are the
    load.
    """

    @task  # type: ignore[untyped-decorator]
    def serve(self) -> None:
        """Send requests until the run is over."""
        generator = running_generator(self.environment)
        if generator is not None:
            generator.serve()
        raise StopUser


install(events)
