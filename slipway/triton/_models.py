"""Which models of a repository Triton can load."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from slipway.repository import ModelEntry, list_models
from slipway.triton._errors import ModelNotServable

if TYPE_CHECKING:
    from pathlib import Path

_REMEDY = "`slipway train` publishes one"


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


def _require(repository: Path, name: str, known: dict[str, ModelEntry], config_name: str | None) -> None:
    if name not in known:
        nearest = "".join(f"; did you mean {match!r}?" for match in get_close_matches(name, known, n=1))
        raise ModelNotServable(f"no model {name!r} in {repository}, there is {', '.join(known) or 'none'}{nearest}")
    if not known[name].versions:
        raise ModelNotServable(f"model {name!r} in {repository} has no published version; {_REMEDY}")
    if config_name is not None and not (repository / name / "configs" / f"{config_name}.pbtxt").is_file():
        others = sorted(path.stem for path in (repository / name).glob("configs/*.pbtxt"))
        raise ModelNotServable(
            f"model {name!r} has no configs/{config_name}.pbtxt, there is {', '.join(others) or 'only config.pbtxt'}"
        )
