"""`slipway predict`: classify pictures with a running server."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape

from slipway.connection_options import AccessOptions, TimeoutOption, VersionOption
from slipway.errors import SlipwayError
from slipway.platform.option_groups import grouped
from slipway.printable import printable

if TYPE_CHECKING:
    from slipway.cli._predict_pictures import ClassifiedPicture, PictureSource, RejectedPicture
    from slipway.client import Classifier
    from slipway.client._conversion import Conversion
    from slipway.client._prediction import Pixels

__all__ = ["PicturesRejected", "SomePicturesRejected", "predict"]

_PICTURES_A_CALL = 256
_SHOWN_WARNINGS = 3


class PicturesRejected(SlipwayError):
    """No picture could be read; the reasons were printed."""

    exit_status = 2


class SomePicturesRejected(SlipwayError):
    """Some pictures could not be read; the others were classified."""

    exit_status = 5


@grouped
def predict(
    files: Annotated[
        list[str],
        typer.Argument(
            help="Picture files (such as PNG or JPEG) of any size, folders of pictures, or - for standard input.",
            metavar="FILE|FOLDER|-",
        ),
    ],
    *,
    url: Annotated[
        str, typer.Option(help="Server: grpc://, grpcs://, http:// or https://, with host and port.")
    ] = "grpc://localhost:8001",
    model: Annotated[str, typer.Option(help="Name of the model on the server.")] = "mnist",
    version: VersionOption = None,
    invert: Annotated[
        bool, typer.Option("--invert", help="Invert the brightness, for dark digits on light paper.")
    ] = False,
    fit: Annotated[
        Literal["stretch", "pad", "crop"] | None,
        typer.Option(
            help="What happens to other proportions than the model's: stretch; pad keeps the picture whole; crop cuts. "
            "Stretched, with a warning, if not given."
        ),
    ] = None,
    frame: Annotated[
        int | None, typer.Option(min=0, help="Frame or page to use of a file with several, from 0.")
    ] = None,
    top_k: Annotated[
        int | None, typer.Option("--top-k", min=1, help="Number of labels to show per picture (default: 2).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list on standard output.")] = False,
    timeout_s: TimeoutOption = 5.0,
    access: AccessOptions,
) -> None:
    """Classify pictures and print a table.

    Pictures are converted to the model's channels and size; brightness changes only with --invert. A picture unlike
    the training images is classified with a warning; an unreadable one is reported, and the others are classified.

    Exit code 0: all classified; 5: some; 2: none could be read; 1: the server did not answer.

    Example: slipway predict three.png --url http://localhost:8000 --invert

    Example: slipway predict scans/ --fit pad --top-k 3 --json

    Example: curl -s https://example.com/digit.png | slipway predict -
    """
    # `slipway --help` stays fast without gRPC
    from slipway.cli._predict_pictures import find_pictures
    from slipway.client._conversion import Conversion

    options = access.connection(version=version, timeout_s=timeout_s)
    options.refuse_unused_certificates([url])
    sources = find_pictures(files)
    with options.open(url, model=model) as classifier:
        results = _classify(classifier, sources, Conversion(invert=invert, fit=fit, frame=frame))
    _print(results, top=top_k, as_json=as_json)
    _report_rejected(results)


def _classify(
    classifier: Classifier, sources: list[PictureSource], conversion: Conversion
) -> list[ClassifiedPicture | RejectedPicture]:
    """Read all pictures, and classify the readable ones, in order."""
    import numpy as np

    from slipway.cli._predict_pictures import RejectedPicture, pair_with_rows

    if all(isinstance(one.source, Path) and not one.source.exists() for one in sources):
        return [RejectedPicture(name=one.name, why=f"{printable(one.name)}: no such file") for one in sources]
    read = _read(classifier, sources, conversion)
    rows = [(i, pixels) for i, pixels in enumerate(read) if not isinstance(pixels, RejectedPicture)]
    results: list[ClassifiedPicture | RejectedPicture | Pixels] = list(read)
    for start in range(0, len(rows), _PICTURES_A_CALL):
        part = rows[start : start + _PICTURES_A_CALL]
        prediction = classifier.predict(np.concatenate([pixels for _, pixels in part]))
        for (i, _), answer in zip(part, pair_with_rows([sources[i].name for i, _ in part], prediction), strict=True):
            results[i] = answer
    return [result for result in results if not isinstance(result, np.ndarray)]


def _read(
    classifier: Classifier, sources: list[PictureSource], conversion: Conversion
) -> list[Pixels | RejectedPicture]:
    """Each picture as a batch of one, or its error; all warnings are combined into one."""
    from slipway.cli._predict_pictures import RejectedPicture
    from slipway.client import InvalidImage, PictureWarning
    from slipway.client._tensors import to_batch

    contract = classifier.contract()
    read: list[Pixels | RejectedPicture] = []
    messages: list[str] = []
    for one in sources:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", PictureWarning)
            try:
                read.append(to_batch(one.source, contract, conversion))
            except InvalidImage as exc:
                read.append(RejectedPicture(name=one.name, why=_as_options(f"{one.message_prefix}{exc}")))
        messages += [_as_options(f"{one.message_prefix}{warning.message}") for warning in caught]
    if messages:
        more = f"; and {len(messages) - _SHOWN_WARNINGS} more such" if len(messages) > _SHOWN_WARNINGS else ""
        warnings.warn("; ".join(messages[:_SHOWN_WARNINGS]) + more, PictureWarning, stacklevel=2)
    return read


def _as_options(text: str) -> str:
    """Replace keyword arguments in the client's messages by command-line options."""
    text = re.sub(r"\binvert=True\b", "--invert", re.sub(r"\binvert=False\b", "no --invert", text))
    return re.sub(r"\b(fit|frame)='?(\w+)'?", r"--\1 \2", text)


def _print(results: list[ClassifiedPicture | RejectedPicture], *, top: int | None, as_json: bool) -> None:
    from slipway.cli._predict_pictures import ClassifiedPicture, records, table

    answered = [result for result in results if isinstance(result, ClassifiedPicture)]
    if as_json:
        typer.echo(json.dumps(records(results, top=top), indent=2))
    elif answered:
        Console().print(table(answered, top=top))


def _report_rejected(results: list[ClassifiedPicture | RejectedPicture]) -> None:
    """Print the error of each rejected picture, and their number in the last line."""
    from slipway.cli._predict_pictures import RejectedPicture

    rejected = [result for result in results if isinstance(result, RejectedPicture)]
    if not rejected:
        return
    if len(results) == 1:
        raise PicturesRejected(rejected[0].why)
    console = Console(stderr=True, highlight=False)
    for picture in rejected:
        console.print(f"[bold red]rejected:[/] {escape(printable(picture.why))}", soft_wrap=True)
    if len(rejected) == len(results):
        raise PicturesRejected(f"none of the {len(results)} pictures could be read")
    raise SomePicturesRejected(
        f"{len(rejected)} of {len(results)} pictures could not be read, the others were classified"
    )
