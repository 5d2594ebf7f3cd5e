"""`slipway predict`: classify image files with a running server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from slipway.client import Prediction

__all__ = ["predict"]


def predict(
    files: Annotated[list[Path], typer.Argument(help="Image files, such as PNG or JPEG; any size.", metavar="FILE")],
    *,
    url: Annotated[
        str, typer.Option(help="The server: grpc://, grpcs://, http:// or https://, host and port.")
    ] = "grpc://localhost:8001",
    model: Annotated[str, typer.Option(help="The model's name on the server.")] = "mnist",
    invert: Annotated[
        bool, typer.Option("--invert", help="For dark digits on light paper: the model knows light on dark.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON list on standard output, for machines.")
    ] = False,
    timeout_s: Annotated[float, typer.Option(help="Longest time for the whole call, in seconds.", min=0.001)] = 5.0,
) -> None:
    """Classify image files and print a table.

    Pictures are turned to the model's colours and size; brightness stays, see --invert.

    Example: slipway predict three.png seven.png --url http://localhost:8000 --invert
    """
    from slipway.client import Classifier  # `slipway --help` stays fast without gRPC

    with Classifier(url, model=model, timeout_s=timeout_s) as classifier:
        prediction = classifier.predict(files, invert=invert)
    if as_json:
        typer.echo(json.dumps(_records(files, prediction), indent=2))
    else:
        Console().print(_table(files, prediction))


def _records(files: list[Path], prediction: Prediction) -> list[dict[str, object]]:
    return [
        {
            "file": str(file),
            "label": label,
            "probability": float(row.max()),
            "probabilities": dict(zip(prediction.class_names, row.tolist(), strict=True)),
            "model": prediction.model_name,
            "version": prediction.model_version,
        }
        for file, label, row in zip(files, prediction.labels, prediction.probabilities, strict=True)
    ]


def _table(files: list[Path], prediction: Prediction) -> Table:
    table = Table(title=f"model {prediction.model_name}, version {prediction.model_version}", title_justify="left")
    table.add_column("file")
    table.add_column("label", style="bold green")
    table.add_column("probability", justify="right")
    table.add_column("next best")
    for file, label, row in zip(files, prediction.labels, prediction.probabilities, strict=True):
        second = row.argsort()[-2]
        next_best = f"{prediction.class_names[second]} ({row[second]:.2%})"
        table.add_row(escape(str(file)), escape(label), f"{row.max():.2%}", escape(next_best))
    return table
