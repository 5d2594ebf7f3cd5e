"""Promotion over the real wire: the Kubernetes client against a small API server on loopback."""

import pytest

pytest.importorskip("kubernetes", reason="the extra `deploy` is not installed")


from slipway.client import InvalidAddress
from slipway.deploy._promote import PromotionForbidden, PromotionRefused, check_promotable, promote
from tests.unit.api_server import api_server, write_kubeconfig


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


def test_an_address_without_a_server_names_the_way_out(kubeconfig):
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


def test_a_check_without_an_answer_is_tried_again_by_the_job(kubeconfig):
    with api_server() as closed:
        port = closed.server_port
    write_kubeconfig(kubeconfig, port)

    with pytest.raises(PromotionRefused, match="does not answer") as refused:
        check_promotable("mnist", namespace="serving")
    assert 1 == refused.value.exit_status
