"""What an API server would say to an object: its fields, types, enums and ranges, nothing unknown, nothing empty.

Built-in kinds are checked against Kubernetes' published schemas (strict: unknown fields are refused). Custom kinds are
checked against the schema in the project's own CustomResourceDefinition, closed in the same way. CEL rules and webhooks
are beyond a schema.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft4Validator, Draft202012Validator
from jsonschema.exceptions import ValidationError
from kubernetes_validate.utils import all_versions, schema_contents
from referencing import Registry, Resource

from tests.chart.rendering import Object, documents

NEWEST = all_versions()[-1]
# Chart.yaml: kubeVersion ">=1.32.0-0".
OLDEST = "1.32.0"

_WHOLE_OBJECT = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}
_FOLDER = "kubernetes-json-schema/v{version}-local-strict"
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
# Names that become a label or a DNS label: 63 characters, no dots.
_DNS_LABEL_KINDS = frozenset({"InferenceService", "Namespace", "Service"})
_DNS_LABEL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")


def findings(document: Object, *, version: str, crds: Path) -> list[str]:
    """Return what is wrong with the object, a sentence each; a kind that no schema knows is wrong.

    Args:
        document: The object.
        version: The Kubernetes version whose built-in kinds are meant, such as "1.37.0".
        crds: The folder that `make tools` fills, one folder a project in it.
    """
    name = f"{document.get('kind')}/{document.get('metadata', {}).get('name')}"
    validator = _custom(document, crds) or _built_in(document, version)
    if validator is None:
        return [f"{name}: no schema knows {document.get('apiVersion')} {document.get('kind')}"]
    errors = list(validator.iter_errors(document))
    if isinstance(validator, Draft4Validator):
        # A custom resource's metadata is Kubernetes' own, whatever its definition says.
        stand_in = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": document["metadata"]}
        errors += _built_in(stand_in, version).iter_errors(stand_in)
    said = [f"{name} at {_path(error)}: {error.message}" for error in map(_innermost, errors)]
    said += [f"{name} at {path}: an empty value; leave the key out" for path in _nulls(document)]
    return said + [f"{name}: {sentence}" for sentence in _names(document)]


def _innermost(error: ValidationError) -> ValidationError:
    """Return the alternative that failed deepest, for `oneOf` says nothing by itself."""
    while error.context:
        error = max(error.context, key=lambda inner: len(inner.absolute_path))
    return error


def _path(error: ValidationError) -> str:
    return ".".join(map(str, error.absolute_path)) or "the top"


def _nulls(value: Any, path: str = "") -> Iterator[str]:
    if value is None:
        yield path
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _nulls(inner, f"{path}.{key}".removeprefix("."))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _nulls(inner, f"{path}.{index}")


def _names(document: Object) -> Iterator[str]:
    metadata = document["metadata"]
    expected = _DNS_LABEL if document["kind"] in _DNS_LABEL_KINDS else _NAME
    if not expected.fullmatch(metadata["name"]):
        yield f"the name {metadata['name']!r} does not match {expected.pattern}"
    for key, value in (metadata.get("labels") or {}).items():
        if not _LABEL_VALUE.fullmatch(str(value)):
            yield f"the value {value!r} of label {key} does not match {_LABEL_VALUE.pattern}"


@cache
def _definitions(version: str) -> Registry[Any]:
    contents = schema_contents(f"{_FOLDER.format(version=version)}/_definitions.json", version)
    return Resource.from_contents(contents) @ Registry()


def _built_in(document: Object, version: str) -> Draft202012Validator | None:
    # The files leave the domain out: apps/v1 is apps-v1, policy/v1 is policy-v1, networking.k8s.io/v1 is networking-v1.
    group, _, api_version = str(document["apiVersion"]).rpartition("/")
    if "." in group and not group.endswith(".k8s.io"):
        return None
    return _built_in_kind(document["kind"], "-".join(filter(None, [group.split(".")[0], api_version])), version)


@cache
def _built_in_kind(kind: str, api: str, version: str) -> Draft202012Validator | None:
    try:
        schema = schema_contents(f"{_FOLDER.format(version=version)}/{kind.lower()}-{api}.json", version)
    except FileNotFoundError:
        return None
    return Draft202012Validator(schema, registry=Resource.from_contents(schema) @ _definitions(version))


def _custom(document: Object, crds: Path) -> Draft4Validator | None:
    group, _, version = str(document["apiVersion"]).rpartition("/")
    return _custom_kind(group, version, document["kind"], crds) if group else None


@cache
def _custom_kind(group: str, version: str, kind: str, crds: Path) -> Draft4Validator | None:
    for path in sorted(crds.glob(f"*/{group}_*.yaml")):
        text = path.read_text()
        if f"kind: {kind}\n" not in text:
            continue
        (definition,) = documents(text)
        if kind == definition["spec"]["names"]["kind"]:
            served = {v["name"]: v for v in definition["spec"]["versions"] if v["served"]}
            return _closed_root(served[version]["schema"]["openAPIV3Schema"]) if version in served else None
    return None


def _closed_root(schema: Mapping[str, Any]) -> Draft4Validator:
    closed = closed_schema(schema)
    closed["properties"] |= _WHOLE_OBJECT
    closed["required"] = [*closed.get("required", ()), "apiVersion", "kind", "metadata"]
    return Draft4Validator(closed)


def closed_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Turn a CRD's openAPIV3Schema into a JSON schema (draft 4) that refuses what the API server would drop.

    The API server prunes each field that is neither in `properties` nor covered by `additionalProperties`, unless
    x-kubernetes-preserve-unknown-fields says otherwise. `allOf`, `anyOf`, `oneOf` and `not` only constrain: they name
    no fields, so they stay open.
    """
    closed = {key: value for key, value in schema.items() if key not in ("default", "description", "example", "format")}
    if schema.get("x-kubernetes-int-or-string"):
        closed.pop("type", None)
        closed.setdefault("anyOf", [{"type": "integer"}, {"type": "string"}])
    if "items" in schema:
        closed["items"] = closed_schema(schema["items"])
    if "properties" in schema:
        closed["properties"] = {name: closed_schema(inner) for name, inner in schema["properties"].items()}
    if isinstance(schema.get("additionalProperties"), Mapping):
        closed["additionalProperties"] = closed_schema(schema["additionalProperties"])
    elif closed.get("type") == "object" and "additionalProperties" not in schema:
        closed["additionalProperties"] = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    if schema.get("x-kubernetes-embedded-resource"):
        closed["properties"] = {**closed.get("properties", {}), **_WHOLE_OBJECT}
    if schema.get("nullable") and isinstance(closed.get("type"), str):
        closed["type"] = [closed["type"], "null"]
    return closed
