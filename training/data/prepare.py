"""The first stage of the training job: load the data, split it, check it, and derive the contract of the model.

data = prepare_data(request, steps)
data.dataset.train.images        # uint8 (n, height, width, channels)
data.contract.labels
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from slipway.contract import ModelContract
from slipway.platform.cache import cache_folder
from slipway.printable import printable
from training.data.arrays import Arrays
from training.data.dataset import Dataset, Split
from training.data.mnist import MNIST_LABELS, Cache, KerasDownload, first_good
from training.data.report import DataReport, inspect
from training.data.user_arrays import read_user_arrays
from training.data.wheel import MnistWheel
from training.errors import DataRefused
from training.recipe import DatasetSettings, TrainingRequest
from training.steps import Steps

__all__ = ["PreparedData", "load_dataset", "prepare_data"]

VALIDATION_DIVISOR = 6
MAX_VALIDATION_IMAGES = 5_000
"""Without a number in the recipe, one training image in six is used for validation, at most this many: 5,000 of MNIST's
60,000 are enough to compare epochs."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PreparedData:
    """Validated training data.

    Attributes:
        dataset: Images and labels in three splits.
        report: The data report, without refusals.
        contract: Contract of a model of this recipe, trained on this data.
    """

    dataset: Dataset
    report: DataReport
    contract: ModelContract


def prepare_data(request: TrainingRequest, steps: Steps) -> PreparedData:
    """Run the steps `data` and `report`.

    Raises:
        DataUnavailable: No source could deliver the data set, or the user's file cannot be read.
        DataRefused: The arrays are invalid or unfit for training, or give no valid contract.
    """
    recipe = request.recipe
    with steps.step("data") as note:
        dataset = load_dataset(
            recipe.dataset, user_file=request.data_file, cache_dir=request.cache_dir, seed=recipe.seed
        )
        note(
            f"{dataset.name} from {dataset.source}: {len(dataset.train.labels):,} to train, "
            f"{len(dataset.validation.labels):,} to validate, {len(dataset.test.labels):,} to test"
        )
    with steps.step("report") as note:
        report = inspect(dataset)
        report.refuse()
        note(f"{len(report.findings)} finding(s), none of which rules out training (`slipway data` shows all)")
    try:
        contract = recipe.contract(dataset.image_shape, dataset.labels, background=dataset.background)
    except ValueError as exc:
        raise DataRefused(f"{dataset.name} ({dataset.source}) cannot be served: {exc}") from exc
    return PreparedData(dataset=dataset, report=report, contract=contract)


def load_dataset(
    settings: DatasetSettings, *, user_file: Path | None = None, cache_dir: Path | None = None, seed: int
) -> Dataset:
    """Load the images and split off validation images.

    Args:
        settings: The recipe's section `dataset`.
        user_file: A user's `.npz` with x_train, y_train, x_test, y_test, in place of MNIST.
        cache_dir: Folder for MNIST on this machine; see `slipway.platform.cache` for the default.
        seed: Equal seeds select equal validation images.

    Raises:
        DataUnavailable: No source could deliver MNIST, or the user's file cannot be read.
        DataRefused: The user's arrays are invalid, or there are too few images for a validation split; names the
            rows.
    """
    if user_file is None:
        cache = Cache(path=(cache_dir or cache_folder()) / "mnist.npz")
        arrays, source = first_good(cache, (KerasDownload(), MnistWheel()))
        return _split(arrays, settings, seed, name=settings.name, source=source, labels=MNIST_LABELS)
    arrays, labels = read_user_arrays(user_file)
    return _split(
        arrays, settings, seed, name=printable(user_file.stem), source=printable(str(user_file)), labels=labels
    )


def _split(
    arrays: Arrays, settings: DatasetSettings, seed: int, *, name: str, source: str, labels: tuple[str, ...]
) -> Dataset:
    count = settings.validation_images or min(MAX_VALIDATION_IMAGES, len(arrays.y_train) // VALIDATION_DIVISOR)
    train, validation = _stratified_rows(arrays.y_train, validation_images=max(count, len(labels)), seed=seed)
    return Dataset(
        name=name,
        source=source,
        digest=arrays.digest(),
        labels=labels,
        train=Split(images=arrays.x_train[train], labels=arrays.y_train[train], rows=train),
        validation=Split(images=arrays.x_train[validation], labels=arrays.y_train[validation], rows=validation),
        test=Split(images=arrays.x_test, labels=arrays.y_test),
    )


def _stratified_rows(
    labels: NDArray[np.int64], *, validation_images: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Select training and validation rows, stratified by class.

    Args:
        labels: int64, (n,), of all training images.
        validation_images: Number of validation rows.
        seed: Equal seeds select equal rows.

    Returns:
        Training rows and validation rows: int64, each ascending, together 0 to n - 1.

    Raises:
        DataRefused: There are too few images for that, overall or of one class.
    """
    classes, counts = np.unique(labels, return_counts=True)
    if len(labels) - validation_images < len(classes):
        raise DataRefused(
            f"x_train: expected more than dataset.validation_images ({validation_images}) images, by at least one "
            f"for each of {len(classes)} classes, got {len(labels)}; add images, or leave dataset.validation_images "
            "out of the recipe: one image in six is set aside then"
        )
    if validation_images < len(classes) or counts.min() < 2:
        rare = int(classes[counts.argmin()])
        raise DataRefused(
            f"y_train: expected at least 2 images of each class and dataset.validation_images >= {len(classes)} "
            f"classes, got {int(counts.min())} image(s) of class {rare} and {validation_images} validation images"
        )
    train, validation = train_test_split(
        np.arange(len(labels)), test_size=validation_images, stratify=labels, random_state=seed
    )
    return np.sort(train), np.sort(validation)
