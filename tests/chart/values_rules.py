"""What ties values.yaml, its comments and values.schema.json together.

A *node* is an object of ours, with named keys. A *leaf* is everything else: a scalar, a list, an object that is empty
by default, or a Kubernetes shape that is passed through as it is. One comment documents all of a leaf.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.chart.rendering import values_of

# Helm gives it to every chart; it is no key of ours.
ALWAYS_ALLOWED = frozenset({"global"})
# Kubernetes shapes that may have a default: Kubernetes documents their keys, and no schema of ours need list them.
NATIVE = frozenset(
    {
        "affinity",
        "annotations",
        "behavior",
        "deploymentStrategy",
        "labels",
        "nodeSelector",
        "requests",
        "limits",
        "resources",
        "securityContext",
        "selector",
    }
)
# So are `podLabels`, `stepResources` and their like.
_NATIVE_ENDS = ("Annotations", "Labels", "Resources", "SecurityContext")
_DOCUMENTS = re.compile(r"\s*# -- \S")


def schema_of(chart: Path) -> dict[str, Any]:
    """Return values.schema.json."""
    schema: dict[str, Any] = json.loads((chart / "values.schema.json").read_text())
    return schema


def resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema, or what its `$ref` stands for."""
    target: Any = root
    if "$ref" not in schema:
        return schema
    for key in schema["$ref"].removeprefix("#/").split("/"):
        target = target[key]
    return resolved({**target, **{key: value for key, value in schema.items() if key != "$ref"}}, root)


def nodes(
    schema: Mapping[str, Any], root: Mapping[str, Any], path: str = ""
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Return every object of ours in the schema by its path, the top first; those in lists have `[]` in theirs."""
    schema = resolved(schema, root)
    if "properties" in schema:
        yield path, schema
        for name, inner in schema["properties"].items():
            yield from nodes(inner, root, f"{path}.{name}".removeprefix("."))
    elif isinstance(schema.get("items"), Mapping):
        yield from nodes(schema["items"], root, f"{path}[]")


def key_findings(chart: Path) -> list[str]:
    """Return where the keys of values.yaml and values.schema.json part, and each object that is not closed."""
    schema, values = schema_of(chart), values_of(chart / "values.yaml")
    said = [
        f"schema: {path or 'the top'} lets unknown keys in"
        for path, node in nodes(schema, schema)
        if node.get("additionalProperties") is not False
    ]
    return said + list(_parted(resolved(schema, schema), values, schema, ""))


def _parted(schema: Mapping[str, Any], values: Any, root: Mapping[str, Any], path: str) -> Iterator[str]:
    listed = schema.get("properties")
    if listed is None:
        if isinstance(values, Mapping) and values and not _is_native(path.rpartition(".")[2]):
            yield f"schema: {path} has keys in values.yaml and none in the schema"
        return
    if values == {}:
        return  # nothing by default: which keys it may have, the schema says alone
    if not isinstance(values, Mapping):
        yield f"values.yaml: {path} has keys in the schema and is {values!r}"
        return
    for name in sorted((listed.keys() | values.keys()) - (ALWAYS_ALLOWED if not path else set())):
        below = f"{path}.{name}".removeprefix(".")
        if name not in listed:
            yield f"schema: {below} is missing"
        elif name not in values:
            yield f"values.yaml: {below} is missing"
        else:
            yield from _parted(resolved(listed[name], root), values[name], root, below)


def comment_findings(chart: Path) -> list[str]:
    """Return each key that is not documented exactly once by a comment `# -- text` right above it."""
    text = (chart / "values.yaml").read_text()
    lines = text.splitlines()
    schema = schema_of(chart)
    said, documenting = [], 0
    for path, line, is_node in _keys(yaml.compose(text, Loader=yaml.SafeLoader), schema, schema, ""):
        above = sum(1 for comment in _block_above(lines, line) if _DOCUMENTS.match(comment))
        documenting += above
        if above > 1 or (above == 0 and not is_node):
            said.append(f"values.yaml:{line + 1}: {path} has {above} comments `# -- text` right above it, not one")
    total = sum(1 for comment in lines if _DOCUMENTS.match(comment))
    return said + (
        [f"values.yaml: {total - documenting} comments `# --` document no key"] if total > documenting else []
    )


def _is_native(name: str) -> bool:
    return name in NATIVE or name.endswith(_NATIVE_ENDS)


def _block_above(lines: list[str], line: int) -> Iterator[str]:
    for index in range(line - 1, -1, -1):
        if not lines[index].lstrip().startswith("#"):
            return
        yield lines[index]


def _keys(
    mapping: yaml.MappingNode, schema: Mapping[str, Any], root: Mapping[str, Any], path: str
) -> Iterator[tuple[str, int, bool]]:
    """Return each key's path, line (from 0) and whether it is a node; what is below a leaf is Kubernetes'."""
    properties = resolved(schema, root).get("properties", {})
    for key, value in mapping.value:
        below = f"{path}.{key.value}".removeprefix(".")
        inner = resolved(properties.get(key.value, {}), root)
        is_node = "properties" in inner and isinstance(value, yaml.MappingNode) and bool(value.value)
        is_node = is_node and not _is_native(key.value)
        yield below, key.start_mark.line, is_node
        if is_node:
            yield from _keys(value, inner, root, below)
