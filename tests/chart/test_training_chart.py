"""helm/training: each toggle from both sides."""

import json
import re
import shlex

import pytest

pytest.importorskip("helm_python")

from tests.chart import pod_habits, pod_security
from tests.chart.pods import Pod
from tests.chart.rendering import documents, manifests
from tests.chart.training_release import (
    CLAIM,
    PROMOTE,
    RECIPE,
    STORE,
    WORKERS,
    containers,
    job,
    job_name,
    kinds,
    pod,
    release,
)

SCHEDULED = {**CLAIM, "schedule": {"cron": "0 3 * * 0"}}


def test_a_release_is_a_job_and_what_it_needs_and_nothing_else():
    assert {"Job", "NetworkPolicy", "ServiceAccount"} == kinds(CLAIM)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (SCHEDULED, "CronJob"),
        (WORKERS, "Service"),
        ({**CLAIM, "recipe": {"inline": RECIPE}}, "ConfigMap"),
        ({"repository": {"createClaim": {"enabled": True}}}, "PersistentVolumeClaim"),
        (PROMOTE, "Role"),
        (PROMOTE, "RoleBinding"),
        (PROMOTE, "ValidatingAdmissionPolicy"),
        (PROMOTE, "ValidatingAdmissionPolicyBinding"),
    ],
    ids=["schedule", "workers", "inline-recipe", "created-claim", "role", "role-binding", "policy", "policy-binding"],
)
def test_an_optional_object_is_made_when_it_is_asked_for(values, kind):
    assert kind in kinds(values)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({"networkPolicy": {"enabled": False}}, "NetworkPolicy"),
        ({"serviceAccount": {"create": False}}, "ServiceAccount"),
    ],
    ids=["network-policy", "service-account"],
)
def test_what_is_made_by_default_can_be_left_out(values, kind):
    assert kind not in kinds({**CLAIM, **values})


def test_a_schedule_replaces_the_job_and_never_overlaps():
    cron = release(SCHEDULED)["CronJob", "demo-training"]["spec"]

    assert "Job" not in kinds(SCHEDULED)
    assert ("0 3 * * 0", "Forbid") == (cron["schedule"], cron["concurrencyPolicy"])
    assert job(CLAIM)["spec"] == cron["jobTemplate"]["spec"]


@pytest.mark.parametrize(
    ("values", "steps"),
    [
        (CLAIM, ["train"]),
        (STORE, ["pull", "train", "push"]),
        (PROMOTE, ["check", "train", "promote"]),
        ({**STORE, "promotion": PROMOTE["promotion"]}, ["check", "pull", "train", "push", "promote"]),
    ],
    ids=["claim", "store", "claim-promoted", "store-promoted"],
)
def test_each_step_starts_when_the_one_before_has_succeeded(values, steps):
    assert steps == list(containers(values))
    assert 1 == len(pod(values)["containers"])
    assert all("restartPolicy" not in container for container in pod(values).get("initContainers", []))


def test_equal_values_leave_the_job_alone_and_every_change_makes_another():
    changes = [{"runId": "2"}, {"backoffLimit": 1}, {"image": {"tag": "other"}}, {"podLabels": {"team": "a"}}, WORKERS]
    changes += [{"recipe": {"inline": RECIPE}}, {"recipe": {"inline": RECIPE.replace("epochs: 5", "epochs: 6")}}]
    names = {job_name({**CLAIM, **change}) for change in changes}

    assert job_name(CLAIM) == job_name(CLAIM, upgrade=True)
    assert len(changes) == len(names - {job_name(CLAIM)})
    assert job_name(CLAIM) == job_name({**CLAIM, "networkPolicy": {"enabled": False}})


def test_the_pods_carry_no_version_that_would_change_the_job_with_the_chart():
    labels = job(CLAIM)["spec"]["template"]["metadata"]["labels"]

    assert {"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component"} == set(labels)


@pytest.mark.parametrize(
    "name",
    ["demo", "training", "a" * 53, "training-" + "b" * 44],
    ids=["short", "called-so", "long", "long-and-called-so"],
)
def test_names_leave_room_for_hash_index_and_time(name):
    """A worker's host name is <job>-<index> and has 63 letters; a CronJob adds 11 to its name of at most 52."""
    values = {**WORKERS, "workers": 64}
    service = next(found for kind, found in release(values, release=name) if kind == "Service")
    cron = next(found for kind, found in release(SCHEDULED, release=name) if kind == "CronJob")

    assert 63 >= len(f"{job_name(values, release=name)}-63")
    assert 63 >= len(f"{cron}-29000000-63")
    assert 52 >= len(cron)
    assert service.endswith("training") or "training" in service


