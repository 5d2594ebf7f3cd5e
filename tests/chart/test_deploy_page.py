"""docs/deploy.md: its commands work on what is there, and its table knows every feature."""

import re

import pytest
import yaml

from tests.chart.page_commands import PageReader, commands
from tests.chart.rendering import HELM, ROOT, values_of
from tests.unit.values_inputs import measured, published, write_capacity

PAGE = ROOT / "docs" / "deploy.md"
# What is said of every pod of every chart, and is no feature of this one.
USUAL = {
    "image",
    "imagePullSecrets",
    "resources",
    "volumes",
    "podSecurityContext",
    "podLabels",
    "podAnnotations",
    "nodeSelector",
}


@pytest.fixture
def reader(tmp_path, monkeypatch):
    published(tmp_path / "model_repository")
    write_capacity(measured(), tmp_path / "capacity.yaml")
    (tmp_path / "runs" / "mnist" / "digits").mkdir(parents=True)
    (tmp_path / "runs" / "mnist" / "digits" / "00-is-7.png").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    return PageReader(tmp_path)


def test_every_command_of_the_page_works_on_what_is_there(reader):
    for command in commands(PAGE):
        reader.read(command)

    assert {("serving", name) for name in ("train", "measure", "mnist", "spike")} == set(reader.releases)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("helm test mnist --namespace serving", "no release"),
        ("helm upgrade mnist helm/serving --namespace serving", "not installed yet"),
        ("kubectl --namespace serving get deployment/mnist-predictor", "no deployment/mnist-predictor"),
        ("kubectl --namespace serving logs --selector app=mnist", "no pod has app=mnist"),
        ("kubectl apply --kustomize k8s/overlays/tpu", "not in the repository"),
        ("docker build -f docker/client.Dockerfile --build-arg COLOUR=blue .", "no ARG of COLOUR"),
    ],
)
def test_a_command_that_would_fail_is_found(reader, command, reason):
    with pytest.raises(AssertionError, match=re.escape(reason)):
        reader.read(command)


def test_an_option_that_slipway_does_not_know_is_found(reader):
    with pytest.raises(Exception, match="No such option"):
        reader.read("slipway check grpc://localhost:9000 --colour blue")


def test_the_values_on_the_page_are_values_of_the_chart(reader):
    (text,) = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    own = reader.folder / "own.yaml"
    own.write_text(yaml.safe_dump({"model": {"storageUri": "pvc://m"}, "autoscaling": {"mode": "none"}}) + text)

    reader.read("helm install mnist helm/serving --namespace serving --values own.yaml")


def keys_of(values, prefix=""):
    for key, value in values.items():
        yield f"{prefix}{key}"
        if isinstance(value, dict):
            yield from keys_of(value, f"{prefix}{key}.")


def test_the_feature_table_names_real_values_and_leaves_no_section_out():
    table = PAGE.read_text().split("## Every feature")[1].split("\n## ")[0]
    rows = [line.split("|")[2] for line in table.splitlines() if line.startswith("| ")][1:]
    named = {key for row in rows for key in re.findall(r"`([^`]+)`", row)}
    values = values_of(HELM / "serving" / "values.yaml")

    assert set() == named - set(keys_of(values))
    assert set() == set(values) - USUAL - {key.split(".")[0] for key in named}
