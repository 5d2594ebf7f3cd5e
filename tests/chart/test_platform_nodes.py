"""k8s/nodes and k8s/gpu-sharing: the nodes that GPU pods wait for, and what a GPU is called on them."""

from __future__ import annotations

import re

import pytest
import yaml

from tests.chart.rendering import ROOT, rendered
from tests.chart.schemas import NEWEST, findings

NODES = ROOT / "k8s" / "nodes"
SHARING = ROOT / "k8s" / "gpu-sharing"
GPU_TAINT = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}
PRODUCT = "nvidia.com/gpu.product"
MEASURED = {
    "model": {"storageUri": "pvc://models/model_repository"},
    "autoscaling": {"capacity": {"inFlight": 8, "requestsPerSecond": 400}},
}


def read(path):
    return yaml.safe_load(path.read_text())


def karpenter_pools():
    return {
        pool["metadata"]["name"]: pool for pool in yaml.safe_load_all((NODES / "karpenter/nodepools.yaml").read_text())
    }


def eks_groups():
    return {group["name"]: group for group in read(NODES / "eks/cluster.yaml")["managedNodeGroups"]}


def gpu_groups():
    return {name: group for name, group in eks_groups().items() if name.startswith("gpu-")}


def tolerates(toleration, taint):
    value_fits = toleration.get("operator", "Equal") == "Exists" or toleration.get("value", "") == taint.get(
        "value", ""
    )
    return toleration["key"] == taint["key"] and value_fits and toleration.get("effect") in (None, taint["effect"])


@pytest.fixture(scope="module")
def predictor():
    release = rendered("serving", ROOT / "helm" / "serving" / "ci" / "gpu-values.yaml")
    return release["InferenceService", "demo"]["spec"]["predictor"]


@pytest.fixture
def karpenter_aws(crds):
    """Return the folder with the definitions of Karpenter's AWS provider among others."""
    assert (crds / "karpenter-aws" / "karpenter.k8s.aws_ec2nodeclasses.yaml").exists(), "run `make tools`"

    return crds


def every_gpu_taint():
    script = (NODES / "gke/node-pool.sh").read_text()
    key, value, effect = re.search(r"--node-taints (\S+)=(\S+):(\S+)", script).groups()
    yield pytest.param({"key": key, "value": value, "effect": effect}, id="gke")
    for name, pool in karpenter_pools().items():
        yield from (pytest.param(taint, id=f"karpenter-{name}") for taint in pool["spec"]["template"]["spec"]["taints"])
    for name, group in gpu_groups().items():
        yield from (pytest.param(taint, id=f"eks-{name}") for taint in group["taints"])


@pytest.mark.parametrize("taint", list(every_gpu_taint()))
def test_gpu_nodes_keep_all_off_but_pods_that_tolerate_it_as_ours_do(taint, predictor):
    assert GPU_TAINT == taint
    assert any(tolerates(toleration, taint) for toleration in predictor["tolerations"])


def test_pools_and_groups_have_one_gpu_product_each_and_say_so_before_a_node_is_there():
    pools = {pool["spec"]["template"]["metadata"]["labels"][PRODUCT] for pool in karpenter_pools().values()}
    groups = {group["labels"][PRODUCT] for group in gpu_groups().values()}

    assert {"NVIDIA-L4"} == pools == groups
    assert all(group["propagateASGTags"] for group in gpu_groups().values())


def test_karpenter_tries_spot_first_within_a_budget_of_gpus():
    by_weight = sorted(karpenter_pools().values(), key=lambda pool: -pool["spec"]["weight"])
    requirements = [pool["spec"]["template"]["spec"]["requirements"] for pool in by_weight]
    capacity = [r["values"] for rs in requirements for r in rs if r["key"] == "karpenter.sh/capacity-type"]

    assert [["spot"], ["on-demand"]] == capacity
    assert all(pool["spec"]["limits"]["nvidia.com/gpu"] > 0 for pool in by_weight)


def test_the_two_pools_differ_in_price_only():
    spot, on_demand = (pool["spec"] for pool in karpenter_pools().values())
    for spec in (spot, on_demand):
        spec.pop("weight")
        spec.pop("limits")
        kept = [r for r in spec["template"]["spec"]["requirements"] if r["key"] != "karpenter.sh/capacity-type"]
        spec["template"]["spec"]["requirements"] = kept

    assert spot == on_demand


def test_a_pool_names_the_node_class_that_is_there():
    node_class = read(NODES / "karpenter/nodeclass.yaml")
    group = node_class["apiVersion"].partition("/")[0]
    named = [pool["spec"]["template"]["spec"]["nodeClassRef"] for pool in karpenter_pools().values()]

    assert [{"group": group, "kind": node_class["kind"], "name": node_class["metadata"]["name"]}] * 2 == named


def test_the_node_class_is_one_that_karpenter_accepts(karpenter_aws):
    node_class = read(NODES / "karpenter/nodeclass.yaml")

    assert [] == findings(node_class, version=NEWEST, crds=karpenter_aws)


def test_the_cluster_has_one_name_for_all_who_ask():
    names = {
        read(NODES / "eks/cluster.yaml")["metadata"]["name"],
        read(NODES / "karpenter/values.yaml")["settings"]["clusterName"],
        read(NODES / "cluster-autoscaler/values-eks.yaml")["autoDiscovery"]["clusterName"],
        *(
            term["tags"]["karpenter.sh/discovery"]
            for terms in ("subnetSelectorTerms", "securityGroupSelectorTerms")
            for term in read(NODES / "karpenter/nodeclass.yaml")["spec"][terms]
        ),
    }

    assert {"slipway"} == names


