"""`slipway predict`."""

import json

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from slipway.cli._predict import predict
from slipway.client import InvalidImage, ServerUnavailable


@pytest.fixture
def slipway():
    """Run `slipway predict` with arguments; what it raises is raised here."""
    app = typer.Typer()
    app.command()(predict)

    def run(*arguments):
        return CliRunner(env={"COLUMNS": "200"}).invoke(app, list(map(str, arguments)), catch_exceptions=False).output

    return run


@pytest.fixture
def files(tmp_path):
    """Two pictures that the fake calls "3" and "7", or "2" and "8" when they are inverted."""
    for name, value in (("three.png", 3), ("seven.png", 7)):
        pixels = np.zeros((28, 28), np.uint8)
        pixels[0, 0] = value
        Image.fromarray(pixels).save(tmp_path / name)
    return [tmp_path / "three.png", tmp_path / "seven.png"]


def test_table_shows_file_label_probability_and_next_best(fake, slipway, files):
    fake.mangle = lambda one_hot: (0.9 * one_hot + 0.1 * np.eye(10)[[5] * len(one_hot)]).astype(np.float32)
    lines = slipway(*files, "--url", fake.url).splitlines()

    assert "model mnist, version 1" in lines[0]
    for file, label in zip(files, "37", strict=True):
        (row,) = [line for line in lines if str(file) in line]
        assert [str(file), label, "90.00%", "5 (10.00%)"] == [cell.strip() for cell in row.strip("│ ").split("│")]


def test_json_is_one_list_for_machines(fake, slipway, files):
    records = json.loads(slipway(*files, "--url", fake.url, "--json"))

    assert [
        {
            "file": str(file),
            "label": label,
            "probability": 1.0,
            "probabilities": {name: float(name == label) for name in "0123456789"},
            "model": "mnist",
            "version": "1",
        }
        for file, label in zip(files, "37", strict=True)
    ] == records


def test_invert_is_for_dark_digits_on_light_paper(fake, slipway, files):
    records = json.loads(slipway(*files, "--url", fake.url, "--json", "--invert"))

    assert ["2", "8"] == [record["label"] for record in records]


def test_file_that_is_no_picture_is_named(fake, slipway, files, tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(InvalidImage, match=r"notes\.txt: expected an image file"):
        slipway(*files, tmp_path / "notes.txt", "--url", fake.url)


def test_server_that_is_down_is_an_error_with_the_way_out(silent_url, slipway, files):
    with pytest.raises(ServerUnavailable, match="slipway serve"):
        slipway(*files, "--url", silent_url, "--timeout-s", "0.2")


def test_help_shows_an_example(slipway):
    assert "Example: slipway predict three.png" in slipway("--help")
