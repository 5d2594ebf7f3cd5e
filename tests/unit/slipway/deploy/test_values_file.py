"""The values file: what stands in it, in which order, and that every value says where it comes from."""

import dataclasses
import itertools
import re
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from slipway.contract import ModelContract
from slipway.deploy._chart_values import CHART_DEFAULTS
from slipway.deploy.values import OLD, ValuesNotWritten, ValuesRefused, make_values, write_values
from slipway.repository import VersionDamaged
from tests.unit.values_inputs import MEASURED, MNIST, made, measured, published, requested

ROOT = Path(__file__).parents[4]
LOCAL = "grpc://localhost:8001"
EVERYTHING = {
    "cluster": "mig",
    "gpu_resource": "nvidia.com/mig-1g.10gb",
    "gpu_products": ("NVIDIA-A100-SXM4-80GB-MIG-1g.10gb",),
    "pin": True,
    "peak_rps": 9000,
    "quiet_share": 0.5,
    "prometheus_url": "https://prometheus.example.com",
    "headroom_replicas": 2,
}


def flat(section, prefix=""):
    """Values by dotted key, in their order."""
    for key, value in section.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def values_of(tmp_path, **choices):
    return dict(flat(yaml.safe_load(made(tmp_path, **choices).text)))


def reason_of(text, key):
    """The comment above the last part of a key."""
    lines = text.splitlines()
    (at,) = [i for i, line in enumerate(lines) if line.strip().startswith(f"{key}:")]
    first = at
    while lines[first - 1].strip().startswith("#"):
        first -= 1
    return " ".join(line.strip().lstrip("# ") for line in lines[first:at])


def test_everything_that_can_be_chosen_arrives(tmp_path):
    assert {
        "model.storageUri": "pvc://models/model_repository",
        "model.version": "1",
        "gpu.resourceName": "nvidia.com/mig-1g.10gb",
        "gpu.products": ["NVIDIA-A100-SXM4-80GB-MIG-1g.10gb"],
        "autoscaling.minReplicas": 6,
        "autoscaling.maxReplicas": 12,
        "autoscaling.capacity.inFlight": 1.74,
        "autoscaling.capacity.requestsPerSecond": 865,
        "autoscaling.prometheus.serverAddress": "https://prometheus.example.com",
        "headroom.mode": "placeholder",
        "headroom.replicas": 2,
    } == values_of(tmp_path, **EVERYTHING)


def test_only_what_differs_from_the_chart_is_a_value(tmp_path):
    assert {
        "model.storageUri": "pvc://models/model_repository",
        "autoscaling.capacity.inFlight": 1.74,
        "autoscaling.capacity.requestsPerSecond": 865,
    } == values_of(tmp_path)


@pytest.mark.parametrize(
    "choices", [{}, EVERYTHING, {"cluster": "cpu", "autoscaling": "none"}], ids=["few", "all", "cpu"]
)
def test_keys_stand_in_the_charts_order_and_none_is_empty(tmp_path, choices):
    values = values_of(tmp_path, **choices)

    assert [key for key in CHART_DEFAULTS if key in values] == list(values)
    assert None not in values.values()


@pytest.mark.parametrize("choices", [{}, EVERYTHING], ids=["few", "all"])
def test_every_value_has_a_comment_right_above_it(tmp_path, choices):
    lines = made(tmp_path, **choices).text.splitlines()
    bare = [
        line
        for before, line in itertools.pairwise(lines)
        if re.match(r" *[A-Za-z]+: \S", line) and not before.strip().startswith("#")
    ]

    assert [] == bare


def test_comments_name_file_day_server_and_arithmetic(tmp_path):
    text = made(tmp_path, peak_rps=3000).text

    assert (
        "target.in_flight of capacity.yaml, measured 2026-11-24 against grpc://10.0.0.7:9000: requests in flight in "
        "one replica, with 20% of its capacity free."
    ) == reason_of(text, "inFlight")
    assert "3,000 / 864.9 requests/s per replica, rounded up, is 4; and 1 to spare" in reason_of(text, "maxReplicas")
    assert "--storage-uri" in reason_of(text, "storageUri")


def test_a_value_that_is_the_charts_own_is_explained_in_a_comment(tmp_path):
    text = made(tmp_path, peak_rps=2000).text

    assert 4 == CHART_DEFAULTS["autoscaling.maxReplicas"]
    assert "maxReplicas:" not in text
    assert "# autoscaling.maxReplicas stays 4, the chart's default. --peak-rps: 2,000 / 864.9" in text


