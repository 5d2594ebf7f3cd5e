"""Copies the Prometheus operator's configuration to Prometheus, as the operator's sidecar does in a pod.

    python -m rehearsal.cluster.monitoring --cluster FOLDER

The operator reads PodMonitors and PrometheusRules, including the chart's, and writes Prometheus' configuration to a
Secret and its rules to ConfigMaps. Prometheus is a local process, so no pod mounts them.

* `custom_resources`     the custom resource `Prometheus`, and what is scraped beside PodMonitors
* `configuration`        arguments of the operator and of Prometheus; its configuration, for outside of a pod
* `rules`                the chart's rules, with shorter waits
* `files`                the operator's Secret and ConfigMaps as Prometheus' files
* `__main__`             from the API server's changes to these files
"""

__all__: list[str] = []
