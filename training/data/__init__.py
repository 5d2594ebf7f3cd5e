"""Training data: download or read it, validate it, split it, report on it.

    dataset = load_dataset(recipe.dataset, seed=recipe.seed)
    report = inspect(dataset)
    report.refuse()          # raises DataRefused, naming the rows
    dataset.train.images     # uint8 (n, 28, 28, 1)

Importing this package loads no TensorFlow.
"""

from training.data.dataset import Dataset, Split
from training.data.judge import Finding
from training.data.prepare import load_dataset
from training.data.report import DataReport, inspect

__all__ = ["DataReport", "Dataset", "Finding", "Split", "inspect", "load_dataset"]
