"""What helm/training's containers run: understood by the real command line, and by TensorFlow's own reader."""

import contextlib
import json
import os
import signal
import subprocess

import pytest

pytest.importorskip("helm_python")

import yaml

from tests.chart.rendering import HELM, scenarios, values_of
from tests.chart.training_release import (
    CLAIM,
    RECIPE,
    STORE,
    arguments,
    containers,
    environment_of,
    job_name,
    parsed,
    release,
)

WORKERS = {**CLAIM, "workers": 3}


def command_lines(values):
    """What each container runs, as the real command line understands it."""
    labels = {"batch.kubernetes.io/job-name": "demo-training-12345678"}
    found = containers({**values, "schedule": {}})
    return {
        step: parsed(arguments(container, environment_of(container, labels=labels)))
        for step, container in found.items()
    }


@pytest.mark.parametrize("scenario", scenarios("training"), ids=lambda path: path.stem)
def test_the_real_command_line_understands_every_container(scenario):
    understood = command_lines(values_of(scenario))

    assert all({"check": "promote"}.get(step, step) == name for step, (name, _) in understood.items())
    assert understood["train"][1]["resume"]


def test_the_shipped_recipes_model_is_the_one_that_the_values_name():
    from training.recipe import load_recipe

    recipe = yaml.safe_load((HELM / "training" / "values.yaml").read_text())["recipe"]

    assert load_recipe(recipe["name"]).model == recipe["model"]


def test_a_claim_is_trained_into_with_the_runs_beside_the_models():
    _, train = command_lines({"repository": {"claim": "models", "path": "prod"}})["train"]

    assert "mnist" == train["recipe"]
    assert "/models/prod" == str(train["repository"])
    assert "/models/slipway-runs/demo-training-12345678" == str(train["run_dir"])
    assert train["own"] is None
    assert train["publish"]


def test_an_object_store_is_pulled_from_and_pushed_to():
    lines = command_lines({**STORE, "runs": {"claim": "runs", "folder": "mnist"}})

    assert ("s3://models/prod", True) == (lines["pull"][1]["url"], lines["pull"][1]["check_write"])
    assert "s3://models/prod" == lines["push"][1]["url"]
    assert 1 == len({str(parameters["repository"]) for _, parameters in lines.values()})
    assert "/runs/mnist/demo-training-12345678" == str(lines["train"][1]["run_dir"])


def test_own_data_and_an_own_recipe_are_mounted_where_the_command_looks():
    values = {**CLAIM, "data": {"claim": "images", "file": "a/b.npz"}, "recipe": {"inline": RECIPE}}
    _, train = command_lines(values)["train"]
    mounts = {mount["mountPath"] for mount in containers(values)["train"]["volumeMounts"]}

    assert ("/data/a/b.npz", "/recipe/recipe.yaml") == (str(train["own"]), train["recipe"])
    assert {"/data", "/recipe"} <= mounts


def test_an_inline_recipe_arrives_as_it_was_written(tmp_path):
    from training.recipe import load_recipe

    values = values_of(HELM / "training" / "ci" / "inline-recipe-values.yaml")
    config = release(values)["ConfigMap", "demo-training-recipe"]["data"]
    (tmp_path / "recipe.yaml").write_text(config["recipe.yaml"])

    assert ("letters", 1234567) == (
        load_recipe(str(tmp_path / "recipe.yaml")).model,
        load_recipe(str(tmp_path / "recipe.yaml")).seed,
    )


def test_promotion_names_the_recipes_model_and_the_release_namespace():
    promotion = {"enabled": True, "inferenceService": "live"}
    shipped = command_lines({**CLAIM, "promotion": promotion})["promote"][1]
    inline = command_lines({**CLAIM, "promotion": promotion, "recipe": {"inline": RECIPE}})["promote"][1]

    assert ("mnist", "live", "serving", False) == tuple(shipped[name] for name in ("model", "to", "namespace", "check"))
    assert "letters" == inline["model"]


def test_what_is_checked_before_training_is_what_is_promoted_after_it():
    lines = command_lines({**CLAIM, "promotion": {"enabled": True, "inferenceService": "live"}})
    check, promote = lines["check"][1], lines["promote"][1]

    assert {"check"} == {name for name in check if check[name] != promote[name]}
    assert check["check"] is True


