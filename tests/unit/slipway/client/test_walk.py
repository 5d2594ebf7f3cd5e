"""An image's way from `Classifier.predict` to the bytes on the wire and back, as docs/architecture.md draws it."""

import re
import sys
from pathlib import Path

import numpy as np

import slipway.client
from slipway.client import Classifier, Prediction
from slipway.client._operations import Infer
from slipway.client._tensors import InferResult

PACKAGE = Path(slipway.client.__file__).parent
PAGE = Path(__file__).parents[4] / "docs" / "architecture.md"
CARRIED = (np.ndarray, Infer, InferResult, Prediction)


def files_that_carry(call):
    """Those of the package in which a function holds the image, or what was made of it, while `call` runs.

    A value's own properties are part of what it is: `self` does not count.
    """
    files = set()

    def look(frame, _event, _argument):
        path = Path(frame.f_code.co_filename)
        held = [value for name, value in frame.f_locals.items() if name != "self"]
        if path.is_relative_to(PACKAGE) and any(isinstance(value, CARRIED) for value in held):
            files.add(str(path.relative_to(PACKAGE)))

    sys.setprofile(look)
    try:
        call()
    finally:
        sys.setprofile(None)
    return files


def test_an_image_passes_four_files(fake, digits):
    protocol = fake.url.partition("://")[0]
    with Classifier(fake.url, model="mnist") as classifier:
        files = files_that_carry(lambda: classifier.predict(digits([7])))

    assert {"_classifier.py", "_core.py", "_tensors.py", f"_transports/{protocol}_transport.py"} == files


def test_the_drawing_names_the_four_files_alone():
    text = PAGE.read_text(encoding="utf-8").partition("an image's way")[2].partition("tritonserver  ")[0]
    drawing = text.partition("```")[2]
    expected = {"_classifier.py", "_core.py", "_tensors.py", "grpc_transport", "http_transport"}

    assert expected == set(re.findall(r"\b_[a-z]+\.py|[a-z]+_transport", drawing))


def test_a_file_of_the_client_is_read_in_one_sitting():
    lines = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in PACKAGE.rglob("*.py")}

    assert {} == {name: length for name, length in lines.items() if length > 250}
