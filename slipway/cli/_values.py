"""`slipway values`: make a values file of the serving chart from a measured capacity."""

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
        Path, typer.Argument(help="Output file of `slipway capacity`.", metavar="CAPACITY.yaml")
    ] = Path("capacity.yaml"),
    *,
    cluster: Annotated[
        Literal["cpu", "gpu", "mig", "time-sliced"],
        typer.Option(
            metavar="KIND",
            help="Hardware of a replica: cpu; gpu, a whole GPU; mig, a MIG slice; time-sliced, a shared GPU.",
        ),
    ],
    storage_uri: Annotated[
        str,
        typer.Option(
            "--storage-uri",
            help="URI of the model repository for the cluster: pvc://claim/folder, s3://bucket/folder, ...",
        ),
    ],
    repository: Annotated[
        Path, typer.Option("--repository", "-r", help="The model repository.", envvar="SLIPWAY_REPOSITORY")
    ] = Path("model_repository"),
    model: Annotated[str | None, typer.Option("--model", "-m", help="Model name (default: the measured one).")] = None,
    pin: Annotated[bool, typer.Option("--pin", help="Pin the newest published version, after verifying it.")] = False,
    peak_rps: Annotated[
        float | None,
        typer.Option(
            min=_SMALLEST_RPS,
            help="Expected peak in requests per second, from which the number of replicas is computed.",
        ),
    ] = None,
    quiet_share: Annotated[float, typer.Option(min=0, max=1, help="Load in quiet hours as a share of the peak.")] = 0.2,
    min_replicas: Annotated[
        int | None,
        typer.Option(min=1, help="Override the computed minimum."),
    ] = None,
    max_replicas: Annotated[int | None, typer.Option(min=1, help="Override the computed maximum.")] = None,
    autoscaling: Annotated[
        Literal["keda", "hpa", "none"],
        typer.Option(help="keda; hpa, with a Prometheus adapter; or none, a fixed number."),
    ] = "keda",
    prometheus_url: Annotated[
        str | None, typer.Option(help="URL of Prometheus for KEDA (default: the chart's).")
    ] = None,
    headroom_replicas: Annotated[
        int, typer.Option(min=0, help="Overprovision room for this many replicas, for slow node provisioning.")
    ] = 0,
    gpu_product: Annotated[
        list[str] | None, typer.Option(help="Allowed GPU product, such as NVIDIA-L4; repeatable.")
    ] = None,
    gpu_resource: Annotated[
        str | None,
        typer.Option(
            help="GPU resource of a replica, required for --cluster mig: nvidia.com/ and a slice such as mig-1g.10gb."
        ),
    ] = None,
    release: Annotated[str | None, typer.Option(help="Helm release (default: the model's name).")] = None,
    namespace: Annotated[str, typer.Option(help="Namespace of the release.")] = "serving",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Output file (default: standard output).")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite it.")] = False,
) -> None:
    """Make a values file for helm/serving from a measured capacity, with the source of each value.

    The autoscaler's target is the measured one; the number of replicas is the expected peak divided by the target
    rate of a replica. Warnings on standard error list differences between the measurement and the deployment. The
    file begins with the commands to run next.

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
        console.print(f"written: [bold]{escape(str(output))}[/]; its first lines are the commands to run next")
    for warning in values_file.warnings:
        console.print(f"[yellow]warning:[/] {escape(warning)}")
