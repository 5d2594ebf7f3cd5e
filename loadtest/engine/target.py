"""See before the load that the target answers: a test of nothing is worse than no test.

facts, contract = inspect(scenario.target)
metrics_url(scenario.target)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import numpy as np

from loadtest.engine.connection import classifier_for
from loadtest.errors import TargetError, TargetUnknown
from loadtest.scenario.schema import TargetSettings
from slipway.client import ClientError, InvalidAddress, ModelNotFound, UnsupportedModel
from slipway.client.wire import parse_address
from slipway.contract import ModelContract
from slipway.verdict import TargetFacts

__all__ = ["AUTO", "inspect", "metrics_url", "send_blanks"]

AUTO = "auto"
"""In place of the address of the metrics: on this machine, Triton's own port."""
_METRICS_PORT = 8002  # Triton's default


def inspect(target: TargetSettings) -> tuple[TargetFacts, ModelContract]:
    """Ask the target what it serves, with one request for a blank image.

    Raises:
        TargetUnknown: It knows no such model or version.
        TargetError: The connection fails, or the model is not ready.
    """
    with _translated(), classifier_for(target) as classifier:
        contract = classifier.contract()
        answer = classifier.predict(np.zeros(contract.image_shape, np.uint8))
    facts = TargetFacts(
        url=target.url,
        protocol=parse_address(target.url).protocol,
        model=contract.name,
        version=answer.model_version,
        labels=len(contract.labels),
        max_batch_size=contract.max_batch_size,
    )
    return facts, contract


def send_blanks(target: TargetSettings, count: int) -> None:
    """Send a blank image so many times, each as a request, and wait for the answers.

    Raises:
        TargetError: One is not answered.
    """
    with _translated(), classifier_for(target) as classifier:
        blank = np.zeros(classifier.contract().image_shape, np.uint8)
        for _ in range(count):
            classifier.predict(blank)


def metrics_url(target: TargetSettings) -> str | None:
    """Where Triton's metrics are, or None when the scenario, or the distance, says not to ask."""
    if target.metrics_url != AUTO:
        return target.metrics_url
    if not parse_address(target.url).local:
        return None
    return f"http://{urlsplit(target.url).hostname}:{_METRICS_PORT}/metrics"


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (ModelNotFound, UnsupportedModel) as exc:
        raise TargetUnknown(f"{exc}; name the model with --model") from exc
    except InvalidAddress as exc:
        raise TargetUnknown(f"target: {exc}") from exc
    except ClientError as exc:
        raise TargetError(
            f"nothing was measured, the target does not answer: {exc}; start it (slipway serve), "
            f"or name another with --url"
        ) from exc
    except ValueError as exc:
        raise TargetUnknown(f"target: {exc}") from exc
