"""The first stage of the training job: load the data, check it, and derive the contract of the model.

data = prepare_data(request, steps)
data.dataset.train.images        # uint8 (n, height, width, channels)
data.contract.labels
"""

from __future__ import annotations

from dataclasses import dataclass

from slipway.contract import ModelContract
from training.data.dataset import Dataset
from training.data.load import load_dataset
from training.data.report import DataReport, inspect
from training.errors import DataRefused
from training.request import TrainingRequest
from training.steps import Steps

__all__ = ["PreparedData", "prepare_data"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PreparedData:
    """Data that may be trained on.

    Attributes:
        dataset: Images and labels in three splits.
        report: What was counted in them; it holds no refusal.
        contract: What a model of this recipe, trained on this data, promises.
    """

    dataset: Dataset
    report: DataReport
    contract: ModelContract


def prepare_data(request: TrainingRequest, steps: Steps) -> PreparedData:
    """Run the steps `data` and `report`.

    Raises:
        DataUnavailable: No source could deliver the data set, or the user's file cannot be read.
        DataRefused: The arrays cannot be used or would spoil a model, or no contract can be made of them.
    """
    recipe = request.recipe
    with steps.step("data") as note:
        dataset = load_dataset(
            recipe.dataset, user_file=request.data_file, cache_dir=request.cache_dir, seed=recipe.seed
        )
        note(
            f"{dataset.name} from {dataset.source}: {len(dataset.train.labels):,} to train, "
            f"{len(dataset.validation.labels):,} to choose by, {len(dataset.test.labels):,} to test"
        )
    with steps.step("report") as note:
        report = inspect(dataset)
        report.refuse()
        note(f"{len(report.findings)} finding(s), none of which would poison a model (`slipway data` shows all)")
    try:
        contract = recipe.contract(dataset.image_shape, dataset.labels, background=dataset.background)
    except ValueError as exc:
        raise DataRefused(f"{dataset.name} ({dataset.source}) cannot be served: {exc}") from exc
    return PreparedData(dataset=dataset, report=report, contract=contract)
