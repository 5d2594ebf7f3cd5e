"""What can be asked of a deployment to see that it answers rightly. Each check is one question and one finding.

    ready = check_ready(classifier, url, wait_s=10)
    findings = check_answer(classifier, url, Expected(version=2, image=Path("seven.png"), label="7"))

A finding that failed says what was expected, what came, and the way out; nothing is raised for what a server does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from slipway.client import Classifier, ClientError, Prediction, Tls
from slipway.client.wire import Address, PageUnreadable, read_page

__all__ = ["Expected", "Finding", "check_answer", "check_metrics", "check_ready"]

_AUTOSCALING = (
    "nv_inference_pending_request_count",
    "nv_inference_request_duration_us",
    "nv_inference_request_success",
)
_SERIES = re.compile(r"(\w+)\{(.*)\} \S")
_LONGEST_LINE = 4096
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a deployment should be.

    Attributes:
        version: The model version that answers; None: any.
        image: A picture to send; None: a black one, whose label is nobody's business.
        label: The label of `image`.
    """

    version: int | None = None
    image: Path | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The outcome of one check.

    Attributes:
        check: Its name: ready, version, answer or metrics.
        url: Whom it asked.
        passed: Whether all was as expected.
        text: What came; where it failed, also what was expected, and the way out.
    """

    check: str
    url: str
    passed: bool
    text: str


def check_ready(classifier: Classifier, url: str, *, wait_s: float) -> Finding:
    """Wait until the model answers, or say why it does not."""
    try:
        classifier.wait_ready(wait_s)
    except ClientError as exc:
        return Finding(check="ready", url=url, passed=False, text=str(exc))
    return Finding(check="ready", url=url, passed=True, text="the model is ready")


def check_answer(classifier: Classifier, url: str, expected: Expected) -> Iterator[Finding]:
    """Send one picture and look at the answer: who gave it, whether it is well-formed, whether it is right."""
    try:
        picture = expected.image or np.zeros(classifier.contract().image_shape, np.uint8)
        prediction = classifier.predict(picture)
    except ClientError as exc:
        yield Finding(check="answer", url=url, passed=False, text=str(exc))
        return
    if expected.version is not None:
        passed, text = _judge_version(prediction.model_version, str(expected.version))
        yield Finding(check="version", url=url, passed=passed, text=text)
    passed, text = _judge_answer(prediction, expected)
    yield Finding(check="answer", url=url, passed=passed, text=text)


def check_metrics(page: Address, *, model: str, timeout_s: float, tls: Tls | None) -> Finding:
    """Look for the series of the model that autoscaling reads.

    Args:
        page: Of Triton's metrics.
        model: The model's name.
        timeout_s: Longest time for the whole page, in seconds.
        tls: For a secure page.
    """
    try:
        answer = read_page(page, timeout_s=timeout_s, tls=tls)
    except PageUnreadable as exc:
        text = f"expected Triton's metrics, got {exc}; are they served there? (port 8002)"
        return Finding(check="metrics", url=page.target, passed=False, text=text)
    passed, text = _judge_metrics(answer, model)
    return Finding(check="metrics", url=page.target, passed=passed, text=text)


def _judge_version(answered: str, expected: str) -> tuple[bool, str]:
    if answered == expected:
        return True, f"version {answered} answers"
    return False, (
        f"expected version {expected} to answer, got {answered}: "
        "is the new version published, and has the rollout ended?"
    )


def _judge_answer(prediction: Prediction, expected: Expected) -> tuple[bool, str]:
    (row,) = prediction.probabilities
    got = f"{prediction.labels[0]} ({row.max():.2%})"
    if expected.image is None:
        return True, f"version {prediction.model_version} answers a black picture with {got}"
    if prediction.labels[0] == expected.label:
        return True, f"{expected.image} is {got}"
    if expected.label not in prediction.class_names:
        known = ", ".join(prediction.class_names[:50])
        return False, f"expected {expected.label} for {expected.image}, which is no label of this model: {known}"
    return False, (
        f"expected {expected.label} for {expected.image}, got {got}: is this the right model, "
        "and the picture light on dark?"
    )


def _judge_metrics(page: str, model: str) -> tuple[bool, str]:
    series = [
        (found[1], dict(_LABEL.findall(found[2])))
        for found in map(_SERIES.match, page.splitlines())
        if found is not None and len(found[0]) < _LONGEST_LINE
    ]
    there = {name for name, labels in series if labels.get("model") == model}
    missing = [name for name in _AUTOSCALING if name not in there]
    if not missing:
        return True, f"{len(_AUTOSCALING)} of {len(_AUTOSCALING)} series that autoscaling reads are there"
    models = {labels["model"] for _, labels in series if "model" in labels}
    expected = f"expected {', '.join(missing)} of model {model}, got"
    if model in models:
        return (
            False,
            f"{expected} other series of it only: serve it with a newer tritonserver, for autoscaling reads them",
        )
    if models:
        return False, f"{expected} those of {', '.join(sorted(models)[:10])}: is --model right?"
    return False, f"{expected} a page without them: is this Triton's metrics port? (8002)"
