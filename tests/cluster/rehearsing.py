"""What a rehearsal needs in a test: a published model that knows its own answers, and the command."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime

from rehearsal.experiment.result.result import RehearsalResult, read_result
from slipway.model_config import ServingProfile
from slipway.repository import model_files, publish
from slipway.samples import Samples, write_samples
from tests.integration.conftest import MNIST, linear_classifier

SMALL = Path(__file__).parent / "scenarios"
LIMIT_S = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """One finished `slipway rehearse`; `result` is None where there is no report."""

    exit_code: int
    said: str
    result: RehearsalResult | None

    @property
    def missed(self) -> list[str]:
        """Names of the checks that do not hold."""
        return [check.name for check in self.result.verdict.checks if not check.passed]


def rehearse(cluster: Path, repository: Path, report: Path, scenario: str, *options: object) -> Rehearsed:
    """Run a small scenario on a cluster that is up."""
    command = [Path(sys.executable).with_name("slipway"), "rehearse", SMALL / f"{scenario}.yaml", *options]
    command += ["--folder", cluster, "--repository", repository, "--report-dir", report]
    ended = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=LIMIT_S, check=False)
    file = report / "report.json"
    return Rehearsed(
        exit_code=ended.returncode,
        said=ended.stdout + ended.stderr,
        result=read_result(file) if file.exists() else None,
    )


def publish_with_samples(root: Path) -> None:
    """Publish version 1 of `mnist` with images and what the model says of them, as training does."""
    model = linear_classifier(MNIST)
    images = np.random.default_rng(5).integers(0, 256, (200, *MNIST.image_shape), dtype=np.uint8)
    session = onnxruntime.InferenceSession(model)
    (probabilities,) = session.run([MNIST.probabilities.name], {MNIST.image.name: images})

    def write(folder: Path) -> None:
        (folder / "model.onnx").write_bytes(model)
        write_samples(folder / "samples.npz", Samples(images=images, labels=probabilities.argmax(axis=1)))

    profiles = {kind: ServingProfile(accelerator=kind, instances=1) for kind in ("cpu", "gpu")}
    publish(root, MNIST, model_files(MNIST, **profiles), write)
