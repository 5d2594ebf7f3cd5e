"""A user's own networks, as text of the module that builds them, and a run that trains one."""

from __future__ import annotations

import io

from rich.console import Console

from tests.unit.small_fits import STRIPES, own_recipe
from training.fit.loop import fit
from training.recipe import Recipe

NET = "def net(image_shape, classes, regularisation):\n"


def compiled(arguments):
    return f"{NET}    model = plain(image_shape, classes)\n    model.compile({arguments})\n    return model\n"


def compiled_recipe(builder, *, compiled="use", epochs=2):
    document = own_recipe(builder, epochs=epochs, compiled=None).model_dump()
    document["network"]["compiled"] = compiled
    if compiled == "use":
        del document["optimizer"]
    return Recipe.model_validate(document)


def train(recipe, run_dir, *, resume=False):
    console = Console(file=io.StringIO(), width=300)
    result = fit(recipe, STRIPES, run_dir=run_dir, resume=resume, console=console)
    return result, console.file.getvalue()


OWN_STEP = """
class Own(keras.Model):
    def __init__(self, image_shape, classes):
        super().__init__()
        self.body = plain(image_shape, classes)

    def call(self, images, training=None):
        return self.body(images, training=training)

    def {step}(self, data):
        {body}

def net(image_shape, classes, regularisation):
    model = Own(image_shape, classes)
    model.build((None, *image_shape))
    return model
"""
