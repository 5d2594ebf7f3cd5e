"""`slipway values`: from a measured capacity to a values file for the serving chart."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from slipway.distribution import NotInstalled, install_hint

__all__ = ["values"]

_SMALLEST_RPS = 0.001


def values(
    capacity: Annotated[
        Path, typer.Argument(help="The file that `slipway capacity` wrote.", metavar="CAPACITY.yaml")
    ] = Path("capacity.yaml"),
    *,
    cluster: Annotated[
        Literal["cpu", "gpu", "mig", "time-sliced"],
        typer.Option(
            metavar="KIND",
            help="What a replica gets: cpu, cores; gpu, a whole GPU; mig, a MIG slice; time-sliced, a share of a GPU.",
        ),
    ],
    storage_uri: Annotated[
        str,
        typer.Option(
            "--storage-uri", help="Where the cluster finds the repository: pvc://claim/folder, s3://bucket/folder, ..."
        ),
    ],
    repository: Annotated[
        Path, typer.Option("--repository", "-r", help="The model repository.", envvar="SLIPWAY_REPOSITORY")
    ] = Path("model_repository"),
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Model name; the one that was measured if not given.")
    ] = None,
    pin: Annotated[bool, typer.Option("--pin", help="Name the newest published version, once it is verified.")] = False,
    peak_rps: Annotated[
        float | None,
        typer.Option(min=_SMALLEST_RPS, help="Requests per second expected at the most: gives the number of replicas."),
    ] = None,
    quiet_share: Annotated[float, typer.Option(min=0, max=1, help="Share of the peak in the quiet hours.")] = 0.2,
    min_replicas: Annotated[
        int | None,
        typer.Option(min=1, help="In place of the computed number. Zero takes `wake.query`: write it by hand."),
    ] = None,
    max_replicas: Annotated[
        int | None, typer.Option(min=1, help="In place of the computed number: your budget.")
    ] = None,
    autoscaling: Annotated[
        Literal["keda", "hpa", "none"],
        typer.Option(help="KEDA; a plain HPA, where a Prometheus adapter is; or a fixed number."),
    ] = "keda",
    prometheus_url: Annotated[
        str | None, typer.Option(help="Prometheus, as KEDA reaches it; the chart's if not given.")
    ] = None,
    headroom_replicas: Annotated[
        int, typer.Option(min=0, help="Room kept warm for so many further replicas, where nodes take minutes.")
    ] = 0,
    gpu_product: Annotated[
        list[str] | None, typer.Option(help="Run only on these, such as NVIDIA-L4; repeatable.")
    ] = None,
    gpu_resource: Annotated[
        str | None,
        typer.Option(
            help="Resource of one replica; needed for --cluster mig. A slice of 1g.10gb: nvidia.com/ and mig-1g.10gb."
        ),
    ] = None,
    release: Annotated[str | None, typer.Option(help="Helm's release; the model's name if not given.")] = None,
    namespace: Annotated[str, typer.Option(help="Namespace of the release.")] = "serving",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file to write; standard output if not given.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite it.")] = False,
) -> None:
    """Turn a measured capacity into a values file for helm/serving, each value with its source.

    The autoscaler's threshold is what `slipway capacity` measured; the number of replicas is the expected peak
    divided by what one replica gets. What was measured and what will run are compared, and warnings on standard
    error say where they differ. Ends with the commands to run next.

    Example: slipway values --cluster gpu --storage-uri s3://models -o mnist.yaml

    Example: slipway values --cluster cpu --storage-uri s3://models --peak-rps 900
    """
    from rich.console import Console
    from rich.markup import escape

    try:
        from slipway.deploy.values import ValuesRequest, make_values, write_values
    except ModuleNotFoundError as exc:
        raise NotInstalled(f"no module {exc.name!r}: {install_hint('deploy')}") from exc

    request = ValuesRequest(
        capacity=capacity,
        repository=repository,
        cluster=cluster,
        storage_uri=storage_uri,
        model=model,
        pin=pin,
        peak_rps=peak_rps,
        quiet_share=quiet_share,
        min_replicas=min_replicas,
        max_replicas=max_replicas,
        autoscaling=autoscaling,
        prometheus_url=prometheus_url,
        headroom_replicas=headroom_replicas,
        gpu_products=tuple(gpu_product or ()),
        gpu_resource=gpu_resource,
        release=release,
        namespace=namespace,
        output=output or Path("values.yaml"),
    )
    values_file = make_values(request, now=datetime.now(UTC))
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    if output is None:
        typer.echo(values_file.text, nl=False)
    else:
        write_values(values_file.text, output, overwrite=force)
        console.print(f"written: [bold]{escape(str(output))}[/]; its first lines say what to run next")
    for warning in values_file.warnings:
        console.print(f"[yellow]warning:[/] {escape(warning)}")
