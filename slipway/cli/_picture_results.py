"""The results of `slipway predict`, as a table for people and as JSON for machines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rich.markup import escape
from rich.table import Table

from slipway.client import Prediction
from slipway.printable import printable

__all__ = ["ClassifiedPicture", "RejectedPicture", "pair_with_rows", "records", "table"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassifiedPicture:
    """One picture's prediction: row `row` of `prediction`."""

    name: str
    prediction: Prediction
    row: int

    def best(self, count: int) -> list[tuple[str, float]]:
        """The most probable labels, at most so many, with their probabilities; the first is the answer."""
        probabilities = self.prediction.probabilities[self.row]
        order = np.argsort(-probabilities, kind="stable")[:count]  # of two equal ones the first, as argmax
        return [(self.prediction.class_names[i], float(probabilities[i])) for i in order.tolist()]


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedPicture:
    """A picture that could not be read, and why."""

    name: str
    why: str


def pair_with_rows(names: list[str], prediction: Prediction) -> list[ClassifiedPicture]:
    """Pair names with the rows of a prediction."""
    return [ClassifiedPicture(name=name, prediction=prediction, row=row) for row, name in enumerate(names)]


def records(results: list[ClassifiedPicture | RejectedPicture], *, top: int | None) -> list[dict[str, object]]:
    """One object for each picture; a rejected one has its name and `error` only."""
    return [
        {"file": result.name, "error": result.why} if isinstance(result, RejectedPicture) else _record(result, top)
        for result in results
    ]


def _record(answer: ClassifiedPicture, top: int | None) -> dict[str, object]:
    prediction = answer.prediction
    ((label, probability),) = answer.best(1)
    record: dict[str, object] = {
        "file": answer.name,
        "label": label,
        "probability": probability,
        "probabilities": dict(zip(prediction.class_names, prediction.probabilities[answer.row].tolist(), strict=True)),
        "model": prediction.model_name,
        "version": prediction.model_version,
    }
    if top is not None:
        record["top"] = [{"label": name, "probability": share} for name, share in answer.best(top)]
    return record


def table(pictures: list[ClassifiedPicture], *, top: int | None) -> Table:
    """One row for each picture; markup and control characters in labels and names are escaped."""
    grid = Table(title=_shown(_title(pictures)), title_justify="left")
    grid.add_column("file", overflow="fold")
    grid.add_column("label", style="bold green", overflow="fold")
    grid.add_column("probability", justify="right")
    count = 2 if top is None else top
    if count > 1:
        grid.add_column("next best", overflow="fold")
    for answer in pictures:
        (label, probability), *others = answer.best(count)
        row = [_shown(answer.name), _shown(label), f"{probability:.2%}"]
        if count > 1:
            row.append(_shown(", ".join(f"{name} ({share:.2%})" for name, share in others)))
        grid.add_row(*row)
    return grid


def _title(pictures: list[ClassifiedPicture]) -> str:
    versions = dict.fromkeys(answer.prediction.model_version for answer in pictures)
    return f"model {pictures[0].prediction.model_name}, version {' and '.join(versions)}"


def _shown(text: str) -> str:
    return escape(printable(text))
