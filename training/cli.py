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
    typer.Option("--data", help="Own images: an .npz with x_train, y_train, x_test, y_test.", metavar="PATH.npz"),
]
RepositoryOption = Annotated[
    Path, typer.Option("--repository", "-r", help="The model repository.", envvar="SLIPWAY_REPOSITORY")
]
CacheOption = Annotated[
    Path | None,
    typer.Option(
        "--cache-dir", help="Where downloads are kept; ~/.cache/slipway if not given.", envvar="SLIPWAY_CACHE"
    ),
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
    """Check the data before training: shapes, balance, blank, duplicate and overlapping images.

    Exit code 1 when something in it would poison a model; the text names the rows.

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
    run_dir: Annotated[Path | None, typer.Option(help="Checkpoints, logs, plots; runs/<recipe> if not given.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on after the last whole epoch of the run.")] = False,
    publish: Annotated[bool, typer.Option(help="Publish the model if its gates let it pass.")] = True,
    cache_dir: CacheOption = None,
) -> None:
    """Train a recipe, check the model against its gates, and publish it as the next version.

    After a kill, the same command with --resume ends with the same weights, and publishes them once. More than
    one GPU, or TF_CONFIG in the environment, distributes the training. Exit code 2: the recipe is wrong; 3: a gate
    refused the model, and nothing was published.

    Example: slipway train --recipe seed
    """
    from training.recipe import load_recipe

    chosen = load_recipe(recipe)  # refused before TensorFlow takes its seconds to load
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
    resume: Annotated[bool, typer.Option("--resume", help="Go on after the last whole epoch of the run.")] = False,
    cache_dir: CacheOption = None,
) -> None:
    """Everything on one machine: train, gate, publish, serve on a real tritonserver, classify.

    Ends with one HTML page that shows what happened and where everything is.

    Example: slipway demo --recipe seed
    """
    from training.recipe import load_recipe

    chosen = load_recipe(recipe)  # refused before TensorFlow takes its seconds to load
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
    lines = f"\neverything that happened: {page}\nserve it:    {serve}\nask it:      {predict}"
    console.print(lines, highlight=False, markup=False, soft_wrap=True)