@pytest.fixture
def run_worker(tmp_path):
    """Run a container of worker `index` in a real shell; `slipway` is a program that tells what it was given."""
    program = tmp_path / "bin" / "slipway"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\nprintf "%s\\n" "${TF_CONFIG-none}" "$@"\nexit ${STATUS:-0}\n')
    program.chmod(0o755)

    def run(index, *, step="train", values=WORKERS, status=0):
        container = containers(values)[step]
        environment = environment_of(container, labels={"batch.kubernetes.io/job-name": job_name(values)})
        words = arguments(container, {"RUN_DIR": str(tmp_path / "run")})
        own = {
            "PATH": f"{program.parent}:{os.environ['PATH']}",
            "RUN_DIR": str(tmp_path / "run"),
            "STATUS": str(status),
        }
        own["JOB_COMPLETION_INDEX"] = str(index)
        command = [*container["command"], *words]
        done = subprocess.run(command, env={**environment, **own}, capture_output=True, text=True, check=False)
        assert "" == done.stderr
        return done.returncode, done.stdout.splitlines()

    return run


@pytest.mark.parametrize("index", [0, 1, 2])
def test_tf_config_says_who_the_workers_are(run_worker, index):
    pytest.importorskip("keras")
    from training.fit.distributed_context import _cluster

    status, (config, *words) = run_worker(index)
    hosts = [f"{job_name(WORKERS)}-{i}.demo-training.serving.svc:2222" for i in range(3)]

    assert {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": index}} == json.loads(config)
    assert (3, index == 0) == _cluster(config)
    assert (0, "train") == (status, words[0])


def test_tensorflow_reads_it(run_worker, monkeypatch):
    pytest.importorskip("keras")
    from training._tensorflow import tf

    _, (config, *_) = run_worker(2)
    monkeypatch.setenv("TF_CONFIG", config)
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()

    assert ("worker", 2) == (resolver.task_type, resolver.task_id)
    assert 3 == resolver.cluster_spec().num_tasks("worker")


def test_a_single_worker_is_no_cluster():
    train = containers(CLAIM)["train"]

    assert ["slipway"] == train["command"]
    assert {"ORT_DISABLE_TELEMETRY", "JOB_NAME", "RUN_DIR", "SLIPWAY_CACHE"} == {
        entry["name"] for entry in train["env"]
    }


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("status", [0, 1, 3])
def test_a_workers_end_is_that_of_its_command(run_worker, index, status):
    assert status == run_worker(index, status=status)[0]


def test_who_comes_back_after_the_last_epoch_does_not_wait_for_the_others(run_worker):
    """The first worker failed at publishing; the second had finished training and is gone."""
    run_worker(0, status=1)
    run_worker(1)

    first, second = run_worker(0), run_worker(1)

    assert (0, "none") == (first[0], first[1][0]), "it waits for workers that do not come"
    assert (0, []) == second


def test_a_worker_that_fails_does_not_say_that_training_is_over(run_worker):
    run_worker(1, status=1)

    assert "none" != run_worker(0)[1][0]


def test_a_worker_that_is_told_to_stop_tells_its_training(tmp_path):
    """A shell that is process 1 of a container passes no signal on by itself."""
    program = tmp_path / "slipway"
    program.write_text("#!/bin/sh\ntrap 'echo stopped; exit 130' TERM\necho started\nwhile :; do sleep 0.05; done\n")
    program.chmod(0o755)
    container = containers(WORKERS)["train"]
    own = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "RUN_DIR": str(tmp_path / "run"), "JOB_COMPLETION_INDEX": "1"}
    environment = environment_of(container, labels={"batch.kubernetes.io/job-name": job_name(WORKERS)})

    with subprocess.Popen(
        [*container["command"], *arguments(container, own)],
        env={**environment, **own},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as worker:
        try:
            started = worker.stdout.readline()
            worker.terminate()
            status = worker.wait(timeout=10)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(worker.pid, signal.SIGKILL)
        said = worker.stdout.read()

    assert ("started\n", "stopped\n") == (started, said)
    assert status not in {0, 2, 3}
    assert not (tmp_path / "run" / "trained").exists()


def test_the_first_worker_pulls_and_pushes_for_all(run_worker):
    values = {**STORE, "workers": 2, "runs": {"claim": "runs"}}

    assert (0, ["none", "models", "pull"]) == (
        run_worker(0, step="pull", values=values)[0],
        run_worker(0, step="pull", values=values)[1][:3],
    )
    assert (0, []) == run_worker(1, step="pull", values=values)
    assert (0, []) == run_worker(1, step="push", values=values)
