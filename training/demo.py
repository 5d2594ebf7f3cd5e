"""The demo: train and publish, then serve the published version and ask it, as an application would.

    run_demo(TrainingRun(recipe=load_recipe("mnist"), repository=..., ...), Steps(Console()))

Everything it writes is in the run's folder and the model repository.
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
from training.card.pages import as_png, render_page
from training.errors import TrainingError, written
from training.export import keras_probabilities
from training.job import Outcome, TrainingRun, train_and_publish
from training.steps import Steps

__all__ = ["Answers", "Digit", "Throughput", "next_steps", "run_demo"]

HELD_OUT = 1_000
SAMPLES = 20
CALLERS = 8
_LONGEST_NAME = 60

_DEFAULT_REPOSITORY, _DEFAULT_MODEL = Path("model_repository"), "mnist"
"""What `slipway serve` and `slipway predict` take where they are told nothing."""
THROUGHPUT_S = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What the server said of held-out images over one protocol.

    Attributes:
        protocol: `gRPC` or `HTTP`.
        images: How many were asked about.
        correct: How many of the answers are the true label.
        agreeing: How many are the answer of the Keras network that was trained.
        max_abs_difference: Largest difference of any probability from Keras.
    """

    protocol: str
    images: int
    correct: int
    agreeing: int
    max_abs_difference: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """A short closed-loop run: each caller sends its next image when it has its answer. No load test.

    Attributes:
        callers: Threads.
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


def run_demo(run: TrainingRun, steps: Steps) -> Path:
    """Run everything and write the report.

    Returns:
        The report, one HTML page in the run's folder.

    Raises:
        SlipwayError: The step that failed says why.
    """
    outcome = train_and_publish(run, steps)
    if outcome is None or outcome.published is None or run.repository is None:
        raise TrainingError("the demo publishes, and runs in one process: name a repository, and unset TF_CONFIG")
    with steps.step("serve") as note:
        server = TritonServer(ServerSettings(repository=run.repository, models=(outcome.published.model,)))
        server.start()
        note(f"tritonserver answers for version {outcome.published.version} at {server.grpc_url} and {server.http_url}")
    try:
        answers, digits = _classify(server, outcome, run.run_dir / "digits", steps)
        with steps.step("load") as note:
            throughput = _throughput(server.grpc_url, outcome)
            note(
                f"{throughput.requests_per_s:,.0f} requests/s from {CALLERS} callers over gRPC, "
                f"median {throughput.median_ms:.1f} ms"
            )
    finally:
        with steps.step("stop") as note:
            note(f"tritonserver drained, exit code {server.stop()}")
    page = run.run_dir / "demo.html"
    text = render_page(
        "demo.html",
        outcome=outcome,
        run=run,
        steps=tuple(steps.done),
        answers=answers,
        digits=digits,
        throughput=throughput,
        next_steps=next_steps(run),
    )
    with written(page):
        write_atomically(page, text)
    return page


def next_steps(run: TrainingRun, program: str | None = None) -> tuple[str, ...]:
    """Commands for a shell in the current folder: serve what was published, ask it, list it, look at the training.

    Args:
        run: What the demo ran.
        program: The `slipway` command; the one that runs, if not given.
    """
    slipway = program or sys.argv[0]
    tensorboard = Path(slipway).with_name("tensorboard")
    where = run.repository or _DEFAULT_REPOSITORY
    repository = ["--repository", str(where)] if where != _DEFAULT_REPOSITORY else []
    model = ["--model", run.recipe.model] if run.recipe.model != _DEFAULT_MODEL else []
    return (
        shlex.join([slipway, "serve", *repository]),
        f"{shlex.join([slipway, 'predict', *model])} {shlex.quote(str(run.run_dir / 'digits'))}/*.png",
        shlex.join([slipway, "models", "list", *repository]),
        shlex.join(
            [
                str(tensorboard) if len(tensorboard.parts) > 1 else "tensorboard",
                "--logdir",
                str(run.run_dir / "tensorboard"),
            ]
        ),
    )


def _classify(
    server: TritonServer, outcome: Outcome, digits_dir: Path, steps: Steps
) -> tuple[tuple[Answers, ...], tuple[Digit, ...]]:
    images, truth = outcome.dataset.test.images[:HELD_OUT], outcome.dataset.test.labels[:HELD_OUT]
    expected = keras_probabilities(outcome.model, images, takes=outcome.takes)
    answers = []
    for protocol, url in (("gRPC", server.grpc_url), ("HTTP", server.http_url)):
        with steps.step(f"ask {protocol}") as note, Classifier(url, model=outcome.card.contract.name) as classifier:
            prediction = classifier.predict(images, timeout_s=60)
            answer = _compare(protocol, prediction, truth, expected)
            note(
                f"{answer.correct:,} of {answer.images:,} held-out images right; {answer.agreeing:,} as Keras says, "
                f"probabilities within {answer.max_abs_difference:.1e}"
            )
        answers.append(answer)
    return tuple(answers), _keep_samples(outcome, prediction, digits_dir)


def _compare(protocol: str, prediction: Prediction, truth: NDArray[np.int64], expected: NDArray[np.float32]) -> Answers:
    return Answers(
        protocol=protocol,
        images=len(truth),
        correct=int(np.count_nonzero(prediction.indices == truth)),
        agreeing=int(np.count_nonzero(prediction.indices == expected.argmax(axis=1))),
        max_abs_difference=float(np.abs(prediction.probabilities - expected).max()),
    )


def _keep_samples(outcome: Outcome, prediction: Prediction, folder: Path) -> tuple[Digit, ...]:
    """Write the first images as files, for `slipway predict`, and return them for the page."""
    with written(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*-is-*.png"):  # of an earlier run, whose images need not be these
            old.unlink()
    digits = []
    for i in range(min(SAMPLES, len(outcome.dataset.test.labels))):
        truth = outcome.dataset.labels[outcome.dataset.test.labels[i]]
        png = as_png(outcome.dataset.test.images[i])
        with written(folder):
            (folder / f"{i:02d}-is-{_file_name(truth)}.png").write_bytes(png)
        probability = float(prediction.probabilities[i].max())
        digits.append(Digit(png=png, truth=truth, answer=prediction.labels[i], probability=probability))
    return tuple(digits)


def _file_name(label: str) -> str:
    """A label as part of a file's name: `N/A` is no folder."""
    return re.sub(r"[^\w.-]+", "_", label)[:_LONGEST_NAME]


def _throughput(url: str, outcome: Outcome) -> Throughput:
    images = outcome.dataset.test.images[:HELD_OUT]
    with Classifier(url, model=outcome.card.contract.name) as classifier:
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
