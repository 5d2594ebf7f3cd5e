"""Which models of a repository Triton can load."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

from slipway.triton._errors import ModelNotServable

if TYPE_CHECKING:
    from pathlib import Path

_VERSION = re.compile(r"[1-9][0-9]*")
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
    known = sorted(path.name for path in repository.iterdir() if (path / "config.pbtxt").is_file())
    if names is None:
        names = tuple(name for name in known if _has_version(repository / name))
        if not names:
            raise ModelNotServable(f"no model in {repository} has a published version; {_REMEDY}")
    for name in names:
        _require(repository, name, known, config_name)
    return names


def _require(repository: Path, name: str, known: list[str], config_name: str | None) -> None:
    if name not in known:
        nearest = "".join(f"; did you mean {match!r}?" for match in get_close_matches(name, known, n=1))
        raise ModelNotServable(f"no model {name!r} in {repository}, there is {', '.join(known) or 'none'}{nearest}")
    if not _has_version(repository / name):
        raise ModelNotServable(f"model {name!r} in {repository} has no published version; {_REMEDY}")
    if config_name is not None and not (repository / name / "configs" / f"{config_name}.pbtxt").is_file():
        others = sorted(path.stem for path in (repository / name).glob("configs/*.pbtxt"))
        raise ModelNotServable(
            f"model {name!r} has no configs/{config_name}.pbtxt, there is {', '.join(others) or 'only config.pbtxt'}"
        )


def _has_version(model: Path) -> bool:
    """Triton ignores folders whose name is no number, or begins with 0."""
    return any(_VERSION.fullmatch(path.name) and path.is_dir() for path in model.iterdir())
