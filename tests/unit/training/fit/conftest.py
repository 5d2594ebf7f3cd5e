"""Modules with a user's own network."""

from __future__ import annotations

import sys

import keras
import pytest

HEAD = """
import keras
from keras import layers, losses, metrics, optimizers, ops

def plain(image_shape, classes, last="softmax"):
    return keras.Sequential([keras.Input(image_shape), layers.Flatten(), layers.Dense(8, activation="relu"),
        layers.Dropout(0.2), layers.Dense(classes, activation=last, dtype="float32")])

"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Write a module with a builder `net`; every process finds it anew."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(body, name="own_fit_net"):
        (tmp_path / f"{name}.py").write_text(HEAD + body)
        sys.modules.pop(name, None)
        return f"{name}:net"

    yield write
    for name in ("own_fit_net", "own_fit_parts"):
        sys.modules.pop(name, None)
    keras.config.set_dtype_policy("float32")
