from __future__ import annotations

import io

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from training.card import plots
from training.evaluate.metrics import evaluate
from training.fit.history import EpochRecord

NAMES = tuple("0123456789")


def history(epochs):
    return [
        EpochRecord(
            epoch=n,
            loss=1 / n,
            accuracy=1 - 0.5 / n,
            val_loss=0.8 / n,
            val_accuracy=1 - 0.4 / n,
            learning_rate=1e-3,
            seconds=1.0,
        )
        for n in range(1, epochs + 1)
    ]


def answers(images=400, *, skill, classes=10, seed=0):
    """Labels, and probabilities that are the more right the higher the skill."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, images)
    logits = rng.normal(size=(images, classes))
    logits[np.arange(images), labels] += skill
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return labels, probabilities.astype(np.float32)


def pictures(images=400, channels=1):
    return np.random.default_rng(1).integers(0, 256, (images, 28, 28, channels), dtype=np.uint8)


def is_blank(png):
    darkest, brightest = opened(png).convert("L").getextrema()
    return darkest == brightest


def opened(png):
    image = Image.open(io.BytesIO(png))
    image.load()
    return image


@pytest.fixture(scope="module")
def run():
    labels, probabilities = answers(skill=3)
    return {
        "history": history(3),
        "evaluation": evaluate(probabilities, labels, NAMES),
        "images": pictures(),
        "labels": labels,
        "probabilities": probabilities,
    }


@pytest.fixture(scope="module")
def drawn(run):
    return plots.draw_plots(**run)


def test_a_card_gets_four_pictures_with_captions(drawn):
    by_name = {plot.name: plot for plot in drawn}

    assert ["confusion-matrix", "learning-curves", "reliability-diagram", "worst-mistakes"] == sorted(by_name)
    assert all(plot.caption.endswith(".") for plot in by_name.values())
    for plot in by_name.values():
        assert "PNG" == opened(plot.png).format
        assert 600 < opened(plot.png).width < 1600


def test_pictures_are_small_enough_to_travel_inside_a_page(drawn):
    assert sum(len(plot.png) for plot in drawn) < 250_000


def test_the_same_run_draws_the_same_bytes(run, drawn):
    assert drawn == plots.draw_plots(**run)


@pytest.mark.parametrize(
    ("names", "skill"),
    [
        pytest.param(NAMES, 100, id="no mistake"),
        pytest.param(NAMES, -100, id="nothing right"),
        pytest.param(("no", "yes"), 1, id="two classes"),
        pytest.param(tuple(f"class {n}" for n in range(30)), 3, id="thirty classes"),
        pytest.param((r"$\frac{$", "<b>", "数", *NAMES[3:]), 3, id="hostile labels"),
    ],
)
def test_extreme_evaluations_are_drawn(names, skill):
    labels, probabilities = answers(60, skill=skill, classes=len(names))
    evaluation = evaluate(probabilities, labels, names)

    matrix = plots.confusion_matrix(evaluation)
    diagram = plots.reliability_diagram(evaluation)
    mistakes = plots.worst_mistakes(pictures(60), labels, probabilities, names)

    assert all(not is_blank(png) for png in (matrix, diagram, mistakes))


@pytest.mark.parametrize("channels", [2, 3])
def test_images_of_more_channels_are_drawn(channels):
    labels, probabilities = answers(60, skill=1)

    assert not is_blank(plots.worst_mistakes(pictures(60, channels), labels, probabilities, NAMES))


def test_one_epoch_is_a_history_too():
    assert not is_blank(plots.learning_curves(history(1)))


def test_without_a_mistake_the_picture_says_so_instead_of_being_empty():
    labels, probabilities = answers(skill=100)

    text = plots.worst_mistakes(pictures(), labels, probabilities, NAMES)
    images = plots.worst_mistakes(pictures(), labels, np.roll(probabilities, 1, axis=1), NAMES)

    assert opened(text).height < opened(images).height


def test_the_worst_mistake_stands_first(monkeypatch):
    texts = []
    monkeypatch.setattr("matplotlib.axes.Axes.text", lambda _axes, _x, _y, text, **_: texts.append(text))
    probabilities = np.array([[0.9, 0.1, 0.0], [0.6, 0.4, 0.0], [0.1, 0.2, 0.7], [0.5, 0.3, 0.2]], np.float32)

    plots.worst_mistakes(pictures(4), np.array([0, 1, 0, 2]), probabilities, ("a", "b", "c"))

    assert ["a → c  0.70", "c → a  0.50", "b → a  0.60"] == texts


def test_drawing_leaves_the_settings_of_matplotlib_alone():
    with mpl.rc_context({"font.size": 7, "axes.grid": False}):
        plots.learning_curves(history(2))

        assert (7, False) == (mpl.rcParams["font.size"], mpl.rcParams["axes.grid"])
