"""A model named `digits` whose versions hold a text, and what the repository tests ask of it."""

import json

from slipway.contract import ModelContract
from slipway.model_config import ServingProfile
from slipway.repository import find_model, model_files, publish

DIGITS = ModelContract(name="digits", image_shape=(28, 28, 1), labels=tuple("0123456789"), max_batch_size=16)
CPU, GPU = ServingProfile(accelerator="cpu", instances=2), ServingProfile(accelerator="gpu", instances=1)
FILES = model_files(DIGITS, cpu=CPU, gpu=GPU)


def holding(text):
    def fill(folder):
        (folder / "model.onnx").write_text(text)
        (folder / "card.json").write_text(json.dumps({"about": text}))

    return fill


def publish_text(root, text, **kwargs):
    return publish(root, DIGITS, FILES, holding(text), **kwargs)


def numbers(root):
    return [entry.version for entry in find_model(root, "digits").versions]


def leftovers(root):
    return list((root / "digits").glob(".*"))


def damage_byte(folder):
    content = bytearray((folder / "model.onnx").read_bytes())
    content[1] ^= 1
    (folder / "model.onnx").write_bytes(content)
