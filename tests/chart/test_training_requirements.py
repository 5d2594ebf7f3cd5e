"""helm/training refuses what cannot work, and says the way out."""

import pytest

pytest.importorskip("helm_python")

import helm_python

from tests.chart.training_release import CLAIM, RECIPE, STORE, kinds

PROMOTION = {"enabled": True, "inferenceService": "mnist"}
CREATED = {"enabled": True}
ONE_NODE = {"enabled": True, "accessModes": ["ReadWriteOnce"]}
MIG = "nvidia.com/mig-1g.10gb"

# What is refused, the remedy that the text names, and the values that follow it.
REFUSED = {
    "no-place": ({}, "set repository.claim", CLAIM),
    "claim-and-url": ({"repository": {"claim": "models", "url": "s3://b/m"}}, "keep one", STORE),
    "claim-and-created": (
        {"repository": {"claim": "models", "createClaim": CREATED}},
        "keep one",
        {"repository": {"createClaim": CREATED}},
    ),
    "file-url": ({"repository": {"url": "file:///models"}}, "repository.claim", CLAIM),
    "path-in-a-store": (
        {"repository": {"url": "s3://b/m", "path": "prod"}},
        "write the folder into the URL",
        {"repository": {"url": "s3://b/m/prod"}},
    ),
    "keys-without-a-store": (
        {"repository": {"claim": "models", "envFrom": [{"secretRef": {"name": "keys"}}]}},
        "without repository.url",
        {"repository": {"url": "s3://b/m", "envFrom": [{"secretRef": {"name": "keys"}}]}},
    ),
    "recipe-is-no-yaml": (
        {**CLAIM, "recipe": {"inline": "model: [letters"}},
        "--set-file recipe.inline",
        {**CLAIM, "recipe": {"inline": RECIPE}},
    ),
    "recipe-without-model": (
        {**CLAIM, "recipe": {"inline": "fit: {epochs: 5}"}},
        "no `model:`",
        {**CLAIM, "recipe": {"inline": RECIPE}},
    ),
    "data-without-file": (
        {**CLAIM, "data": {"claim": "images"}},
        "go together",
        {**CLAIM, "data": {"claim": "images", "file": "a/b.npz"}},
    ),
    "file-without-data": ({**CLAIM, "data": {"file": "a.npz"}}, "go together", CLAIM),
    "gpu-without-count": (
        {**CLAIM, "gpu": {"enabled": True, "count": 0}},
        "gpu.count to at least 1",
        {**CLAIM, "gpu": {"enabled": False, "count": 0}},
    ),
    "slices-joined": (
        {**CLAIM, "gpu": {"enabled": True, "count": 2, "resourceName": MIG}},
        "set gpu.count=1",
        {**CLAIM, "gpu": {"enabled": True, "count": 1, "resourceName": MIG}},
    ),
    "workers-without-a-shared-folder": (
        {**STORE, "workers": 2},
        "set runs.claim",
        {**STORE, "workers": 2, "runs": {"claim": "runs"}},
    ),
    "workers-on-a-claim-of-one-node": (
        {"repository": {"createClaim": ONE_NODE}, "workers": 2},
        "no ReadWriteMany",
        {"repository": {"createClaim": ONE_NODE}, "workers": 1},
    ),
    "promotion-of-nothing": (
        {**CLAIM, "promotion": {"enabled": True}},
        "name the release of helm/serving",
        {**CLAIM, "promotion": PROMOTION},
    ),
    "promotion-on-a-schedule": (
        {**CLAIM, "schedule": {"cron": "@daily"}, "promotion": PROMOTION},
        "promotion.unattended=true",
        {**CLAIM, "schedule": {"cron": "@daily"}, "promotion": {**PROMOTION, "unattended": True}},
    ),
    "promotion-by-everybody": (
        {**CLAIM, "serviceAccount": {"create": False}, "promotion": PROMOTION},
        "serviceAccount.create=true",
        {**CLAIM, "serviceAccount": {"create": False, "name": "promoter"}, "promotion": PROMOTION},
    ),
}


@pytest.mark.parametrize(("values", "remedy", "_remedied"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_work_is_refused_with_its_remedy(render, values, remedy, _remedied):
    with pytest.raises(helm_python.HelmError) as refused:
        render("training", values)

    assert remedy in str(refused.value)


@pytest.mark.parametrize(("_values", "_remedy", "remedied"), REFUSED.values(), ids=REFUSED)
def test_the_remedy_helps(_values, _remedy, remedied):
    assert {"Job", "CronJob"} & kinds(remedied)


@pytest.mark.parametrize(
    "values",
    [
        {"repository": {"url": "models/prod"}},
        {"repository": {"claim": "models", "mountPath": "/tmp"}},
        {"repository": {"claim": "models", "path": "../elsewhere"}},
        {"repository": {"createClaim": {"enabled": True, "accessModes": ["ReadOnlyMany"]}}},
        {**CLAIM, "schedule": {"cron": "sometimes"}},
        {**CLAIM, "workers": 0},
        {**CLAIM, "image": {"tag": "latest"}},
        {**CLAIM, "image": {"digest": "sha256:12"}},
        {**CLAIM, "backoffLimit": -1},
        {**CLAIM, "activeDeadlineSeconds": 0},
        {**CLAIM, "promotion": {"enabled": True, "inferenceService": "Mnist"}},
        {**CLAIM, "gpu": {"resourceName": "gpu"}},
    ],
    ids=str,
)
def test_the_schema_refuses_what_no_cluster_takes(render, values):
    with pytest.raises(helm_python.HelmError):
        render("training", values)