def priority(group):
    """Return the priority of an EKS node group, as the expander finds it from the Auto Scaling group's name."""
    priorities = read(NODES / "cluster-autoscaler/values-eks.yaml")["expanderPriorities"]
    name = f"eks-{group}-8ac2d7b6-50d5-a2b7-58f3-1c0a8a2f0c11"
    return max(number for number, patterns in priorities.items() if any(re.search(p, name) for p in patterns))


def test_the_autoscaler_prefers_spot_and_can_expand_every_group():
    assert priority("gpu-l4-spot") > priority("gpu-l4-on-demand") > priority("system")
    assert {name for name, group in eks_groups().items() if group.get("spot")} == {"gpu-l4-spot"}


def test_the_autoscalers_identity_is_that_of_its_pods():
    (identity,) = read(NODES / "eks/cluster.yaml")["iam"]["podIdentityAssociations"]
    values = read(NODES / "cluster-autoscaler/values-eks.yaml")

    assert identity["serviceAccountName"] == values["rbac"]["serviceAccount"]["name"]


def test_the_gpu_check_runs_the_image_that_is_served():
    (container,) = read(NODES / "gpu-check.yaml")["spec"]["containers"]
    release = rendered("serving", ROOT / "helm" / "serving" / "ci" / "gpu-values.yaml")
    served = release["ServingRuntime", "demo-triton"]["spec"]["containers"][0]

    assert served["image"] == container["image"]


def mig_profiles():
    """Return the resources that one GPU becomes, by the profile's name."""
    config = yaml.safe_load(read(SHARING / "mig-config.yaml")["data"]["config.yaml"])
    return {
        name: {
            f"nvidia.com/mig-{device}": count for part in parts for device, count in part.get("mig-devices", {}).items()
        }
        for name, parts in config["mig-configs"].items()
    }


def time_sliced():
    """Return the resources that one GPU becomes, by the way of sharing."""
    ways = {}
    for name, text in read(SHARING / "time-slicing-config.yaml")["data"].items():
        sharing = yaml.safe_load(text).get("sharing", {}).get("timeSlicing", {})
        suffix = ".shared" if sharing.get("renameByDefault") else ""
        ways[name] = {resource["name"] + suffix: resource["replicas"] for resource in sharing.get("resources", [])}
    return ways


@pytest.mark.parametrize("kind", ["mig", "time-slicing"])
def test_a_replica_asks_for_a_resource_that_a_shared_gpu_has(kind):
    offered = {name for way in (mig_profiles() | time_sliced()).values() for name in way}
    values = read(SHARING / f"serving-{kind}-values.yaml")
    runtime = rendered("serving", values | MEASURED)["ServingRuntime", "demo-triton"]
    limits = runtime["spec"]["containers"][0]["resources"]["limits"]
    asked = {name: count for name, count in limits.items() if name.startswith("nvidia.com/")}

    assert {values["gpu"]["resourceName"]: 1} == {name: int(count) for name, count in asked.items()}
    assert set(asked) <= offered


@pytest.mark.parametrize(
    ("values", "path", "config"),
    [
        ("gpu-operator-mig-values.yaml", ("migManager", "config"), "mig-config.yaml"),
        ("gpu-operator-time-slicing-values.yaml", ("devicePlugin", "config"), "time-slicing-config.yaml"),
    ],
    ids=["mig", "time-slicing"],
)
def test_the_operator_reads_the_config_that_is_there_and_changes_no_node_by_default(values, path, config):
    named = read(SHARING / values)[path[0]][path[1]]
    metadata = read(SHARING / config)["metadata"]
    by_default = (mig_profiles() | time_sliced())[named["default"]]

    assert (metadata["name"], "gpu-operator") == (named["name"], metadata["namespace"])
    assert {} == by_default


def test_the_page_says_what_each_profile_makes_of_a_gpu():
    rows = re.findall(r"^\| `(serving-[a-z0-9]+)` \| (.*) \|$", (SHARING / "README.md").read_text(), re.MULTILINE)
    told = {name: {r: int(n) for n, r in re.findall(r"(\d+) . `([^`]+)`", text)} for name, text in rows}

    assert {name: made for name, made in mig_profiles().items() if made} == told


def test_karpenter_is_told_what_the_device_plugin_makes_of_a_node():
    overlay = read(SHARING / "karpenter-nodeoverlay.yaml")

    assert time_sliced()["shared-4"] == overlay["spec"]["capacity"]


def eks_addons():
    return {
        addon["name"]: yaml.safe_load(addon.get("configurationValues", "{}"))
        for addon in read(NODES / "eks/cluster.yaml")["addons"]
    }


def test_eks_enforces_the_network_policies_that_the_charts_make():
    assert "true" == eks_addons()["vpc-cni"]["enableNetworkPolicy"]


def test_eks_has_a_default_storage_class_for_claims_that_name_none():
    claim = read(ROOT / "k8s/platform/kube-prometheus-stack-values.yaml")["prometheus"]["prometheusSpec"]["storageSpec"]

    assert "storageClassName" not in claim["volumeClaimTemplate"]["spec"]
    assert {"enabled": True} == eks_addons()["aws-ebs-csi-driver"]["defaultStorageClass"]
