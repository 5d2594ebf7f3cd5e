"""The answers of `slipway predict`, for people and for machines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rich.markup import escape
from rich.table import Table

from slipway.client import Prediction
from slipway.printable import printable

__all__ = ["Answer", "Refusal", "answers", "records", "table"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answer:
    """What the model says of one picture: row `row` of `prediction`."""

    name: str
    prediction: Prediction
    row: int

    def best(self, count: int) -> list[tuple[str, float]]:
        """The most probable labels, at most so many, with their probabilities; the first is the answer."""
        probabilities = self.prediction.probabilities[self.row]
        order = np.argsort(-probabilities, kind="stable")[:count]  # of two equal ones the first, as argmax
        return [(self.prediction.class_names[i], float(probabilities[i])) for i in order.tolist()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a picture was not sent."""

    name: str
    why: str


def answers(names: list[str], prediction: Prediction) -> list[Answer]:
    """Pair names with the rows of a prediction."""
    return [Answer(name=name, prediction=prediction, row=row) for row, name in enumerate(names)]


def records(results: list[Answer | Refusal], *, top: int | None) -> list[dict[str, object]]:
    """One object for each picture; a refused one has its name and `error` only."""
    return [
        {"file": result.name, "error": result.why} if isinstance(result, Refusal) else _record(result, top)
        for result in results
    ]


def _record(answer: Answer, top: int | None) -> dict[str, object]:
    said = answer.prediction
    ((label, probability),) = answer.best(1)
    record: dict[str, object] = {
        "file": answer.name,
        "label": label,
        "probability": probability,
        "probabilities": dict(zip(said.class_names, said.probabilities[answer.row].tolist(), strict=True)),
        "model": said.model_name,
        "version": said.model_version,
    }
    if top is not None:
        record["top"] = [{"label": name, "probability": share} for name, share in answer.best(top)]
    return record


def table(given: list[Answer], *, top: int | None) -> Table:
    """One line for each answer; labels and names come from elsewhere, and are shown as they are."""
    made = Table(title=_shown(_title(given)), title_justify="left")
    made.add_column("file", overflow="fold")
    made.add_column("label", style="bold green", overflow="fold")
    made.add_column("probability", justify="right")
    count = 2 if top is None else top
    if count > 1:
        made.add_column("next best", overflow="fold")
    for answer in given:
        (label, probability), *others = answer.best(count)
        row = [_shown(answer.name), _shown(label), f"{probability:.2%}"]
        if count > 1:
            row.append(_shown(", ".join(f"{name} ({share:.2%})" for name, share in others)))
        made.add_row(*row)
    return made


def _title(given: list[Answer]) -> str:
    versions = dict.fromkeys(answer.prediction.model_version for answer in given)
    return f"model {given[0].prediction.model_name}, version {' and '.join(versions)}"


def _shown(text: str) -> str:
    return escape(printable(text))
