"""Which models of a repository tritonserver is shown, and which of them it loads."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from slipway.model_config import ContractUnreadable, parse_config
from slipway.printable import printable
from slipway.repository import (
    ModelEntry,
    ModelView,
    PublishFailed,
    RepositoryError,
    SeveralFailed,
    build_view,
    list_models,
    other_than_onnx,
)
from slipway.triton._errors import ModelNotServable

if TYPE_CHECKING:
    from pathlib import Path

    from slipway.triton._settings import ServerSettings

_REMEDY = "`slipway train` publishes one"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownModels:
    """What tritonserver is shown of a repository.

    Attributes:
        load: Names of the models to load.
        skipped: Why a newer version is not the one that is shown, one text for each.
        left_out: Why a published model is not shown at all, one text for each; only where no model was named.
    """

    load: tuple[str, ...]
    skipped: tuple[str, ...]
    left_out: tuple[str, ...]


def servable_models(repository: Path, names: tuple[str, ...] | None, config_name: str | None) -> tuple[str, ...]:
    """The models to load, checked as far as tritonserver would say it less plainly.

    Args:
        repository: The model repository.
        names: Models to load; None is every model that has a version.
        config_name: Every model must have `configs/<config_name>.pbtxt`; None is `config.pbtxt`.

    Raises:
        ModelNotServable: Says what is missing where, and what makes it.
    """
    if not repository.is_dir():
        raise ModelNotServable(f"{repository} is no model repository: no such folder; {_REMEDY}")
    entries = (entry for entry in list_models(repository) if entry.name.isprintable())  # others could forge a log
    known = {entry.name: entry for entry in entries if (entry.path / "config.pbtxt").is_file()}
    if names is None:
        names = tuple(name for name, entry in known.items() if entry.versions)
        if not names:
            raise ModelNotServable(f"no model in {repository} has a published version; {_REMEDY}")
    for name in names:
        _require(repository, name, known, config_name)
    return names


def show_models(settings: ServerSettings, names: tuple[str, ...], into: Path, *, onnx_only: bool) -> ShownModels:
    """Copy what tritonserver needs of each model into a folder, verified.

    Where the settings name no models, one that cannot be served is left out, and the others are served.

    Args:
        settings: Settings of the server.
        names: The models to load, as `servable_models` says.
        into: The folder that tritonserver is started on.
        onnx_only: tritonserver may be shown nothing but ONNX files, verified or not.

    Raises:
        ModelNotServable: A named model would run something else than an ONNX file; or no other is left.
        RepositoryError: The files of a named model are not those that were published; or no other is left; or the copy
            cannot be written.
    """
    shown: dict[str, ModelView] = {}
    refused: dict[str, ModelNotServable | RepositoryError] = {}
    for name in names:
        try:
            shown[name] = _show_model(settings, name, into, onnx_only=onnx_only)
        except PublishFailed:
            raise  # the copy cannot be written, of no model
        except (ModelNotServable, RepositoryError) as exc:
            if settings.models is not None:
                raise
            refused[name] = exc
            shutil.rmtree(into / name, ignore_errors=True)
    if not shown:
        raise next(iter(refused.values())) if len(refused) == 1 else SeveralFailed(tuple(refused.values()))
    for name in settings.loadable:
        shown[name] = _show_model(settings, name, into, onnx_only=onnx_only)
    return ShownModels(
        load=tuple(name for name in names if name in shown),
        skipped=tuple(reason for view in shown.values() for reason in view.skipped),
        left_out=tuple(f"model {name!r}: {reason}" for name, reason in refused.items()),
    )


def _show_model(settings: ServerSettings, name: str, into: Path, *, onnx_only: bool) -> ModelView:
    (view,) = build_view(settings.repository, [name], into, config_name=settings.config_name, compare=settings.verify)
    if onnx_only:
        refuse_other_than_onnx(into, (name,), settings.config_name)
    return view


def refuse_other_than_onnx(repository: Path, models: tuple[str, ...], config_name: str | None) -> None:
    """Refuse a configuration with which tritonserver would run something else.

    Args:
        repository: What tritonserver is shown, which cannot change after this check.
        models: The models to load.
        config_name: Serves `configs/<config_name>.pbtxt`; None is `config.pbtxt`.

    Raises:
        ModelNotServable: Names the field.
    """
    for model in models:
        name = f"configs/{config_name}.pbtxt" if config_name else "config.pbtxt"
        try:
            config = parse_config((repository / model / name).read_text(encoding="utf-8"))
        except (ContractUnreadable, UnicodeDecodeError) as exc:
            raise ModelNotServable(f"model {model!r}, {name}: {printable(str(exc))}") from exc
        if field := other_than_onnx(config):
            raise ModelNotServable(
                f"model {model!r}, {name}: expected an ONNX file and nothing else, got {field}. The server "
                "that comes with Slipway runs no other code; `--tritonserver PATH` names one that does"
            )


def _require(repository: Path, name: str, known: dict[str, ModelEntry], config_name: str | None) -> None:
    if name not in known:
        nearest = "".join(f"; did you mean {match!r}?" for match in get_close_matches(name, known, n=1))
        raise ModelNotServable(f"no model {name!r} in {repository}, available: {', '.join(known) or 'none'}{nearest}")
    if not known[name].versions:
        raise ModelNotServable(f"model {name!r} in {repository} has no published version; {_REMEDY}")
    if config_name is not None and not (repository / name / "configs" / f"{config_name}.pbtxt").is_file():
        others = sorted(path.stem for path in (repository / name).glob("configs/*.pbtxt"))
        raise ModelNotServable(
            f"model {name!r} has no configs/{config_name}.pbtxt, available: {', '.join(others) or 'only config.pbtxt'}"
        )
