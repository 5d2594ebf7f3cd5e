"""Every error of the client as a value."""

import copy
import pickle

import pytest

import slipway.client
from slipway.client import Attempt, ClientError
from slipway.errors import SlipwayError

ERRORS = [
    getattr(slipway.client, name)
    for name in slipway.client.__all__
    if issubclass(getattr(slipway.client, name), ClientError)
]
ATTEMPTS = (Attempt(error="ServerOverloaded", text="queue", after_s=0.1),)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
@pytest.mark.parametrize("copied", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))], ids=["copy", "pickle"])
def test_error_travels_with_all_its_data(error, copied):
    arrived = copied(error("no", status="UNAVAILABLE", attempts=ATTEMPTS))

    assert (error, "no", "UNAVAILABLE", ATTEMPTS) == (type(arrived), str(arrived), arrived.status, arrived.attempts)
    assert isinstance(arrived, SlipwayError)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_error_is_drawn_in_the_tree(error):
    assert f"- {error.__name__} " in slipway.client._errors.__doc__.replace("* ClientError", "- ClientError ")
