"""Read settings from YAML files strictly: all errors at once, with key, expected, got and the nearest known key.

    class Fit(Settings):
        epochs: int

    check_settings({"epochs": 3}, Fit, where="my.yaml", error=RecipeError)

For the job packages: it needs pydantic and PyYAML, which the library itself does not.
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
"""Type of a share, from 0 to 1."""


_MAX_PROBLEMS = 20
_MAX_SAID = 1000
_VALUES = reprlib.Repr()  # limits the length of shown values
_VALUES.maxstring = _VALUES.maxother = _VALUES.maxlong = 120


class Settings(BaseModel):
    """Base of every section: frozen, finite, no unknown keys, no silent conversion; a docstring documents each key."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsFiles:
    """Files of one kind: shipped ones have names, a user's have paths.

    Attributes:
        folder: Folder of the shipped files.
        kind: Kind of file, for messages.
        sections: Examples of its keys, for messages.
        error: Raised when a file cannot be read.
    """

    folder: Path
    kind: str
    sections: str
    error: type[SlipwayError]

    def names(self) -> tuple[str, ...]:
        """Names of the shipped files, sorted."""
        return tuple(sorted(path.stem for path in self.folder.glob("*.yaml")))

    def read(self, name_or_path: str) -> tuple[Path, dict[str, Any]]:
        """Read the shipped file of that name, otherwise the file of that path; returns its path and contents.

        Raises:
            SlipwayError: `error`; there is no such file, or it is not a YAML mapping.
        """
        path, shipped = Path(name_or_path), self.folder / f"{name_or_path}.yaml"
        with suppress(OSError, ValueError):  # not a valid file name
            if shipped.is_file():
                path = shipped
        missing = f"no {self.kind} {name_or_path!r}: expected one of {', '.join(self.names())}, or a YAML file"
        return path, read_yaml(path, sections=self.sections, missing=missing, error=self.error)


def read_yaml(path: Path, *, sections: str, missing: str, error: type[SlipwayError]) -> dict[str, Any]:
    """Read a mapping.

    Args:
        path: The file.
        sections: Examples of its keys, for the message.
        missing: Message for a missing file.
        error: Raised if the file is missing, not YAML, or not a mapping.
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
        raise error(missing) from exc  # a NUL is invalid in a file name
    if not isinstance(document, dict):
        raise error(f"{path}: expected sections such as {sections}, got {type(document).__name__}")
    return document


def overridden(document: dict[str, Any], overrides: Mapping[str, str], *, error: type[SlipwayError]) -> dict[str, Any]:
    """A copy of a document with overrides; raises `error` if one cannot be applied.

    Args:
        document: Not modified.
        overrides: Values in YAML by dotted key, such as {"slo.p99_ms": "20"}.
        error: Raised if a section is a single value, or an override is not YAML.
    """
    changed = copy.deepcopy(document)
    for key, text in overrides.items():
        *sections, name = key.split(".")
        place = changed
        for section in sections:
            place = place.setdefault(section, {})
            if not isinstance(place, dict):
                raise error(
                    f"override {_shown(key)}={_shown(text)}: {_shown(section)!r} is a single value without keys"
                )
        try:
            place[name] = load_yaml(text)
        except YamlUnreadable as exc:
            raise error(f"override {_shown(key)}={_shown(text)}: the value is not YAML: {exc}") from exc
    return changed


def check_settings(
    document: dict[str, Any], settings: type[SettingsT], *, where: str, error: type[SlipwayError]
) -> SettingsT:
    """Validate a document; raises `error` with one line per problem; `where` names the document."""
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
    """A key path such as `steps[2].rate_rps`, without pydantic's tags of union members."""
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
    """The possible settings at a location: several if no tag has selected a union's member yet."""
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
