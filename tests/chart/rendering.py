"""Charts rendered by Helm's own engine, in this process; no cluster, no network.

    objects = rendered("serving", {"model": {"storageUri": "pvc://models"}})
    objects["ServingRuntime", "demo-triton"]["spec"]

Helm checks the values against values.schema.json first, as `helm install` does, and raises `helm_python.HelmError`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import helm_python
from helm_python import _native

ROOT = Path(__file__).parents[2]
HELM = ROOT / "helm"
NOTES = "NOTES.txt"

Values = Mapping[str, Any] | Path
Object = dict[str, Any]
Objects = dict[tuple[str, str], Object]


def charts() -> tuple[Path, ...]:
    """Return the folders of all charts in helm/."""
    return tuple(sorted(path.parent for path in HELM.glob("*/Chart.yaml")))


def scenarios(chart: str | Path) -> tuple[Path, ...]:
    """Return the values files that show how the chart is meant to be used."""
    return tuple(sorted((folder(chart) / "ci").glob("*-values.yaml")))


def every_scenario() -> tuple[tuple[Path, Path], ...]:
    """Return (chart, scenario) for all scenarios of all charts."""
    return tuple((chart, scenario) for chart in charts() for scenario in scenarios(chart))


def scenario_id(path: Path) -> str:
    """Return what pytest calls a chart or a scenario: "serving", "gpu"."""
    return path.name.removesuffix("-values.yaml")


def folder(chart: str | Path) -> Path:
    """Return the chart's folder: "serving" is helm/serving."""
    return HELM / chart if isinstance(chart, str) else chart


def values_of(values: Values) -> dict[str, Any]:
    """Return values as Helm reads them; a file goes through Helm's own YAML parser."""
    return helm_python.values_from_yaml(values.read_text()) if isinstance(values, Path) else dict(values)


def manifests(
    chart: str | Path,
    values: Values,
    *,
    release: str = "demo",
    namespace: str = "serving",
    kube_version: str | None = None,
    api_versions: Iterable[str] = (),
    upgrade: bool = False,
) -> dict[str, str]:
    """Return the text of every template, by its path below the chart; hooks and NOTES.txt are among them.

    Args:
        chart: A name below helm/, or the folder of a chart.
        values: What `--set` or `-f` would give; Helm lays it over the chart's defaults.
        release: `.Release.Name`.
        namespace: `.Release.Namespace`.
        kube_version: `.Capabilities.KubeVersion`, such as "v1.33.0"; without it, Helm's own.
        api_versions: What `.Capabilities.APIVersions` has besides the built-in ones.
        upgrade: Render as the first `helm upgrade` does, not as `helm install`.
    """
    options: dict[str, Any] = {"name": release, "namespace": namespace, "is_install": not upgrade}
    options |= {"is_upgrade": upgrade, "revision": 2 if upgrade else 1, "api_versions": list(api_versions)}
    if kube_version is not None:
        options["kube_version"] = kube_version
    with helm_python.Chart.load(folder(chart)) as loaded:
        # The library takes the capabilities; its Python method `render` has no parameter for them.
        answer = _native.call_string("helm_render", loaded._raw(), json.dumps(values_of(values)), json.dumps(options))
    texts: dict[str, str] = json.loads(answer)
    return {path.split("/", 1)[1]: text for path, text in sorted(texts.items())}


def documents(text: str) -> list[Object]:
    """Return the objects of a manifest, read by the YAML parser that Helm itself uses."""
    read = [helm_python.values_from_yaml(part) for part in re.split(r"^---.*$", text, flags=re.MULTILINE)]
    return [document for document in read if document]


def rendered(chart: str | Path, values: Values, **options: Any) -> Objects:
    """Return every object of the release by kind and name; arguments are those of `manifests`."""
    objects: Objects = {}
    for path, text in manifests(chart, values, **options).items():
        for document in [] if path.endswith(NOTES) else documents(text):
            key = document["kind"], document["metadata"]["name"]
            assert key not in objects, f"{path}: the release has two objects {key}"
            objects[key] = document
    return objects


def noted(chart: str | Path, values: Values, **options: Any) -> str:
    """Return what Helm prints after the install; arguments are those of `manifests`."""
    return manifests(chart, values, **options)[f"templates/{NOTES}"]
