"""k8s/base and k8s/overlays are the chart, for people without Helm."""

import runpy
import subprocess

import pytest
import yaml

from tests.chart.rendering import ROOT

K8S = ROOT / "k8s"
PROFILES = ("cpu", "gpu")


@pytest.fixture(scope="module")
def generator(helm):
    assert helm.exists()

    return runpy.run_path(str(K8S / "generate.py"))


@pytest.mark.parametrize("profile", PROFILES)
def test_an_overlay_builds_to_what_the_chart_renders(generator, kustomize, profile):
    built = subprocess.run(
        [kustomize, "build", K8S / "overlays" / profile], check=True, capture_output=True, text=True
    ).stdout
    objects = {(document["kind"], document["metadata"]["name"]): document for document in yaml.safe_load_all(built)}
    for document in objects.values():
        if document["kind"] == "PriorityClass":
            document["metadata"].pop("namespace", None)

    assert generator["plain"](profile) == objects


def test_the_committed_files_are_the_generated_ones(generator, tmp_path):
    generator["generate"](tmp_path)
    expected = {path.relative_to(tmp_path): path.read_text() for path in tmp_path.rglob("*.yaml")}
    committed = [path for folder in ("base", "overlays") for path in (K8S / folder).rglob("*.yaml")]

    assert expected == {path.relative_to(K8S): path.read_text() for path in committed}


def test_a_threshold_that_nobody_measured_says_so():
    text = (K8S / "overlays" / "gpu" / "scaledobject-mnist.yaml").read_text()

    assert "threshold: '8'" in text
    assert "measure" in text.partition("apiVersion")[0]


def test_the_profiles_share_a_base_and_differ_where_the_accelerator_does():
    base = {path.name for path in (K8S / "base").glob("*.yaml")}
    gpu = {path.name for path in (K8S / "overlays" / "gpu").glob("*.yaml")}

    assert "networkpolicy-mnist-predictor.yaml" in base
    assert {"servingruntime-mnist-triton.yaml", "inferenceservice-mnist.yaml", "scaledobject-mnist.yaml"} <= gpu
    assert {"kustomization.yaml"} == base & gpu
