from dataclasses import replace
from pathlib import Path

import pytest

from slipway.repository import PublishFailed, SeveralFailed, VersionDamaged, publish
from slipway.triton import ModelNotServable, ServerSettings, servable_models
from slipway.triton._models import show_models
from tests.unit.digits_repository import DIGITS, FILES


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
        (("digit",), None, "no model 'digit' in .*, available: digits, letters; did you mean 'digits'?"),
        (("notes",), None, "no model 'notes'"),
        (("digits",), "tpu", r"model 'digits' has no configs/tpu\.pbtxt, available: gpu"),
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


MODELS = ("ants", "bees", "wasps")


@pytest.fixture
def published(tmp_path):
    """Three models, each with one version."""
    for name in MODELS:
        files = {path: text.replace("digits", name) for path, text in FILES.items()}
        publish(
            tmp_path / "repository",
            replace(DIGITS, name=name),
            files,
            lambda folder: (folder / "model.onnx").write_text("graph"),
        )
    return tmp_path / "repository"


def shown(repository, into, **settings):
    settings = ServerSettings(repository=repository, **settings)
    return show_models(settings, servable_models(repository, settings.models, None), into, onnx_only=True)


def change(repository, name, file):
    with (repository / name / file).open("a") as opened:
        opened.write("damage")


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("1/model.onnx", "model.onnx is changed"),
        ("config.pbtxt", "config.pbtxt is changed"),
        ("manifest.sha256", "not readable"),
    ],
)
def test_a_damaged_model_is_left_out_by_name_and_the_others_are_served(published, tmp_path, file, reason):
    change(published, "bees", file)

    models = shown(published, tmp_path / "view")

    assert ("ants", "wasps") == models.load
    assert ["ants", "wasps"] == sorted(path.name for path in (tmp_path / "view").iterdir())
    (left_out,) = models.left_out
    assert left_out.startswith("model 'bees': ")
    assert reason in left_out


def test_a_model_without_the_configuration_or_with_code_is_left_out(published, tmp_path):
    (published / "ants" / "configs" / "gpu.pbtxt").unlink()
    (published / "bees" / "configs" / "gpu.pbtxt").write_text('backend: "python"')

    models = shown(published, tmp_path / "view", config_name="gpu", verify=False)

    assert ("wasps",) == models.load
    (no_configuration, code) = models.left_out
    assert "'ants' has no configs/gpu.pbtxt" in no_configuration
    assert 'got backend: "python"' in code


def test_a_named_model_that_is_damaged_is_refused(published, tmp_path):
    change(published, "bees", "1/model.onnx")

    with pytest.raises(VersionDamaged, match=r"bees.*model\.onnx is changed"):
        shown(published, tmp_path / "view", models=("ants", "bees"))


def test_where_no_model_is_left_every_reason_is_said(published, tmp_path):
    for name in MODELS:
        change(published, name, "1/model.onnx")

    with pytest.raises(SeveralFailed, match=r"ants.*model\.onnx is changed.*bees.*wasps.*model\.onnx is changed"):
        shown(published, tmp_path / "view")


def test_a_view_that_cannot_be_written_is_the_fault_of_no_model(published, tmp_path):
    (tmp_path / "view").touch()

    with pytest.raises(PublishFailed):
        shown(published, tmp_path / "view")
