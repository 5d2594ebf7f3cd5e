"""Images that a seed draws: for a target whose samples nobody has."""

import numpy as np
import pytest

from loadtest.errors import ScenarioError
from loadtest.scenario.payload import load_payload
from loadtest.scenario.scenario_file import load_scenario
from loadtest.scenario.schema import PayloadSettings, check_scenario
from tests.unit.digits_repository import DIGITS

NOISE = PayloadSettings(images="random")


def test_noise_has_the_models_shape_and_is_the_same_for_one_seed(tmp_path):
    first, again, other = (
        load_payload(NOISE, DIGITS, version="1", repository=tmp_path, seed=seed).samples.images for seed in (4, 4, 5)
    )

    assert DIGITS.image_shape == first.shape[1:]
    assert np.uint8 == first.dtype
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_no_two_requests_of_noise_are_alike(tmp_path):
    batches = load_payload(NOISE, DIGITS, version="1", repository=tmp_path, seed=0).batches(NOISE)

    assert len(batches) == len({batch.images.tobytes() for batch in batches})


def test_answers_to_noise_cannot_be_checked():
    with pytest.raises(ScenarioError, match=r"random images have no labels.*set correctness\.check_share to 0"):
        load_scenario("smoke", {"payload.images": "random"})


def test_noise_is_no_file_beside_the_scenario(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text(
        "{description: own, payload: {images: random}, correctness: {check_share: 0}, slo: {},"
        " arrivals: {kind: constant, rate_rps: 10, duration_s: 1}}"
    )

    assert "random" == load_scenario(str(path)).payload.images


def test_a_checked_scenario_of_noise_is_accepted():
    document = {
        "description": "noise",
        "payload": {"images": "random"},
        "correctness": {"check_share": 0},
        "arrivals": {"kind": "constant", "rate_rps": 10, "duration_s": 1},
        "slo": {},
    }

    assert 0 == check_scenario(document, where="test").correctness.check_share