def test_the_header_says_what_to_run_next(tmp_path):
    text = make_values(
        dataclasses.replace(
            requested(tmp_path), output=tmp_path / "my values.yaml", release="digits", namespace="prod"
        ),
        now=MEASURED,
    ).text

    install = f"helm upgrade --install digits helm/serving --namespace prod --values '{tmp_path}/my values.yaml'"
    assert f"#   {install}\n#   helm test digits --namespace prod\n" in text


def test_the_example_in_the_docs_is_what_the_command_makes(tmp_path):
    published(tmp_path / "models", versions=2)
    capacity = measured(url=LOCAL, version="2", images_per_request=16.0)
    (example,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "values.md").read_text(), flags=re.DOTALL)

    assert example == made(tmp_path, capacity=capacity, peak_rps=3000).text


def test_same_inputs_give_the_same_bytes_on_another_day(tmp_path):
    assert made(tmp_path, **EVERYTHING).text == made(tmp_path, now=MEASURED + 5 * OLD, **EVERYTHING).text


def test_what_a_measurement_says_of_its_server_cannot_become_a_value(tmp_path):
    url = "grpc://host:1\n  version: '9'\u2028  checkIntegrity: false"
    values = values_of(tmp_path, capacity=measured(url=url))

    assert "model.version" not in values
    assert "model.checkIntegrity" not in values


@pytest.mark.parametrize("name", ["1e3", "on", "0x1f", "null", "12"])
def test_a_name_that_yaml_takes_for_something_else_is_quoted(tmp_path, name):
    published(tmp_path / "models", contract=dataclasses.replace(MNIST, name=name))
    text = made(tmp_path, capacity=measured(model=name), release="digits").text

    assert f'  name: "{name}"' in text.splitlines()


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        (
            {"storage_uri": "ftp://bucket/models"},
            r"--storage-uri: .*pvc://claim.*got 'ftp://bucket/models'; KServe supports",
        ),
        ({"storage_uri": "s3://"}, r"--storage-uri: .*got 's3://'"),
        ({"storage_uri": "models"}, r"--storage-uri: .*got 'models'"),
        ({"cluster": "mig"}, r"--cluster mig: expected the slice.*--gpu-resource nvidia\.com/mig-1g\.10gb"),
        ({"cluster": "mig", "gpu_resource": "nvidia.com/gpu"}, r"--cluster mig: .*got 'nvidia\.com/gpu': set one"),
        ({"gpu_resource": "gpus"}, r"--gpu-resource: expected a name such as nvidia\.com/gpu, got 'gpus'"),
        ({"cluster": "cpu", "gpu_products": ("NVIDIA-L4",)}, r"--gpu-product.*got --cluster cpu"),
        ({"cluster": "cpu", "gpu_resource": "nvidia.com/gpu"}, r"--gpu-resource.*got --cluster cpu"),
        ({"quiet_share": 0.5}, r"--quiet-share is a share of --peak-rps, got no peak: add --peak-rps"),
        ({"autoscaling": "hpa", "prometheus_url": "http://p"}, r"--prometheus-url.*got --autoscaling hpa"),
        (
            {"prometheus_url": "prometheus:9090"},
            r"--prometheus-url: expected http:// or https://, got 'prometheus:9090'",
        ),
        ({"autoscaling": "none", "headroom_replicas": 1}, r"--headroom-replicas.*--autoscaling none adds none"),
        ({"headroom_replicas": -1}, r"--headroom-replicas: expected 0 or more, got -1"),
        ({"release": "my_release"}, r"--release: .*got 'my_release'"),
        ({"release": "r" * 41}, r"--release: expected at most 40"),
        ({"namespace": "Serving"}, r"--namespace: .*got 'Serving'"),
        ({"model": "letters"}, r"has no model 'letters'; available: mnist: set --model"),
    ],
    ids=lambda value: " ".join(map(str, value.values())) if isinstance(value, dict) else "",
)
def test_what_cannot_be_meant_is_refused_with_the_way_out(tmp_path, choices, words):
    with pytest.raises(ValuesRefused, match=words):
        made(tmp_path, **choices)


def test_a_model_name_that_is_no_release_name_asks_for_one(tmp_path):
    published(tmp_path / "models", contract=dataclasses.replace(MNIST, name="my_digits"))
    capacity = measured(model="my_digits")

    with pytest.raises(ValuesRefused, match=r"--release: .*got 'my_digits'"):
        made(tmp_path, capacity=capacity)
    assert "my_digits" == values_of(tmp_path, capacity=capacity, release="digits")["model.name"]


