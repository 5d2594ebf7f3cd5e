"""What Slipway asks of every pod beyond Pod Security: bounded, read-only, silent, tokenless, from a pinned image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.chart.pods import Pod

WITH_ONNXRUNTIME = ("tritonserver", "slipway-training")
"""Names of the images that hold onnxruntime, ours and NVIDIA's."""


def findings(pod: Pod, *, needs_token: bool = False) -> list[str]:
    """Return each violation as a sentence.

    Args:
        pod: The pod.
        needs_token: The pod talks to the Kubernetes API, so it may mount its account's token.
    """
    said = list(_of_the_pod(pod, needs_token=needs_token))
    for container in pod.containers():
        said += [f"{container['name']} {sentence}" for sentence in _of_a_container(container)]
    return [f"{pod.owner}: {sentence}" for sentence in said]


def _of_the_pod(pod: Pod, *, needs_token: bool) -> Iterator[str]:
    if not needs_token and pod.spec.get("automountServiceAccountToken") is not False:
        yield "mounts its account's token: set automountServiceAccountToken: false"
    if pod.spec.get("enableServiceLinks") is not False:
        yield "gets an environment variable for every Service of the namespace: set enableServiceLinks: false"


def _of_a_container(container: Mapping[str, Any]) -> Iterator[str]:
    resources = container.get("resources") or {}
    limits = resources.get("limits") or {}
    # Kubernetes takes a missing request from the limit.
    requests = {**limits, **(resources.get("requests") or {})}
    yield from (f"requests no {name}" for name in ("cpu", "memory") if name not in requests)
    if "memory" not in limits:
        yield "has no memory limit"
    if (container.get("securityContext") or {}).get("readOnlyRootFilesystem") is not True:
        yield "may write to its image: set readOnlyRootFilesystem: true"
    image = container.get("image") or ""
    name, _, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    if not tag and not digest.startswith("sha256:"):
        yield f"runs {image!r}, which has neither tag nor digest"
    if tag == "latest":
        yield f"runs {image!r}, which is another image tomorrow"
    variables = {entry["name"]: entry.get("value") for entry in container.get("env") or ()}
    if name.rpartition("/")[2].partition(":")[0] in WITH_ONNXRUNTIME and variables.get("ORT_DISABLE_TELEMETRY") != "1":
        yield "may report to the maker of onnxruntime: set ORT_DISABLE_TELEMETRY to 1"
