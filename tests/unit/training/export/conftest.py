"""A network and the file that was exported from it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.unit.small_networks import (
    DIGITS,
    conv_first,
)
from training._tensorflow import keras
from training.export import export_onnx


@pytest.fixture(scope="module")
def exported():
    keras.utils.set_random_seed(7)
    model = conv_first()
    return SimpleNamespace(model=model, onnx_bytes=export_onnx(model, DIGITS, opset=17))
