from __future__ import annotations

import dataclasses
import json
import re
from datetime import UTC, datetime, timedelta, timezone
from html.parser import HTMLParser

import numpy as np
import pytest
from pydantic import TypeAdapter

from slipway.contract import ModelContract
from training.card.card import CARD_SCHEMA, ModelCard, TrainingFacts, build_card, render_html, render_json, write_card
from training.card.pages import shown_size
from training.card.plots import Plot
from training.evaluate.gates import check_gates
from training.evaluate.metrics import evaluate
from training.export import OnnxFacts, Parity
from training.fit.history import EpochRecord
from training.recipe import load_recipe

HOSTILE = "<script>alert('1')</script>"
NOON = datetime(2030, 5, 17, 12, 0, tzinfo=UTC)
PLOT = Plot(name="curves", caption='Curves of "this" run.', png=b"\x89PNG" + bytes(range(256)))


def make_card(*, labels=("zero", "one", HOSTILE), created=NOON, min_accuracy=0.5, background=None, recipe=None):
    recipe = recipe or load_recipe("mnist")
    evaluation = evaluate(np.eye(3, dtype=np.float32)[[0, 1, 2, 0]], np.array([0, 1, 2, 1]), labels)
    parity = Parity(images=2_000, max_abs_difference=1.5e-7, argmax_disagreements=0)
    gates = recipe.gates.model_copy(update={"min_accuracy": min_accuracy, "min_macro_f1": 0.5, "max_ece": 0.5})
    epoch = EpochRecord(
        epoch=1, loss=0.5, accuracy=0.8, val_loss=0.25, val_accuracy=0.9, learning_rate=4e-3, seconds=8.5
    )
    return build_card(
        created=created,
        contract=ModelContract(
            name="mnist", image_shape=(28, 28, 1), labels=labels, max_batch_size=16, background=background
        ),
        recipe=recipe,
        data={
            "source": "cache",
            "digest": "d1" * 32,
            "splits": ({"name": "train", "images": 6_000, "class_counts": (1_000, 2_000, 3_000)},),
            "findings": ({"severity": "warning", "check": "duplicates", "text": "rows 3 and 5 are equal"},),
        },
        training=TrainingFacts(history=(epoch,), stopped_early=True, seconds=8.5, images_per_s=700.0),
        evaluation=evaluation,
        parity=parity,
        gates=check_gates(gates, evaluation, parity),
        onnx=OnnxFacts(opset=17, ir_version=8, nodes=12, parameters=42_458, size_bytes=171_470, sha256="ab" * 32),
    )


class _Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags = []
        self.links = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in {"src", "href"}]


def test_json_holds_the_whole_card():
    card = make_card()

    assert card == TypeAdapter(ModelCard).validate_json(render_json(card))


def test_json_names_its_schema_and_the_verdict():
    document = json.loads(render_json(make_card(min_accuracy=0.8)))
    accuracy = document["gates"][0]

    assert CARD_SCHEMA == document["schema"]
    assert document["passed"] is False
    assert ("min_accuracy", False) == (accuracy["name"], accuracy["passed"])
    assert pytest.approx(-0.05) == accuracy["margin"]


def test_two_cards_of_one_run_differ_in_nothing_but_created():
    morning, noon = (json.loads(render_json(make_card(created=NOON - timedelta(hours=h)))) for h in (3, 0))

    assert "2030-05-17T09:00:00Z" == morning.pop("created")
    assert "2030-05-17T12:00:00Z" == noon.pop("created")
    assert morning == noon


def test_created_is_kept_in_utc_whatever_the_callers_zone():
    elsewhere = NOON.astimezone(timezone(timedelta(hours=5)))

    assert render_json(make_card()) == render_json(make_card(created=elsewhere))


def test_the_packages_that_made_the_model_are_named():
    packages = make_card().packages

    assert {"keras", "numpy", "onnx", "onnxruntime", "slipway-serving", "tf2onnx"} <= set(packages)
    assert {"tensorflow", "tensorflow-cpu"} & set(packages)


def test_the_summary_says_what_the_model_does_and_how_well():
    expected = (
        "Sorts images of 28 x 28 pixels and 1 channel into 3 classes. Of 4 test images it classified "
        "75.00% correctly. The file has 42,458 parameters in 171 kB."
    )

    assert expected == make_card().summary


@pytest.mark.parametrize(("shared", "words"), [(0, "none of which it was trained on"), (2, "2 of which it had been")])
def test_the_summary_says_of_the_test_images_what_was_counted(shared, words):
    card = make_card()
    overlaps = [
        {"held_out": "validation", "shared": {"count": 9}},
        {"held_out": "test", "shared": {"count": shared}},
    ]

    assert f"Of 4 test images, {words}" in dataclasses.replace(card, data=card.data | {"overlaps": overlaps}).summary


