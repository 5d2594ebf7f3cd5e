"""Which faults are tried again, how often, and within which time."""

import threading
import time

import grpc
import pytest

from slipway.client import (
    Classifier,
    ClientError,
    DeadlineExceeded,
    InvalidRequest,
    ModelLoadFailed,
    ModelNotFound,
    ModelNotReady,
    RetryPolicy,
    ServerDraining,
    ServerError,
    ServerOverloaded,
    ServerUnavailable,
    Unauthenticated,
)
from slipway.client._core import Core
from slipway.client._operations import IsModelReady
from slipway.client._retry import Deadline, jittered_pause_s
from slipway.client._transport_failures import FailureKind

Code = grpc.StatusCode
QUICK = RetryPolicy(max_attempts=3, base_backoff_s=0.001, max_backoff_s=0.001)

RETRIED = {
    "queue-full": ((Code.UNAVAILABLE, 503, "[request id: <id_unknown>] Exceeds maximum queue size"), ServerOverloaded),
    "queue-timeout": ((Code.UNAVAILABLE, 503, "Request timeout expired"), ServerOverloaded),
    "rate-limit": ((Code.RESOURCE_EXHAUSTED, 429, "slow down"), ServerOverloaded),
    "stopping": (
        (Code.UNAVAILABLE, 503, "Server is stopping, scheduler for model has stopped accepting new requests"),
        ServerDraining,
    ),
    "cancelled-by-server": ((Code.CANCELLED, 499, "cancelled"), ServerDraining),
    "idle-connection-ended": ((Code.UNAVAILABLE, 408, "Socket closed"), ServerDraining),
    "stream-reset": (
        (Code.INTERNAL, 499, "Stream removed (RST_STREAM (Received RST_STREAM with error code 2))"),
        ServerDraining,
    ),
    "stream-removed": ((Code.UNKNOWN, 499, "Stream removed"), ServerDraining),
    "connection-lost": ((Code.UNAVAILABLE, 0, "Socket closed"), ServerDraining),
    "no-backend": ((Code.UNAVAILABLE, 502, "failed to connect to all addresses"), ServerUnavailable),
    "unknown-host": ((Code.UNAVAILABLE, 502, "errors resolving nowhere:8001: not found"), ServerUnavailable),
    "unknown-host-of-old": ((Code.UNAVAILABLE, 502, "DNS resolution failed for nowhere:8001"), ServerUnavailable),
    "server-loading": ((Code.UNAVAILABLE, 503, "Server not ready"), ModelNotReady),
    "shutting-down": (
        (Code.UNAVAILABLE, 503, "GRPC server is shutting down and has stopped accepting new requests"),
        ServerDraining,
    ),
    "gateway-timeout": ((Code.UNAVAILABLE, 504, "Request timeout expired"), ServerOverloaded),
    "version-loading": (
        (Code.UNAVAILABLE, 503, "Request for unknown model: 'mnist' version 1 is not at ready state"),
        ModelNotReady,
    ),
    "no-versions": (
        (Code.NOT_FOUND, 404, "Request for unknown model: 'mnist' has no available versions"),
        ModelNotReady,
    ),
}

FINAL = {
    "bad-request": ((Code.INVALID_ARGUMENT, 400, "[request id: <id_unknown>] unexpected shape"), InvalidRequest),
    "too-large": ((Code.RESOURCE_EXHAUSTED, 413, "message larger than max"), InvalidRequest),
    "no-token": ((Code.UNAUTHENTICATED, 401, "who are you"), Unauthenticated),
    "forbidden": ((Code.PERMISSION_DENIED, 403, "not you"), Unauthenticated),
    "restricted": ((Code.UNAVAILABLE, 503, "This protocol is restricted, expecting header 'x'"), Unauthenticated),
    "backend-failed": ((Code.INTERNAL, 500, "Stub process 'mnist_0_0' is not healthy."), ServerError),
    "not-triton": ((Code.UNIMPLEMENTED, 501, "unknown service"), ServerError),
}


