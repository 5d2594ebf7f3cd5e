"""`slipway models`: what is published, whether it is intact, and how to take it back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from slipway.repository import ModelEntry, VersionEntry

__all__ = ["app"]

app = typer.Typer(
    name="models",
    help="List, verify, roll back and prune the versions in a model repository.",
    no_args_is_help=True,
)

RepositoryOption = Annotated[
    Path, typer.Option("--repository", "-r", help="The model repository.", envvar="SLIPWAY_REPOSITORY")
]
ModelArgument = Annotated[str, typer.Argument(help="Model name.")]
_REPOSITORY = Path("model_repository")


@app.command("list")
def list_(repository: RepositoryOption = _REPOSITORY) -> None:
    """List every version with its accuracy, its size, and whether its files are intact.

    Triton serves the highest version. Exit code 1 when a version is damaged.

    Example: slipway models list
    """
    from slipway.repository import VersionDamaged, list_models

    table = Table("model", "version", "published (UTC)", "network", "test accuracy", "size", "files", box=None)
    damaged = False
    for model in list_models(repository):
        if not model.versions:
            table.add_row(model.name, "none", "", "", "", "", "run `slipway train`")
        for version in model.versions:
            state = _state(model, version)
            damaged = damaged or state != "intact"
            table.add_row(*_row(model, version), state)
    Console().print(table)
    if damaged:
        raise VersionDamaged("a version is damaged; `slipway models verify` names the file")


@app.command("verify")
def verify_(
    model: Annotated[str | None, typer.Argument(help="Model name; every model if not given.")] = None,
    version: Annotated[int | None, typer.Option(help="One version; every version if not given.")] = None,
    repository: RepositoryOption = _REPOSITORY,
) -> None:
    """Compare every published file with its SHA-256 in the version's manifest.

    The same without Slipway: cd model_repository/mnist/1 && sha256sum -c manifest.sha256

    Example: slipway models verify mnist --version 2
    """
    from slipway.repository import RepositoryError, find_model, list_models, verify

    names = [entry.name for entry in list_models(repository) if entry.versions] if model is None else [model]
    if not names:
        raise RepositoryError(f"{repository} has no version yet: run `slipway train`")
    console = Console(highlight=False)
    for name in names:
        entry = find_model(repository, name)
        numbers = [version] if version is not None else [published.version for published in entry.versions]
        for number in numbers:
            (intact,) = verify(repository, name, number)
            console.print(f"[green]intact[/] {name} version {number}: {len(intact.contents())} files")


@app.command()
def rollback(
    model: ModelArgument,
    to: Annotated[
        int | None,
        typer.Option(help="Version to return to; if not given, the newest from before the served one's contents."),
    ] = None,
    repository: RepositoryOption = _REPOSITORY,
) -> None:
    """Return to an older version: publish its bytes once more, under the next number.

    Nothing is deleted, so a rollback can be rolled back. A running server takes the new version when it loads the
    model again (`slipway serve` at its next start).

    Example: slipway models rollback mnist --to 1
    """
    from slipway.repository import rollback as roll_back

    source, published = roll_back(repository, model, to=to)
    typer.echo(f"{model} version {published.version} now holds the bytes of version {source.version}")


@app.command()
def prune(
    model: ModelArgument,
    keep: Annotated[int, typer.Option(min=1, help="Newest versions that stay; the served one always does.")] = 3,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say which versions would go.")] = False,
    repository: RepositoryOption = _REPOSITORY,
) -> None:
    """Remove old versions.

    Example: slipway models prune mnist --keep 2 --dry-run
    """
    from slipway.repository import find_model
    from slipway.repository import prune as prune_versions

    removed = prune_versions(repository, model, keep=keep, dry_run=dry_run)
    numbers = ", ".join(str(entry.version) for entry in removed) or "none"
    stays = ", ".join(str(entry.version) for entry in find_model(repository, model).versions if entry not in removed)
    typer.echo(f"{'would remove' if dry_run else 'removed'}: {numbers}; stays: {stays}")


def _state(model: ModelEntry, version: VersionEntry) -> str:
    from slipway.repository import VersionDamaged, verify

    try:
        verify(model.path.parent, model.name, version.version)
    except VersionDamaged:
        return "[bold red]damaged[/]"
    return "intact"


def _row(model: ModelEntry, version: VersionEntry) -> tuple[str, ...]:
    card = version.card()
    accuracy = card.get("evaluation", {}).get("accuracy")
    served = " [green]served[/]" if version == model.served else ""
    return (
        model.name,
        f"{version.version}{served}",
        f"{version.published_at:%Y-%m-%d %H:%M}",
        str(card.get("recipe", {}).get("network", {}).get("builder", "")).rpartition(":")[2],
        f"{accuracy:.2%}" if accuracy is not None else "",
        f"{version.size_bytes / 1e3:,.0f} kB",
    )