def rules(values):
    return job(values)["spec"]["podFailurePolicy"]["rules"]


def test_a_gate_fails_the_job_at_once_and_an_eviction_does_not_count():
    from slipway.deploy._promote import PromotionForbidden
    from training.errors import GateRefused, RecipeError

    gate, eviction = rules(CLAIM)

    assert "FailJob" == gate["action"]
    ends = {PromotionForbidden.exit_status, RecipeError.exit_status, GateRefused.exit_status}
    assert ends == set(gate["onExitCodes"]["values"])
    assert {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]} == eviction
    assert "Never" == pod(CLAIM)["restartPolicy"], "a podFailurePolicy needs it"


@pytest.mark.parametrize("limit", [0, 5])
def test_other_failures_are_tried_again(limit):
    one, many = job({**CLAIM, "backoffLimit": limit})["spec"], job({**WORKERS, "backoffLimit": limit})["spec"]

    assert (limit, None) == (one["backoffLimit"], one.get("backoffLimitPerIndex"))
    assert (None, limit, 0) == (many.get("backoffLimit"), many["backoffLimitPerIndex"], many["maxFailedIndexes"])


@pytest.mark.parametrize(
    ("key", "default", "value"),
    [
        ("activeDeadlineSeconds", 86400, 2592000),
        ("activeDeadlineSeconds", 86400, None),
        ("ttlSecondsAfterFinished", None, 0),
        ("ttlSecondsAfterFinished", None, 2592000),
    ],
    ids=["longer", "never", "ttl-at-once", "ttl-later"],
)
def test_time_limits(key, default, value):
    assert default == job(CLAIM)["spec"].get(key)
    assert value == job({**CLAIM, key: value})["spec"].get(key)


def test_workers_have_names_before_they_are_ready():
    objects = release(WORKERS)
    spec, service = job(WORKERS)["spec"], objects["Service", "demo-training"]["spec"]

    assert ("Indexed", 3, 3) == (spec["completionMode"], spec["completions"], spec["parallelism"])
    assert ("None", True) == (service["clusterIP"], service["publishNotReadyAddresses"])
    assert "demo-training" == spec["template"]["spec"]["subdomain"]
    assert service["selector"].items() <= spec["template"]["metadata"]["labels"].items()
    assert "completionMode" not in job(CLAIM)["spec"]
    assert "subdomain" not in pod(CLAIM)


def test_gpus_are_asked_for_by_the_container_that_trains_alone():
    values = {**STORE, "gpu": {"enabled": True, "count": 2, "runtimeClassName": "nvidia"}}
    found, spec = containers(values), pod(values)

    assert 2 == found["train"]["resources"]["limits"]["nvidia.com/gpu"]
    assert all("nvidia.com/gpu" not in found[step]["resources"]["limits"] for step in ("pull", "push"))
    assert "nvidia" == spec["runtimeClassName"]
    assert "nvidia.com/gpu" in [toleration["key"] for toleration in spec["tolerations"]]
    assert "slipway-training:0.1.0-gpu" == found["train"]["image"]


def test_without_gpus_nothing_is_asked_of_a_gpu_node():
    train = containers(CLAIM)["train"]

    assert "slipway-training:0.1.0" == train["image"]
    assert {"cpu", "memory"} == set(train["resources"]["limits"])
    assert {"tolerations", "runtimeClassName"}.isdisjoint(pod(CLAIM))


@pytest.mark.parametrize(("protect", "expected"), [(True, {"false", "true"}), (False, set())], ids=["on", "off"])
def test_autoscalers_are_asked_to_leave_the_node_alone(protect, expected):
    annotations = job({**CLAIM, "protectFromDisruption": protect})["spec"]["template"]["metadata"]["annotations"]
    names = ("cluster-autoscaler.kubernetes.io/safe-to-evict", "karpenter.sh/do-not-disrupt")

    assert expected == {annotations[name] for name in names if name in annotations}


def test_a_created_claim_outlives_the_release_and_is_the_one_that_is_mounted():
    values = {"repository": {"createClaim": {"enabled": True, "storageClassName": "files"}}}
    claim = release(values)["PersistentVolumeClaim", "demo-training"]
    (repository, _) = pod(values)["volumes"]

    assert "keep" == claim["metadata"]["annotations"]["helm.sh/resource-policy"]
    assert (["ReadWriteMany"], "files") == (claim["spec"]["accessModes"], claim["spec"]["storageClassName"])
    assert "demo-training" == repository["persistentVolumeClaim"]["claimName"]


