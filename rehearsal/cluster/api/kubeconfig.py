"""Connection settings from a kubeconfig."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Callable
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from rehearsal.errors import ClusterError
from slipway.platform.strict_yaml import load_yaml

__all__ = ["client_settings"]

_USER_CREDENTIALS = ("client-certificate", "client-key")


def client_settings(kubeconfig: Path) -> dict[str, Any]:
    """Settings of an httpx client for the server of the current context: URL, CA, client certificate or token.

    Certificates, keys and tokens may be files or inline.

    Raises:
        ClusterError: The file is missing, or is no kubeconfig with a current context.
    """
    try:
        config = load_yaml(kubeconfig.read_bytes())
        context = _named(config, "contexts", "context", config["current-context"])
        cluster = _named(config, "clusters", "cluster", context["cluster"])
        user = _named(config, "users", "user", context["user"])
        server = str(cluster["server"])
        trust: ssl.SSLContext | bool = _trust(cluster, user, kubeconfig.parent) if server.startswith("https") else True
    except (OSError, KeyError, TypeError, ValueError, StopIteration) as exc:
        raise ClusterError(f"{kubeconfig}: expected a kubeconfig with a current context, got {exc!r}") from exc
    token = user.get("token")
    return {
        "base_url": server,
        "verify": trust,
        "headers": {"Authorization": f"Bearer {token}"} if token else {},
        "trust_env": False,  # no proxy between processes of one machine
    }


def _named(config: dict[str, Any], group: str, key: str, name: str) -> dict[str, Any]:
    entry_value: dict[str, Any] = next(entry[key] for entry in config[group] if entry["name"] == name)
    return entry_value


def _trust(cluster: dict[str, Any], user: dict[str, Any], folder: Path) -> ssl.SSLContext:
    """Relative paths in the kubeconfig are relative to `folder`."""
    context = ssl.create_default_context()
    if "certificate-authority" in cluster or "certificate-authority-data" in cluster:
        _with_file(cluster, "certificate-authority", folder, context.load_verify_locations)
    if all(name in user or f"{name}-data" in user for name in _USER_CREDENTIALS):
        certificate, key = _USER_CREDENTIALS
        _with_file(
            user,
            certificate,
            folder,
            lambda chain: _with_file(user, key, folder, lambda private: context.load_cert_chain(chain, private)),
        )
    return context


def _with_file(entry: dict[str, Any], name: str, folder: Path, use: Callable[[Path], None]) -> None:
    """Call `use` with the file that the kubeconfig names, or with a temporary file of inline data."""
    if f"{name}-data" not in entry:
        use(folder / entry[name])
        return
    with NamedTemporaryFile() as file:  # readable by its owner only
        file.write(base64.b64decode(entry[f"{name}-data"]))
        file.flush()
        use(Path(file.name))
