"""The Locust user: one place in flight. It takes what is due, sends it, and takes the next."""

from __future__ import annotations

from locust import User, task
from locust.exception import StopUser

from loadtest.engine.locust_plugin import running_generator

__all__ = ["ClassifierUser"]


class ClassifierUser(User):  # type: ignore[misc] # Locust is taken as untyped
    """Sends the scenario's requests over the protocol of its target's URL.

    The number of users bounds how many requests are under way at once; how many are offered is the scenario's matter.
    In a closed loop the users are the load.
    """

    @task  # type: ignore[untyped-decorator]
    def serve(self) -> None:
        """Until the run is over."""
        generator = running_generator(self.environment)
        if generator is not None:
            generator.serve()
        raise StopUser
