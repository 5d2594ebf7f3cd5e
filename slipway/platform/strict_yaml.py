"""Load untrusted YAML: limits are checked before objects are built, and the only error names line and column.

    document = load_yaml(content)           # bytes or text
    documents = load_all_yaml(content, SHIPPED)

PyYAML's safe loader runs no code, but accepts aliases that expand to gigabytes, duplicate keys, `010` as 8, nesting
that ends in RecursionError, and values that end in ValueError or KeyError (the 13th month, a number of 5,000 digits,
`!!bool x`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import yaml

from slipway.printable import printable

__all__ = ["SETTINGS", "SHIPPED", "YamlLimits", "YamlUnreadable", "load_all_yaml", "load_yaml"]

MAX_NUMBER_CHARS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class YamlLimits:
    """Limits of a document.

    Attributes:
        content_bytes: Length of the text.
        unfolded: Nodes and characters of values after alias expansion.
        depth: Levels of nesting.
        odd_numbers: Whether `010` is 8 and `1:30` is 90, as in YAML 1.1; otherwise they are rejected.
    """

    content_bytes: int
    unfolded: int
    depth: int = 40
    odd_numbers: bool = False


SETTINGS = YamlLimits(content_bytes=1 << 20, unfolded=1 << 20)
"""Limits for files that users write."""
SHIPPED = YamlLimits(content_bytes=1 << 25, unfolded=1 << 26, odd_numbers=True)
"""Limits for files of a pinned program, such as its resource definitions."""


class YamlUnreadable(ValueError):
    """The text is not valid YAML, or exceeds a limit; the message begins with line and column if known."""


def load_yaml(content: bytes | str, limits: YamlLimits = SETTINGS) -> Any:  # noqa: ANN401 - any YAML value
    """The single document of a text; None if it is empty.

    Raises:
        YamlUnreadable: It is not YAML, has several documents, a duplicate key or an invalid value, or exceeds a limit.
    """
    return _loaded(content, limits, _Loader.get_single_data)


def load_all_yaml(content: bytes | str, limits: YamlLimits = SETTINGS) -> list[Any]:
    """All documents of a text; the limits apply to all of them together.

    Raises:
        YamlUnreadable: As for `load_yaml`.
    """

    def load(loader: _Loader) -> list[Any]:
        documents = []
        while loader.check_data():  # type: ignore[no-untyped-call]
            documents.append(loader.get_data())
        return documents

    documents: list[Any] = _loaded(content, limits, load)
    return documents


def _loaded(content: bytes | str, limits: YamlLimits, load: Callable[[_Loader], Any]) -> Any:  # noqa: ANN401
    text = _decoded(content, limits)
    try:
        loader = _Loader(text, limits)
        try:
            return load(loader)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        raise YamlUnreadable(
            _at(mark, exc.problem or exc.context or "not YAML")
        ) from None  # its message quotes the file
    except yaml.reader.ReaderError as exc:
        line, column = _position(text[: exc.position])
        raise YamlUnreadable(f"line {line}, column {column}: a character that YAML does not allow") from None


def _decoded(content: bytes | str, limits: YamlLimits) -> str:
    size = len(content)
    if size > limits.content_bytes:
        raise YamlUnreadable(f"expected at most {limits.content_bytes:,} bytes, got {size:,} or more")
    if isinstance(content, str):
        return content
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line, column = _position(content[: exc.start].decode("utf-8", errors="replace"))
        raise YamlUnreadable(f"line {line}, column {column}: expected text in UTF-8, got another encoding") from None


def _position(before: str) -> tuple[int, int]:
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def _at(mark: Any, problem: str) -> str:  # noqa: ANN401
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return f"{place}{printable(problem, limit=200)}"


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which checks the limits before it builds objects."""

    def __init__(self, text: str, limits: YamlLimits) -> None:
        super().__init__(text)
        self._limits = limits
        self._depth = 0
        self._unfolded = 0
        self._weights: dict[int, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Count a node, or an alias's expansion."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            node = super().compose_node(parent, index)
            if id(node) not in self._weights:
                raise _refusal("an alias refers to a node that contains it", event.start_mark)
            self._count(self._weights[id(node)], event.start_mark)
            return node
        before = self._unfolded
        self._count(1 + (len(event.value) if isinstance(event, yaml.ScalarEvent) else 0), event.start_mark)
        self._depth += 1
        if self._depth > self._limits.depth:
            raise _refusal(f"expected at most {self._limits.depth} levels, got more", event.start_mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        self._weights[id(node)] = self._unfolded - before
        return node

    def compose_mapping_node(self, anchor: dict[Any, yaml.Node]) -> yaml.MappingNode:
        """Reject a duplicate key, before sections are merged with `<<`."""
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            if isinstance(key_node, yaml.ScalarNode):
                merge = key_node.tag == "tag:yaml.org,2002:merge"
                key = ("<<",) if merge else self.construct_object(key_node)
                if not isinstance(key, Hashable):
                    raise _refusal("expected one value as a key", key_node.start_mark)
                if key in seen:
                    shown = printable(key_node.value, limit=60)
                    raise _refusal(f"duplicate key {shown!r}", key_node.start_mark)
                seen.add(key)
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: ANN401 - PyYAML's
        """Build a value; an invalid one is an error with its position."""
        try:
            if node.tag in _NUMBERS and len(node.value) > MAX_NUMBER_CHARS:
                raise ValueError(f"expected a number of at most {MAX_NUMBER_CHARS} characters")  # noqa: TRY301
            if node.tag in _NUMBERS and not self._limits.odd_numbers and _ODD_NUMBER.fullmatch(node.value):
                raise _refusal(
                    f"{node.value!r} is {super().construct_object(node)} in YAML 1.1 (base 8 after a 0, base 60 around "
                    "a colon): write the number in digits without a leading 0, or put it in quotes if it is a text",
                    node.start_mark,
                )
            return super().construct_object(node, deep=deep)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError) as exc:
            if isinstance(exc, yaml.YAMLError):
                raise
            shown = printable(node.value, limit=60) if isinstance(node, yaml.ScalarNode) else "what stands here"
            kind = str(node.tag).rpartition(":")[2]
            raise _refusal(f"{shown!r} is no {kind}", node.start_mark) from exc

    def _count(self, weight: int, mark: Any) -> None:  # noqa: ANN401 - PyYAML has two classes of marks
        self._unfolded += weight
        if self._unfolded > self._limits.unfolded:
            raise _refusal(
                f"expected at most {self._limits.unfolded:,} values and characters, got more once aliases unfold", mark
            )


def _refusal(problem: str, mark: Any) -> yaml.MarkedYAMLError:  # noqa: ANN401
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


_ODD_NUMBER = re.compile(r"[-+]?(0[0-9_]+|[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)")
"""What YAML 1.1 reads in another base than people do. `0.5`, `0x1f` and `0b1` say what they are."""

_NUMBERS = {"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"}
