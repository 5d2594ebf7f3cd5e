"""A value that becomes a URI, an image, a host, a name or a path is one word: pasted white space is refused."""

import functools

import helm_python
import pytest

from tests.chart.rendering import charts, scenarios, values_of
from tests.chart.values_rules import resolved, schema_of

FREE_TEXT = {
    "autoscaling.wake.query",
    "deploymentStrategy.rollingUpdate.maxSurge",
    "deploymentStrategy.rollingUpdate.maxUnavailable",
    "monitoring.rules.severity.page",
    "monitoring.rules.severity.ticket",
    "recipe.inline",
    "runId",
    "tests.expect",
    "triton.extraArgs[]",
}
"""What may hold spaces: a query, a recipe, a label of an image, an argument, a text of the user's own."""
MAY_BE_INSIDE = {"images.file", "images.repositoryPath", "schedule.cron"}
"""Folders and files of a claim may have a space in their names; a schedule has some."""
EXAMPLES = (
    "s3://models/prod",
    "http://prometheus.monitoring.svc:9090",
    "registry.example:5000/team/image",
    "registry.example/pause:3.10",
    "folder/file.npz",
    "/models",
    "models.example.com",
    "10.0.0.1/32",
    "name",
    "3",
    "2Gi",
    "nvidia.com/gpu",
    "Europe/Berlin",
    "15 4 * * *",
    "sha256:" + "0" * 64,
    "iVBORw0KGgo=",
)


def words(schema, root, path=""):
    """Path of every value that is a text of ours, lists' elements with `[]`."""
    schema = resolved(schema, root)
    for name, inner in schema.get("properties", {}).items():
        yield from words(inner, root, f"{path}.{name}".removeprefix("."))
    if isinstance(schema.get("items"), dict):
        yield from words(schema["items"], root, f"{path}[]")
    kinds = schema.get("type", ())
    if path not in FREE_TEXT and "enum" not in schema and "string" in ([kinds] if isinstance(kinds, str) else kinds):
        yield path


def set_at(values, path, value):
    if not path:
        return value
    head, _, rest = path.partition(".")
    name = head.rstrip("[]")
    below = values.get(name) if isinstance(values, dict) else None
    if head.endswith("[]"):
        return {**values, name: [set_at({}, rest, value)]}
    return {**(values or {}), name: set_at(below if isinstance(below, dict) else {}, rest, value)}


@functools.cache
def loaded(chart):
    return helm_python.Chart.load(chart).__enter__(), values_of(scenarios(chart)[0])


def refused(chart, path, value):
    pointer = "".join(f"/{p[:-2]}/0" if p.endswith("[]") else f"/{p}" for p in path.split("."))
    validator, values = loaded(chart)
    try:
        validator.validate_schema(set_at(values, path, value))
    except helm_python.HelmValuesError as exc:
        return f"at '{pointer}'" in str(exc)
    return False


EVERY_WORD = [(chart, path) for chart in charts() for path in words(schema_of(chart), schema_of(chart))]


@pytest.mark.parametrize(("chart", "path"), EVERY_WORD, ids=lambda v: v if isinstance(v, str) else v.name)
def test_white_space_around_or_inside_is_refused(chart, path):
    example = next(text for text in EXAMPLES if not refused(chart, path, text))
    spoilt = [f"{example} ", f" {example}", f"{example}\n", f"\n{example}", f"{example}\t", f"{example}\u00a0"]
    spoilt += [f"{example[:1]}\n{example[1:]}", f"{example}\n{example}"]
    if path not in MAY_BE_INSIDE:
        spoilt += [f"{example} {example}", f"{example[:-1]} {example[-1:]}"]

    assert [] == [text for text in spoilt if not refused(chart, path, text)]


@pytest.mark.parametrize(
    "text", ["s3://models/prod ", " s3://models/prod", "s3://models/pr od", "pvc://models\n", "s3:// "]
)
def test_a_storage_uri_with_white_space_is_refused_with_its_path(text):
    (serving,) = [chart for chart in charts() if chart.name == "serving"]

    assert refused(serving, "model.storageUri", text)


def test_what_people_write_is_still_taken():
    given = {
        "serving": {
            "model.storageUri": ["", "s3://models/prod", "pvc://claim/a/b", "https://host/a%20b?x=1", "s3://b/größe"],
            "image.repository": [
                "nvcr.io/nvidia/tritonserver",
                "localhost:5000/a",
                "[::1]:5000/a/b",
                "Registry.io/x_y",
            ],
            "headroom.image": [
                "registry.k8s.io/pause:3.10",
                "r.io:5000/p@sha256:" + "0" * 64,
                "r.io/p:1@sha256:" + "1" * 64,
            ],
            "serviceAccount.name": ["", "serving", "team.serving"],
            "gpu.products[]": ["NVIDIA-A100-SXM4-40GB", "Tesla-T4", "NVIDIA-H100-80GB-HBM3-MIG-1g.10gb"],
            "monitoring.rules.runbookBaseUrl": ["docs/runbooks", "https://wiki.example.com/x"],
        },
        "loadtest": {
            "target.url": ["", "grpcs://models.example.com:443", "http://[::1]:8000/prefix"],
            "target.metrics": ["", "service", "http://triton:8002/metrics"],
            "images.file": ["", "a.npz", "my pictures/b c.npz", "a/.hidden"],
        },
        "training": {
            "repository.url": ["", "s3://models/prod", "abfs://c@account/path"],
            "schedule.timeZone": ["Etc/UTC", "America/Argentina/Buenos_Aires", "Etc/GMT+1"],
        },
    }

    wrong = [
        (chart.name, path, text)
        for chart in charts()
        for path, texts in given[chart.name].items()
        for text in texts
        if refused(chart, path, text)
    ]

    assert [] == wrong
