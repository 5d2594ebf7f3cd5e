"""Remove keys and passwords from URLs, from messages of back ends, and from tracebacks.

shown_url("https://user:pw@host/models")      # "https://***@host/models"
Secrets.of(url).scrubbed(str(exc))            # the text without secrets
"""

from __future__ import annotations

import base64
import os
import re
import traceback
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import unquote

HIDDEN = "***"
_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)(?:(?P<user>[^/?#]*)@)?(?P<place>[^?#]*)(?P<rest>.*)", re.DOTALL
)
_VARIABLES = (
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_CLIENT_SECRET",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_CONNECTION_STRING",
    "AZURE_STORAGE_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
)
_SHORTEST = 4
"""Shorter secrets occur in ordinary words by chance: a text that may contain one is omitted as a whole."""


def userinfo(url: str) -> str:
    """The user information before the `@` of a URL's host; empty if there is none."""
    match = _URL.fullmatch(url)
    return (match["user"] or "") if match else ""


def shown_url(url: str) -> str:
    """A URL for messages: without password, and without query and fragment values, which may hold a signature."""
    match = _URL.fullmatch(url)
    if match is None:
        return url
    user = match["user"]
    if user is None:
        shown = ""
    elif ":" in user or match["scheme"].lower() in {"http://", "https://"}:
        shown = f"{HIDDEN}@"
    else:
        shown = f"{user}@"  # an Azure container, or a user name without password
    return match["scheme"] + shown + match["place"] + (match["rest"][:1] + HIDDEN if match["rest"] else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """Texts to hide. `words` are longest first, so that no part of one remains."""

    words: tuple[str, ...] = field(repr=False)

    @classmethod
    def of(cls, url: str) -> Self:
        """The secrets in a URL and in the environment."""
        words = {os.environ.get(name, "") for name in _VARIABLES}
        match = _URL.fullmatch(url)
        if match is not None:
            words |= _of_user(match["user"] or "") | _of_query(match["rest"])
        return cls(words=tuple(sorted(words - {""}, key=len, reverse=True)))

    def scrubbed(self, text: str) -> str:
        """The text with `***` in place of each."""
        for word in self.words:
            if word in text and len(word) < _SHORTEST:
                return HIDDEN
            text = text.replace(word, HIDDEN)
        return text

    def shows_none(self, exc: BaseException) -> bool:
        """Whether a traceback of an exception and its causes contains no secret."""
        text = "".join(traceback.format_exception(exc))
        return not any(word in text for word in self.words)


def _of_user(user: str) -> set[str]:
    name, colon, password = user.partition(":")
    words = {user, password, unquote(password), unquote(user)} if colon else {user, unquote(user)}
    both = f"{unquote(name)}:{unquote(password)}".encode()
    return words | ({base64.b64encode(both).decode()} if user else set())


def _of_query(rest: str) -> set[str]:
    values = {pair.partition("=")[2] or pair for pair in re.split(r"[?&#;]", rest)}
    return values | {unquote(value) for value in values}
