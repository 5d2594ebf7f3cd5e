"""Every part of benchmarks/gpu.sh that needs no GPU."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from slipway.repository import model_files, publish
from tests.integration.conftest import MNIST, linear_classifier
from tests.unit.digits_repository import CPU, GPU

pytestmark = pytest.mark.triton
ROOT = Path(__file__).parents[2]


def test_what_needs_no_gpu_is_measured_and_nothing_fails(labelled, tmp_path):
    def fill(folder):
        (folder / "model.onnx").write_bytes(linear_classifier(MNIST))
        shutil.copyfile(labelled, folder / "samples.npz")

    publish(tmp_path / "models", MNIST, model_files(MNIST, cpu=CPU, gpu=GPU), fill)
    environment = {**os.environ, "OUT": str(tmp_path / "out"), "PYTHON": sys.executable, "BUNDLE": ""}
    done = subprocess.run(
        [ROOT / "benchmarks/gpu.sh", "--cpu-only", "--quick", "--repository", tmp_path / "models"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    contenders = json.loads((tmp_path / "out/results.json").read_text())["contenders"]
    cpu = contenders["cpu"]

    assert ["cpu"] == list(contenders)
    assert {"start_s", "right_answers", "batches", "throughput", "capacity", "log"} == set(cpu)
    assert 1.0 == cpu["right_answers"]["accuracy"]
    assert {"1", "256"} == set(cpu["batches"])
    assert all(figures["images_per_s"] > 0 for figures in cpu["throughput"].values())
    assert {"probes"} <= set(cpu["capacity"])
    assert "| 256 |" in done.stdout
