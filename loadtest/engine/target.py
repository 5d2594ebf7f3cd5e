"""Any process: how the target is reached, for the questions before a run and for its load.

facts, contract = inspect(scenario.target)      # it answers: a test of nothing is worse than no test
metrics_url(scenario.target)
connection_settings_for(scenario.target)        # for the transports
proxy_between(scenario.target)                  # "proxy.example:3128", or None
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import numpy as np

from loadtest.errors import TargetError, TargetUnknown
from loadtest.scenario.schema import TargetSettings
from slipway.client import (
    Classifier,
    ClientError,
    InvalidAddress,
    KeepAlive,
    ModelNotFound,
    RetryPolicy,
    Tls,
    UnsupportedModel,
)
from slipway.client.wire import ConnectionSettings, connection_settings, parse_address, proxy_for
from slipway.contract import ModelContract
from slipway.verdict import TargetFacts

__all__ = ["AUTO", "connection_settings_for", "inspect", "metrics_url", "proxy_between", "send_blanks"]

AUTO = "auto"
"""Metrics address that stands for Triton's default port on a local target."""
_METRICS_PORT = 8002  # Triton's default

_LEAST_TIMEOUT_S = 5.0


def connection_settings_for(target: TargetSettings) -> ConnectionSettings:
    """Connection settings for a transport of the load test.

    Raises:
        TargetError: The token is not in the environment.
        ValueError: A file or a header cannot be used.
    """
    return connection_settings(
        tls=_tls(target),
        token=token_of(target),
        headers=target.headers,
        authority=target.authority,
        keepalive=_keepalive(target),
    )


def classifier_for(target: TargetSettings) -> Classifier:
    """A client without retries and with a long time-out.

    Raises:
        TargetError: The token is not in the environment.
        ValueError: A file or a header cannot be used.
    """
    return Classifier(
        target.url,
        model=target.model,
        version=target.version,
        timeout_s=max(target.timeout_s, _LEAST_TIMEOUT_S),
        retry=RetryPolicy(max_attempts=1),
        tls=_tls(target),
        token=token_of(target),
        headers=target.headers,
        authority=target.authority,
        keepalive=_keepalive(target),
    )


def proxy_between(target: TargetSettings) -> str | None:
    """Host and port of the proxy that the environment sets for the target.

    Raises:
        InvalidAddress: The proxy's address in the environment is invalid.
    """
    proxy = proxy_for(parse_address(target.url))
    return None if proxy is None else str(proxy)


def token_of(target: TargetSettings) -> str | None:
    """The bearer token from the environment.

    Raises:
        TargetError: The variable is not set.
    """
    if target.token_env is None:
        return None
    if target.token_env not in os.environ:
        raise TargetError(f"target.token_env: expected a token in the variable {target.token_env}, which is unset")
    return os.environ[target.token_env].strip()


def _tls(target: TargetSettings) -> Tls | None:
    if not parse_address(target.url).secure:
        return None
    return Tls(ca_file=target.ca_file, certificate_file=target.certificate_file, key_file=target.key_file)


def _keepalive(target: TargetSettings) -> KeepAlive | None:
    return None if target.keepalive_s is None else KeepAlive(interval_s=target.keepalive_s)


def inspect(target: TargetSettings) -> tuple[TargetFacts, ModelContract]:
    """Query what the target serves, and send one blank image.

    Raises:
        TargetUnknown: It has no such model or version.
        TargetError: The connection fails, or the model is not ready.
    """
    with _translated(), classifier_for(target) as classifier:
        contract = classifier.contract()
        answer = classifier.predict(np.zeros(contract.image_shape, np.uint8))
    facts = TargetFacts(
        url=target.url,
        protocol=parse_address(target.url).protocol,
        model=contract.name,
        version=answer.model_version,
        labels=len(contract.labels),
        max_batch_size=contract.max_batch_size,
    )
    return facts, contract


def send_blanks(target: TargetSettings, count: int) -> None:
    """Send `count` requests with a blank image, and wait for the responses.

    Raises:
        TargetError: One fails.
    """
    with _translated(), classifier_for(target) as classifier:
        blank = np.zeros(classifier.contract().image_shape, np.uint8)
        for _ in range(count):
            classifier.predict(blank)


def metrics_url(target: TargetSettings) -> str | None:
    """URL of Triton's metrics; None if the scenario disables them, or the target is remote and none was given."""
    if target.metrics_url != AUTO:
        return target.metrics_url
    if not parse_address(target.url).local:
        return None
    return f"http://{urlsplit(target.url).hostname}:{_METRICS_PORT}/metrics"


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (ModelNotFound, UnsupportedModel) as exc:
        raise TargetUnknown(f"{exc}; set the model with --model") from exc
    except InvalidAddress as exc:
        raise TargetUnknown(f"target: {exc}") from exc
    except ClientError as exc:
        raise TargetError(
            f"nothing was measured, the target does not answer: {exc}; start it (slipway serve), "
            f"or choose another with --url"
        ) from exc
    except ValueError as exc:
        raise TargetUnknown(f"target: {exc}") from exc
