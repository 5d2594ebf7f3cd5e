"""A chart of a few lines, to show that a check of real charts refuses what it is there to refuse."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CONFIG_MAP = """\
{{- if .Values.enabled }}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "slipway-small.name" . }}
data:
  colour: {{ .Values.paint.colour }}
{{- end }}
"""
HELPERS = """\
{{- define "slipway-small.name" -}}
{{ .Release.Name }}
{{- end -}}
"""
VALUES = """\
# yaml-language-server: $schema=values.schema.json

# -- Make the map.
enabled: true
paint:
  # -- Its colour.
  colour: red
# -- Annotations.
annotations: {}
"""
SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "enabled": {"type": "boolean"},
        "paint": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"colour": {"type": "string"}},
        },
        "annotations": {"type": "object"},
    },
}


def small_chart(
    folder: Path,
    *,
    templates: Mapping[str, str] | None = None,
    values: str = VALUES,
    schema: Mapping[str, Any] = SCHEMA,
) -> Path:
    """Write the chart `slipway-small` into folder/small; `templates` are laid over the two that it has."""
    chart = folder / "small"
    (chart / "templates").mkdir(parents=True)
    (chart / "ci").mkdir()
    (chart / "Chart.yaml").write_text(
        "apiVersion: v2\nname: slipway-small\ntype: application\nversion: 0.1.0\nappVersion: 0.1.0\n"
        'kubeVersion: ">=1.32.0-0"\n'
    )
    (chart / "values.yaml").write_text(values)
    (chart / "values.schema.json").write_text(json.dumps(schema))
    (chart / "ci" / "default-values.yaml").write_text("# What it is without a word from anyone.\nenabled: true\n")
    (chart / "ci" / "off-values.yaml").write_text("# Nothing.\nenabled: false\n")
    for name, text in {"map.yaml": CONFIG_MAP, "_helpers.tpl": HELPERS, **(templates or {})}.items():
        (chart / "templates" / name).write_text(text)
    return chart
