"""A data set of striped images that a network learns in a second, and a recipe for a network of one's own."""

from __future__ import annotations

import numpy as np

from training.data import Dataset, Split
from training.recipe import Recipe


def stripes(images, seed):
    """Each class is a bright stripe at its own place."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, images)
    pixels = rng.integers(0, 100, (images, 12, 12, 1))
    for image, label in zip(pixels, labels, strict=True):
        image[:, label * 4 : label * 4 + 4] += 100
    return Split(images=pixels.astype(np.uint8), labels=labels.astype(np.int64))


def striped_dataset(*, train, validation):
    """As many images; the rest is always the same."""
    return Dataset(
        name="stripes",
        source="drawn",
        digest="d1" * 32,
        labels=("left", "middle", "right"),
        train=stripes(train, seed=1),
        validation=stripes(validation, seed=2),
        test=stripes(30, seed=3),
    )


STRIPES = striped_dataset(train=96, validation=60)


def own_recipe(builder, *, epochs=2, **network):
    """A recipe for `STRIPES`; `network` holds further keys of its section `network`."""
    return Recipe.model_validate(
        {
            "model": "stripes",
            "description": "Three stripes",
            "seed": 3,
            "network": {"builder": builder, **network},
            "optimizer": {"learning_rate": 0.01},
            "fit": {"epochs": epochs, "batch_size": 16},
            "gates": {"min_accuracy": 0.5, "min_macro_f1": 0.5, "max_ece": 0.5},
            "serving": {"max_batch_size": 4, "cpu": {"instances": 1}, "gpu": {"instances": 1}},
        }
    )
