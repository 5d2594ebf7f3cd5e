"""The pod that helm/training renders, run on this machine: its containers one after another, each in the real command.

The object store is moto's S3 server, the cluster's API a small server of our own, both on loopback.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

for module in ("helm_python", "keras", "kubernetes", "moto", "s3fs"):
    pytest.importorskip(module)

import yaml

from slipway.repository import pull, verify
from tests.chart.training_release import arguments, containers, environment_of, job
from tests.unit.api_server import api_server, write_kubeconfig
from tests.unit.s3_store import s3_bucket, s3_door

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
def door():
    with s3_door() as opened:
        yield opened


@pytest.fixture
def s3(door, monkeypatch, tmp_path):
    return s3_bucket(door, monkeypatch, "".join(c for c in tmp_path.name.lower() if c.isalnum()))


@pytest.fixture
def node(tmp_path):
    """A folder for each volume, by the volume's name; `data` and `recipe` are filled."""
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 90, (700, 12, 12), np.uint8), np.arange(700) % 2
    images[labels == 0, :, :6] += 120
    images[labels == 1, :, 6:] += 120
    (tmp_path / "data").mkdir()
    split = {"x_train": images[:600], "y_train": labels[:600], "x_test": images[600:], "y_test": labels[600:]}
    np.savez(tmp_path / "data" / "bars.npz", **split)
    return tmp_path


def values(s3, recipe):
    return {
        "repository": {"url": s3.url},
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
        surroundings = {**os.environ, "KUBECONFIG": str(kubeconfig), "COLUMNS": "160", "NO_COLOR": "1"}
        surroundings |= {name: here(text) for name, text in environment.items()}
        surroundings["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        command = [*container["command"], *words]
        done = subprocess.run(command, env=surroundings, capture_output=True, text=True, timeout=240, check=False)
        ended[step] = done.returncode, done.stdout + done.stderr
        if done.returncode:
            break
    return ended


def test_a_run_publishes_in_the_store_and_rolls_serving_to_it(s3, node, tmp_path):
    kubeconfig = tmp_path / "kubeconfig"
    with api_server() as api:
        write_kubeconfig(kubeconfig, api.server_port)

        ended = run_pod(values(s3, RECIPE), node, kubeconfig)

    assert {"pull": 0, "train": 0, "push": 0, "promote": 0} == {step: status for step, (status, _) in ended.items()}, (
        ended
    )
    assert {"slipway/model-version": "1"} == api.predictor["annotations"]
    pull(tmp_path / "serving", s3.url, complete=True)
    (version,) = verify(tmp_path / "serving", "bars")
    assert {"model.onnx", "samples.npz", "card.json", "card.html"} == set(version.contents())


def test_a_lost_pod_goes_on_where_its_checkpoints_are_and_takes_the_next_number(s3, node, tmp_path):
    """The scratch volume of the repository is lost with the pod, the claim of the runs is not."""
    chosen = {**values(s3, RECIPE), "promotion": {}}
    first = run_pod(chosen, node, tmp_path)
    assert "published bars version 1" in first["push"][1], first
    (node / "repository").rename(node / "lost")

    again = run_pod(chosen, node, tmp_path)

    assert "nothing to resume" not in again["train"][1]
    assert "resumed after epoch 2" in again["train"][1]
    assert "published bars version 2" in again["push"][1]


def test_a_model_that_misses_its_gates_fails_the_job_and_reaches_neither_store_nor_serving(s3, node, tmp_path):
    hopeless = {**RECIPE, "fit": {"epochs": 1, "batch_size": 20}, "gates": {**RECIPE["gates"], "max_ece": 0.0}}
    chosen = values(s3, hopeless)

    ended = run_pod(chosen, node, tmp_path / "no-kubeconfig")

    fails_the_job = job(chosen)["spec"]["podFailurePolicy"]["rules"][0]["onExitCodes"]["values"]
    assert ended["train"][0] in fails_the_job, ended["train"][1]
    assert "max_ece" in ended["train"][1]
    assert ["pull", "train"] == list(ended)
    assert set() == s3.names()
