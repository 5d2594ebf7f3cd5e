from pathlib import Path

import pytest

from slipway.triton import ModelNotServable, servable_models


@pytest.fixture
def repository(tmp_path):
    """`digits` with two versions, `letters` with none, `notes` that is no model."""
    for folder in (
        "digits/1",
        "digits/10",
        "letters/0",
        "letters/.scratch-1",
        "letters/v1",
        "notes/1",
        "digits/configs",
    ):
        (tmp_path / folder).mkdir(parents=True)
    for model in ("digits", "letters"):
        (tmp_path / model / "config.pbtxt").touch()
    (tmp_path / "digits" / "configs" / "gpu.pbtxt").touch()
    return tmp_path


def test_every_model_with_a_version_is_servable(repository):
    assert ("digits",) == servable_models(repository, None, None)
    assert ("digits",) == servable_models(repository, ("digits",), "gpu")


@pytest.mark.parametrize(
    ("names", "config_name", "message"),
    [
        (("letters",), None, "model 'letters' in .* has no published version; `slipway train` publishes one"),
        (("digit",), None, "no model 'digit' in .*, there is digits, letters; did you mean 'digits'?"),
        (("notes",), None, "no model 'notes'"),
        (("digits",), "tpu", r"model 'digits' has no configs/tpu\.pbtxt, there is gpu"),
    ],
    ids=["no version", "misspelt", "no configuration", "no such configuration"],
)
def test_what_cannot_be_served_says_why(repository, names, config_name, message):
    with pytest.raises(ModelNotServable, match=message):
        servable_models(repository, names, config_name)


def test_an_empty_repository_says_what_publishes(tmp_path):
    with pytest.raises(
        ModelNotServable, match=r"no model in .* has a published version; `slipway train` publishes one"
    ):
        servable_models(tmp_path, None, None)


def test_a_missing_repository_is_named():
    with pytest.raises(ModelNotServable, match="/nowhere is no model repository: no such folder"):
        servable_models(Path("/nowhere"), None, None)


def test_a_folder_whose_name_would_forge_a_line_of_a_log_is_no_model(repository):
    forged = repository / "digits\nerror: planted"
    (forged / "1").mkdir(parents=True)
    (forged / "config.pbtxt").touch()

    assert ("digits",) == servable_models(repository, None, None)