@pytest.mark.parametrize("fault", [fault for fault, _ in RETRIED.values()], ids=RETRIED)
def test_passing_fault_is_survived(fake, digits, fault):
    fake.fail(*fault, times=2)
    with Classifier(fake.url, model="mnist", retry=QUICK) as classifier:
        assert ("4",) == classifier.predict(digits([4])).labels
    assert 3 == fake.asked["infer"]


@pytest.mark.parametrize(("fault", "error"), RETRIED.values(), ids=RETRIED)
def test_lasting_fault_is_raised_by_its_name_with_every_try(fake, digits, fault, error):
    fake.fail(*fault)
    with Classifier(fake.url, model="mnist", retry=QUICK) as classifier, pytest.raises(ClientError) as caught:
        classifier.predict(digits([4]))

    assert error is type(caught.value)
    assert "tried 3 times" in str(caught.value)
    assert [error.__name__] * 3 == [attempt.error for attempt in caught.value.attempts]
    assert 3 == fake.asked["infer"]


@pytest.mark.parametrize(("fault", "error"), FINAL.values(), ids=FINAL)
def test_fault_that_a_repeat_cannot_cure_is_raised_at_once(fake, digits, fault, error):
    fake.fail(*fault)
    with Classifier(fake.url, model="mnist", retry=QUICK) as classifier, pytest.raises(ClientError) as caught:
        classifier.predict(digits([4]))

    assert error is type(caught.value)
    assert fault[2].removeprefix("[request id: <id_unknown>] ") in str(caught.value)
    assert caught.value.status in (fault[0].name, str(fault[1]))
    assert 1 == fake.asked["infer"] == len(caught.value.attempts)


def test_a_refused_connection_is_said_with_the_way_out(silent_url, digits):
    with (
        Classifier(silent_url, model="mnist", retry=QUICK) as classifier,
        pytest.raises(
            ServerUnavailable, match=r"Connection refused; is the server running\? .*tried 3 times"
        ) as caught,
    ):
        classifier.predict(digits([1]))

    assert ServerUnavailable is type(caught.value)


NOT_FOUND = {
    "nothing": ([], ModelNotFound, "the server has no model of this name, it has: none at all"),
    "wrong-name": ([{"name": "cifar"}, {"name": "iris"}], ModelNotFound, "it has: cifar, iris"),
    "not-loaded": ([{"name": "mnist"}], ModelNotReady, "in its repository but has not loaded it"),
    "loading": ([{"name": "mnist", "version": "1", "state": "LOADING"}], ModelNotReady, "is loading the model"),
    "unloading": ([{"name": "mnist", "version": "1", "state": "UNLOADING"}], ModelNotReady, "is unloading the model"),
    "unloaded": (
        [{"name": "mnist", "version": "1", "state": "UNAVAILABLE", "reason": "unloaded"}],
        ModelNotReady,
        "has not loaded it",
    ),
    "load-failed": (
        [{"name": "mnist", "version": "1", "state": "UNAVAILABLE", "reason": "Internal: bad protobuf\nAt:\n  x.py"}],
        ModelLoadFailed,
        "could not load version 1: Internal: bad protobuf; its log",
    ),
    "ready-again": (
        [{"name": "mnist", "version": "1", "state": "READY"}],
        ModelNotReady,
        "not ready when the request arrived",
    ),
}


@pytest.mark.parametrize(("states", "error", "message"), NOT_FOUND.values(), ids=NOT_FOUND)
def test_not_found_is_told_apart_by_the_list_of_models(fake, digits, states, error, message):
    fake.fail(Code.NOT_FOUND, 404, "Request for unknown model: 'mnist' is not found")
    fake.states = states
    with Classifier(fake.url, model="mnist", retry=QUICK) as classifier, pytest.raises(ClientError) as caught:
        classifier.predict(digits([1]))

    assert error is type(caught.value)
    assert message in str(caught.value)
    assert (3 if error is ModelNotReady else 1) == fake.asked["infer"]


