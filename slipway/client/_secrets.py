"""What a request carried in confidence never comes back in a message: a server may repeat it in its answer."""

from __future__ import annotations

import traceback
from collections.abc import Collection
from dataclasses import replace

from slipway.client._faults import Fault

__all__ = ["conceal"]

_HIDDEN = "***"
_SHORTEST = 4
"""Characters of a secret that say nothing; a cut text may end with a part of one."""


def conceal(fault: Fault, secrets: Collection[str]) -> Fault:
    """Take tokens and values of headers out of a fault's words, and drop a cause whose traceback shows one.

    Args:
        fault: Why a question got no answer.
        secrets: What was sent; those shorter than four characters are passed over.
    """
    long_enough = sorted((secret for secret in secrets if len(secret) >= _SHORTEST), key=len, reverse=True)
    if not long_enough:
        return fault
    cause = fault.cause
    if cause is not None and _shows(cause, long_enough):
        cause = None
    return replace(fault, text=_hidden(fault.text, long_enough), cause=cause)


def _hidden(text: str, secrets: list[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, _HIDDEN)
    body = text.rstrip("…'\" )")
    for secret in secrets:
        for length in range(len(secret) - 1, _SHORTEST - 1, -1):
            if body.endswith(secret[:length]):
                return body[:-length] + _HIDDEN + text[len(body) :]
    return text


def _shows(exc: BaseException, secrets: list[str]) -> bool:
    text = "".join(traceback.format_exception(exc))
    return any(secret in text for secret in secrets)
