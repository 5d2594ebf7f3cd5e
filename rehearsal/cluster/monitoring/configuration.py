"""Arguments and configuration of the Prometheus operator, and of the Prometheus that it writes for.

    local = local_configuration(text, folder)
    local.text, local.rule_folders, local.left_out

Three things are changed in the configuration that the operator wrote, and nothing else:

* `$(POD_NAME)` and `$(SHARD)` are filled in, as the sidecar of a real Prometheus pod does;
* rules are read from the rehearsal's folder in place of /etc/prometheus/rules;
* jobs that read other files of a pod (certificates and tokens) are removed and listed.

The operator also needs the environment variable KUBECONFIG. It is ready when `/healthz` at its address answers 200;
its output is the Secret `prometheus-rehearsal` of the namespace `monitoring`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from rehearsal.cluster.monitoring.custom_resources import NAME
from slipway.platform.atomic_write import write_atomically
from slipway.platform.strict_yaml import SHIPPED, load_yaml

__all__ = [
    "LocalConfiguration",
    "configuration_file",
    "initial_configuration",
    "local_configuration",
    "operator_arguments",
    "prometheus_arguments",
    "prometheus_folder",
]

_RULES: Final = "/etc/prometheus/rules/"
_INSIDE_A_POD: Final = ("/etc/prometheus/", "/var/run/secrets/")
_FILLED_IN: Final = {"$(POD_NAME)": f"prometheus-{NAME}-0", "$(SHARD)": "0"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalConfiguration:
    """Prometheus' configuration.

    Attributes:
        text: Text of the configuration file.
        rule_folders: Names of the ConfigMaps with its rules.
        left_out: Removed jobs, which cannot work outside of a pod.
    """

    text: str
    rule_folders: frozenset[str]
    left_out: tuple[str, ...]


def initial_configuration() -> str:
    """Prometheus' first configuration, without targets, until the operator has written one."""
    return "global:\n  scrape_interval: 15s\n  evaluation_interval: 15s\n"


def local_configuration(text: str, rules: Path) -> LocalConfiguration:
    """Change the operator's configuration for a process outside of a pod.

    Args:
        text: The key `prometheus.yaml.gz` of the operator's Secret, unpacked.
        rules: Folder with one folder of rules per ConfigMap.

    Raises:
        YamlUnreadable: It is not YAML.
    """
    for variable, value in _FILLED_IN.items():
        text = text.replace(variable, value)
    config: dict[str, Any] = load_yaml(text, SHIPPED)
    patterns = [pattern.removeprefix(_RULES) for pattern in config.get("rule_files") or []]
    if patterns:
        config["rule_files"] = [str(rules / pattern) for pattern in patterns]
    jobs = config.get("scrape_configs") or []
    left_out = [job for job in jobs if _reads_files_of_a_pod(job)]
    config["scrape_configs"] = [job for job in jobs if job not in left_out]
    return LocalConfiguration(
        text=yaml.safe_dump(config, sort_keys=False),
        rule_folders=frozenset(pattern.split("/")[0] for pattern in patterns),
        left_out=tuple(job["job_name"] for job in left_out),
    )


def _reads_files_of_a_pod(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_reads_files_of_a_pod, value.values()))
    if isinstance(value, list):
        return any(map(_reads_files_of_a_pod, value))
    return isinstance(value, str) and value.startswith(_INSIDE_A_POD)


def operator_arguments(address: str) -> tuple[str, ...]:
    """Arguments of the program `operator`.

    Args:
        address: host:port of its metrics and health.
    """
    # Nodes are simulated: there are no kubelets to scrape.
    return (f"--web.listen-address={address}", "--kubelet-endpoints=false", "--log-level=warn")


def prometheus_arguments(folder: Path, address: str) -> tuple[str, ...]:
    """Arguments of the program `prometheus`; its configuration file is created if missing.

    Args:
        folder: The cluster's working folder.
        address: host:port, that of `ClusterConnection.prometheus_url`.

    Raises:
        OSError: The file cannot be written.
    """
    file = configuration_file(folder)
    if not file.exists():
        write_atomically(file, initial_configuration())
    return (
        f"--config.file={file}",
        f"--storage.tsdb.path={prometheus_folder(folder) / 'data'}",
        f"--web.listen-address={address}",
        "--web.enable-lifecycle",
        "--log.level=warn",
    )


def prometheus_folder(folder: Path) -> Path:
    """Prometheus' configuration, rules and data."""
    return folder / "prometheus"


def configuration_file(folder: Path) -> Path:
    """The file that Prometheus reads at start and reload."""
    return prometheus_folder(folder) / "prometheus.yaml"
