"""Master and workers: what is sent: images with known labels, cut into the request sizes, and which is sent when.

    payload = load_payload(scenario.payload, contract, version="1", repository=Path("model_repository"))
    batches = payload.batches(scenario.payload)    # a pool, written once and sent many times
    choice, checked = choose(batches, scenario, count=30_000)

Every process of the generator makes the same pool and the same choice.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from loadtest.errors import PayloadError
from loadtest.scenario.schema import PUBLISHED, RANDOM, PayloadSettings, Scenario
from slipway.contained_path import contained_path
from slipway.contract import ModelContract
from slipway.repository import RepositoryError, find_model
from slipway.samples import SAMPLES, Samples, SamplesUnreadable, check_samples, read_samples

__all__ = ["ImageBatch", "Payload", "choose", "load_payload"]

POOL = 256
"""Different requests of each size; enough that no cache on the way answers by memory."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageBatch:
    """One request's content.

    Attributes:
        images: uint8, shape (n, height, width, channels).
        labels: int64, shape (n,): the right answers.
        weight: How often it is chosen, relative to the others.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    weight: float


@dataclass(frozen=True, slots=True)
class Payload:
    """Images with their labels; travels to the workers."""

    samples: Samples

    def batches(self, settings: PayloadSettings) -> tuple[ImageBatch, ...]:
        """Cut requests of each size of the mix, starting anywhere in the images, going round at their end."""
        images, labels = self.samples.images, self.samples.labels
        batches = []
        for share in settings.batches:
            for k in range(POOL):
                rows = (np.arange(share.images) + k * share.images) % len(labels)
                batches.append(ImageBatch(images=images[rows], labels=labels[rows], weight=share.weight / POOL))
        return tuple(batches)

    def to_wire(self) -> bytes:
        """Compressed, for Locust's messages."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, images=self.samples.images, labels=self.samples.labels)
        return buffer.getvalue()

    @classmethod
    def from_wire(cls, content: bytes) -> Self:
        """Read what `to_wire` wrote."""
        arrays = np.load(io.BytesIO(content), allow_pickle=False)
        return cls(Samples(images=arrays["images"], labels=arrays["labels"]))


def load_payload(
    settings: PayloadSettings, contract: ModelContract, *, version: str, repository: Path, seed: int = 0
) -> Payload:
    """Read or draw the images, and see that they and the mix fit the model.

    Args:
        settings: Of the scenario.
        contract: Of the served model.
        version: That the server answers with.
        repository: Where the served version was published; read for `published` images only.
        seed: Draws `random` images.

    Raises:
        PayloadError: With the way to other images.
    """
    largest = max(share.images for share in settings.batches)
    if largest > contract.max_batch_size:
        raise PayloadError(
            f"payload.batches: expected at most {contract.max_batch_size} images in a request, which is what model "
            f"{contract.name!r} takes, got {largest}"
        )
    if settings.images == RANDOM:
        return Payload(_noise(contract, seed))
    path = _published(contract.name, version, repository) if settings.images == PUBLISHED else Path(settings.images)
    try:
        samples = read_samples(path)
        check_samples(samples, contract)
    except SamplesUnreadable as exc:
        raise PayloadError(str(exc)) from exc
    return Payload(samples)


def choose(
    batches: tuple[ImageBatch, ...], scenario: Scenario, *, count: int
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Which batch each request sends, and whether its answer is read; the same for the same seed.

    Returns:
        int32 and bool, shape (count,).
    """
    generator = np.random.default_rng([scenario.seed, 1])
    weights = np.array([batch.weight for batch in batches])
    choice = generator.choice(len(batches), size=count, p=weights / weights.sum()).astype(np.int32)
    return choice, generator.random(count) < scenario.correctness.check_share


def _noise(contract: ModelContract, seed: int) -> Samples:
    """As many images as there are batches of one size; the labels stand for nothing."""
    images = np.random.default_rng([seed, 2]).integers(0, 256, (POOL, *contract.image_shape), dtype=np.uint8)
    return Samples(images=images, labels=np.zeros(POOL, np.int64))


def _published(model: str, version: str, repository: Path) -> Path:
    other = "give images of your own: --images my.npz (images, labels), or --images random and check no answers"
    try:
        entry = find_model(repository, model).version(int(version))
    except (RepositoryError, ValueError) as exc:
        raise PayloadError(
            f"the server answers with version {version} of {model!r}, and its published samples are not here: {exc}; "
            f"name its repository with --repository, or {other}"
        ) from exc
    path = contained_path(entry.path, SAMPLES)
    if not path.is_file():
        raise PayloadError(f"{entry.path} was published without {SAMPLES}: train once more, or {other}")
    return path
