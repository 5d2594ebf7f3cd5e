"""What the demo leaves behind for a person: commands that fit what was asked, and files that any label can name."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from training.demo import _file_name, next_steps
from training.recipe import TrainingRequest, load_recipe


def run(**changed):
    recipe = load_recipe("mnist").model_copy(update={"model": changed.pop("model", "mnist")})
    return TrainingRequest(
        **(
            {
                "recipe": recipe,
                "recipe_name": "mnist",
                "repository": Path("model_repository"),
                "run_dir": Path("runs/mnist"),
            }
            | changed
        )
    )


def test_commands_are_short_where_nothing_was_asked():
    assert (
        ".venv/bin/slipway serve",
        ".venv/bin/slipway predict runs/mnist/digits/*.png",
        ".venv/bin/slipway models list",
        ".venv/bin/tensorboard --logdir runs/mnist/tensorboard",
    ) == next_steps(run(), ".venv/bin/slipway")


def test_commands_name_another_repository_and_model_and_can_be_copied():
    asked = run(model="bars", repository=Path("my models"), run_dir=Path("runs/it's"))
    serve, predict, models, _ = next_steps(asked, "slipway")

    assert ["slipway", "serve", "--repository", "my models"] == shlex.split(serve)
    assert ["slipway", "predict", "--model", "bars", "runs/it's/digits/*.png"] == shlex.split(predict)
    assert predict.endswith("'/*.png"), "the shell finds the files"
    assert ["slipway", "models", "list", "--repository", "my models"] == shlex.split(models)


@pytest.mark.parametrize(
    ("label", "name"),
    [("7", "7"), ("N/A", "N_A"), ("../../x", ".._.._x"), ("T-shirt/top", "T-shirt_top"), ("ж" * 300, "ж" * 60)],
)
def test_every_label_can_be_part_of_a_files_name(tmp_path, label, name):
    (tmp_path / f"00-is-{_file_name(label)}.png").touch()

    assert [f"00-is-{name}.png"] == [path.name for path in tmp_path.iterdir()]
