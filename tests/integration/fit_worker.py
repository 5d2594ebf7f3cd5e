"""One training process of the tests, and what it trains: tiny networks on striped images.

    python fit_worker.py weights/ runs/ plain compact --epochs 3 [--devices 2]

Writes the final weights to `weights/<network>.npz` and trains in `runs/<network>`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from tests.unit.small_fits import striped_dataset
from training._tensorflow import keras, tf
from training.fit.distributed_context import DistributedContext, choose_distributed_context
from training.fit.loop import fit
from training.recipe import Recipe

DATASET = striped_dataset(train=100, validation=30)
NETWORKS = {
    "plain": {"builder": "fit_worker:plain_cnn"},
    "compact": {"builder": "training.networks:compact_cnn", "arguments": {"filters": [4]}},
}


def plain_cnn(image_shape, classes, regularisation):
    """Nothing in here depends on how a batch is shared: no batch norm, no dropout."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(image_shape),
            layers.Conv2D(4, 3, strides=2, activation="relu"),
            layers.Flatten(),
            layers.Dense(classes, activation="softmax", kernel_regularizer=keras.regularizers.L2(regularisation.l2)),
        ]
    )


def tiny_recipe(network, *, epochs, seed=3):
    """Every kind of state is in it: momentum, schedule, dropout, distortion, early stopping."""
    return Recipe.model_validate(
        {
            "model": "stripes",
            "description": "Three stripes",
            "seed": seed,
            "network": NETWORKS[network],
            "regularisation": {"l2": 0.001, "dropout": 0.2},
            "augmentation": {"rotation_degrees": 10.0, "shift_fraction": 0.1, "zoom_fraction": 0.1},
            "optimizer": {
                "name": "adamw",
                "learning_rate": 0.01,
                "weight_decay": 0.01,
                "schedule": "cosine",
                "warmup_epochs": 1.0,
            },
            "fit": {"epochs": epochs, "batch_size": 16, "early_stopping_patience": epochs},
            "gates": {"min_accuracy": 0.5, "min_macro_f1": 0.5, "max_ece": 0.5},
            "serving": {"max_batch_size": 4, "cpu": {"instances": 1}, "gpu": {"instances": 1}},
        }
    )


def mirrored_over_cpus(devices):
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * devices)
    return DistributedContext(strategy=tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(devices)]))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("weights", type=Path)
    parser.add_argument("runs", type=Path)
    parser.add_argument("networks", nargs="+", choices=sorted(NETWORKS))
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--devices", type=int, default=1)
    options = parser.parse_args()

    context = choose_distributed_context() if options.devices == 1 else mirrored_over_cpus(options.devices)
    options.weights.mkdir(parents=True)
    for network in options.networks:
        recipe = tiny_recipe(network, epochs=options.epochs)
        result = fit(recipe, DATASET, run_dir=options.runs / network, context=context)
        np.savez(options.weights / f"{network}.npz", *result.model.get_weights())
    if context.is_chief:  # alone, as a job does that evaluates and publishes
        result.model.predict(DATASET.test.images.astype(np.float32) / 255, verbose=0)


if __name__ == "__main__":
    main()
