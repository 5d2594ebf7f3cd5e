"""Options that several commands share, in groups: a parameter whose type is a dataclass stands for its fields.

    @grouped
    def predict(files: list[str], *, version: VersionOption = None, access: AccessOptions) -> None: ...

The command line shows and parses the fields of `AccessOptions` as options of their own; the command gets one value.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints

__all__ = ["grouped"]


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of its groups: a parameter whose type is a dataclass stands for the fields of that."""
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: kind for name, kind in hints.items() if is_dataclass(kind)}

    def options_of(parameter: inspect.Parameter) -> list[inspect.Parameter]:
        if parameter.name not in groups:
            return [parameter.replace(annotation=hints[parameter.name])]
        kinds = get_type_hints(groups[parameter.name], include_extras=True)
        return [
            inspect.Parameter(
                field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=kinds[field.name]
            )
            for field in fields(groups[parameter.name])
        ]

    def with_groups(**values: Any) -> None:  # noqa: ANN401 - whatever the options hold
        chosen = {
            name: kind(**{field.name: values.pop(field.name) for field in fields(kind)})
            for name, kind in groups.items()
        }
        command(**values, **chosen)

    parameters = inspect.signature(command).parameters.values()
    signature = inspect.Signature([option for parameter in parameters for option in options_of(parameter)])
    with_groups.__signature__ = signature  # type: ignore[attr-defined] # `inspect` and typer look there
    with_groups.__annotations__ = {name: option.annotation for name, option in signature.parameters.items()}
    with_groups.__name__, with_groups.__doc__ = command.__name__, command.__doc__
    return with_groups
