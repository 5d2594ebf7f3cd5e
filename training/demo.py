"""The demo: train and publish, then serve the published version and send requests, as an application would.

    run_demo(TrainingRequest(recipe=load_recipe("mnist"), repository=..., ...), Steps(Console()))

All output is in the run's folder and the model repository.
"""

from __future__ import annotations

import re
import shlex
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from slipway.client import Classifier, Prediction
from slipway.platform.atomic_write import write_atomically
from slipway.triton import ServerSettings, TritonServer
from training.candidate import Candidate
from training.card.pages import as_png, render_page
from training.errors import TrainingError, map_write_errors
from training.export import keras_probabilities
from training.job import train_and_publish
from training.recipe import TrainingRequest
from training.steps import Steps

__all__ = ["Answers", "Digit", "Throughput", "next_steps", "run_demo"]

HELD_OUT = 1_000
SAMPLES = 20
CALLERS = 8
_LONGEST_NAME = 60

_DEFAULT_REPOSITORY, _DEFAULT_MODEL = Path("model_repository"), "mnist"
"""Default ports of `slipway serve` and `slipway predict`."""
THROUGHPUT_S = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """The server's predictions for held-out images over one protocol.

    Attributes:
        protocol: `gRPC` or `HTTP`.
        images: Number of images.
        correct: Number of correct predictions.
        agreeing: Number of predictions that equal those of the Keras network.
        max_abs_difference: Largest difference of any probability from Keras.
    """

    protocol: str
    images: int
    correct: int
    agreeing: int
    max_abs_difference: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """A short closed-loop run: each caller sends its next image after the response. Not a load test.

    Attributes:
        callers: Number of threads.
        requests_per_s: Completed requests of one image.
        median_ms: Median time of one request.
    """

    callers: int
    requests_per_s: float
    median_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Digit:
    """One held-out image with its true label and the server's answer."""

    png: bytes
    truth: str
    answer: str
    probability: float


def run_demo(request: TrainingRequest, steps: Steps) -> Path:
    """Run everything and write the report.

    Returns:
        The report, one HTML page in the run's folder.

    Raises:
        SlipwayError: A step failed.
    """
    result = train_and_publish(request, steps)
    if result is None or result.published is None or request.repository is None:
        raise TrainingError("the demo publishes, and runs in one process: set --repository, and unset TF_CONFIG")
    with steps.step("serve") as note:
        server = TritonServer(ServerSettings(repository=request.repository, models=(result.published.model,)))
        server.start()
        if server.fallback:
            steps.warn(server.fallback)
        note(f"tritonserver answers for version {result.published.version} at {server.grpc_url} and {server.http_url}")
    candidate = result.candidate
    try:
        answers, digits = _classify(server, candidate, request, steps)
        with steps.step("load") as note:
            throughput = _throughput(server.grpc_url, candidate)
            note(
                f"{throughput.requests_per_s:,.0f} requests/s from {CALLERS} callers over gRPC, "
                f"median {throughput.median_ms:.1f} ms"
            )
    finally:
        with steps.step("stop") as note:
            note(f"tritonserver drained, exit code {server.stop()}")
    page = request.run_dir / "demo.html"
    text = render_page(
        "demo.html",
        candidate=candidate,
        published=result.published,
        request=request,
        steps=tuple(steps.done),
        answers=answers,
        digits=digits,
        throughput=throughput,
        next_steps=next_steps(request),
    )
    with map_write_errors(page):
        write_atomically(page, text)
    return page


def next_steps(request: TrainingRequest, program: str | None = None) -> tuple[str, ...]:
    """Shell commands for the current folder: serve the version, predict, list versions, show the training.

    Args:
        request: The demo's request.
        program: The `slipway` command (default: the running one).
    """
    slipway = program or sys.argv[0]
    tensorboard = Path(slipway).with_name("tensorboard")
    folder = request.repository or _DEFAULT_REPOSITORY
    repository = ["--repository", str(folder)] if folder != _DEFAULT_REPOSITORY else []
    model = ["--model", request.recipe.model] if request.recipe.model != _DEFAULT_MODEL else []
    return (
        shlex.join([slipway, "serve", *repository]),
        f"{shlex.join([slipway, 'predict', *model])} {shlex.quote(str(request.run_dir / 'digits'))}/*.png",
        shlex.join([slipway, "models", "list", *repository]),
        shlex.join(
            [
                str(tensorboard) if len(tensorboard.parts) > 1 else "tensorboard",
                "--logdir",
                str(request.run_dir / "tensorboard"),
            ]
        ),
    )


