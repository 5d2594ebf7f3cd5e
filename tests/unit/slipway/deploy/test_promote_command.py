"""`slipway models promote`: the newest intact version, its check, and tokens that are not shown."""

import traceback

import pytest
import yaml

pytest.importorskip("kubernetes", reason="the extra `deploy` is not installed")

from typer.testing import CliRunner

from slipway.cli import app
from slipway.deploy._promote import PromotionRefused, promote
from slipway.repository import MANIFEST, ModelNotPublished, VersionDamaged
from tests.unit.digits_repository import damage_byte, publish_text


def slipway(*arguments):
    return CliRunner(env={"COLUMNS": "160"}).invoke(
        app, ["models", "promote", *(str(argument) for argument in arguments)]
    )


def test_the_command_promotes_the_newest_version_of_the_repository(api, tmp_path):
    for text in ("one", "two"):
        publish_text(tmp_path, text)

    result = slipway("digits", "--to", "mnist", "-n", "serving", "-r", tmp_path)

    assert 0 == result.exit_code, result.output
    assert "mnist in serving serves digits version 2; promoted, from the newest at each pod's start" in result.output
    assert {"slipway/model-version": "2"} == api.predictor["annotations"]


def test_the_command_checks_without_a_repository(api, tmp_path):
    result = slipway("digits", "--check", "--to", "mnist", "-n", "serving", "-r", tmp_path / "none")

    assert 0 == result.exit_code, result.output
    assert "mnist in serving exists, serves digits, the newest at each pod's start" in result.output
    assert "annotations" not in api.predictor


def test_a_version_whose_files_are_in_the_store_alone_is_promoted(api, tmp_path):
    """What `pull` leaves: a new pod knows the version that an earlier one has pushed by its number."""
    version = publish_text(tmp_path, "one").path
    for path in version.iterdir():
        if path.name != MANIFEST:
            path.unlink()

    result = slipway("digits", "--to", "mnist", "-n", "serving", "-r", tmp_path)

    assert 0 == result.exit_code, result.output
    assert {"slipway/model-version": "1"} == api.predictor["annotations"]


def test_a_damaged_version_is_not_promoted(api, tmp_path):
    damage_byte(publish_text(tmp_path, "one").path)

    result = slipway("digits", "--to", "mnist", "-n", "serving", "-r", tmp_path)

    assert isinstance(result.exception, VersionDamaged)
    assert [] == api.requests


def test_a_version_that_is_not_published_is_not_promoted(api, tmp_path):
    publish_text(tmp_path, "one")

    result = slipway("letters", "--to", "mnist", "-n", "serving", "-r", tmp_path)

    assert isinstance(result.exception, ModelNotPublished)
    assert [] == api.requests


TOKEN = "eyJhbGciOi-nobodys"


def with_token(path, token):
    document = yaml.safe_load(path.read_text())
    document["users"][0]["user"]["token"] = token
    path.write_text(yaml.safe_dump(document, allow_unicode=True))


def everything_said():
    with pytest.raises(PromotionRefused) as refused:
        promote("mnist", 3, namespace="serving")
    return "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize("token", [f"{TOKEN}\nX: 1", f"{TOKEN}€"], ids=["line-break", "not-latin"])
@pytest.mark.usefixtures("api")
def test_a_token_that_no_request_can_carry_is_refused_and_not_shown(kubeconfig, token):
    with_token(kubeconfig, token)

    said = everything_said()

    assert "has characters that are invalid in a request" in said
    assert TOKEN not in said


def test_a_token_that_the_server_repeats_is_not_shown(api, kubeconfig):
    with_token(kubeconfig, TOKEN)
    api.refuse_with, api.refusal = 500, f"you sent Bearer {TOKEN}"

    said = everything_said()

    assert "you sent Bearer ***" in said
    assert TOKEN not in said


@pytest.mark.parametrize(
    "text", [f"users: [{{token: {TOKEN}\n\t]", f"- {TOKEN}", TOKEN, f"users: {TOKEN}", ""], ids=range(5)
)
def test_a_broken_kubeconfig_is_said_and_not_quoted(kubeconfig, text):
    kubeconfig.write_text(text)

    said = everything_said()

    assert "no cluster is configured" in said
    assert TOKEN not in said
