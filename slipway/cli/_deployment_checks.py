"""The checks of `slipway check`: readiness, version, answer, metrics. Each returns one result.

    ready = check_ready(classifier, url, wait_s=10)
    results = check_answer(classifier, url, ExpectedAnswer(version=2, image=Path("seven.png"), label="7"))

A failed result says expected, got, and the remedy; no server behaviour raises an exception.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from slipway.client import Classifier, ClientError, Prediction, Tls
from slipway.client.wire import Address, PageUnreadable, read_page

__all__ = ["CheckResult", "ExpectedAnswer", "check_answer", "check_metrics", "check_ready"]

_AUTOSCALING = (
    "nv_inference_pending_request_count",
    "nv_inference_request_duration_us",
    "nv_inference_request_success",
)
_SERIES = re.compile(r"(\w+)\{(.*)\} \S")
_LONGEST_LINE = 4096
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedAnswer:
    """The expected answer of a deployment.

    Attributes:
        version: Model version; None for any.
        image: Picture to send; None for a black one, whose label is not checked.
        label: The label of `image`.
    """

    version: int | None = None
    image: Path | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """The result of one check.

    Attributes:
        check: Its name: ready, version, answer or metrics.
        url: The address that was checked.
        passed: Whether it passed.
        text: What was found; for a failed check also what was expected, and the remedy.
    """

    check: str
    url: str
    passed: bool
    text: str


def check_ready(classifier: Classifier, url: str, *, wait_s: float) -> CheckResult:
    """Wait until the model is ready."""
    try:
        classifier.wait_ready(wait_s)
    except ClientError as exc:
        return CheckResult(check="ready", url=url, passed=False, text=str(exc))
    return CheckResult(check="ready", url=url, passed=True, text="the model is ready")


def check_answer(classifier: Classifier, url: str, expected: ExpectedAnswer) -> Iterator[CheckResult]:
    """Send one picture and check the version and the label of the answer."""
    try:
        picture = expected.image or np.zeros(classifier.contract().image_shape, np.uint8)
        prediction = classifier.predict(picture)
    except ClientError as exc:
        yield CheckResult(check="answer", url=url, passed=False, text=str(exc))
        return
    if expected.version is not None:
        passed, text = _judge_version(prediction.model_version, str(expected.version))
        yield CheckResult(check="version", url=url, passed=passed, text=text)
    passed, text = _judge_answer(prediction, expected)
    yield CheckResult(check="answer", url=url, passed=passed, text=text)


def check_metrics(page: Address, *, model: str, timeout_s: float, tls: Tls | None) -> CheckResult:
    """Check that the page has the model's series that autoscaling reads.

    Args:
        page: Address of Triton's metrics page.
        model: Name of the model.
        timeout_s: Time-out for the whole page, in seconds.
        tls: TLS options for https.
    """
    try:
        answer = read_page(page, timeout_s=timeout_s, tls=tls)
    except PageUnreadable as exc:
        text = f"expected Triton's metrics, got {exc}; is this Triton's metrics port? (8002)"
        return CheckResult(check="metrics", url=page.target, passed=False, text=text)
    passed, text = _judge_metrics(answer, model)
    return CheckResult(check="metrics", url=page.target, passed=passed, text=text)


def _judge_version(answered: str, expected: str) -> tuple[bool, str]:
    if answered == expected:
        return True, f"version {answered} answers"
    return False, (
        f"expected version {expected} to answer, got {answered}: "
        "is the new version published, and has the rollout ended?"
    )


def _judge_answer(prediction: Prediction, expected: ExpectedAnswer) -> tuple[bool, str]:
    (row,) = prediction.probabilities
    got = f"{prediction.labels[0]} ({row.max():.2%})"
    if expected.image is None:
        return True, f"version {prediction.model_version} answers a black picture with {got}"
    if prediction.labels[0] == expected.label:
        return True, f"{expected.image} is {got}"
    if expected.label not in prediction.class_names:
        known = ", ".join(prediction.class_names[:50])
        return False, f"expected {expected.label} for {expected.image}, which is not a label of this model: {known}"
    return False, (
        f"expected {expected.label} for {expected.image}, got {got}: is this the right model, "
        "and the picture light on dark?"
    )


def _judge_metrics(page: str, model: str) -> tuple[bool, str]:
    series = [
        (match[1], dict(_LABEL.findall(match[2])))
        for match in map(_SERIES.match, page.splitlines())
        if match is not None and len(match[0]) < _LONGEST_LINE
    ]
    present = {name for name, labels in series if labels.get("model") == model}
    missing = [name for name in _AUTOSCALING if name not in present]
    if not missing:
        return True, f"{len(_AUTOSCALING)} of {len(_AUTOSCALING)} series that autoscaling reads are present"
    models = {labels["model"] for _, labels in series if "model" in labels}
    expected = f"expected {', '.join(missing)} of model {model}, got"
    if model in models:
        return (
            False,
            f"{expected} only other series of it: autoscaling needs these, use a newer tritonserver",
        )
    if models:
        return False, f"{expected} those of {', '.join(sorted(models)[:10])}: check --model"
    return False, f"{expected} a page without them: is this Triton's metrics port? (8002)"
