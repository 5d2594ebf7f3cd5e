"""A whole fit on a tiny data set: what comes out, what is equal, what is refused."""

from __future__ import annotations

import io
import os
import shutil
import signal
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

pytest.importorskip("keras")

from tests.unit.small_fits import STRIPES, own_recipe, striped_dataset
from training.errors import FitError
from training.fit.callbacks import EpochProgress
from training.fit.distributed_context import DistributedContext, choose_distributed_context
from training.fit.loop import fit
from training.recipe import Recipe

# Keras 3.15 copies variables in a way that NumPy 2 means to change.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

EPOCHS = 4
OLD_RUN = Path(__file__).parents[2] / "files_of_0_1_0" / "run"

DATASET = striped_dataset(train=100, validation=30)


def recipe(*, seed=3, epochs=EPOCHS, learning_rate=0.01, patience=None, batch_size=16):
    return Recipe.model_validate(
        {
            "model": "stripes",
            "description": "Three stripes",
            "seed": seed,
            "network": {"builder": "training.networks:compact_cnn", "arguments": {"filters": [4]}},
            "regularisation": {"dropout": 0.2},
            "augmentation": {"rotation_degrees": 10.0, "shift_fraction": 0.1},
            "optimizer": {"name": "adamw", "learning_rate": learning_rate, "weight_decay": 0.01},
            "fit": {"epochs": epochs, "batch_size": batch_size, "early_stopping_patience": patience},
            "gates": {"min_accuracy": 0.5, "min_macro_f1": 0.5, "max_ece": 0.5},
            "serving": {"max_batch_size": 4, "cpu": {"instances": 1}, "gpu": {"instances": 1}},
        }
    )


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("undisturbed")
    console = Console(file=io.StringIO(), width=200)
    result = fit(recipe(), DATASET, run_dir=run_dir, console=console)
    return SimpleNamespace(result=result, run_dir=run_dir, output=console.file.getvalue())


def epochs_in(run_dir):
    return sorted(path.name for path in (run_dir / "checkpoints").iterdir())


def quiet():
    return Console(quiet=True)


def assert_same_bits(expected, got):
    for one, other in zip(expected.get_weights(), got.get_weights(), strict=True):
        np.testing.assert_array_equal(other, one)


def test_result_tells_what_happened(undisturbed):
    result = undisturbed.result
    images = DATASET.validation.images.astype(np.float32) / 255
    right = result.model(images).numpy().argmax(axis=1) == DATASET.validation.labels

    assert [1, 2, 3, 4] == [record.epoch for record in result.history]
    assert right.mean() == pytest.approx(result.history[-1].val_accuracy)
    assert 0.9 < result.history[-1].accuracy
    assert 0.01 == pytest.approx(result.history[-1].learning_rate)
    assert not result.stopped_early
    assert sum(record.seconds for record in result.history) == result.seconds
    assert 4 * 6 * 16 / result.seconds == pytest.approx(result.images_per_s)


def test_log_has_a_line_per_epoch(undisturbed):
    lines = undisturbed.output.splitlines()

    assert [f"epoch {i}/4" for i in (1, 2, 3, 4)] == [line[: len("epoch 1/4")] for line in lines]
    assert f"accuracy {undisturbed.result.history[-1].val_accuracy:.2%}" in lines[-1]


def test_terminal_shows_the_step_of_the_epoch():
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with EpochProgress(console, epochs=10, steps=390) as progress:
        progress.start(epoch=2)
        progress.step(loss=0.25, accuracy=0.5)

    assert all(text in console.file.getvalue() for text in ("epoch 2/10", "1/390", "loss 0.2500", "accuracy 50.00%"))


def test_run_folder_holds_the_last_epoch_and_a_tensorboard_log(undisturbed):
    logs = sorted(path.parent.name for path in undisturbed.run_dir.glob("tensorboard/*/events.*"))

    assert ["epoch-0004"] == epochs_in(undisturbed.run_dir)
    assert ["train", "validation"] == logs


def test_one_seed_gives_one_model(undisturbed, tmp_path):
    again = fit(recipe(), DATASET, run_dir=tmp_path, console=quiet())

    assert_same_bits(undisturbed.result.model, again.model)
    assert [record.val_loss for record in undisturbed.result.history] == [record.val_loss for record in again.history]


def test_another_seed_gives_another_model(undisturbed, tmp_path):
    other = fit(recipe(seed=4, epochs=1), DATASET, run_dir=tmp_path, console=quiet())

    assert undisturbed.result.history[0].loss != other.history[0].loss


def test_finished_run_is_not_trained_again(undisturbed):
    console = Console(file=io.StringIO())
    result = fit(recipe(), DATASET, run_dir=undisturbed.run_dir, resume=True, console=console)

    assert undisturbed.result.history == result.history
    assert_same_bits(undisturbed.result.model, result.model)
    assert "resumed after epoch 4\n" == console.file.getvalue()


