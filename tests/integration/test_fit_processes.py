"""Training in real processes: two workers over loopback, two devices, and one that is killed."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TIME_LIMIT_S = 240
EPOCHS = 2


@pytest.fixture
def worker(monkeypatch):
    """What the processes train, to train it here too."""
    monkeypatch.syspath_prepend(str(HERE))
    import fit_worker

    return fit_worker


@pytest.fixture
def start(tmp_path):
    """Start training processes; whatever still runs at the end of the test is killed."""
    started = []

    def start(*arguments, tf_config=None):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(HERE)])}
        environment |= {"TF_CONFIG": json.dumps(tf_config)} if tf_config else {}
        command = [sys.executable, str(HERE / "fit_worker.py"), *map(str, arguments)]
        process = subprocess.Popen(
            command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def free_addresses(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    return addresses


def wait_for(process):
    output, _ = process.communicate(timeout=TIME_LIMIT_S)
    assert 0 == process.returncode, output
    return output


def newest_epoch(checkpoints):
    return max((int(path.name.removeprefix("epoch-")) for path in checkpoints.glob("epoch-*")), default=0)


def load(path):
    with np.load(path) as arrays:
        return list(arrays.values())


def assert_close(expected, got):
    for one, other in zip(expected, got, strict=True):
        np.testing.assert_allclose(other, one, rtol=0, atol=1e-5)


def assert_same_bits(expected, got):
    for one, other in zip(expected, got, strict=True):
        np.testing.assert_array_equal(other, one)


def test_workers_and_devices_end_equal_to_each_other_and_to_one_process(start, worker, tmp_path):
    cluster = {"worker": free_addresses(2)}
    workers = [
        start(
            *(f"worker-{index}", "shared", "plain", "compact", "--epochs", EPOCHS),
            tf_config={"cluster": cluster, "task": {"type": "worker", "index": index}},
        )
        for index in (0, 1)
    ]
    mirrored = start("mirrored", "own", "plain", "--epochs", EPOCHS, "--devices", 2)
    recipe = worker.tiny_recipe("plain", epochs=EPOCHS)
    alone = worker.fit(recipe, worker.DATASET, run_dir=tmp_path / "alone").model.get_weights()
    chief_says, other_says = (wait_for(process) for process in workers)
    wait_for(mirrored)

    assert_close(alone, load(tmp_path / "worker-0/plain.npz"))
    assert_close(alone, load(tmp_path / "mirrored/plain.npz"))
    assert_same_bits(load(tmp_path / "worker-0/plain.npz"), load(tmp_path / "worker-1/plain.npz"))
    assert_same_bits(load(tmp_path / "worker-0/compact.npz"), load(tmp_path / "worker-1/compact.npz"))
    assert "epoch 2/2" in chief_says
    assert "epoch" not in other_says


def test_a_killed_run_resumes_to_the_weights_of_an_undisturbed_one(start, worker, tmp_path):
    recipe = worker.tiny_recipe("compact", epochs=100)
    checkpoints = tmp_path / "runs/compact/checkpoints"
    victim = start("weights", "runs", "compact", "--epochs", recipe.fit.epochs)
    deadline = time.monotonic() + TIME_LIMIT_S
    while newest_epoch(checkpoints) < 3 and victim.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    victim.kill()
    victim.wait()
    killed_after = newest_epoch(checkpoints)
    undisturbed = worker.fit(recipe, worker.DATASET, run_dir=tmp_path / "undisturbed")
    resumed = worker.fit(recipe, worker.DATASET, run_dir=tmp_path / "runs/compact", resume=True)

    assert 3 <= killed_after < recipe.fit.epochs
    assert_same_bits(undisturbed.model.get_weights(), resumed.model.get_weights())
    assert [record.loss for record in undisturbed.history] == [record.loss for record in resumed.history]