def _classify(
    server: TritonServer, candidate: Candidate, request: TrainingRequest, steps: Steps
) -> tuple[tuple[Answers, ...], tuple[Digit, ...]]:
    images, truth = candidate.dataset.test.images[:HELD_OUT], candidate.dataset.test.labels[:HELD_OUT]
    expected = keras_probabilities(candidate.model, images, input_range=request.recipe.network.effective_input_range)
    answers = []
    for protocol, url in (("gRPC", server.grpc_url), ("HTTP", server.http_url)):
        with steps.step(protocol) as note, Classifier(url, model=candidate.card.contract.name) as classifier:
            prediction = classifier.predict(images, timeout_s=60)
            answer = _compare(protocol, prediction, truth, expected)
            note(
                f"{answer.correct:,} of {answer.images:,} held-out images correct; {answer.agreeing:,} equal to Keras, "
                f"probabilities within {answer.max_abs_difference:.1e}"
            )
        answers.append(answer)
    return tuple(answers), _save_digits(candidate, prediction, request.run_dir / "digits")


def _compare(protocol: str, prediction: Prediction, truth: NDArray[np.int64], expected: NDArray[np.float32]) -> Answers:
    return Answers(
        protocol=protocol,
        images=len(truth),
        correct=int(np.count_nonzero(prediction.indices == truth)),
        agreeing=int(np.count_nonzero(prediction.indices == expected.argmax(axis=1))),
        max_abs_difference=float(np.abs(prediction.probabilities - expected).max()),
    )


def _save_digits(candidate: Candidate, prediction: Prediction, folder: Path) -> tuple[Digit, ...]:
    """Write the first images as files, for `slipway predict`, and return them for the page."""
    with map_write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*-is-*.png"):  # of an earlier run, possibly with other images
            old.unlink()
    digits = []
    for i in range(min(SAMPLES, len(candidate.dataset.test.labels))):
        truth = candidate.dataset.labels[candidate.dataset.test.labels[i]]
        png = as_png(candidate.dataset.test.images[i])
        with map_write_errors(folder):
            (folder / f"{i:02d}-is-{_file_name(truth)}.png").write_bytes(png)
        probability = float(prediction.probabilities[i].max())
        digits.append(Digit(png=png, truth=truth, answer=prediction.labels[i], probability=probability))
    return tuple(digits)


def _file_name(label: str) -> str:
    """A label as part of a file name, without slashes."""
    return re.sub(r"[^\w.-]+", "_", label)[:_LONGEST_NAME]


def _throughput(url: str, candidate: Candidate) -> Throughput:
    images = candidate.dataset.test.images[:HELD_OUT]
    with Classifier(url, model=candidate.card.contract.name) as classifier:
        classifier.wait_ready()
        end_ns = time.perf_counter_ns() + int(THROUGHPUT_S * 1e9)

        def ask(caller: int) -> list[int]:
            durations_ns: list[int] = []
            while (started_ns := time.perf_counter_ns()) < end_ns:
                classifier.predict(images[(caller + len(durations_ns) * CALLERS) % len(images)])
                durations_ns.append(time.perf_counter_ns() - started_ns)
            return durations_ns

        with ThreadPoolExecutor(CALLERS) as pool:
            durations_ns = [duration for taken in pool.map(ask, range(CALLERS)) for duration in taken]
    return Throughput(
        callers=CALLERS,
        requests_per_s=len(durations_ns) / THROUGHPUT_S,
        median_ms=statistics.median(durations_ns) / 1e6,
    )
