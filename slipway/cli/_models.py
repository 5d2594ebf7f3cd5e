"""`slipway models`: list, verify, seal, roll back and prune published versions."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from slipway.cli._models_remote import (
    REPOSITORY,
    ModelArgument,
    OptionalModelArgument,
    RepositoryOption,
    promote,
    pull,
    push,
)
from slipway.printable import printable

if TYPE_CHECKING:
    from slipway.repository import Failures, ModelEntry, VersionEntry

__all__ = ["app"]

app = typer.Typer(
    name="models",
    help="List, verify, seal, roll back, prune, pull, push and promote the versions in a model repository.",
    no_args_is_help=True,
)


@app.command("list")
def list_(repository: RepositoryOption = REPOSITORY) -> None:
    """List every version with its accuracy, its size, and whether its files are intact.

    `slipway serve` serves the highest intact version. "number only" marks a version whose files were not pulled.
    Exit code 1 if a version, or the shared files of a model, are damaged.

    Example: slipway models list
    """
    from slipway.repository import ModelDamaged, VersionDamaged, check_shared, list_models

    table = Table("model", "version", "published (UTC)", "network", "test accuracy", "size", "files", box=None)
    damaged, faults = False, list[str]()
    for model in list_models(repository):
        if not model.versions:
            table.add_row(_shown(model.name), "none", "", "", "", "", "run `slipway train`")
            continue
        states = {version.version: _state(version) for version in model.versions}
        served = max((number for number, state in states.items() if state == "intact"), default=0)
        for version in model.versions:
            if state := states[version.version]:
                damaged = damaged or state == "damaged"
                table.add_row(*_row(model, version, state, served=version.version == served))
        try:
            check_shared(model.path)
        except ModelDamaged as exc:
            faults.append(printable(str(exc), limit=2000))
    Console().print(table)
    if damaged:
        raise VersionDamaged("a version is damaged; `slipway models verify` names the file")
    if faults:
        raise ModelDamaged("; ".join(faults))


@app.command("verify")
def verify_(
    model: OptionalModelArgument = None,
    version: Annotated[int | None, typer.Option(help="Version to verify (default: all).")] = None,
    repository: RepositoryOption = REPOSITORY,
) -> None:
    """Compare published files with the SHA-256 sums in their manifests.

    All versions are verified; damaged ones are listed at the end. Files that no manifest lists are reported too;
    they are never served or pushed.

    Without Slipway: cd model_repository/mnist/1 && sha256sum -c manifest.sha256

    Example: slipway models verify mnist --version 2
    """
    from slipway.repository import Failures, RepositoryError, list_models

    names = [entry.name for entry in list_models(repository) if entry.versions] if model is None else [model]
    if not names:
        raise RepositoryError(f"{repository} has no version yet: run `slipway train`")
    failures = Failures()
    for name in names:
        with failures.kept():
            _verify_model(repository, name, version, failures)
    failures.raise_any()


@app.command("seal")
def seal_(model: ModelArgument, repository: RepositoryOption = REPOSITORY) -> None:
    """Update a model's manifest after config.pbtxt, labels.txt or configs/*.pbtxt were edited by hand.

    The configurations must be valid and describe the same inputs and outputs. A file that does not match its
    manifest is not served.

    Example: slipway models seal mnist
    """
    from slipway.repository import seal

    typer.echo(f"sealed {model}: {', '.join(seal(repository, model))}")


@app.command()
def rollback(
    model: ModelArgument,
    to: Annotated[
        int | None,
        typer.Option(help="Version to return to (default: the newest one that differs from the served one)."),
    ] = None,
    repository: RepositoryOption = REPOSITORY,
) -> None:
    """Return to an older version by publishing its files again, under the next number.

    Nothing is deleted, so a rollback can be rolled back. A running server serves the new version after it has
    reloaded the model (`slipway serve`: at its next start).

    Example: slipway models rollback mnist --to 1
    """
    from slipway.repository import rollback as roll_back

    source, published = roll_back(repository, model, to=to, note=_report_skipped)
    typer.echo(f"{model} version {published.version} now has the files of version {source.version}")


@app.command()
def prune(
    model: ModelArgument,
    keep: Annotated[int, typer.Option(min=1, help="Number of newest intact versions to keep.")] = 3,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print which versions would be removed.")] = False,
    repository: RepositoryOption = REPOSITORY,
) -> None:
    """Remove old versions. A damaged one is reported and kept, unless enough newer ones are intact.

    Example: slipway models prune mnist --keep 2 --dry-run
    """
    from slipway.repository import find_model
    from slipway.repository import prune as prune_versions

    removed = prune_versions(repository, model, keep=keep, dry_run=dry_run, note=_report_skipped)
    numbers = ", ".join(str(entry.version) for entry in removed) or "none"
    kept = ", ".join(str(entry.version) for entry in find_model(repository, model).versions if entry not in removed)
    typer.echo(f"{'would remove' if dry_run else 'removed'}: {numbers}; kept: {kept}")


for remote_command in (pull, push, promote):
    app.command()(remote_command)


def _verify_model(repository: Path, name: str, version: int | None, failures: Failures) -> None:
    """Print each intact version, and the files that no manifest lists."""
    from slipway.repository import VersionNotFound, find_beside, find_model, verify

    console = Console(highlight=False)
    entry = find_model(repository, name)
    for number in [version] if version is not None else [published.version for published in entry.versions]:
        with failures.kept():
            try:
                (intact,) = verify(repository, name, number)
                files = len(intact.contents())
            except VersionNotFound:
                if version is not None:
                    raise
                continue  # pruned meanwhile
            console.print(f"[green]intact[/] {escape(name)} version {number}: {files} files")
    for unlisted in find_beside(entry.path):
        console.print(f"{escape(name)}/{escape(printable(unlisted))} is not listed: it is never served")


def _state(version: VersionEntry) -> str:
    """`intact`, `number only`, `damaged`, or empty if it was pruned meanwhile."""
    from slipway.repository import find_fault

    if version.is_number_only:
        return "number only"
    if find_fault(version) is None:
        return "intact"
    return "damaged" if os.path.lexists(version.path) else ""


def _report_skipped(reason: str) -> None:
    """Print on stderr why a version was skipped."""
    typer.echo(printable(f"skipped: {reason}", limit=2000), err=True)


def _row(model: ModelEntry, version: VersionEntry, state: str, *, served: bool) -> tuple[str, ...]:
    card = version.card()
    accuracy = _nested(card, "evaluation", "accuracy")
    builder = _nested(card, "recipe", "network", "builder")
    at = version.published_at
    return (
        _shown(model.name),
        f"{version.version}{' [green]served[/]' if served else ''}",
        f"{at:%Y-%m-%d %H:%M}" if at is not None else "unknown",
        _shown(builder.rpartition(":")[2]) if isinstance(builder, str) else "",
        f"{accuracy:.2%}" if isinstance(accuracy, (int, float)) else "",
        f"{version.size_bytes / 1e3:,.0f} kB",
        f"[bold red]{state}[/]" if state == "damaged" else state,
    )


def _nested(document: object, *keys: str) -> object:
    """A nested value of a card, which is untrusted; None if the card has another form."""
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document


def _shown(text: str) -> str:
    return escape(printable(text, limit=80))
