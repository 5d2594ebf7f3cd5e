"""Containers of replicas that failed: what the pod's status says, and the lines of the log that name the cause.

A tritonserver that rejects an argument names it first and prints its whole usage after it, so the end of its log, which
is what a pod's status keeps, does not name the cause.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rehearsal.experiment.result.observations import FailedContainer, names_cause
from rehearsal.experiment.run.responses import MODEL_VERSION, Json, containers_of

__all__ = ["add_causes", "failed_containers"]

_MAX_CAUSES = 5


def failed_containers(items: Iterable[Json], *, at_s: float) -> list[FailedContainer]:
    """Containers of replicas that exited with an error, with the last output that the status keeps."""
    failures = []
    for item in items:
        if "deletionTimestamp" in item["metadata"]:
            continue
        for each in containers_of(item):
            ended = each.get("state", {}).get("terminated") or each.get("lastState", {}).get("terminated")
            if not ended or not ended.get("exitCode"):
                continue
            waiting = each.get("state", {}).get("waiting", {})
            failures.append(
                FailedContainer(
                    at_s=at_s,
                    pod=item["metadata"]["name"],
                    version=item["metadata"].get("annotations", {}).get(MODEL_VERSION, ""),
                    container=each["name"],
                    reason=waiting.get("reason") or ended.get("reason") or "Error",
                    exit_code=ended["exitCode"],
                    lines=tuple((ended.get("message") or "").strip().splitlines()),
                )
            )
    return failures


def add_causes(failure: FailedContainer, *, logs: Path, namespace: str) -> FailedContainer:
    """The failure with the lines that name its cause in front of its last ones.

    Args:
        failure: As the pod's status describes it.
        logs: Folder of the pods' logs, as the node agent writes them.
        namespace: Of the pod.
    """
    runs = sorted(logs.glob(f"{namespace}_{failure.pod}_*/{failure.container}/*.log"), key=lambda path: int(path.stem))
    causes: list[str] = []
    for path in runs:
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue  # the node agent keeps the newest
        causes += [line.strip() for line in text.splitlines() if names_cause(line)]
    known = {line.strip() for line in failure.lines}
    new = [line for line in dict.fromkeys(causes) if line not in known][:_MAX_CAUSES]
    return failure.model_copy(update={"lines": (*new, *failure.lines)})
