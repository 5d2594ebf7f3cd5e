"""The data that a model is trained on: found or given, checked, split, reported.

    dataset = load_dataset(recipe.dataset, seed=recipe.seed)
    report = inspect(dataset)
    report.refuse()          # raises DataRefused, naming the rows
    dataset.train.images     # uint8 (n, 28, 28, 1)

Importing this package loads no TensorFlow.
"""

from training.data._dataset import Dataset, Split
from training.data._judge import Finding
from training.data._load import load_dataset
from training.data._report import DataReport, inspect

__all__ = ["DataReport", "Dataset", "Finding", "Split", "inspect", "load_dataset"]
