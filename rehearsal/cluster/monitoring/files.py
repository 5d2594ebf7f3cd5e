"""The operator's Secret and ConfigMaps as files of Prometheus.

files = rehearsed_files(secrets, config_maps, folder, longest_wait_s=15)     # None: not all of it is there yet
write_files(folder, files)
"""

from __future__ import annotations

import base64
import gzip
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final

from rehearsal.cluster.api.watch import Snapshot
from rehearsal.cluster.monitoring.configuration import configuration_file, local_configuration, prometheus_folder
from rehearsal.cluster.monitoring.custom_resources import NAME, NAMESPACE
from rehearsal.cluster.monitoring.rules import ShortenedWait, rehearsed_rules, write_shortened
from slipway.platform.atomic_write import write_atomically

__all__ = ["FOLLOWED", "RehearsedFiles", "rehearsed_files", "write_files"]

_SECRET: Final = f"prometheus-{NAME}"
_KEY: Final = "prometheus.yaml.gz"
FOLLOWED: Final[Mapping[str, Mapping[str, str]]] = {
    "secrets": {"fieldSelector": f"metadata.name={_SECRET}"},
    "configmaps": {"labelSelector": f"prometheus-name={NAME}"},
}
"""Queries, by kind, of the objects that the operator writes."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsedFiles:
    """Prometheus' configuration.

    Attributes:
        configuration: Text of the configuration file.
        rules: Text by path below the folder of rules, `<ConfigMap>/<file>`.
        shortened: Alerts with a shorter `for:` than in the chart.
    """

    configuration: str
    rules: Mapping[str, str]
    shortened: tuple[ShortenedWait, ...]


def rehearsed_files(
    secrets: Snapshot, config_maps: Snapshot, folder: Path, *, longest_wait_s: float
) -> RehearsedFiles | None:
    """Read the operator's objects.

    Args:
        secrets: Secrets of the namespace `monitoring`, possibly with the operator's.
        config_maps: ConfigMaps with the operator's rules.
        folder: The cluster's working folder.
        longest_wait_s: Upper limit of the `for:` of alerts.

    Returns:
        None while a part is missing or unreadable: Prometheus keeps its configuration.
    """
    secret = secrets.get((NAMESPACE, _SECRET))
    if secret is None or _KEY not in secret.get("data", {}):
        return None
    try:
        text = gzip.decompress(base64.b64decode(secret["data"][_KEY])).decode()
        local = local_configuration(text, prometheus_folder(folder) / "rules")
        if not all((NAMESPACE, name) in config_maps for name in local.rule_folders):
            return None  # the operator deletes them before it writes new ones
        read = {
            f"{name}/{file}": rehearsed_rules(rules, longest_wait_s)
            for name in sorted(local.rule_folders)
            for file, rules in config_maps[NAMESPACE, name].get("data", {}).items()
        }
    except (ValueError, OSError):
        _log.exception("the Prometheus operator's configuration cannot be read")
        return None
    for job in local.left_out:
        _log.warning("job %s reads files of a pod and is removed", job)
    return RehearsedFiles(
        configuration=local.text,
        rules={path: rules for path, (rules, _) in read.items()},
        shortened=tuple(chain.from_iterable(shortened for _, shortened in read.values())),
    )


def write_files(folder: Path, files: RehearsedFiles) -> None:
    """Write files that changed, and remove rules that no longer exist.

    Args:
        folder: The cluster's working folder.
        files: Prometheus' files.

    Raises:
        OSError: A file cannot be written or removed.
    """
    rules = prometheus_folder(folder) / "rules"
    desired = {rules / path: text for path, text in files.rules.items()}
    desired[configuration_file(folder)] = files.configuration  # last: it refers to the rules
    paths = [*rules.glob("*/*"), configuration_file(folder)]
    existing = {path: path.read_text(encoding="utf-8") for path in paths if path.is_file()}
    for path in [path for path, text in desired.items() if existing.get(path) != text]:
        write_atomically(path, desired[path])
    for path in existing.keys() - desired.keys():
        path.unlink()
    write_shortened(folder, files.shortened)
