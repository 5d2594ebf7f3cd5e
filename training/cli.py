"""The commands that the training job adds to `slipway`. Light: TensorFlow loads inside a command, not for `--help`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

__all__ = ["data", "demo", "train"]

RecipeOption = Annotated[
    str, typer.Option("--recipe", help="A shipped recipe (mnist, seed) or the path of a YAML file.")
]
DataOption = Annotated[
    Path | None,
    typer.Option("--data", help="Your own images: an .npz with x_train, y_train, x_test, y_test.", metavar="PATH.npz"),
]
RepositoryOption = Annotated[
    Path, typer.Option("--repository", "-r", help="The model repository.", envvar="SLIPWAY_REPOSITORY")
]
CacheOption = Annotated[
    Path | None,
    typer.Option("--cache-dir", help="Folder for downloads (default: ~/.cache/slipway).", envvar="SLIPWAY_CACHE"),
]
_REPOSITORY = Path("model_repository")
_RUNS = Path("runs")


def data(
    *,
    recipe: RecipeOption = "mnist",
    own: DataOption = None,
    cache_dir: CacheOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Check the training data: shapes, class balance, blank, duplicate and overlapping images.

    Exit code 1 if the data is unfit for training; the message names the rows.

    Example: slipway data --data my-images.npz
    """
    from training.data import inspect, load_dataset
    from training.recipe import load_recipe

    chosen = load_recipe(recipe)
    report = inspect(load_dataset(chosen.dataset, user_file=own, cache_dir=cache_dir, seed=chosen.seed))
    if as_json:
        Console().print_json(data=report.to_dict())
    else:
        Console().print(report.render())
    report.refuse()


def train(
    *,
    recipe: RecipeOption = "mnist",
    own: DataOption = None,
    repository: RepositoryOption = _REPOSITORY,
    run_dir: Annotated[
        Path | None, typer.Option(help="Folder for checkpoints, logs and plots (default: runs/<recipe>).")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue after the last complete epoch of the run.")
    ] = False,
    publish: Annotated[bool, typer.Option(help="Publish the model if it passes its gates.")] = True,
    cache_dir: CacheOption = None,
) -> None:
    """Train a recipe, check the model against its gates, and publish it as the next version.

    After an interruption, the same command with --resume gives the same weights and publishes them once. Training
    is distributed over all GPUs, or by TF_CONFIG. Exit code 2: the recipe is invalid; 3: the model missed a gate,
    and nothing was published.

    Example: slipway train --recipe seed
    """
    from training.recipe import load_recipe

    chosen = load_recipe(recipe)  # validated before TensorFlow loads, which takes seconds
    from training.job import train_and_publish
    from training.recipe import TrainingRequest
    from training.steps import Steps

    request = TrainingRequest(
        recipe=chosen,
        recipe_name=Path(recipe).stem,
        repository=repository if publish else None,
        run_dir=run_dir or _RUNS / Path(recipe).stem,
        data_file=own,
        cache_dir=cache_dir,
        resume=resume,
    )
    train_and_publish(request, Steps(Console()))


def demo(
    *,
    recipe: RecipeOption = "mnist",
    own: DataOption = None,
    repository: RepositoryOption = _REPOSITORY,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue after the last complete epoch of the run.")
    ] = False,
    cache_dir: CacheOption = None,
) -> None:
    """Run all stages on one machine: train, check gates, publish, serve on a real tritonserver, classify.

    Writes one HTML page that shows the results and the location of all files.

    Example: slipway demo --recipe seed
    """
    from training.recipe import load_recipe

    chosen = load_recipe(recipe)  # validated before TensorFlow loads, which takes seconds
    from training.demo import next_steps, run_demo
    from training.recipe import TrainingRequest
    from training.steps import Steps

    request = TrainingRequest(
        recipe=chosen,
        recipe_name=Path(recipe).stem,
        repository=repository,
        run_dir=_RUNS / Path(recipe).stem,
        data_file=own,
        cache_dir=cache_dir,
        resume=resume,
    )
    console = Console()
    page = run_demo(request, Steps(console))
    serve, predict, *_ = next_steps(request)
    lines = f"\nreport:   {page}\nserve:    {serve}\npredict:  {predict}"
    console.print(lines, highlight=False, markup=False, soft_wrap=True)
