"""values.yaml is the manual: its keys, its comments, its schema and the README say the same."""

from __future__ import annotations

import copy
import shutil
import subprocess

import helm_python
import pytest

from tests.chart.rendering import charts, scenario_id, scenarios, values_of
from tests.chart.small_chart import SCHEMA, VALUES, small_chart
from tests.chart.values_rules import comment_findings, key_findings, nodes, schema_of

every_chart = pytest.mark.parametrize("chart", charts(), ids=scenario_id)


def places(chart):
    schema = schema_of(chart)
    return [path for path, _ in nodes(schema, schema)]


EVERY_PLACE = [(chart, path) for chart in charts() for path in places(chart)]


def misspelt(values, path):
    """Return the values with a key that nobody knows at the path; `[]` in it is a list's only element."""
    if not path:
        return {**values, "misspelt": 1}
    head, _, rest = path.partition(".")
    name = head.rstrip("[]")
    below = values.get(name)
    if head.endswith("[]"):
        return {**values, name: [misspelt({}, rest)]}
    return {**values, name: misspelt(below if isinstance(below, dict) else {}, rest)}


def refusal(chart, values):
    with helm_python.Chart.load(chart) as loaded, pytest.raises(helm_python.HelmValuesError) as caught:
        loaded.validate_schema(values)
    return str(caught.value)


@every_chart
def test_values_and_schema_list_the_same_keys(chart):
    assert [] == key_findings(chart)


@every_chart
def test_each_key_is_documented_once_right_above_it(chart):
    assert [] == comment_findings(chart)


@every_chart
def test_an_editor_finds_the_schema(chart):
    first_line = (chart / "values.yaml").read_text().partition("\n")[0]

    assert "# yaml-language-server: $schema=values.schema.json" == first_line
    assert "http://json-schema.org/draft-07/schema#" == schema_of(chart)["$schema"]


@pytest.mark.parametrize(
    ("chart", "path"), EVERY_PLACE, ids=lambda value: value if isinstance(value, str) else value.name
)
def test_a_misspelt_key_is_refused_with_its_path(chart, path):
    said = refusal(chart, misspelt(values_of(scenarios(chart)[0]), path))
    pointer = "".join(
        f"/{part[:-2]}/0" if part.endswith("[]") else f"/{part}" for part in filter(None, path.split("."))
    )

    assert f"at '{pointer}': additional properties 'misspelt' not allowed" in said


@every_chart
def test_the_readme_is_what_helm_docs_writes(helm_docs, tmp_path, chart):
    copied = shutil.copytree(chart, tmp_path / chart.name)
    subprocess.run([helm_docs, "--chart-search-root", copied, "--log-level", "warning"], check=True)

    assert (copied / "README.md").read_text() == (chart / "README.md").read_text(), "run `make chart-readmes`"


def test_a_chart_whose_values_and_schema_agree_has_no_findings(tmp_path):
    chart = small_chart(tmp_path)

    assert [] == key_findings(chart) + comment_findings(chart)
    assert ["", "paint"] == places(chart)


def changed(*path, to):
    schema = copy.deepcopy(SCHEMA)
    target = schema
    for key in path[:-1]:
        target = target[key]
    if to is None:
        del target[path[-1]]
    else:
        target[path[-1]] = to
    return schema


BAD_SCHEMAS = {
    "open": (changed("properties", "paint", "additionalProperties", to=None), "schema: paint lets unknown keys in"),
    "key missing": (changed("properties", "enabled", to=None), "schema: enabled is missing"),
    "inner key missing": (
        changed("properties", "paint", "properties", "colour", to=None),
        "schema: paint.colour is missing",
    ),
    "key too many": (changed("properties", "size", to={"type": "integer"}), "values.yaml: size is missing"),
    "keys unlisted": (
        changed("properties", "paint", to={"type": "object"}),
        "schema: paint has keys in values.yaml and none",
    ),
}


@pytest.mark.parametrize(("schema", "expected"), BAD_SCHEMAS.values(), ids=BAD_SCHEMAS)
def test_a_schema_that_parts_from_the_values_is_found(tmp_path, schema, expected):
    (said,) = key_findings(small_chart(tmp_path, schema=schema))

    assert expected in said


def test_an_object_that_is_empty_by_default_may_list_its_keys(tmp_path):
    closed = {"type": "object", "additionalProperties": False, "properties": {"owner": {"type": "string"}}}
    chart = small_chart(tmp_path, schema=changed("properties", "annotations", to=closed))

    assert [] == key_findings(chart) + comment_findings(chart)
    assert ["", "paint", "annotations"] == places(chart)


def test_an_open_object_in_a_list_is_found(tmp_path):
    listed = {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}}
    chart = small_chart(
        tmp_path, schema=changed("properties", "annotations", to=listed), values=VALUES.replace("{}", "[]")
    )

    assert ["schema: annotations[] lets unknown keys in"] == key_findings(chart)


BAD_COMMENTS = {
    "none": (VALUES.replace("  # -- Its colour.\n", ""), ["values.yaml:6: paint.colour has 0 comments"]),
    "two": (VALUES.replace("# -- Make", "# -- First.\n# -- Make"), ["values.yaml:5: enabled has 2 comments"]),
    "detached": (
        VALUES.replace("# -- Annotations.\n", "# -- Annotations.\n\n"),
        ["values.yaml:10: annotations has 0 comments", "values.yaml: 1 comments `# --` document no key"],
    ),
}


@pytest.mark.parametrize(("values", "expected"), BAD_COMMENTS.values(), ids=BAD_COMMENTS)
def test_a_key_without_its_comment_is_found(tmp_path, values, expected):
    said = comment_findings(small_chart(tmp_path, values=values))

    assert len(expected) == len(said)
    assert all(line.startswith(start) for start, line in zip(expected, said, strict=True))
