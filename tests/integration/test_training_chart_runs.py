"""The pod that helm/training renders, run on this machine: its containers one after another, each in the real command.

The object store is moto's S3 server, the cluster's API a small server of our own, both on loopback.
"""

import re
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest

for module in ("helm_python", "keras", "kubernetes", "moto", "s3fs"):
    if find_spec(module) is None:  # importorskip would import TensorFlow, which only the commands need
        pytest.skip(f"no module {module!r}", allow_module_level=True)

import yaml

from slipway.repository import pull, verify
from tests.chart.training_release import arguments, containers, environment_of, job
from tests.integration.forked_slipway import run_slipway
from tests.unit.api_server import api_server, write_kubeconfig
from tests.unit.s3_store import s3_bucket, s3_interceptor

RECIPE = {
    "model": "bars",
    "description": "Bright left or bright right halves",
    "dataset": {"validation_images": 100},
    "network": {"builder": "training.networks:compact_cnn", "arguments": {"filters": [4]}},
    "optimizer": {"learning_rate": 0.02},
    "fit": {"epochs": 2, "batch_size": 20},
    "gates": {"min_accuracy": 0.9, "min_macro_f1": 0.9, "max_ece": 0.5},
    "serving": {"max_batch_size": 8, "cpu": {"instances": 1}, "gpu": {"instances": 1}},
}


@pytest.fixture(scope="module")
def s3():
    with pytest.MonkeyPatch.context() as monkeypatch, s3_interceptor() as interceptor:
        yield s3_bucket(interceptor, monkeypatch, "training-chart")


def node(folder):
    """A folder for each volume, by the volume's name; the one with the images is filled."""
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 90, (600, 12, 12), np.uint8), np.arange(600) % 2
    images[labels == 0, :, :6] += 120
    images[labels == 1, :, 6:] += 120
    (folder / "data").mkdir()
    split = {"x_train": images[:500], "y_train": labels[:500], "x_test": images[500:], "y_test": labels[500:]}
    np.savez(folder / "data" / "bars.npz", **split)
    return folder


def values(url, recipe):
    return {
        "repository": {"url": url},
        "data": {"claim": "images", "file": "bars.npz"},
        "recipe": {"inline": yaml.safe_dump(recipe)},
        "promotion": {"enabled": True, "inferenceService": "mnist"},
    }


def run_pod(chosen, node, kubeconfig):
    """Run the containers in their order until one fails, as the kubelet does; return exit status and text of each."""
    (node / "recipe").mkdir(exist_ok=True)
    (node / "recipe" / "recipe.yaml").write_text(chosen["recipe"]["inline"])
    ended = {}
    for step, container in containers(chosen).items():
        volumes = {mount["mountPath"]: str(node / mount["name"]) for mount in container["volumeMounts"]}
        places = re.compile(rf"(?<![^=])({'|'.join(volumes)})(?=/|$)")

        def here(text, places=places, volumes=volumes):
            return places.sub(lambda found: volumes[found[1]], text)

        labels = {"batch.kubernetes.io/job-name": job(chosen)["metadata"]["name"]}
        environment = environment_of(container, labels=labels)
        words = [here(word) for word in arguments(container, environment)]
        surroundings = {"KUBECONFIG": str(kubeconfig), "COLUMNS": "160", "NO_COLOR": "1"}
        surroundings |= {name: here(text) for name, text in environment.items()}
        assert ["slipway"] == container["command"]
        ended[step] = run_slipway(words, surroundings, node / f"{step}.log")
        if ended[step][0]:
            break
    return ended


@pytest.fixture(scope="module")
def published(s3, tmp_path_factory):
    """The run that publishes version 1 and promotes it."""
    folder = node(tmp_path_factory.mktemp("node"))
    chosen = values(f"{s3.url}/published", RECIPE)
    with api_server() as api:
        write_kubeconfig(folder / "kubeconfig", api.server_port)
        ended = run_pod(chosen, folder, folder / "kubeconfig")
    return SimpleNamespace(chosen=chosen, url=chosen["repository"]["url"], node=folder, ended=ended, api=api)


def test_a_run_publishes_in_the_store_and_rolls_serving_to_it(published, tmp_path):
    statuses = {step: status for step, (status, _) in published.ended.items()}

    assert {"check": 0, "pull": 0, "train": 0, "push": 0, "promote": 0} == statuses, published.ended
    assert {"slipway/model-version": "1"} == published.api.predictor["annotations"]
    pull(tmp_path, published.url, complete=True)
    assert {"model.onnx", "samples.npz", "card.json", "card.html"} == set(verify(tmp_path, "bars", 1)[0].model())


def test_a_pod_after_one_that_has_published_publishes_nothing_and_promotes(published):
    """The scratch volume of the repository is lost with the pod, the claim of the runs is not."""
    (published.node / "repository").rename(published.node / "lost")

    with api_server() as api:
        write_kubeconfig(published.node / "kubeconfig", api.server_port)
        again = run_pod(published.chosen, published.node, published.node / "kubeconfig")

    assert "published bars version 1" in published.ended["push"][1]
    assert "resumed after epoch 2" in again["train"][1]
    assert "this run has published it already" in again["train"][1]
    assert "bars: nothing new" in again["push"][1]
    assert (0, "promote") == (again["promote"][0], list(again)[-1]), again
    assert {"slipway/model-version": "1"} == api.predictor["annotations"]


def test_promotion_that_cannot_work_ends_the_pod_before_it_trains(published):
    nobody = run_pod(published.chosen, published.node, published.node / "no-kubeconfig")
    with api_server() as api:
        api.refuse_patches_with = 403
        write_kubeconfig(published.node / "kubeconfig", api.server_port)
        forbidden = run_pod(published.chosen, published.node, published.node / "kubeconfig")

    assert {"check": 1} == {step: status for step, (status, _) in nobody.items()}, "the Job tries again"
    assert {"check": 2} == {step: status for step, (status, _) in forbidden.items()}, "the Job fails"


def test_a_model_that_misses_its_gates_fails_the_job_and_reaches_neither_store_nor_serving(s3, tmp_path):
    hopeless = {**RECIPE, "fit": {"epochs": 1, "batch_size": 20}, "gates": {**RECIPE["gates"], "max_ece": 0.0}}
    chosen = values(f"{s3.url}/hopeless", hopeless)

    with api_server() as api:
        write_kubeconfig(tmp_path / "kubeconfig", api.server_port)
        ended = run_pod(chosen, node(tmp_path), tmp_path / "kubeconfig")

    fails_the_job = job(chosen)["spec"]["podFailurePolicy"]["rules"][0]["onExitCodes"]["values"]
    assert ended["train"][0] in fails_the_job, ended["train"][1]
    assert "max_ece" in ended["train"][1]
    assert ["check", "pull", "train"] == list(ended)
    assert "annotations" not in api.predictor
    assert not [name for name in s3.names() if name.startswith("hopeless/")]
