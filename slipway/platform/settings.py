"""YAML files that people write, read strictly: every mistake at once, with key, expected, got and the nearest key.

    class Fit(Settings):
        epochs: int

    check_settings({"epochs": 3}, Fit, where="my.yaml", error=RecipeError)

For the job packages: it needs pydantic and PyYAML, which the library itself does without.
"""

from __future__ import annotations

import copy
import difflib
import reprlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from slipway.errors import SlipwayError
from slipway.platform.strict_yaml import SETTINGS, YamlUnreadable, load_yaml
from slipway.printable import printable

__all__ = ["Fraction", "Settings", "SettingsFiles", "check_settings", "overridden", "read_yaml"]

SettingsT = TypeVar("SettingsT", bound=BaseModel)

Fraction = Annotated[float, Field(ge=0, le=1)]
"""Type of a key: a share of a whole."""


_MAX_PROBLEMS = 20
_MAX_SAID = 1000
_VALUES = reprlib.Repr()  # short, whatever the value is
_VALUES.maxstring = _VALUES.maxother = _VALUES.maxlong = 120


class Settings(BaseModel):
    """Base of every section: frozen, finite, no unknown keys, no silent conversion; a docstring documents each key."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsFiles:
    """Files of one kind: those that come with Slipway have names, those of a user have paths.

    Attributes:
        folder: Of the shipped ones.
        kind: What one is, for the message.
        sections: Examples of its keys, for the message.
        error: Raised when a file cannot be read.
    """

    folder: Path
    kind: str
    sections: str
    error: type[SlipwayError]

    def names(self) -> tuple[str, ...]:
        """Of the shipped ones, sorted."""
        return tuple(sorted(path.stem for path in self.folder.glob("*.yaml")))

    def read(self, name_or_path: str) -> tuple[Path, dict[str, Any]]:
        """Read the shipped file of that name, or else the file of that path; gives its path and what it says.

        Raises:
            SlipwayError: `error`; there is no such file, or it is no YAML mapping.
        """
        path, shipped = Path(name_or_path), self.folder / f"{name_or_path}.yaml"
        with suppress(OSError, ValueError):  # no name of a file at all
            if shipped.is_file():
                path = shipped
        missing = f"no {self.kind} {name_or_path!r}: expected one of {', '.join(self.names())}, or a YAML file"
        return path, read_yaml(path, sections=self.sections, missing=missing, error=self.error)


def read_yaml(path: Path, *, sections: str, missing: str, error: type[SlipwayError]) -> dict[str, Any]:
    """Read a mapping.

    Args:
        path: The file.
        sections: Examples of its keys, for the message.
        missing: Said when there is no such file.
        error: Raised when the file is missing, no YAML, or no mapping.
    """
    try:
        with path.open("rb") as file:
            document = load_yaml(file.read(SETTINGS.content_bytes + 1))
    except YamlUnreadable as exc:
        raise error(f"{path}: not YAML as expected: {exc}") from exc
    except FileNotFoundError as exc:
        raise error(missing) from exc
    except OSError as exc:
        raise error(f"{printable(str(path), limit=120)}: cannot be read: {exc.strerror}") from exc
    except ValueError as exc:
        raise error(missing) from exc  # a NUL is in no file's name
    if not isinstance(document, dict):
        raise error(f"{path}: expected sections such as {sections}, got {type(document).__name__}")
    return document


def overridden(document: dict[str, Any], overrides: Mapping[str, str], *, error: type[SlipwayError]) -> dict[str, Any]:
    """A copy of a document with other values in some places; `error` where one cannot be placed.

    Args:
        document: Stays as it is.
        overrides: Values in YAML by dotted key, such as {"slo.p99_ms": "20"}.
        error: Raised when a section holds no keys, or a value is no YAML.
    """
    changed = copy.deepcopy(document)
    for key, text in overrides.items():
        *sections, name = key.split(".")
        place = changed
        for section in sections:
            place = place.setdefault(section, {})
            if not isinstance(place, dict):
                raise error(f"override {_shown(key)}={_shown(text)}: {_shown(section)!r} holds one value and no keys")
        try:
            place[name] = load_yaml(text)
        except YamlUnreadable as exc:
            raise error(f"override {_shown(key)}={_shown(text)}: the value is no YAML: {exc}") from exc
    return changed


def check_settings(
    document: dict[str, Any], settings: type[SettingsT], *, where: str, error: type[SlipwayError]
) -> SettingsT:
    """Turn a document into settings, or raise `error` with a line for each problem; `where` names the document."""
    try:
        return settings.model_validate(document)
    except ValidationError as exc:
        problems = exc.errors(include_url=False)
        lines = [_explain(problem, settings) for problem in problems[:_MAX_PROBLEMS]]
        more = [f"and {len(problems) - _MAX_PROBLEMS} more"] if len(problems) > _MAX_PROBLEMS else []
        raise error("\n  ".join([f"{where}: {len(problems)} problem(s)", *lines, *more])) from exc


def _explain(problem: Any, settings: type[BaseModel]) -> str:  # noqa: ANN401 - pydantic exports no name for its ErrorDetails
    location = problem["loc"]
    key = _path(location, settings) or settings.__name__.lower()
    if problem["type"] == "extra_forbidden":
        known = list(dict.fromkeys(name for model in _section(location[:-1], settings) for name in model.model_fields))
        nearest = difflib.get_close_matches(_shown(str(location[-1])), known, n=1, cutoff=0.5)
        hint = f"did you mean {nearest[0]!r}?" if nearest else f"known keys: {', '.join(known)}"
        return f"{key}: unknown key; {hint}"
    if problem["type"] == "missing":
        return f"{key}: missing"
    text = printable(problem["msg"].removeprefix("Value error, "), limit=_MAX_SAID)
    whole_section = isinstance(problem["input"], dict)
    return f"{key}: {text}" if whole_section else f"{key}: {text}, got {_VALUES.repr(problem['input'])}"


def _path(location: Sequence[str | int], settings: type[BaseModel]) -> str:
    """`steps[2].rate_rps`: without the tags by which pydantic names the members of a union."""
    path = ""
    for depth, part in enumerate(location):
        models = _section(location[:depth], settings)
        tag = len(models) > 1 and any(part in _tags(model) for model in models)
        if isinstance(part, int):
            path += f"[{part}]"
        elif any(part in model.model_fields for model in models) or (depth == len(location) - 1 and not tag):
            path += f".{_shown(str(part))}" if path else _shown(str(part))
    return path


def _section(location: Sequence[str | int], settings: type[BaseModel]) -> list[type[BaseModel]]:
    """The settings that may stand at a place: several where a tag has not yet chosen among a union's members."""
    models: list[type[BaseModel]] = [settings]
    for part in location:
        fields = [model.model_fields[part] for model in models if isinstance(part, str) and part in model.model_fields]
        if fields:
            models = _models_in(fields[0].annotation)
        elif isinstance(part, str):
            models = [model for model in models if part in _tags(model)] or models
    return models


def _models_in(annotation: Any) -> list[type[BaseModel]]:  # noqa: ANN401 - any annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]


def _tags(model: type[BaseModel]) -> tuple[Any, ...]:
    return tuple(tag for field in model.model_fields.values() for tag in get_args(field.annotation))


def _shown(text: str) -> str:
    return printable(text, limit=80)
