"""`slipway check`, against a Triton that answers on demand."""

import json

import grpc
import numpy as np
import pytest
from PIL import Image

from slipway.cli._check import ChecksFailed
from tests.unit.metrics_pages import METRICS


@pytest.fixture
def three(tmp_path):
    """A picture that the fake calls "3"."""
    pixels = np.zeros((28, 28), np.uint8)
    pixels[0, 0] = 3
    Image.fromarray(pixels).save(tmp_path / "three.png")
    return tmp_path / "three.png"


def test_deployment_as_expected_passes_every_check(fake, slipway, three, metrics_url):
    page = metrics_url(METRICS)
    lines, error = slipway(fake.url, "--version", 1, "--image", three, "--expect", 3, "--metrics-url", page)

    assert error is None
    assert [
        f"✓ ready at {fake.url}: the model is ready",
        f"✓ version at {fake.url}: version 1 answers",
        f"✓ answer at {fake.url}: {three} is 3 (100.00%)",
        f"✓ metrics at {page}: 3 of 3 series that autoscaling reads are present",
    ] == lines


def test_without_a_picture_a_black_one_shows_that_the_model_answers(fake, slipway):
    lines, error = slipway(fake.url)

    assert error is None
    assert f"✓ answer at {fake.url}: version 1 answers a black picture with 0 (100.00%)" == lines[-1]
    assert [(1, 28, 28, 1)] == [batch.shape for batch in fake.batches]


def test_every_address_is_asked(unserved, open_grpc, open_http, slipway):
    urls = open_grpc(unserved), open_http(unserved)
    lines, error = slipway(*urls)

    assert error is None
    assert [f"✓ ready at {url}: the model is ready" for url in urls] == lines[::2]


def test_wrong_label_fails_and_names_both(fake, slipway, three):
    lines, error = slipway(fake.url, "--image", three, "--expect", "5")

    assert isinstance(error, ChecksFailed)
    assert 1 == error.exit_status
    assert f"✗ answer at {fake.url}: expected 5 for {three}, got 3 (100.00%): is this the right model" in lines[-1]


def test_label_that_the_model_does_not_have_is_shown_those_that_it_has(fake, slipway, three):
    lines, error = slipway(fake.url, "--image", three, "--expect", "three")

    assert isinstance(error, ChecksFailed)
    assert "not a label of this model: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9" in lines[-1]


def test_wrong_version_fails_and_the_answer_is_judged_all_the_same(fake, slipway):
    lines, error = slipway(fake.url, "--version", 2)

    assert "1 of 3 checks failed" == str(error)
    assert f"✗ version at {fake.url}: expected version 2 to answer, got 1: is the new version published" in lines[1]
    assert lines[2].startswith("✓ answer")


def test_model_that_stays_unready_fails_with_the_reason_and_is_asked_nothing_more(fake, slipway):
    fake.ready, fake.states = False, [{"name": "mnist", "version": "1", "state": "LOADING"}]
    lines, error = slipway(fake.url, "--wait-s", 1)

    assert "1 of 1 checks failed" == str(error)
    assert f"✗ ready: model 'mnist' at {fake.url}: the server is loading the model" in lines[0]
    assert 0 == fake.asked["infer"]


def test_one_address_that_is_down_does_not_hide_the_other(fake, silent_url, slipway):
    lines, error = slipway(silent_url, fake.url, "--wait-s", 2)

    assert "1 of 3 checks failed" == str(error)
    assert "Connection refused; is the server running?" in lines[0]
    assert ["✗", "✓", "✓"] == [line[0] for line in lines]


def test_answer_that_fails_is_a_failed_check(fake, slipway):
    fake.fail(grpc.StatusCode.INTERNAL, 500, "out of memory")
    lines, error = slipway(fake.url)

    assert "1 of 2 checks failed" == str(error)
    assert f"✗ answer: model 'mnist' at {fake.url}: the server failed: out of memory" == lines[-1]


@pytest.mark.parametrize("broken", [np.float32(0.5), np.float32("nan")], ids=["half", "nan"])
def test_answer_whose_probabilities_do_not_add_up_fails(fake, slipway, broken):
    fake.mangle = lambda probabilities: probabilities * broken
    lines, error = slipway(fake.url)

    assert isinstance(error, ChecksFailed)
    assert "expected probabilities that add up to 1, got" in lines[-1]


def test_json_is_one_list_for_machines(grpc_fake, slipway):
    lines, error = slipway(grpc_fake.url, "--version", 2, "--json")
    records = json.loads("\n".join(lines))

    assert isinstance(error, ChecksFailed)
    assert [("ready", True), ("version", False), ("answer", True)] == [(r["check"], r["passed"]) for r in records]
    assert {grpc_fake.url} == {record["url"] for record in records}
