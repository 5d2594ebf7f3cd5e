"""Promotion over the real wire: the Kubernetes client against a small API server on loopback."""

import traceback

import pytest
import yaml

pytest.importorskip("kubernetes", reason="the extra `deploy` is not installed")

from typer.testing import CliRunner

from slipway.cli import app
from slipway.client import InvalidAddress
from slipway.deploy._promote import PromotionForbidden, PromotionRefused, check_promotable, promote
from slipway.repository import MANIFEST, ModelNotPublished, VersionDamaged
from tests.unit.api_server import api_server, write_kubeconfig
from tests.unit.digits_repository import damage_byte, publish_text


@pytest.fixture
def kubeconfig(monkeypatch, tmp_path):
    path = tmp_path / "kubeconfig"
    monkeypatch.setenv("KUBECONFIG", str(path))
    return path


@pytest.fixture
def api(kubeconfig):
    with api_server() as server:
        write_kubeconfig(kubeconfig, server.server_port)
        yield server


def test_promotion_writes_one_annotation_and_nothing_else(api):
    promotion = promote("mnist", 3, namespace="serving")

    assert (None, 3, True) == (promotion.before, promotion.version, promotion.changed)
    assert {
        "minReplicas": 2,
        "model": {"modelFormat": {"name": "onnx"}},
        "annotations": {"slipway/model-version": "3"},
    } == api.predictor
    (method, path, content_type, _) = api.requests[-1]
    assert ("PATCH", "application/merge-patch+json") == (method, content_type)
    assert "fieldManager=slipway-promote" in path


def test_the_version_that_is_served_already_is_not_written_again(api):
    api.predictor["annotations"] = {"slipway/model-version": "3", "team": "vision"}

    promotion = promote("mnist", 3, namespace="serving")

    assert not promotion.changed
    assert ["GET"] == [method for method, *_ in api.requests]


def test_other_annotations_stay(api):
    api.predictor["annotations"] = {"slipway/model-version": "2", "team": "vision"}

    assert "2" == promote("mnist", 3, namespace="serving").before
    assert {"slipway/model-version": "3", "team": "vision"} == api.predictor["annotations"]


@pytest.mark.parametrize(
    ("status", "way_out"),
    [(401, "log in again"), (403, "allow `get` and `patch`"), (404, "check the name of the Helm release")],
    ids=["unauthorised", "forbidden", "absent"],
)
def test_a_refusal_names_the_way_out(api, status, way_out):
    api.refuse_with = status

    with pytest.raises(PromotionRefused, match=way_out) as refused:
        promote("mnist", 3, namespace="serving")
    assert 2 == refused.value.exit_status, "a permanent error: the Job fails at once"


def test_a_refusal_by_a_policy_is_not_called_a_missing_right(api):
    api.refuse_patches_with = 403
    api.refusal = "ValidatingAdmissionPolicy 'a' with binding 'a' denied request: nothing else"

    with pytest.raises(PromotionForbidden, match="an admission policy rejects the change") as refused:
        promote("mnist", 3, namespace="serving")
    assert "denied request: nothing else" in str(refused.value)
    assert "allow `get`" not in str(refused.value)


def test_what_the_api_server_says_moves_no_cursor(api):
    api.refuse_with, api.refusal = 403, "no\N{CONTROL SEQUENCE INTRODUCER}2J" + "x" * 5_000

    with pytest.raises(PromotionForbidden) as refused:
        promote("mnist", 3, namespace="serving")
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 2_000


def test_an_api_server_in_trouble_is_asked_again_by_the_job(api):
    api.refuse_with = 500

    with pytest.raises(PromotionRefused, match="500") as refused:
        promote("mnist", 3, namespace="serving")
    assert 1 == refused.value.exit_status


def test_nobody_at_the_address_names_the_way_out(kubeconfig):
    with api_server() as closed:
        port = closed.server_port
    write_kubeconfig(kubeconfig, port)

    with pytest.raises(PromotionRefused, match="does not answer"):
        promote("mnist", 3, namespace="serving")


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
def test_an_api_server_on_this_machine_is_asked_without_the_environments_proxy(monkeypatch, name):
    monkeypatch.setenv(name, "http://127.0.0.1:9")

    assert 3 == promote("mnist", 3, namespace="serving").version


def test_the_environments_proxy_stands_before_any_other_api_server(api, kubeconfig, monkeypatch):
    write_kubeconfig(kubeconfig, 6443, host="api.example")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{api.server_port}")

    with pytest.raises(PromotionForbidden):  # the server here is no proxy
        check_promotable("mnist", namespace="serving")

    assert api.requests[0][1].startswith("http://api.example:6443/")


def test_a_proxy_of_the_kubeconfig_comes_before_the_environments(api, kubeconfig, monkeypatch):
    write_kubeconfig(kubeconfig, 6443, host="api.example", proxy_url=f"http://127.0.0.1:{api.server_port}")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "api.example")

    with pytest.raises(PromotionForbidden):
        check_promotable("mnist", namespace="serving")

    assert api.requests[0][1].startswith("http://api.example:6443/")


def test_a_proxy_that_cannot_be_used_is_named_by_its_variable(kubeconfig, monkeypatch):
    write_kubeconfig(kubeconfig, 6443, host="api.example")
    monkeypatch.setenv("ALL_PROXY", "socks5://u:secret@127.0.0.1:9")

    with pytest.raises(InvalidAddress, match="ALL_PROXY: expected http://") as refusal:
        check_promotable("mnist", namespace="serving")

    assert "secret" not in str(refusal.value)


@pytest.mark.usefixtures("kubeconfig")
def test_no_cluster_names_the_way_out():
    with pytest.raises(PromotionRefused, match="set KUBECONFIG"):
        promote("mnist", 3, namespace="serving")


@pytest.mark.parametrize("serves", [None, "3"], ids=["newest", "pinned"])
def test_a_check_asks_for_all_that_a_promotion_takes_and_changes_nothing(api, serves):
    if serves:
        api.predictor["annotations"] = {"slipway/model-version": serves}
    before = dict(api.predictor)

    assert serves == check_promotable("mnist", namespace="serving")
    assert before == api.predictor
    (_, (method, path, content_type, content)) = api.requests
    assert ("PATCH", "application/merge-patch+json") == (method, content_type)
    assert "dryRun=All" in path
    assert b"slipway/model-version" in content


@pytest.mark.parametrize(
    ("name", "refusal", "way_out"),
    [
        ("mnits", {}, "check the name of the Helm release"),
        ("mnist", {"refuse_with": 403}, "allow `get` and `patch`"),
        ("mnist", {"refuse_patches_with": 403}, "allow `get` and `patch`"),
    ],
    ids=["wrong-name", "may-not-get", "may-not-patch"],
)
def test_a_check_tells_a_wrong_name_or_a_missing_right_before_anything_is_trained(api, name, refusal, way_out):
    for attribute, status in refusal.items():
        setattr(api, attribute, status)

    with pytest.raises(PromotionForbidden, match=way_out) as refused:
        check_promotable(name, namespace="serving")
    assert 2 == refused.value.exit_status


def test_a_check_that_nobody_answers_is_tried_again_by_the_job(kubeconfig):
    with api_server() as closed:
        port = closed.server_port
    write_kubeconfig(kubeconfig, port)

    with pytest.raises(PromotionRefused, match="does not answer") as refused:
        check_promotable("mnist", namespace="serving")
    assert 1 == refused.value.exit_status


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
