"""A published model, a measured capacity as `slipway capacity` writes it, and the choices that tests start from."""

from datetime import UTC, datetime, timedelta

from loadtest.capacity.run import write_capacity
from slipway.capacity import Capacity, Load
from slipway.contract import ModelContract
from slipway.deploy.values import ValuesRequest, make_values
from slipway.model_config import ServingProfile
from slipway.repository import model_files, publish
from slipway.verdict import Environment, TargetFacts

MNIST = ModelContract(name="mnist", image_shape=(28, 28, 1), labels=tuple("0123456789"), max_batch_size=16)
MEASURED = datetime(2026, 11, 24, 18, 27, tzinfo=UTC)
# An hour later, nothing is old.
NOW = MEASURED + timedelta(hours=1)
REMOTE = "grpc://10.0.0.7:9000"


def published(root, *, contract=MNIST, versions=1):
    """A repository whose versions hold a text."""
    files = model_files(
        contract,
        cpu=ServingProfile(accelerator="cpu", instances=2),
        gpu=ServingProfile(accelerator="gpu", instances=1, queue_delay_us=100),
    )
    for number in range(1, versions + 1):
        publish(root, contract, files, lambda folder, n=number: (folder / "model.onnx").write_text(str(n)) and None)
    return root


def measured(*, url=REMOTE, model="mnist", version="1", max_batch_size=16, **changes):
    """What one replica carries: 1,081 requests/s, and 865 with a fifth left free."""
    server = TargetFacts(
        url=url, protocol="grpc", model=model, version=version, labels=10, max_batch_size=max_batch_size
    )
    facts = {
        "target_server": server,
        "images_per_request": 1.0,
        "slo": {"p99_ms": 50.0, "error_rate": 0.001},
        "limited_by": "server",
        "replica": Load(requests_per_s=1081.1, in_flight=4.134, p99_ms=33.16),
        "utilisation_margin": 0.2,
        "target": Load(requests_per_s=864.9, in_flight=1.739, p99_ms=8.04),
        "machine": Environment(machine="AMD EPYC", cores=1, python="3.11.7", packages={}),
        "measured": MEASURED,
        "command": "slipway capacity steady",
        "probes": (),
    }
    return Capacity(**facts | changes)


def requested(tmp_path, *, capacity=None, **choices):
    """The choices, with the repository and the capacity that they name on disk."""
    if not (tmp_path / "models").exists():
        published(tmp_path / "models")
    write_capacity(capacity or measured(), tmp_path / "capacity.yaml")
    usual = {"cluster": "gpu", "storage_uri": "pvc://models/model_repository"}
    return ValuesRequest(capacity=tmp_path / "capacity.yaml", repository=tmp_path / "models", **usual | choices)


def made(tmp_path, *, now=NOW, **choices):
    """The values file of the choices."""
    return make_values(requested(tmp_path, **choices), now=now)
