"""The account of a training run may promote on the real API server, and change nothing else of the InferenceService."""

from __future__ import annotations

import json

import pytest
import yaml

from slipway.deploy._promote import PromotionForbidden, check_promotable, promote
from tests.chart.rendering import rendered
from tests.cluster.kube import eventually
from tests.cluster.service import restricted

NAMESPACE = "promotion"
ACCOUNT = "train-training"
# KServe makes a Deployment there, and no pod of it comes to be.
NO_PODS = {
    "apiVersion": "v1",
    "kind": "ResourceQuota",
    "metadata": {"name": "no-pods", "namespace": NAMESPACE},
    "spec": {"hard": {"pods": "0"}},
}
OF_TRAINING = ("ServiceAccount", "Role", "RoleBinding", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
PROMOTE = {"repository": {"claim": "models"}, "promotion": {"enabled": True, "inferenceService": "mnist"}}
POLICY = "ValidatingAdmissionPolicy 'promotion.train-training'"


@pytest.fixture(scope="module")
def patch(kube):
    """Return patch(body, *words) -> what the API server says to the run's account; the policy is in force."""
    values = {"model": {"storageUri": "pvc://models", "configName": ""}, "gpu": {"enabled": False}}
    values |= {"autoscaling": {"mode": "none"}, "podAnnotations": {"team": "vision"}}
    served = rendered("serving", values, release="mnist", namespace=NAMESPACE)
    trained = rendered("training", PROMOTE, release="train", namespace=NAMESPACE)
    kube.apply(restricted(NAMESPACE), NO_PODS, *(trained[key] for key in trained if key[0] in OF_TRAINING))
    kube.apply(served["ServingRuntime", "mnist-triton"], served["InferenceService", "mnist"])

    def ask(body, *words):
        merge = ("patch", "inferenceservice", "mnist", "--namespace", NAMESPACE, "--type=merge")
        who = f"--as=system:serviceaccount:{NAMESPACE}:{ACCOUNT}"
        return kube.kubectl(*merge, f"--patch={json.dumps(body)}", who, *words, check=False)

    forbidden = {"metadata": {"labels": {"a": "b"}}}
    eventually(lambda: POLICY in ask(forbidden, "--dry-run=server"), "the policy is not in force")
    yield ask
    kube.kubectl("delete", "inferenceservices", "--all", "--namespace", NAMESPACE, "--wait=false")


@pytest.fixture
def as_the_run(patch, kube, tmp_path, monkeypatch):  # noqa: ARG001  # the policy is in force first
    """The process is the run's account, by the token that its pod would have."""
    token = kube.kubectl("create", "token", ACCOUNT, "--namespace", NAMESPACE).strip()
    config = yaml.safe_load(kube.connection.kubeconfig.read_text(encoding="utf-8"))
    config["users"] = [{"name": each["name"], "user": {"token": token}} for each in config["users"]]
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    monkeypatch.setenv("KUBECONFIG", str(path))


@pytest.mark.usefixtures("as_the_run")
def test_the_runs_account_checks_and_promotes_and_sees_what_was_there():
    check_promotable("mnist", namespace=NAMESPACE)
    first = promote("mnist", 3, namespace=NAMESPACE)
    second = promote("mnist", 4, namespace=NAMESPACE)

    assert 3 == first.version
    assert ("3", 4) == (second.before, second.version)


@pytest.mark.usefixtures("as_the_run")
def test_the_runs_account_finds_no_other_service():
    with pytest.raises(PromotionForbidden):
        check_promotable("other", namespace=NAMESPACE)


VERSION = {"slipway/model-version": "7"}
PATCHES = {
    "no-number": {"spec": {"predictor": {"annotations": {"slipway/model-version": "newest"}}}},
    "another-annotation-of-the-pods": {"spec": {"predictor": {"annotations": {**VERSION, "a": "b"}}}},
    "an-annotation-of-the-pods-less": {"spec": {"predictor": {"annotations": {**VERSION, "team": None}}}},
    "another-model": {"spec": {"predictor": {"annotations": VERSION, "model": {"storageUri": "s3://other"}}}},
    "another-image": {"spec": {"predictor": {"model": {"image": "other:1"}}}},
    "another-container": {"spec": {"predictor": {"containers": [{"name": "other", "image": "other:1"}]}}},
    "another-account": {"spec": {"predictor": {"annotations": VERSION, "serviceAccountName": "other"}}},
    "a-security-context-less": {"spec": {"predictor": {"annotations": VERSION, "securityContext": None}}},
    "another-component": {
        "spec": {
            "predictor": {"annotations": VERSION},
            "transformer": {"containers": [{"name": "kserve-container", "image": "other:1"}]},
        }
    },
    "a-label": {"metadata": {"labels": {"a": "b"}}, "spec": {"predictor": {"annotations": VERSION}}},
    "an-annotation": {"metadata": {"annotations": {"a": "b"}}},
    "a-finalizer": {"metadata": {"finalizers": ["example.com/stay"]}},
}


@pytest.mark.parametrize("body", PATCHES.values(), ids=PATCHES)
def test_the_runs_account_changes_nothing_but_the_version(patch, kube, body):
    before = kube.get("inferenceservice", "mnist", namespace=NAMESPACE)["spec"]
    said = patch(body)

    assert POLICY in said
    assert before == kube.get("inferenceservice", "mnist", namespace=NAMESPACE)["spec"]


def test_whoever_else_may_change_the_service_still_may(patch, kube):
    kube.kubectl("annotate", "inferenceservice", "mnist", "--namespace", NAMESPACE, "owner=vision")

    assert POLICY not in patch({"spec": {"predictor": {"annotations": VERSION}}})


@pytest.mark.usefixtures("patch")
def test_the_policies_expressions_have_no_type_that_the_api_server_warns_of(kube):
    def checked():
        return kube.get("validatingadmissionpolicy", "promotion.train-training")["status"].get("typeChecking")

    eventually(lambda: checked() is not None, "the policy's types were not checked")

    assert {} == checked()