def test_version_that_the_server_lacks_is_named_with_those_it_has(fake, digits):
    fake.fail(Code.NOT_FOUND, 404, "Request for unknown model: 'mnist' version 7 is not found")
    with (
        Classifier(fake.url, model="mnist", version=7, retry=QUICK) as classifier,
        pytest.raises(ModelNotFound, match=r"model 'mnist' version 7 at .* has no version 7 there, it has: 1"),
    ):
        classifier.predict(digits([1]))


def test_not_found_without_a_list_of_models_is_a_wrong_name(fake, digits):
    fake.fail(Code.NOT_FOUND, 404, "Not Found")
    fake.listing_fault = (Code.UNIMPLEMENTED, 404, "Not Found")
    with (
        Classifier(fake.url, model="mnist", retry=QUICK) as classifier,
        pytest.raises(ModelNotFound, match="model not found: Not Found"),
    ):
        classifier.predict(digits([1]))


def test_server_that_forgets_its_models_while_it_shuts_down_is_draining(fake, digits):
    fake.fail(Code.NOT_FOUND, 404, "Request for unknown model: 'mnist' is not found")
    fake.listing_fault = (Code.UNAVAILABLE, 0, "Socket closed")
    with Classifier(fake.url, model="mnist", retry=QUICK) as classifier, pytest.raises(ServerDraining):
        classifier.predict(digits([1]))

    assert 3 == fake.asked["infer"]


def test_contract_is_asked_again_while_the_model_loads(fake, digits):
    fake.config_fault = (Code.NOT_FOUND, 404, "Request for unknown model: 'mnist' has no available versions")
    fake.states = [{"name": "mnist", "version": "1", "state": "LOADING"}]
    with Classifier(fake.url, model="mnist", retry=QUICK) as classifier, pytest.raises(ModelNotReady):
        classifier.predict(digits([1]))

    assert 3 == fake.asked["config"]


def test_refused_request_makes_the_next_call_learn_the_contract_anew(fake, digits):
    with Classifier(fake.url, model="mnist") as classifier:
        classifier.predict(digits([1]))
        fake.fail(Code.INVALID_ARGUMENT, 400, "batch-size must be <= 8", times=1)
        with pytest.raises(InvalidRequest):
            classifier.predict(digits([1]))
        classifier.predict(digits([1]))

    assert 2 == fake.asked["config"]


def test_known_model_without_versions_is_not_ready_even_without_a_list_of_models(fake, digits):
    fake.fail(Code.NOT_FOUND, 404, "Request for unknown model: 'mnist' has no available versions")
    fake.listing_fault = (Code.UNAVAILABLE, 403, "This protocol is restricted, expecting header 'x'")
    with (
        Classifier(fake.url, model="mnist", retry=QUICK) as classifier,
        pytest.raises(ModelNotReady, match=r"the model is not ready: .* has no available versions"),
    ):
        classifier.predict(digits([1]))


def test_swapped_ports_are_guessed(unserved, open_grpc, open_http, digits):
    swapped = {
        open_grpc(unserved).replace("grpc://", "http://"): "is this Triton's HTTP port",
        open_http(unserved).replace("http://", "grpc://"): "is this Triton's gRPC port",
    }
    for url, hint in swapped.items():
        with Classifier(url, model="mnist", retry=QUICK) as classifier, pytest.raises(ServerUnavailable, match=hint):
            classifier.predict(digits([1]))


@pytest.mark.parametrize("slow", ["config", "infer"])
def test_slow_server_is_given_up_at_the_deadline(fake, digits, slow):
    held = fake.hold(slow)
    with (
        Classifier(fake.url, model="mnist", timeout_s=1) as classifier,
        pytest.raises(DeadlineExceeded, match=r"no answer within 1 s \(waiting for the response\)") as caught,
    ):
        classifier.predict(digits([1]))

    assert isinstance(caught.value, TimeoutError)
    assert 1 == len(caught.value.attempts)
    assert not held.is_set()


