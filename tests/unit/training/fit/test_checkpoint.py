"""What is on disk after an epoch, and after one that could not be written."""

from __future__ import annotations

import resource
from dataclasses import replace

import numpy as np
import pytest

from tests.unit.power_cut import Disk
from training.errors import FitError
from training.fit.checkpoint import Checkpoint, CheckpointFolder, RunIdentity
from training.fit.history import EpochRecord, best_epoch, patience_is_over
from training.recipe import load_recipe

IDENTITY = RunIdentity.of(load_recipe("mnist"), "d1" * 32)


def records(*val_losses):
    return tuple(
        EpochRecord(
            epoch=i, loss=0.5, accuracy=0.75, val_loss=val_loss, val_accuracy=0.5, learning_rate=0.1, seconds=2.0
        )
        for i, val_loss in enumerate(val_losses, start=1)
    )


def checkpoint(*val_losses, values=100):
    state = {"model/000": np.arange(values, dtype=np.float32), "optimizer/000": np.array(len(val_losses))}
    return Checkpoint(identity=IDENTITY, history=records(*val_losses), state=state)


@pytest.fixture
def folder(tmp_path):
    return CheckpointFolder(tmp_path / "checkpoints")


def names(folder):
    return sorted(path.name for path in folder.path.iterdir())


def test_newest_is_what_was_saved_last(folder):
    for saved in (checkpoint(3.0), checkpoint(3.0, 2.0)):
        folder.save(saved)
    newest = folder.newest()

    assert records(3.0, 2.0) == newest.history
    assert not newest.identity.differences(IDENTITY)
    np.testing.assert_array_equal(np.arange(100, dtype=np.float32), newest.state["model/000"])
    np.testing.assert_array_equal(2, newest.state["optimizer/000"])


def test_a_power_cut_at_any_moment_leaves_a_whole_epoch(folder, tmp_path, monkeypatch):
    cuts = []

    def cut():
        cuts.append(disk.surviving(folder.path, tmp_path / str(len(cuts)), unsynced_names=True))

    folder.path.mkdir()
    disk = Disk(monkeypatch, folder.path, before_each=cut)
    folder.save(checkpoint(3.0))
    first = len(cuts)
    folder.save(checkpoint(3.0, 2.0))
    found = {len(CheckpointFolder(left).newest().history) for left in [*cuts[first:], folder.path]}
    kept = disk.surviving(folder.path, tmp_path / "kept", unsynced_names=False)

    assert {1, 2} == found
    assert records(3.0, 2.0) == CheckpointFolder(kept).newest().history


def test_empty_folder_has_no_newest(folder):
    assert folder.newest() is None


def test_older_epochs_go_except_the_one_to_keep(folder):
    folder.save(checkpoint(1.0))
    folder.save(checkpoint(1.0, 2.0), keep_epoch=1)
    folder.save(checkpoint(1.0, 2.0, 3.0), keep_epoch=1)

    assert ["epoch-0001", "epoch-0003"] == names(folder)


def test_epoch_10_is_newer_than_epoch_9(folder):
    folder.save(checkpoint(*[1.0] * 9))
    folder.save(checkpoint(*[1.0] * 10), keep_epoch=9)

    assert 10 == len(folder.newest().history)


def test_what_a_kill_left_half_written_is_not_an_epoch(folder):
    folder.save(checkpoint(1.0))
    half = folder.path / ".epoch-0002.partial"
    half.mkdir()
    (half / "run.json").write_text("{")
    newest_after_kill = folder.newest()
    folder.save(checkpoint(1.0, 2.0))

    assert records(1.0) == newest_after_kill.history
    assert ["epoch-0002"] == names(folder)


def test_full_disk_keeps_the_older_epoch_and_says_the_way_on(folder):
    folder.save(checkpoint(1.0))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))  # the kernel refuses to let a file grow further
    try:
        with pytest.raises(
            FitError, match=r"cannot be written: .*epoch 1 is saved: free some space and continue with --resume"
        ):
            folder.save(checkpoint(1.0, 2.0, values=100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert ["epoch-0001"] == names(folder)
    assert records(1.0) == folder.newest().history


def test_damaged_epoch_is_named_with_the_way_out(folder):
    folder.save(checkpoint(1.0))
    state = folder.path / "epoch-0001" / "state.npz"
    state.write_bytes(state.read_bytes()[:-100])

    with pytest.raises(FitError, match=r"epoch-0001: cannot be read: .*remove it, or train without --resume"):
        folder.newest()


def test_settings_that_shape_the_weights_make_another_run():
    recipe = load_recipe("mnist")
    slower = recipe.model_copy(update={"optimizer": recipe.optimizer.model_copy(update={"learning_rate": 0.001})})
    other = RunIdentity.of(slower, "d2" * 32)

    assert (
        "optimizer.learning_rate: 0.004 then, 0.001 now",
        "data: digest d1d1d1d1d1d1 then, d2d2d2d2d2d2 now",
    ) == IDENTITY.differences(other)


def test_gates_and_serving_may_change_between_kill_and_resume():
    recipe = load_recipe("mnist")
    gates = recipe.gates.model_copy(update={"min_accuracy": 0.5})
    changed = recipe.model_copy(update={"gates": gates, "description": "renamed"})

    assert () == IDENTITY.differences(RunIdentity.of(changed, IDENTITY.data_digest))


def test_identity_survives_the_disk_with_every_kind_of_builder_argument(folder):
    recipe = load_recipe("mnist")
    arguments = {"filters": [1, 2], "nested": {"a": None, "b": {}}, "rate": 0.1}
    network = recipe.network.model_copy(update={"arguments": arguments})
    identity = RunIdentity.of(recipe.model_copy(update={"network": network}), "d1" * 32)
    folder.save(replace(checkpoint(1.0), identity=identity))

    assert () == folder.newest().identity.differences(identity)


def test_best_epoch_is_the_earliest_with_the_lowest_validation_loss():
    assert 2 == best_epoch(records(3.0, 1.0, 2.0, 1.0)).epoch


@pytest.mark.parametrize(
    ("val_losses", "patience", "over"),
    [
        pytest.param([], 1, False, id="before the first epoch"),
        pytest.param([3.0, 2.0, 2.5], 2, False, id="one epoch without progress"),
        pytest.param([3.0, 2.0, 2.5, 2.0], 2, True, id="two epochs without progress"),
        pytest.param([3.0, 4.0, 5.0, 6.0], None, False, id="endless patience"),
    ],
)
def test_patience_is_counted_from_the_best_epoch(val_losses, patience, over):
    assert over == patience_is_over(records(*val_losses), patience)


def test_no_damage_to_a_state_is_anything_but_a_refusal(folder):
    folder.save(checkpoint(3.0))
    path = folder.path / "epoch-0001" / "state.npz"
    whole, refused = path.read_bytes(), 0
    for position in range(0, len(whole), 5):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x55]) + whole[position + 1 :])
        try:
            folder.newest()
        except FitError:
            refused += 1

    assert refused > 20
