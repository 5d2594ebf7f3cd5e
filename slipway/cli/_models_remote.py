"""`slipway models pull`, `push` and `promote`: copy versions to and from a store, and promote them on a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from slipway.distribution import NotInstalled, install_hint
from slipway.platform.signals import ended_by_sigterm

if TYPE_CHECKING:
    from slipway.repository import Pulled, Pushed

__all__ = ["REPOSITORY", "ModelArgument", "OptionalModelArgument", "RepositoryOption", "promote", "pull", "push"]

RepositoryOption = Annotated[
    Path, typer.Option("--repository", "-r", help="The model repository.", envvar="SLIPWAY_REPOSITORY")
]
ModelArgument = Annotated[str, typer.Argument(help="Model name.")]
OptionalModelArgument = Annotated[str | None, typer.Argument(help="Model name (default: all models).")]
UrlArgument = Annotated[
    str, typer.Argument(help="Remote repository, such as s3://bucket/folder or gs://bucket/folder.")
]
REPOSITORY = Path("model_repository")


def pull(
    url: UrlArgument,
    model: OptionalModelArgument = None,
    everything: Annotated[bool, typer.Option("--all", help="Copy every file of every version, verified.")] = False,
    check_write: Annotated[
        bool, typer.Option("--check-write", help="Also check the write access that `push` needs.")
    ] = False,
    repository: RepositoryOption = REPOSITORY,
) -> None:
    """Copy manifests and configurations from a remote repository, so that training publishes the next number.

    Model files are copied only with `--all`, which is needed to serve from the local copy.

    Example: slipway models pull s3://models/prod
    """
    from slipway.repository import check_pushable, shown_url
    from slipway.repository import pull as pull_versions

    console = Console(highlight=False, soft_wrap=True)
    if check_write:
        check_pushable(url, console=console)

    def tell(entry: Pulled) -> None:
        numbers = ", ".join(str(number) for number in entry.versions)
        copied = "every file" if everything else "numbers only"
        console.print(f"{entry.model}: published in the store: {numbers}; copied: {copied}", markup=False)

    pulled = pull_versions(repository, url, model=model, complete=everything, console=console, tell=tell)
    if not pulled:
        what = f"version of {model}" if model else "version"
        console.print(f"{shown_url(url)} exists and holds no {what} yet: the first push publishes one", markup=False)


def push(url: UrlArgument, model: OptionalModelArgument = None, repository: RepositoryOption = REPOSITORY) -> None:
    """Publish the local versions that are newer than all versions in a remote repository.

    After an interruption, the same command continues. A version's manifest is written last: without it the version
    is not served.

    Example: slipway models push s3://models/prod
    """
    from slipway.repository import RepositoryError, shown_url
    from slipway.repository import push as push_versions

    console = Console(highlight=False, soft_wrap=True)
    where = escape(shown_url(url))

    def tell(entry: Pushed) -> None:
        for number in entry.new:
            console.print(f"[green]published[/] {entry.model} version {number} at {where}")
        if not entry.new:
            console.print(f"{entry.model}: nothing new; {where} has every version")

    with ended_by_sigterm():
        pushed = push_versions(repository, url, model=model, console=console, tell=tell)
    if not pushed:
        raise RepositoryError(f"{repository} has no version yet: run `slipway train`")


def promote(
    model: ModelArgument,
    *,
    to: Annotated[
        str,
        typer.Option("--to", help="Name of the InferenceService, which is that of the Helm release.", metavar="NAME"),
    ],
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Its namespace.")],
    version: Annotated[int | None, typer.Option(help="Published version (default: the newest).")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only check that the cluster allows it. Ignores --version.")
    ] = False,
    repository: RepositoryOption = REPOSITORY,
) -> None:
    """Set the version that an InferenceService serves; its pods are replaced one by one.

    The version's local files are verified first, if they were pulled. The InferenceService must use the same
    repository. Exit code 2: no such InferenceService, or permission denied.

    Example: slipway models promote mnist --to mnist --namespace serving
    """
    from slipway.repository import find_model, verify

    try:
        from slipway.deploy._promote import check_promotable
        from slipway.deploy._promote import promote as promote_version
    except ModuleNotFoundError as exc:
        raise NotInstalled(f"promoting needs the Kubernetes client: {install_hint('deploy')}") from exc
    newest = "the newest at each pod's start"
    if check:
        serves = check_promotable(to, namespace=namespace)
        what = f"{model} version {serves}" if serves else f"{model}, {newest}"
        typer.echo(f"{to} in {namespace} exists, serves {what}, and may be changed to another version")
        return
    entry = find_model(repository, model)
    chosen = entry.served if version is None else entry.version(version)
    if not chosen.is_number_only:
        verify(repository, model, chosen.version)
    number = chosen.version
    promotion = promote_version(to, number, namespace=namespace)
    verb = f"promoted, from {promotion.before or newest}" if promotion.changed else "unchanged: already served"
    typer.echo(f"{to} in {namespace} serves {model} version {number}; {verb}")
