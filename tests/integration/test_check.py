"""`slipway check` against a real tritonserver."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from slipway.client import Classifier

pytestmark = pytest.mark.triton

SLIPWAY = Path(sys.executable).with_name("slipway")
SEVEN = Path(__file__).parents[2] / "helm/serving/files/seven.png"


def check(*arguments):
    return subprocess.run([SLIPWAY, "check", *map(str, arguments)], capture_output=True, text=True, check=False)


@pytest.fixture
def picture(tmp_path, triton_server, random_images):
    """An image file, and the label that the served model gives it."""
    path = tmp_path / "digit.png"
    Image.fromarray(random_images(1)[0, ..., 0]).save(path)
    with Classifier(triton_server.grpc_url, model="mnist") as classifier:
        (label,) = classifier.predict(path).labels
    return path, label


def test_real_server_passes_over_both_protocols_and_has_the_series_that_autoscaling_reads(triton_server, picture):
    path, label = picture
    urls = triton_server.grpc_url, triton_server.http_url
    done = check(*urls, "--version", 1, "--image", path, "--expect", label, "--metrics-url", triton_server.metrics_url)

    assert 0 == done.returncode, done.stdout + done.stderr
    assert 7 == done.stdout.count("✓")


def test_wrong_label_exits_with_1_and_names_both(triton_server, picture):
    path, label = picture
    other = str((int(label) + 1) % 10)
    done = check(triton_server.grpc_url, "--image", path, "--expect", other)

    assert 1 == done.returncode
    assert f"expected {other} for {path}, got {label} (" in done.stdout
    assert "error: 1 of 2 checks failed" in done.stderr


def test_wrong_version_exits_with_1(triton_server):
    done = check(triton_server.http_url, "--version", 9)

    assert 1 == done.returncode
    assert "expected version 9 to answer, got 1" in done.stdout


def test_model_that_is_not_there_exits_with_1_and_is_named_without_the_server_s_list(triton_server):
    done = check(triton_server.grpc_url, "--model", "cifar", "--metrics-url", triton_server.metrics_url)

    assert 1 == done.returncode
    assert "model not found: Request for unknown model: 'cifar' is not found" in done.stdout
    assert "of model cifar, got those of mnist: check --model" in done.stdout


def test_page_that_is_not_the_metrics_page_exits_with_1(triton_server):
    done = check(triton_server.grpc_url, "--metrics-url", f"{triton_server.http_url}/v2")

    assert 1 == done.returncode
    assert "is this Triton's metrics port? (8002)" in done.stdout


def test_picture_that_the_chart_sends_is_a_seven_to_everyone_who_knows_mnist():
    """The 25 training images nearest to it, by squared distance of their pixels, are all labelled 7."""
    from training.data import load_dataset
    from training.recipe import DatasetSettings

    with Image.open(SEVEN) as picture:
        pixels = np.asarray(picture, dtype=np.float32)
        mode = picture.mode
    train = load_dataset(DatasetSettings(validation_images=5000), seed=7).train
    distances = ((train.images[..., 0].astype(np.float32) - pixels) ** 2).sum(axis=(1, 2))

    assert ("L", (28, 28)) == (mode, pixels.shape)
    assert [7] * 25 == train.labels[distances.argsort()[:25]].tolist()
    assert SEVEN.stat().st_size < 1000
