"""The images' Dockerfiles, carried out line by line without a container engine, and the commands they hold.

Installing needs the package index, or a cache that is warm; then the client takes a quarter of a minute, the training
job half of one.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from slipway.repository import verify
from tests.integration.dockerfile_replay import BuildFailed, replay

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
RECIPE = {
    "model": "bars",
    "description": "Bright left or bright right halves",
    "dataset": {"validation_images": 100},
    "network": {"builder": "training.networks:seed_cnn"},
    "optimizer": {"learning_rate": 0.01},
    "fit": {"epochs": 1, "batch_size": 20},
    "gates": {"min_accuracy": 0.5, "min_macro_f1": 0.1, "max_ece": 1.0},
    "serving": {"max_batch_size": 8, "cpu": {"instances": 1}, "gpu": {"instances": 1}},
}


@contextmanager
def built(name, folder):
    """The image of `docker/<name>.Dockerfile`, gone afterwards: it is large."""
    yield replay(ROOT / f"docker/{name}.Dockerfile", folder, context=ROOT)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with built("client", tmp_path_factory.mktemp("client")) as image:
        yield image


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    with built("training", tmp_path_factory.mktemp("training")) as image:
        yield image


@pytest.fixture(params=["client", "training"])
def image(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize(
    "command", ["", "check", "loadtest", "models", "predict", "train"], ids=lambda c: c or "slipway"
)
def test_every_command_of_both_images_starts_in_any_folder(image, command, tmp_path):
    done = image.run(*command.split(), "--help", cwd=tmp_path)

    assert 0 == done.returncode, done.stderr
    assert f"Usage: slipway {command}".strip() in done.stdout
    assert [] == list(tmp_path.iterdir())


def test_installers_of_the_base_image_are_gone(image):
    assert [] == list((image.root / "usr/local/bin").glob("pip*"))


def test_client_holds_no_installer_of_its_own_and_no_training_framework(client):
    packages = client.root / "opt/slipway/lib"

    for name in ("keras", "onnxruntime", "pip", "tensorflow", "uv"):
        assert [] == list(packages.glob(f"*/site-packages/{name}"))


def test_user_owns_the_folder_that_commands_start_in(image):
    assert (1000, 1000) == (image.workdir.stat().st_uid, image.workdir.stat().st_gid)
    assert f"slipway:x:1000:1000::{image.root}/tmp:" in (image.root / "etc/passwd").read_text()


@pytest.mark.triton
def test_client_checks_a_real_server_and_writes_nothing(client, triton_server):
    before = client.files()
    done = client.run("check", triton_server.grpc_url, triton_server.http_url)

    assert 0 == done.returncode, done.stdout + done.stderr
    assert before == client.files()


def test_client_carries_the_scenarios(client):
    shipped = {path.name for path in (client.root / "opt/slipway/lib").rglob("loadtest/scenarios/*.yaml")}

    assert {path.name for path in (ROOT / "loadtest/scenarios").glob("*.yaml")} == shipped


def test_both_images_hold_the_sources_of_the_native_backend(image):
    """As every wheel of the project does, out of which they are installed."""
    folder = "slipway/triton/onnxruntime_backend/native"
    shipped = {path.name for path in (image.root / "opt/slipway/lib").glob(f"*/site-packages/{folder}/*")}

    assert {path.name for path in (ROOT / folder).iterdir()} == shipped


@pytest.mark.triton
def test_training_serves_with_a_native_backend_that_was_compiled_with_the_image(training, published_repository):
    """Its shell prints the command; where CC names no compiler, none is looked for."""
    before = training.files()
    without_compiler = training.environment | {"CC": "/nowhere", "SLIPWAY_CACHE": f"{training.root}/tmp/cache"}
    done = replace(training, environment=without_compiler).run(
        "serve", "--repository", published_repository, "--backend", "native", "--print-command"
    )

    assert 0 == done.returncode, done.stdout + done.stderr
    (folder,) = re.findall(r"--backend-directory=(\S+)", done.stdout)
    assert Path(folder).is_relative_to(training.root / "opt/slipway")
    assert (Path(folder) / "onnxruntime/libtriton_onnxruntime.so").stat().st_mode & 0o005 == 0o005
    assert before == training.files()


def test_second_build_holds_the_same_bytes(client):
    """At the same place, for scripts name their interpreter by its path, and of the same sources."""
    before = digests(client.root / "opt")
    first = client.root.rename(client.root.with_name("first"))
    try:
        replay(ROOT / "docker/client.Dockerfile", client.root, context=first / "src")

        assert before == digests(client.root / "opt")
    finally:
        shutil.rmtree(client.root)
        first.rename(client.root)


def test_training_publishes_and_writes_only_where_it_is_told_or_into_tmp(training, tmp_path):
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 90, (700, 28, 28), np.uint8), np.arange(700) % 2
    images[labels == 0, :, :14] += 120
    images[labels == 1, :, 14:] += 120
    np.savez(
        tmp_path / "bars.npz", x_train=images[:600], y_train=labels[:600], x_test=images[600:], y_test=labels[600:]
    )
    (tmp_path / "bars.yaml").write_text(yaml.safe_dump(RECIPE))
    before = training.files()
    done = training.run("train", "--recipe", tmp_path / "bars.yaml", "--data", tmp_path / "bars.npz")

    assert 0 == done.returncode, done.stdout + done.stderr
    assert verify(training.workdir / "model_repository", "bars")
    assert before == training.files()


def test_training_finds_mnist_with_nothing_in_its_cache_and_keeps_it_in_tmp(training):
    index = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_"))}
    before = training.files()
    done = replace(training, environment=training.environment | index).run("data")

    assert 0 == done.returncode, done.stdout + done.stderr
    assert (training.root / "tmp/cache/slipway/mnist.npz").exists()
    assert before == training.files()


def test_unknown_accelerator_is_refused_with_those_that_are_known(tmp_path):
    with pytest.raises(BuildFailed, match="ACCELERATOR: expected cpu or gpu, got 'tpu'"):
        replay(ROOT / "docker/training.Dockerfile", tmp_path, context=ROOT, arguments={"ACCELERATOR": "tpu"})


def test_gpu_lock_is_found_with_its_hashes_in_a_dry_run(tmp_path):
    """Two gigabytes more than the CPU's, so nothing is installed."""
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, tmp_path / "venv"], check=True)
    done = subprocess.run(
        [
            UV,
            "pip",
            "install",
            "--dry-run",
            "--no-deps",
            "--require-hashes",
            "-r",
            ROOT / "requirements/training-gpu.txt",
        ],
        env={**os.environ, "VIRTUAL_ENV": str(tmp_path / "venv")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert 0 == done.returncode, done.stderr
    assert " + nvidia-cudnn-cu12==" in done.stderr
    assert " + tensorflow==" in done.stderr


def digests(folder):
    return {
        path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }
