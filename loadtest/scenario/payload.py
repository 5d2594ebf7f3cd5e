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
"""Number of different requests per size; enough to defeat caches between client and server."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageBatch:
    """One request's content.

    Attributes:
        images: uint8, shape (n, height, width, channels).
        labels: int64, shape (n,): the correct labels.
        weight: Relative frequency.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    weight: float


@dataclass(frozen=True, slots=True)
class Payload:
    """Images with their labels; sent to the workers."""

    samples: Samples

    def batches(self, settings: PayloadSettings) -> tuple[ImageBatch, ...]:
        """Make requests of each size in the mix, from random starting points in the images, wrapping at their end."""
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
        """Parse the output of `to_wire`."""
        arrays = np.load(io.BytesIO(content), allow_pickle=False)
        return cls(Samples(images=arrays["images"], labels=arrays["labels"]))


def load_payload(
    settings: PayloadSettings, contract: ModelContract, *, version: str, repository: Path, seed: int = 0
) -> Payload:
    """Read or generate the images, and check that they and the mix fit the model.

    Args:
        settings: Payload settings of the scenario.
        contract: Contract of the served model.
        version: Version reported by the server.
        repository: Model repository of the served version; used for `published` images only.
        seed: Seed of `random` images.

    Raises:
        PayloadError: Images are missing or do not fit; the message names the alternatives.
    """
    largest = max(share.images for share in settings.batches)
    if largest > contract.max_batch_size:
        raise PayloadError(
            f"payload.batches: expected at most {contract.max_batch_size} images in a request, the largest batch of "
            f"model {contract.name!r}, got {largest}"
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
    """The batch of each request, and whether its response is checked; deterministic for a seed.

    Returns:
        int32 and bool, shape (count,).
    """
    generator = np.random.default_rng([scenario.seed, 1])
    weights = np.array([batch.weight for batch in batches])
    choice = generator.choice(len(batches), size=count, p=weights / weights.sum()).astype(np.int32)
    return choice, generator.random(count) < scenario.correctness.check_share


def _noise(contract: ModelContract, seed: int) -> Samples:
    """As many random images as there are batches of one size; the labels are meaningless."""
    images = np.random.default_rng([seed, 2]).integers(0, 256, (POOL, *contract.image_shape), dtype=np.uint8)
    return Samples(images=images, labels=np.zeros(POOL, np.int64))


def _published(model: str, version: str, repository: Path) -> Path:
    other = "send other images: --images my.npz (images, labels), or --images random without checking the answers"
    try:
        entry = find_model(repository, model).version(int(version))
    except (RepositoryError, ValueError) as exc:
        raise PayloadError(
            f"the server serves version {version} of {model!r}, whose published samples were not found: {exc}; "
            f"set its repository with --repository, or {other}"
        ) from exc
    path = contained_path(entry.path, SAMPLES)
    if not path.is_file():
        raise PayloadError(f"{entry.path} was published without {SAMPLES}: train again, or {other}")
    return path
