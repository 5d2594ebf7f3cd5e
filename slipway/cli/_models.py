"""`slipway models`: what is published, whether it is intact, how to take it back, and how to move it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from slipway.distribution import NotInstalled, install_hint
from slipway.platform.signals import ended_by_sigterm
from slipway.printable import printable

if TYPE_CHECKING:
    from slipway.repository import Failures, ModelEntry, Pulled, Pushed, VersionEntry

__all__ = ["app"]

app = typer.Typer(
    name="models",
    help="List, verify, seal, roll back, prune, pull, push and promote the versions in a model repository.",
    no_args_is_help=True,
)

RepositoryOption = Annotated[
    Path, typer.Option("--repository", "-r", help="The model repository.", envvar="SLIPWAY_REPOSITORY")
]
ModelArgument = Annotated[str, typer.Argument(help="Model name.")]
OptionalModelArgument = Annotated[str | None, typer.Argument(help="Model name; every model if not given.")]
UrlArgument = Annotated[
    str, typer.Argument(help="Remote repository, such as s3://bucket/folder or gs://bucket/folder.")
]
_REPOSITORY = Path("model_repository")


@app.command("list")
def list_(repository: RepositoryOption = _REPOSITORY) -> None:
    """List every version with its accuracy, its size, and whether its files are intact.

    `slipway serve` serves the highest that is intact. A version that an ordinary pull brought is here by its number
    alone. Exit code 1 when a version is damaged, or the files that all versions of a model share are.

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
    version: Annotated[int | None, typer.Option(help="One version; every version if not given.")] = None,
    repository: RepositoryOption = _REPOSITORY,
) -> None:
    """Compare every published file with its SHA-256 in a manifest: the version's, or the model's for what all share.

    Every version of every model has its turn; what is damaged is named at the end. What lies beside them and is in no
    manifest is named, too; it is never shown to Triton, nor sent anywhere.

    The same without Slipway: cd model_repository/mnist/1 && sha256sum -c manifest.sha256

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
def seal_(model: ModelArgument, repository: RepositoryOption = _REPOSITORY) -> None:
    """Write a model's manifest anew after config.pbtxt, labels.txt or configs/*.pbtxt were edited by hand.

    The configurations must be readable and describe the same inputs and outputs. Nothing is served
    whose bytes no manifest lists.

    Example: slipway models seal mnist
    """
    from slipway.repository import seal

    typer.echo(f"sealed {model}: {', '.join(seal(repository, model))}")


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

    source, published = roll_back(repository, model, to=to, note=_say_aside)
    typer.echo(f"{model} version {published.version} now holds the bytes of version {source.version}")


@app.command()
def prune(
    model: ModelArgument,
    keep: Annotated[int, typer.Option(min=1, help="Newest intact versions that stay.")] = 3,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say which versions would go.")] = False,
    repository: RepositoryOption = _REPOSITORY,
) -> None:
    """Remove old versions. A damaged one is named and stays, unless enough newer ones are intact.

    Example: slipway models prune mnist --keep 2 --dry-run
    """
    from slipway.repository import find_model
    from slipway.repository import prune as prune_versions

    removed = prune_versions(repository, model, keep=keep, dry_run=dry_run, note=_say_aside)
    numbers = ", ".join(str(entry.version) for entry in removed) or "none"
    stays = ", ".join(str(entry.version) for entry in find_model(repository, model).versions if entry not in removed)
    typer.echo(f"{'would remove' if dry_run else 'removed'}: {numbers}; stays: {stays}")


@app.command("pull")
def pull_(
    url: UrlArgument,
    model: OptionalModelArgument = None,
    everything: Annotated[bool, typer.Option("--all", help="Bring every file of every version, verified.")] = False,
    check_write: Annotated[bool, typer.Option("--check-write", help="Refuse now if `push` could not write.")] = False,
    repository: RepositoryOption = _REPOSITORY,
) -> None:
    """Learn which versions an object store holds, so that the next training takes the next number.

    Only manifests and configurations come; a version can be served from here after `--all`.

    Example: slipway models pull s3://models/prod
    """
    from slipway.repository import check_pushable, pull, shown_url

    console = Console(highlight=False, soft_wrap=True)
    if check_write:
        check_pushable(url, console=console)

    def tell(entry: Pulled) -> None:
        numbers = ", ".join(str(number) for number in entry.versions)
        here = "every file" if everything else "numbers only"
        console.print(f"{entry.model}: published there: {numbers}; here: {here}", markup=False)

    pulled = pull(repository, url, model=model, complete=everything, console=console, tell=tell)
    if not pulled:
        what = f"version of {model}" if model else "version"
        console.print(f"{shown_url(url)} is there and holds no {what} yet: the first push publishes one", markup=False)


@app.command("push")
def push_(url: UrlArgument, model: OptionalModelArgument = None, repository: RepositoryOption = _REPOSITORY) -> None:
    """Publish in an object store what is published here and newer than everything there.

    Killed half-way? The same command goes on. A version's manifest goes last: without it nobody serves the version.

    Example: slipway models push s3://models/prod
    """
    from slipway.repository import RepositoryError, push, shown_url

    console = Console(highlight=False, soft_wrap=True)
    where = escape(shown_url(url))

    def tell(entry: Pushed) -> None:
        for number in entry.new:
            console.print(f"[green]published[/] {entry.model} version {number} at {where}")
        if not entry.new:
            console.print(f"{entry.model}: nothing new; {where} holds what is here")

    with ended_by_sigterm():
        pushed = push(repository, url, model=model, console=console, tell=tell)
    if not pushed:
        raise RepositoryError(f"{repository} has no version yet: run `slipway train`")


@app.command("promote")
def promote_(
    model: ModelArgument,
    *,
    to: Annotated[str, typer.Option("--to", help="The InferenceService: the Helm release's name.", metavar="NAME")],
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Its namespace.")],
    version: Annotated[int | None, typer.Option(help="A published version; the newest if not given.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing and look at no version: would the cluster allow it?")
    ] = False,
    repository: RepositoryOption = _REPOSITORY,
) -> None:
    """Let a cluster's InferenceService serve a version; its pods are replaced one by one.

    The version's files are verified first; where `pull` left its number alone, its push has verified them. The
    InferenceService must read the same repository. Exit code 2: there is none of that name, or it is not allowed.

    Example: slipway models promote mnist --to mnist --namespace serving
    """
    from slipway.repository import find_model, verify

    try:
        from slipway.deploy._promote import check_promotable, promote
    except ModuleNotFoundError as exc:
        raise NotInstalled(f"promoting needs the Kubernetes client: {install_hint('deploy')}") from exc
    newest = "the newest at each pod's start"
    if check:
        serves = check_promotable(to, namespace=namespace)
        what = f"{model} version {serves}" if serves else f"{model}, {newest}"
        typer.echo(f"{to} in {namespace} is there, serves {what}, and may be told to serve another")
        return
    entry = find_model(repository, model)
    chosen = entry.served if version is None else entry.version(version)
    if not chosen.is_number_only:
        verify(repository, model, chosen.version)
    number = chosen.version
    promotion = promote(to, number, namespace=namespace)
    verb = f"promoted: {promotion.before or newest} before" if promotion.changed else "unchanged: it served that before"
    typer.echo(f"{to} in {namespace} serves {model} version {number}; {verb}")


def _verify_model(repository: Path, name: str, version: int | None, failures: Failures) -> None:
    """Say of each version that is intact that it is, and what lies beside them."""
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
    for beside in find_beside(entry.path):
        console.print(f"{escape(name)}/{escape(printable(beside))} is not listed; never shown to Triton")


def _state(version: VersionEntry) -> str:
    """`intact`, `number only`, `damaged`, or nothing where it was pruned meanwhile."""
    from slipway.repository import find_fault

    if version.is_number_only:
        return "number only"
    if find_fault(version) is None:
        return "intact"
    return "damaged" if os.path.lexists(version.path) else ""


def _say_aside(sentence: str) -> None:
    """What was stepped over, on stderr."""
    typer.echo(printable(f"stepped over: {sentence}", limit=2000), err=True)


def _row(model: ModelEntry, version: VersionEntry, state: str, *, served: bool) -> tuple[str, ...]:
    card = version.card()
    accuracy = _inside(card, "evaluation", "accuracy")
    builder = _inside(card, "recipe", "network", "builder")
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


def _inside(document: object, *keys: str) -> object:
    """A value of a card that somebody else may have written."""
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document


def _shown(text: str) -> str:
    return escape(printable(text, limit=80))
