"""The lines of a failed container's log that say why, where its last ones do not.

A tritonserver that refuses an argument names it first and prints its whole usage after it: the end of such a log, which
is what a pod's status keeps, says nothing.
"""

from __future__ import annotations

from pathlib import Path

from rehearsal.experiment.result.observations import FailedContainer, tells_why

__all__ = ["with_causes"]

_MOST = 5


def with_causes(failure: FailedContainer, *, logs: Path, namespace: str) -> FailedContainer:
    """The failure with such lines in front of its last ones.

    Args:
        failure: As its status tells it.
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
        causes += [line.strip() for line in text.splitlines() if tells_why(line)]
    told = {line.strip() for line in failure.lines}
    new = [line for line in dict.fromkeys(causes) if line not in told][:_MOST]
    return failure.model_copy(update={"lines": (*new, *failure.lines)})
