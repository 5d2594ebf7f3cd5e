"""Node types: what a file may say, and what becomes of it."""

import pytest
import yaml

from rehearsal.cluster.nodes.pools import instance_types, load_nodes, node_objects, shipped_nodes
from rehearsal.errors import RehearsalScenarioError


def test_shipped_files_are_read():
    pools = {name: load_nodes(name).pool for name in shipped_nodes()}

    assert {"fixed": "fixed", "karpenter": "karpenter"} == pools


def test_a_pool_boots_as_long_as_its_type(tmp_path):
    file = tmp_path / "nodes.yaml"
    file.write_text(
        yaml.safe_dump(
            {
                "gpu_limit": 3,
                "types": [
                    {"name": "l4", "gpus": 1, "cpu": 4, "memory_gib": 16, "price_per_hour": 0.8, "boot_s": 45},
                    {"name": "4l4", "gpus": 4, "cpu": 48, "memory_gib": 192, "price_per_hour": 4.6, "boot_s": 90},
                ],
            }
        )
    )
    nodes = load_nodes(str(file))
    objects = {(item["kind"], item["metadata"]["name"]): item["spec"] for item in node_objects(nodes)}

    assert "45s" == objects["KWOKNodeClass", "l4"]["nodeRegistrationDelay"]
    assert "90s" == objects["KWOKNodeClass", "4l4"]["nodeRegistrationDelay"]
    assert {"nvidia.com/gpu": "3"} == objects["NodePool", "l4"]["limits"]
    assert objects["NodePool", "l4"]["weight"] > objects["NodePool", "4l4"]["weight"]
    assert ["1", "4"] == [each["resources"]["nvidia.com/gpu"] for each in instance_types(nodes)]
    assert [0.8, 4.6] == [each["offerings"][0]["Price"] for each in instance_types(nodes)]


def test_a_fixed_pool_is_nodes_in_every_zone():
    objects = node_objects(load_nodes("fixed"))

    assert ["Node"] * 4 == [item["kind"] for item in objects]
    assert {"zone-a", "zone-b"} == {item["metadata"]["labels"]["topology.kubernetes.io/zone"] for item in objects}
    assert {"1"} == {item["status"]["allocatable"]["nvidia.com/gpu"] for item in objects}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gpus": -1}, r"types\[0\]\.gpus: .*greater than or equal to 0, got -1"),
        ({"gpu": 1}, r"types\[0\]\.gpu: unknown key; did you mean 'gpus'\?"),
        ({"boot_s": "soon"}, r"types\[0\]\.boot_s: "),
    ],
)
def test_a_wrong_type_is_told_with_its_key(tmp_path, change, message):
    right = {"name": "l4", "gpus": 1, "cpu": 4, "memory_gib": 16, "price_per_hour": 0.8}
    (tmp_path / "nodes.yaml").write_text(yaml.safe_dump({"types": [right | change]}))

    with pytest.raises(RehearsalScenarioError, match=message):
        load_nodes(str(tmp_path / "nodes.yaml"))


def test_an_unknown_name_is_told_the_shipped_ones():
    with pytest.raises(RehearsalScenarioError, match="expected one of fixed, karpenter, or a YAML file"):
        load_nodes("karpentr")
