"""Open a URL with fsspec: S3, Google Cloud Storage, and its other back ends.

with open_store("s3://models/prod", console) as store:
    store.sizes()
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fsspec.core import url_to_fs
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TransferSpeedColumn

from slipway.platform.daemon_threads import bounded
from slipway.platform.progress import transient_bars
from slipway.printable import printable
from slipway.repository._errors import RemoteFailed
from slipway.repository._store import timeouts
from slipway.repository._store.errors import EXPECTED_URL, translated
from slipway.repository._store.redaction import Secrets, shown_url, userinfo
from slipway.repository._store.remote_store import RemoteStore

_URL = re.compile(r"[a-z][a-z0-9+.-]*://(?=\S)")
_KEYS_ELSEWHERE = {"s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", "gs": "GOOGLE_APPLICATION_CREDENTIALS"}
_ALIASES = {"s3a": "s3", "gcs": "gs"}


@contextmanager
def open_store(url: str, console: Console) -> Iterator[RemoteStore]:
    """Open a URL; progress bars go to `console` if it is a terminal.

    Raises:
        RemoteFailed: It is not a URL, or contains keys; or its back end is unknown or not installed.
    """
    hidden, shown = Secrets.of(url), shown_url(url)
    if not _URL.match(url):
        raise RemoteFailed(f"{EXPECTED_URL}, or file:///folder for one on this machine, got {printable(shown)!r}")
    scheme = url.partition(":")[0]
    kind = _ALIASES.get(scheme, scheme)
    if kind in _KEYS_ELSEWHERE and userinfo(url):
        raise RemoteFailed(
            f"{printable(shown)}: expected a bucket after {scheme}://, got keys too. Pass them as "
            f"{_KEYS_ELSEWHERE[kind]}, and rotate those in the URL: others may have seen them"
        )
    with translated("open", shown, hidden):
        system, root = bounded(
            lambda: url_to_fs(url, use_listings_cache=False, **_options(kind)),
            limit_s=timeouts.ANSWER_S,
            name=timeouts.THREAD,
        )
    with transient_bars(console, BarColumn(), DownloadColumn(), TransferSpeedColumn()) as progress:
        yield RemoteStore(url=shown.rstrip("/"), system=system, root=root.rstrip("/"), progress=progress, hidden=hidden)


def _options(kind: str) -> dict[str, Any]:
    """Socket time-outs, for the back ends that have such options, without their own retries: those are done here."""
    if kind == "s3":
        limits: dict[str, Any] = {"connect_timeout": timeouts.CONNECT_S, "read_timeout": timeouts.READ_S}
        if "AWS_MAX_ATTEMPTS" not in os.environ:
            limits["retries"] = {"max_attempts": 0}
        return {"config_kwargs": limits}
    if kind == "gs":
        try:
            from slipway.repository._store.google import google_options  # noqa: PLC0415 - aiohttp comes with gcsfs
        except ModuleNotFoundError:
            return {}  # fsspec names the missing package
        return google_options()
    if kind in {"http", "https"}:
        from aiohttp import ClientTimeout  # noqa: PLC0415 - only this back end has it

        limit = ClientTimeout(total=None, sock_connect=timeouts.CONNECT_S, sock_read=timeouts.READ_S)
        return {"client_kwargs": {"timeout": limit}}
    return {}