def test_one_of_a_kind_is_no_plural():
    card = make_card()
    onnx = dataclasses.replace(card.onnx, parameters=1, nodes=1, size_bytes=1)
    parity = dataclasses.replace(card.parity, images=1, argmax_disagreements=1)
    page = render_html(dataclasses.replace(card, onnx=onnx, parity=parity))

    assert "The file has 1 parameter in 1 byte." in page
    assert "1 byte, opset 17, IR version 8, 1 node<" in page
    assert "on 1 image: largest difference 1.5e-07, 1 different answer<" in page


@pytest.mark.parametrize(
    ("background", "words"),
    [("dark", "have a dark border; an image on a light background"), ("light", "have a light border"), (None, None)],
)
def test_what_is_said_of_the_background_is_what_was_seen(background, words):
    limits = " ".join(make_card(background=background).limits)

    assert (words is not None) == ("border" in limits)
    assert (words or "") in limits


def test_no_sentence_speaks_of_another_data_set():
    limits = " ".join(make_card().limits).lower()

    assert not [word for word in ("digit", "mnist", "writer", "scanner", "ink", "handwrit") if word in limits]


def test_a_card_holds_no_optimizer_that_did_not_train():
    recipe = load_recipe("mnist")
    network = recipe.network.model_copy(update={"compiled": "use"})

    assert "optimizer" not in make_card(recipe=recipe.model_copy(update={"network": network})).recipe
    assert "optimizer" in make_card().recipe


@pytest.mark.parametrize(
    ("size_bytes", "shown"),
    [(1, "1 byte"), (999, "999 bytes"), (1_000, "1 kB"), (171_470, "171 kB"), (999_900, "1 MB"), (4_240_000, "4.2 MB")],
)
def test_sizes_are_written_as_people_read_them(size_bytes, shown):
    assert shown == shown_size(size_bytes)


def test_the_page_escapes_a_hostile_label():
    page = render_html(make_card(), [PLOT])
    parsed = _Page()
    parsed.feed(page)

    assert "script" not in parsed.tags
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page


def test_the_page_needs_no_other_file():
    parsed = _Page()
    parsed.feed(render_html(make_card(), [PLOT]))

    assert 1 == len(parsed.links)
    assert parsed.links[0].startswith("data:image/png;base64,")


@pytest.mark.parametrize(
    ("min_accuracy", "verdict"),
    [(0.5, "Every gate passed"), (0.8, "Refused: min_accuracy. Not to be published")],
    ids=["passed", "refused"],
)
def test_the_page_gives_the_verdict(min_accuracy, verdict):
    assert verdict in render_html(make_card(min_accuracy=min_accuracy))


@pytest.mark.parametrize(
    "fact",
    [
        "75.00%",  # accuracy
        "d1" * 32,  # data
        "<td>2,000</td>",  # a class of the training images
        "rows 3 and 5 are equal",
        "opset 17, IR version 8",
        "ab" * 32,  # model.onnx
        "1.5e-07",  # parity
        "training.networks:compact_cnn",  # recipe
        "1 epoch, stopped early, 8 s, 700 images/s, seed 7",
        "Its metrics come from 4 test images, where one more mistake is 25.00%",
    ],
)
def test_the_page_tells(fact):
    assert fact in render_html(make_card())


def test_the_page_shows_every_setting_of_the_recipe():
    shown = set(re.findall(r"<dt>(\w+)</dt>", render_html(make_card())))
    recipe = make_card().recipe

    assert set(recipe) | {key for value in recipe.values() if isinstance(value, dict) for key in value} <= shown


def test_a_card_of_one_hundred_classes_is_a_page_too():
    card = make_card()
    labels = tuple(f"class {n}" for n in range(100))
    evaluation = evaluate(np.eye(100, dtype=np.float32), np.arange(100), labels)

    page = render_html(dataclasses.replace(card, evaluation=evaluation))

    assert "class 99" in page


def test_writing_leaves_two_files_with_the_rendered_text(tmp_path):
    card = make_card()

    write_card(card, tmp_path, plots=[PLOT])

    assert ["card.html", "card.json"] == sorted(path.name for path in tmp_path.iterdir())
    assert render_json(card) == (tmp_path / "card.json").read_text(encoding="utf-8")
    assert render_html(card, [PLOT]) == (tmp_path / "card.html").read_text(encoding="utf-8")
