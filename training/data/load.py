"""From a recipe's settings to three splits."""

from __future__ import annotations

from pathlib import Path

from slipway.platform.cache import cache_folder
from slipway.printable import printable
from training.data.arrays import Arrays
from training.data.cache import Cache
from training.data.dataset import Dataset, Split
from training.data.keras import KerasDownload
from training.data.mnist import MNIST_LABELS, first_good
from training.data.own import read_own
from training.data.split import stratified_rows
from training.data.wheel import MnistWheel
from training.recipe import DatasetSettings

__all__ = ["load_dataset"]

ONE_IN = 6
MOST_ASIDE = 5_000
"""Validation images, where the recipe names no number: 5,000 of MNIST's 60,000 are enough to tell epochs apart."""


def load_dataset(
    settings: DatasetSettings, *, own: Path | None = None, cache_dir: Path | None = None, seed: int
) -> Dataset:
    """Get the images and set validation images aside.

    Args:
        settings: The recipe's section `dataset`.
        own: A user's `.npz` with x_train, y_train, x_test, y_test, in place of MNIST.
        cache_dir: Where MNIST is kept on this machine; see `slipway.platform.cache` for the default.
        seed: Equal seeds choose equal validation images.

    Raises:
        DataUnavailable: No source could deliver MNIST, or the user's file cannot be read.
        DataRefused: The user's arrays cannot be used, or there are too few images to set some aside; the text
            names the rows.
    """
    if own is None:
        cache = Cache(path=(cache_dir or cache_folder()) / "mnist.npz")
        arrays, source = first_good(cache, (KerasDownload(), MnistWheel()))
        return _split(arrays, settings, seed, name=settings.name, source=source, labels=MNIST_LABELS)
    arrays, labels = read_own(own)
    return _split(arrays, settings, seed, name=printable(own.stem), source=printable(str(own)), labels=labels)


def _split(
    arrays: Arrays, settings: DatasetSettings, seed: int, *, name: str, source: str, labels: tuple[str, ...]
) -> Dataset:
    aside = settings.validation_images or min(MOST_ASIDE, len(arrays.y_train) // ONE_IN)
    train, validation = stratified_rows(arrays.y_train, validation_images=max(aside, len(labels)), seed=seed)
    return Dataset(
        name=name,
        source=source,
        digest=arrays.digest(),
        labels=labels,
        train=Split(images=arrays.x_train[train], labels=arrays.y_train[train], rows=train),
        validation=Split(images=arrays.x_train[validation], labels=arrays.y_train[validation], rows=validation),
        test=Split(images=arrays.x_test, labels=arrays.y_test),
    )
