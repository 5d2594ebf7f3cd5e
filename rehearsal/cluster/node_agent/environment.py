"""Translate a container's command, arguments and environment for a local process. Pure: no I/O.

expand("--header=$(KEY)", {"KEY": "1"})                      # Kubernetes' own references
Places({"/mnt/models": Path("/srv/store")}).here("--repository=/mnt/models")
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["ConfigError", "Entries", "Places", "expand", "field", "references", "variables"]

Entries = Mapping[tuple[str, str], Mapping[str, str]]
"""Entries of ConfigMaps and Secrets, by kind and name."""

_REFERENCE = re.compile(r"\$(?:\$|\(([^()$]+)\))")
_KEYED = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")
_FIELDS = {
    "metadata.name": ("metadata", "name"),
    "metadata.namespace": ("metadata", "namespace"),
    "metadata.uid": ("metadata", "uid"),
    "spec.nodeName": ("spec", "nodeName"),
    "spec.serviceAccountName": ("spec", "serviceAccountName"),
}
_NEVER_MAPPED = ("/dev",)  # a device folder, not part of a container's files


class ConfigError(Exception):
    """A container's manifest is invalid; the kubelet reports CreateContainerConfigError."""


def expand(text: str, known: Mapping[str, str]) -> str:
    """Replace `$(NAME)`; an unknown name stays unchanged, `$$` becomes `$`."""

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        return "$" if name is None else known.get(name, match.group(0))

    return _REFERENCE.sub(value, text)


def field(pod: Mapping[str, Any], path: str, *, address: str) -> str:
    """The value of a `fieldRef`; a missing label or annotation is empty.

    Args:
        pod: The pod's manifest.
        path: Such as `metadata.annotations['slipway/model-version']`.
        address: Address of the pod and of its node, which are the same here.

    Raises:
        ConfigError: The downward API has no such field.
    """
    keyed = _KEYED.fullmatch(path)
    if keyed:
        return str((pod["metadata"].get(keyed.group(1)) or {}).get(keyed.group(2), ""))
    if path in {"status.podIP", "status.podIPs", "status.hostIP", "status.hostIPs"}:
        return address
    if path not in _FIELDS:
        raise ConfigError(f"fieldRef: expected one of {', '.join(_FIELDS)} or status.podIP, got {path}")
    section, key = _FIELDS[path]
    return str(pod[section].get(key, ""))


def references(container: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Kind and name of each ConfigMap and Secret that the environment names."""
    named = [
        *container.get("envFrom", ()),
        *(entry["valueFrom"] for entry in container.get("env", ()) if entry.get("valueFrom")),
    ]
    keys = {
        "configMapRef": "ConfigMap",
        "configMapKeyRef": "ConfigMap",
        "secretRef": "Secret",
        "secretKeyRef": "Secret",
    }
    return {(kind, source[key]["name"]) for source in named for key, kind in keys.items() if key in source}


def variables(
    container: Mapping[str, Any],
    pod: Mapping[str, Any],
    *,
    address: str,
    entries: Entries,
) -> dict[str, str]:
    """The variables that a container declares, in its order, each expanded with those before it.

    Args:
        container: Its part of the manifest.
        pod: The whole manifest.
        address: The pod's.
        entries: Entries of the existing ConfigMaps and Secrets that `references` names.

    Raises:
        ConfigError: A reference that is not optional does not exist.
    """
    known: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        kind = "ConfigMap" if "configMapRef" in source else "Secret"
        reference = source["configMapRef" if kind == "ConfigMap" else "secretRef"]
        found = entries.get((kind, reference["name"]))
        if found is None and not reference.get("optional"):
            raise ConfigError(f'{kind.lower()} "{reference["name"]}" not found')
        known.update({source.get("prefix", "") + key: value for key, value in (found or {}).items()})
    for entry in container.get("env", ()):
        value = _value(entry, pod, known, address=address, entries=entries)
        if value is not None:
            known[entry["name"]] = value
    return known


class Places:
    """Local folders for a container's mount paths."""

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self._folders = {
            there.rstrip("/"): here
            for there, here in folders.items()
            if not any(there == root or there.startswith(f"{root}/") for root in _NEVER_MAPPED)
        }
        # Whole path segments only, the longest mount first: /tmp is not part of /var/tmp or /tmpfs.
        longest_first = sorted(self._folders, key=len, reverse=True)
        paths = "|".join(map(re.escape, longest_first))
        self._pattern = re.compile(rf"(?<![\w./-])(?:{paths})(?![\w.-])") if paths else None

    def here(self, text: str) -> str:
        """The text with local folders in place of mount paths."""
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda match: str(self._folders[match.group(0)]), text)

    def folder(self, there: str) -> Path | None:
        """The local folder of a mount path."""
        return self._folders.get(there.rstrip("/"))


def _value(
    entry: Mapping[str, Any],
    pod: Mapping[str, Any],
    known: Mapping[str, str],
    *,
    address: str,
    entries: Entries,
) -> str | None:
    source = entry.get("valueFrom")
    if source is None:
        return expand(entry.get("value", ""), known)
    if "fieldRef" in source:
        return field(pod, source["fieldRef"]["fieldPath"], address=address)
    for kind, key in (("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef")):
        if key not in source:
            continue
        reference = source[key]
        found = entries.get((kind, reference["name"]))
        if found is not None and reference["key"] in found:
            return found[reference["key"]]
        if reference.get("optional"):
            return None
        if found is None:
            raise ConfigError(f'{kind.lower()} "{reference["name"]}" not found')
        raise ConfigError(f"couldn't find key {reference['key']} in {kind} {reference['name']}")
    raise ConfigError(f"env {entry['name']}: the node agent does not support {next(iter(source), 'valueFrom')}")
