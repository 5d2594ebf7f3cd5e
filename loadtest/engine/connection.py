"""How the target is reached: the same for the questions before a run and for its load.

with classifier_for(target) as classifier:
    classifier.contract()
connection_settings_for(target)                    # for the transports
proxy_between(target)                 # "proxy.example:3128", or None
"""

from __future__ import annotations

import os

from loadtest.errors import TargetError
from loadtest.scenario.schema import TargetSettings
from slipway.client import Classifier, KeepAlive, RetryPolicy, Tls
from slipway.client.wire import ConnectionSettings, connection_settings, parse_address, proxy_for

__all__ = ["classifier_for", "connection_settings_for", "proxy_between", "token_of"]

_LEAST_TIMEOUT_S = 5.0


def connection_settings_for(target: TargetSettings) -> ConnectionSettings:
    """Certificates, headers and the rest, for a transport of the load test.

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
    """A client that asks once and patiently.

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
    """Host and port of the proxy that the environment puts before the target.

    Raises:
        InvalidAddress: The environment names one that cannot be used.
    """
    proxy = proxy_for(parse_address(target.url))
    return None if proxy is None else str(proxy)


def token_of(target: TargetSettings) -> str | None:
    """The bearer token, out of the environment.

    Raises:
        TargetError: The variable is not set.
    """
    if target.token_env is None:
        return None
    if target.token_env not in os.environ:
        raise TargetError(f"target.token_env: expected a token in the variable {target.token_env}, it is not set")
    return os.environ[target.token_env].strip()


def _tls(target: TargetSettings) -> Tls | None:
    if not parse_address(target.url).secure:
        return None
    return Tls(ca_file=target.ca_file, certificate_file=target.certificate_file, key_file=target.key_file)


def _keepalive(target: TargetSettings) -> KeepAlive | None:
    return None if target.keepalive_s is None else KeepAlive(interval_s=target.keepalive_s)