def volumes(values):
    return {volume["name"]: volume for volume in pod(values)["volumes"]}


def test_checkpoints_are_beside_the_models_unless_they_have_a_claim_or_there_is_none():
    own, scratch = {**CLAIM, "runs": {"claim": "runs"}}, volumes(STORE)

    assert {"repository", "tmp"} == set(volumes(CLAIM))
    assert "runs" == volumes(own)["runs"]["persistentVolumeClaim"]["claimName"]
    assert {"sizeLimit": "5Gi"} == scratch["runs"]["emptyDir"] == scratch["repository"]["emptyDir"]


def test_only_the_steps_that_ask_the_api_server_get_the_token():
    values = {**STORE, "promotion": PROMOTE["promotion"]}
    found, spec = containers(values), pod(values)
    mounts = {name: [mount["name"] for mount in container["volumeMounts"]] for name, container in found.items()}

    assert spec["automountServiceAccountToken"] is False
    assert ["check", "promote"] == [name for name, volumes in mounts.items() if "token" in volumes]
    assert "token" not in volumes(CLAIM)


def test_promotion_may_touch_one_inference_service():
    objects = release(PROMOTE)
    (rule,) = objects["Role", "demo-training"]["rules"]
    (subject,) = objects["RoleBinding", "demo-training"]["subjects"]

    assert ["mnist"] == rule["resourceNames"]
    assert ["inferenceservices"] == rule["resources"]
    assert {"get", "patch"} == set(rule["verbs"])
    assert pod(PROMOTE)["serviceAccountName"] == subject["name"]


def test_a_policy_binds_the_account_that_may_patch_to_the_version_alone():
    """What its expressions let through is asked of a real API server in tests/cluster/test_promotion.py."""
    objects = release(PROMOTE)
    policy = objects["ValidatingAdmissionPolicy", "serving.demo-training"]["spec"]
    binding = objects["ValidatingAdmissionPolicyBinding", "serving.demo-training"]["spec"]
    (subject,) = objects["RoleBinding", "demo-training"]["subjects"]
    (condition,) = policy["matchConditions"]
    account = f"system:serviceaccount:{subject['namespace']}:{subject['name']}"

    assert ("serving.demo-training", ["Deny"]) == (binding["policyName"], binding["validationActions"])
    assert "Fail" == policy["failurePolicy"]
    assert f"request.userInfo.username == '{account}'" == condition["expression"]
    assert 5 == len(policy["validations"])


def test_the_policy_can_be_left_to_an_administrator_and_the_notes_say_what_then_is_open(notes):
    left = {**PROMOTE, "promotion": {**PROMOTE["promotion"], "admissionPolicy": False}}

    said = notes("training", left)
    applied = [documents(manifests("training", PROMOTE)[path]) for path in re.findall(r"-s (\S+)", said)]

    assert not {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"} & kinds(left)
    assert "promotion.admissionPolicy is false" in said
    assert ["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"] == [one["kind"] for (one,) in applied]
    assert "promotion.admissionPolicy" not in notes("training", PROMOTE)


def test_notes_give_commands_that_name_this_run(notes):
    said, scheduled = notes("training", CLAIM), notes("training", SCHEDULED)

    assert f"logs -f job/{job_name(CLAIM)} -c train" in said
    assert "--rm --attach --restart=Never" in said, "the container that lists reads nothing"
    assert "pvc://models, model.name mnist" in said
    assert "create job --from=cronjob/demo-training demo-training-now" in scheduled
    assert "slipway models pull s3://models/prod" in notes("training", STORE)
    assert "scratch volume" in notes("training", STORE)
    assert "job-completion-index=0" in notes("training", WORKERS)
    assert "InferenceService mnist is rolled" in notes("training", PROMOTE)
    assert "makes it again" in notes("training", {**CLAIM, "ttlSecondsAfterFinished": 0})


def test_the_pod_that_lists_the_versions_is_as_restricted_as_the_others(notes):
    line = next(line for line in notes("training", CLAIM).splitlines() if "kubectl -n serving run" in line)
    (overrides,) = [word.removeprefix("--overrides=") for word in shlex.split(line) if word.startswith("--overrides=")]
    lister = Pod(owner="lister", spec=json.loads(overrides)["spec"])

    assert [] == pod_security.findings(lister) + pod_habits.findings(lister)
