from dataclasses import replace
from pathlib import Path

import pytest

from slipway import protocol as pb
from slipway.contract import ModelContract
from slipway.model_config import (
    ContractUnreadable,
    ServingProfile,
    parse_config,
    read_contract,
    read_profile,
    render_config,
)

CONTRACT = ModelContract(name="mnist", image_shape=(28, 28, 1), labels=tuple("0123456789"), max_batch_size=16)
CPU = ServingProfile(accelerator="cpu", instances=2, queue_delay_us=250, intra_op_threads=3)


@pytest.mark.parametrize("background", [None, "dark", "light"])
def test_what_is_rendered_reads_back_as_the_same_contract(background):
    contract = replace(CONTRACT, background=background)

    assert contract == read_contract(parse_config(render_config(contract, CPU)))


def test_a_background_that_is_not_known_here_is_none():
    config = parse_config(render_config(CONTRACT, CPU))
    config.parameters["background"].string_value = "\x1b[2J"

    assert CONTRACT == read_contract(config)


def test_a_contract_has_a_background_that_is_known_or_none():
    with pytest.raises(ValueError, match="background: expected dark, light or None, got 'grey'"):
        replace(CONTRACT, background="grey")


@pytest.mark.parametrize(
    "profile",
    [
        CPU,
        ServingProfile(accelerator="cpu", instances=1),
        ServingProfile(accelerator="gpu", instances=1, queue_delay_us=0, intra_op_threads=1),
        ServingProfile(accelerator="gpu", instances=12, queue_delay_us=5_000, intra_op_threads=8),
    ],
    ids=["cpu", "cpu by default", "gpu", "large gpu"],
)
def test_what_is_rendered_reads_back_as_the_same_profile(profile):
    assert profile == read_profile(parse_config(render_config(CONTRACT, profile)))


def test_a_config_without_instances_is_served_by_one_on_each_device_as_triton_would():
    config = parse_config('name: "mnist" instance_group { kind: KIND_CPU }')

    assert ServingProfile(accelerator="cpu", instances=1) == read_profile(config)


@pytest.mark.parametrize("groups", [0, 2])
def test_a_profile_is_of_one_instance_group(groups):
    config = parse_config('name: "mnist" ' + "instance_group { count: 1 } " * groups)

    with pytest.raises(ContractUnreadable, match=f"expected one instance_group, got {groups}"):
        read_profile(config)


def test_config_states_everything_that_triton_would_otherwise_guess():
    config = parse_config(render_config(CONTRACT, CPU))

    assert "onnxruntime" == config.backend
    assert 16 == config.max_batch_size
    assert (2, pb.ModelInstanceGroup.KIND_CPU) == (config.instance_group[0].count, config.instance_group[0].kind)
    assert 250 == config.dynamic_batching.max_queue_delay_microseconds
    assert "3" == config.parameters["intra_op_thread_count"].string_value
    assert [1, 16] == [sample.batch_size for sample in config.model_warmup]


def test_there_is_no_queue_policy():
    """Any of its settings makes Triton's batcher stall an idle server for 500 ms."""
    batching = parse_config(render_config(CONTRACT, CPU)).dynamic_batching

    assert not batching.HasField("default_queue_policy")
    assert 0 == batching.priority_levels
    assert 0 == len(batching.preferred_batch_size)


def test_labels_without_a_parameter_are_numbers():
    config = parse_config(render_config(CONTRACT, CPU))
    del config.parameters["labels"]

    assert CONTRACT.labels == read_contract(config).labels


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("TYPE_UINT8", "TYPE_FP32", r"expected input image UINT8 .* got image FP32 \[28, 28, 1\]"),
        ('name: "probabilities"', 'name: "logits"', "expected output probabilities FP32"),
        ("dims: 10", "dims: 12", "expected 12 labels, one per probability, got 10"),
        ("max_batch_size: 16", "max_batch_size: 0", "max_batch_size"),
        ("max_batch_size: 16", "max_batch_sizes: 16", "4:1"),
    ],
    ids=["dtype", "output-name", "label-count", "no-batching", "misspelt-key"],
)
def test_a_config_that_is_no_classifier_is_refused_with_expected_and_got(old, new, words):
    text = render_config(CONTRACT, CPU)
    assert old in text

    with pytest.raises(ContractUnreadable, match=words):
        read_contract(parse_config(text.replace(old, new)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "Digits!"}, "model name"),
        ({"image_shape": (28, 28)}, "image_shape"),
        ({"image_shape": (70_000, 70_000, 1)}, "image_shape: expected at most 67,108,864 values"),
        ({"labels": ("a", "a")}, "labels"),
        ({"labels": range(300_000_000)}, "labels: expected at most 1,000,000, got 300,000,000"),
        ({"labels": ("a", "")}, "labels: expected 1 to 1,000 characters"),
        ({"labels": ("a", "b" * 1_001)}, "labels: expected 1 to 1,000 characters"),
        ({"max_batch_size": 0}, "max_batch_size"),
    ],
    ids=["name", "rank", "size", "repeated", "many", "empty", "long", "batch"],
)
def test_an_impossible_contract_cannot_be_made(change, words):
    values = {"name": "digits", "image_shape": (28, 28, 1), "labels": ("a", "b"), "max_batch_size": 1}

    with pytest.raises(ValueError, match=words):
        ModelContract(**{**values, **change})


def test_committed_files_are_what_the_shipped_recipes_render():
    """Both recipes publish one model, so they must agree on its files."""
    from slipway.repository import model_files
    from training.recipe import load_recipe, shipped_recipes

    folder = Path(__file__).parents[3] / "model_repository" / "mnist"
    for name in shipped_recipes():
        recipe = load_recipe(name)
        files = model_files(
            recipe.contract((28, 28, 1), tuple("0123456789"), background="dark"),
            cpu=recipe.serving.profile("cpu"),
            gpu=recipe.serving.profile("gpu"),
        )

        assert files == {path: (folder / path).read_text() for path in files}