def test_a_run_of_0_1_0_that_stopped_after_its_first_epoch_is_resumed(tmp_path):
    shutil.copytree(OLD_RUN, tmp_path, dirs_exist_ok=True)
    console = Console(file=io.StringIO(), width=200)
    old_recipe = own_recipe("training.networks:compact_cnn", arguments={"filters": [4]})
    result = fit(old_recipe, STRIPES, run_dir=tmp_path, resume=True, console=console)

    assert [1, 2] == [record.epoch for record in result.history]
    assert "resumed after epoch 1\n" in console.file.getvalue()


def test_another_recipe_or_other_data_cannot_resume_the_run(undisturbed):
    with pytest.raises(FitError, match=r"(?s)another run; train without --resume.*fit.batch_size: 16 then, 8 now"):
        fit(recipe(batch_size=8), DATASET, run_dir=undisturbed.run_dir, resume=True, console=quiet())


def test_nothing_to_resume_starts_afresh_with_a_note(tmp_path):
    console = Console(file=io.StringIO(), width=200)
    result = fit(recipe(epochs=1), DATASET, run_dir=tmp_path, resume=True, console=console)

    assert 1 == len(result.history)
    assert f"nothing to resume in {tmp_path}: starting from the beginning" in console.file.getvalue()


def test_without_resume_an_older_run_is_replaced(tmp_path):
    fit(recipe(epochs=2, seed=1), DATASET, run_dir=tmp_path, console=quiet())
    result = fit(recipe(epochs=1), DATASET, run_dir=tmp_path, console=quiet())

    assert 1 == len(result.history)
    assert ["epoch-0001"] == epochs_in(tmp_path)


@pytest.mark.usefixtures("ctrl_c_heeded")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_interrupted_run_says_how_to_go_on(tmp_path, number):
    checkpoints = tmp_path / "checkpoints"

    over = threading.Event()

    def interrupt():
        while not over.wait(0.005):
            if list(checkpoints.glob("epoch-*")):
                os.kill(os.getpid(), number)
                return

    thread = threading.Thread(target=interrupt, daemon=True)
    thread.start()
    before = signal.getsignal(number)
    with pytest.raises(
        FitError, match=r"interrupted; everything up to epoch \d+ is saved in .*: continue with --resume"
    ):
        fit(recipe(epochs=1_000), DATASET, run_dir=tmp_path, console=quiet())
    over.set()
    thread.join()

    assert 1 == len(epochs_in(tmp_path))
    assert before == signal.getsignal(number)


def test_patience_ends_the_run_and_brings_the_best_epoch_back(tmp_path):
    stubborn = recipe(epochs=50, learning_rate=0.3, patience=1)
    result = fit(stubborn, DATASET, run_dir=tmp_path, console=quiet())
    losses = [record.val_loss for record in result.history]
    best = losses.index(min(losses))
    images = DATASET.validation.images.astype(np.float32) / 255
    right = result.model(images).numpy().argmax(axis=1) == DATASET.validation.labels
    resumed = fit(stubborn, DATASET, run_dir=tmp_path, resume=True, console=quiet())

    assert result.stopped_early
    assert len(losses) == best + 2
    assert best + 1 == result.kept.epoch
    assert right.mean() == pytest.approx(result.history[best].val_accuracy)
    assert [f"epoch-{best + 1:04d}", f"epoch-{best + 2:04d}"] == epochs_in(tmp_path)
    assert_same_bits(result.model, resumed.model)


def test_loss_that_is_no_number_stops_the_run_with_the_remedy(tmp_path):
    with pytest.raises(
        FitError, match=r"loss: expected a finite number, got nan in epoch 1.*lower optimizer.learning_rate"
    ):
        fit(recipe(learning_rate=1e30), DATASET, run_dir=tmp_path, console=quiet())


def test_batch_that_devices_cannot_share_equally_is_refused():
    three_devices = DistributedContext(strategy=SimpleNamespace(num_replicas_in_sync=3))

    with pytest.raises(FitError, match=r"fit.batch_size: expected a multiple of the 3 devices, got 16"):
        three_devices.check_batch_size(16)


def test_one_machine_without_gpus_is_one_device(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    context = choose_distributed_context()

    assert (1, 1, True) == (context.devices, context.workers, context.is_chief)


@pytest.mark.parametrize(
    "tf_config",
    [
        pytest.param("{", id="not JSON"),
        pytest.param("[]", id="not an object"),
        pytest.param('{"cluster": {"worker": ["a:1", "b:1"]}}', id="no task"),
        pytest.param('{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}', id="no such worker"),
        pytest.param('{"cluster": {"ps": ["a:1"]}, "task": {"type": "ps", "index": 0}}', id="parameter server"),
    ],
)
def test_odd_tf_config_is_refused(monkeypatch, tf_config):
    monkeypatch.setenv("TF_CONFIG", tf_config)

    with pytest.raises(FitError, match="TF_CONFIG: expected"):
        choose_distributed_context()