def test_pin_names_the_newest_version_once_its_files_are_verified(tmp_path):
    published(tmp_path / "models", versions=3)

    assert "3" == values_of(tmp_path, pin=True)["model.version"]
    (tmp_path / "models" / "mnist" / "3" / "model.onnx").write_text("damaged")
    assert "model.version" not in values_of(tmp_path)
    with pytest.raises(VersionDamaged, match=r"model\.onnx is changed"):
        made(tmp_path, pin=True)


@pytest.mark.parametrize(("cluster", "file"), [("cpu", "config.pbtxt"), ("gpu", "configs/gpu.pbtxt")])
def test_the_published_configuration_must_be_the_clusters(tmp_path, cluster, file):
    request = requested(tmp_path, cluster=cluster)
    both = {"cpu": "configs/gpu.pbtxt", "gpu": "config.pbtxt"}
    mine, other = (tmp_path / "models" / "mnist" / name for name in (file, both[cluster]))
    mine.write_text(other.read_text())

    with pytest.raises(ValuesRefused, match=rf"{file}: expected instances on the {cluster.upper()}"):
        make_values(request, now=MEASURED)
    mine.unlink()
    with pytest.raises(ValuesRefused, match=rf"{file} cannot be read.*another --cluster"):
        make_values(request, now=MEASURED)


LETTERS = ModelContract(name="mnist", image_shape=(28, 28, 1), labels=("a", "b"), max_batch_size=16)


@pytest.mark.parametrize(
    ("changes", "choices", "words"),
    [
        ({"limited_by": "generator"}, {}, "limited_by: generator: one replica carries at least 1,081 requests/s"),
        ({"url": LOCAL}, {}, r"probably on that machine \(AMD EPYC\) and not on the GPU of --cluster gpu"),
        ({"url": "http://127.0.0.1:8000"}, {"cluster": "cpu"}, "not with a pod's share of a node"),
        ({"images_per_request": 16.0}, {}, "requests of 16 images on average"),
        ({"max_batch_size": 32}, {}, r"at most 32 images were measured, and configs/gpu\.pbtxt allows 16"),
        ({"version": "7"}, {}, "version 7 was measured, and 1 is the newest here"),
        ({"version": "7"}, {"pin": True}, "version 7 was measured, and 1 is the pinned"),
        ({"model": "other"}, {"model": "mnist"}, "model other was measured, and mnist will be served"),
        ({}, {"peak_rps": 9000, "max_replicas": 4}, "peak needs 11 replicas and the budget is 4: .*each gets 2,250"),
    ],
    ids=lambda value: " ".join(map(str, value.values())) if isinstance(value, dict) else "",
)
def test_a_measurement_of_something_else_is_a_warning_in_the_file_too(tmp_path, changes, choices, words):
    file = made(tmp_path, capacity=measured(**changes), **choices)
    (warning,) = file.warnings

    assert re.search(words, warning)
    assert warning in re.sub(r"\n# +", " ", file.text)


def test_a_measurement_of_the_same_thing_is_no_warning(tmp_path):
    file = made(tmp_path, peak_rps=3000)

    assert () == file.warnings
    assert "Warnings" not in file.text


@pytest.mark.parametrize(("age", "warned"), [(OLD, False), (OLD + timedelta(seconds=1), True)], ids=["90-days", "over"])
def test_only_an_old_measurement_is_called_old(tmp_path, age, warned):
    warnings = made(tmp_path, now=MEASURED + age).warnings

    assert warned == any("measured 2026-11-24, over 90 days ago" in warning for warning in warnings)


def test_a_model_that_knows_no_seven_is_told_about_helm_test(tmp_path):
    published(tmp_path / "models", contract=LETTERS)
    (warning,) = made(tmp_path).warnings

    assert "set tests.pictureBase64 and tests.expect" in warning


def test_a_file_that_is_there_is_overwritten_only_when_asked(tmp_path):
    path = tmp_path / "new" / "values.yaml"
    write_values("one\n", path, overwrite=False)

    with pytest.raises(ValuesNotWritten, match=r"values\.yaml exists already: overwrite it with --force"):
        write_values("two\n", path, overwrite=False)
    assert "one\n" == path.read_text()
    write_values("two\n", path, overwrite=True)
    assert "two\n" == path.read_text()
    assert [path] == list(path.parent.iterdir())


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path):
    (tmp_path / "values.yaml").mkdir()
    (tmp_path / "values.yaml" / "kept").touch()

    with pytest.raises(ValuesNotWritten, match=r"values\.yaml cannot be written: .*--output"):
        write_values("text", tmp_path / "values.yaml", overwrite=True)
    assert [tmp_path / "values.yaml"] == list(tmp_path.iterdir())