def test_answer_that_drips_is_given_up_at_the_deadline(unserved, open_http, digits):
    with Classifier(open_http(unserved), model="mnist", timeout_s=0.3) as classifier:
        classifier.contract(timeout_s=5)
        unserved.drip_s = 0.03  # far within httpx's timeout for each read, 5 s for all bytes
        with pytest.raises(DeadlineExceeded):
            classifier.predict(digits([1]))


def test_deadline_covers_all_chunks_together(fake, digits):
    fake.delay_s = 0.1
    with Classifier(fake.url, model="mnist", timeout_s=0.35) as classifier, pytest.raises(DeadlineExceeded):
        classifier.predict(digits(range(160)))  # ten requests

    assert 2 <= fake.asked["infer"] <= 4


def test_pause_that_would_pass_the_deadline_is_not_begun(fake, digits):
    fake.fail(Code.UNAVAILABLE, 503, "Exceeds maximum queue size")
    patient = RetryPolicy(base_backoff_s=1e9, max_backoff_s=1e9)
    with Classifier(fake.url, model="mnist", retry=patient) as classifier, pytest.raises(ServerOverloaded) as caught:
        classifier.predict(digits([1]))

    assert 1 == len(caught.value.attempts)


def test_retry_budget_is_shared_by_all_calls_and_refilled_by_them(fake, digits):
    fake.fail(Code.UNAVAILABLE, 503, "Exceeds maximum queue size")
    policy = RetryPolicy(max_attempts=3, base_backoff_s=0, max_backoff_s=0, budget_burst=3, budget_ratio=0.5)
    errors = []
    with Classifier(fake.url, model="mnist", retry=policy) as classifier:
        for _ in range(5):
            with pytest.raises(ServerOverloaded) as caught:
                classifier.predict(digits([1]))
            errors.append(caught.value)

    # Tokens before each call's retries: 3, 1.5, 1, 0.5, 1.
    assert [3, 2, 2, 1, 2] == [len(error.attempts) for error in errors]
    assert "retry budget exhausted: too many calls of this client failed recently" in str(errors[3])


def test_budget_of_nothing_forbids_every_retry(fake, digits):
    fake.fail(Code.UNAVAILABLE, 503, "Exceeds maximum queue size", times=1)
    policy = RetryPolicy(budget_burst=0)
    with Classifier(fake.url, model="mnist", retry=policy) as classifier, pytest.raises(ServerOverloaded):
        classifier.predict(digits([1]))


def test_wish_of_the_server_to_be_left_alone_is_respected(fake, digits):
    fake.retry_after_s = 30  # longer than the call may take, so there is no second try
    fake.fail(Code.UNAVAILABLE, 429, "Exceeds maximum queue size")
    with Classifier(fake.url, model="mnist", retry=QUICK) as classifier, pytest.raises(ServerOverloaded):
        classifier.predict(digits([1]))

    assert (1 if fake.url.startswith("http") else 3) == fake.asked["infer"]


def test_pauses_are_drawn_evenly_below_a_doubling_bound():
    policy = RetryPolicy(base_backoff_s=0.1, max_backoff_s=0.5)
    drawn = {failures: [jittered_pause_s(policy, failures) for _ in range(2000)] for failures in (1, 2, 3, 4, 9)}

    for failures, bound_s in {1: 0.1, 2: 0.2, 3: 0.4, 4: 0.5, 9: 0.5}.items():
        assert 0 <= min(drawn[failures]) < 0.1 * bound_s
        assert 0.9 * bound_s < max(drawn[failures]) <= bound_s


def test_once_the_deadline_has_passed_no_request_is_sent():
    core = Core("grpc://x:1", model="m", version="", retry=QUICK, event=threading.Event, max_age_s=1, max_batch_size=1)
    passed = Deadline(0.001)
    while passed.remaining_s() > 0:
        time.sleep(0.001)
    with pytest.raises(StopIteration) as ended:
        next(core._request(IsModelReady("m", ""), passed))

    assert FailureKind.DEADLINE is ended.value.value.kind
    assert isinstance(ended.value.value.error, DeadlineExceeded)
