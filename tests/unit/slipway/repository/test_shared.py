import multiprocessing
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from slipway.cli import app
from slipway.contract import ModelContract
from slipway.repository import (
    MANIFEST,
    ModelDamaged,
    ModelNotPublished,
    PublishFailed,
    find_beside,
    model_files,
    publish,
    seal,
    verify,
)
from slipway.repository._shared import check_shared
from tests.unit.digits_repository import CPU, DIGITS, FILES, GPU, holding, leftovers, publish_text

LARGER = ModelContract(name="digits", image_shape=(28, 28, 1), labels=DIGITS.labels, max_batch_size=64)


def slipway(*arguments):
    return CliRunner(env={"COLUMNS": "300"}).invoke(app, [str(argument) for argument in arguments])


def test_publication_lists_the_files_that_all_versions_share_for_coreutils_too(tmp_path):
    model = publish_text(tmp_path, "one").path.parent

    listed = [line.split("  ")[1] for line in (model / MANIFEST).read_text().splitlines()]

    assert ["config.pbtxt", "configs/gpu.pbtxt", "labels.txt"] == listed
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", MANIFEST], cwd=model, check=True)


def test_a_new_configuration_comes_with_its_manifest(tmp_path):
    publish_text(tmp_path, "one")

    publish(tmp_path, LARGER, model_files(LARGER, cpu=CPU, gpu=GPU), holding("two"))

    verify(tmp_path, "digits")


def test_a_repository_that_was_published_without_a_manifest_names_the_way_out_and_is_sealed_by_it(tmp_path):
    model = publish_text(tmp_path, "one").path.parent
    (model / MANIFEST).unlink()

    with pytest.raises(ModelDamaged, match="slipway models seal digits"):
        verify(tmp_path, "digits")
    result = slipway("models", "seal", "digits", "-r", tmp_path)

    assert (0, "sealed digits: config.pbtxt, configs/gpu.pbtxt, labels.txt\n") == (result.exit_code, result.stdout)
    verify(tmp_path, "digits")
    assert [] == leftovers(tmp_path)


def test_the_next_publication_seals_such_a_repository_too(tmp_path):
    model = publish_text(tmp_path, "one").path.parent
    (model / MANIFEST).unlink()

    publish_text(tmp_path, "two")

    verify(tmp_path, "digits")


def test_an_edit_by_hand_is_refused_until_it_is_sealed_and_a_publication_keeps_it(tmp_path):
    model = publish_text(tmp_path, "one").path.parent
    edited = (model / "config.pbtxt").read_text().replace("count: 2", "count: 3")
    (model / "configs" / "three.pbtxt").write_text(edited)
    (model / "config.pbtxt").write_text(edited)

    with pytest.raises(ModelDamaged, match=r"config\.pbtxt is changed.*slipway models seal digits"):
        verify(tmp_path, "digits")
    seal(tmp_path, "digits")
    verify(tmp_path, "digits")
    publish_text(tmp_path, "two")

    verify(tmp_path, "digits")
    assert "configs/three.pbtxt" in check_shared(model)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda model: (model / "config.pbtxt").write_text("max_batch_sizes: 8"), "max_batch_sizes"),
        (lambda model: (model / "configs" / "gpu.pbtxt").write_text("name: 'digits'"), "expected one input"),
        (lambda model: (model / "labels.txt").write_text("a\nb\n"), "labels"),
        (lambda model: rename(model / "config.pbtxt", "letters"), "name"),
        (lambda model: other_inputs(model / "configs" / "gpu.pbtxt"), "the same inputs and outputs"),
        (lambda model: (model / "config.pbtxt").write_bytes(b"\xff\xfe"), "cannot be read"),
        (lambda model: swap(model / "config.pbtxt", '"onnxruntime"', '"python"'), 'backend: "python"'),
        (lambda model: append(model / "configs" / "gpu.pbtxt", "runtime: 'model.py'"), 'runtime: "model.py"'),
        (lambda model: append(model / "config.pbtxt", PARAMETER % "EXECUTION_ENV_PATH"), "EXECUTION_ENV_PATH"),
        (lambda model: append(model / "config.pbtxt", PARAMETER % "TRITON_BATCH_STRATEGY_PATH"), "BATCH_STRATEGY"),
        (lambda model: append(model / "config.pbtxt", "model_operations { op_library_filename: 'a' }"), "op_library"),
        (lambda model: append(model / "config.pbtxt", AGENTS), "model_repository_agents"),
        (lambda model: append(model / "config.pbtxt", PARAMETER % "execution_env_path"), "execution_env_path"),
        (lambda model: swap(model / "config.pbtxt", '"labels.txt"', "'../../etc/passwd'"), "label_filename.*passwd"),
        (lambda model: swap(model / "configs" / "gpu.pbtxt", '"labels.txt"', "'/etc/passwd'"), "label_filename"),
        (lambda model: append(model / "config.pbtxt", WARMUP), "input_data_file"),
    ],
    ids=[
        "no configuration",
        "no classifier",
        "other labels",
        "another model",
        "other inputs",
        "no text",
        "python",
        "runtime",
        "environment",
        "batching",
        "operators",
        "agents",
        "environment in small letters",
        "labels outside",
        "labels at the root",
        "warm-up outside",
    ],
)
def test_what_cannot_be_served_is_not_sealed(tmp_path, edit, words):
    model = publish_text(tmp_path, "one").path.parent
    before = (model / MANIFEST).read_bytes()
    edit(model)

    with pytest.raises(ModelDamaged, match=words):
        seal(tmp_path, "digits")
    assert before == (model / MANIFEST).read_bytes()


AGENTS = "model_repository_agents { agents { name: 'a' } }"
WARMUP = "model_warmup { name: 'w' inputs { key: 'image' value { input_data_file: '../../../etc/shadow' } } }"
PARAMETER = 'parameters { key: "%s" value { string_value: "x" } }'


def swap(path, before, after):
    path.write_text(path.read_text().replace(before, after))


def append(path, text):
    path.write_text(f"{path.read_text()}\n{text}\n")


def rename(path, name):
    swap(path, 'name: "digits"', f'name: "{name}"')


def other_inputs(path):
    path.write_text(path.read_text().replace("dims: 28", "dims: 32"))


@pytest.mark.parametrize(
    "text", ["runtime: 'model.py'", PARAMETER % "execution_env_path", "default_model_filename: '../2/model.onnx'"]
)
@pytest.mark.parametrize("name", ["config.pbtxt", "configs/gpu.pbtxt"])
def test_what_would_run_other_code_is_not_published(tmp_path, name, text):
    files = {**FILES, name: f"{FILES[name]}\n{text}"}
    with pytest.raises(PublishFailed, match=f"{name}: expected the backend onnxruntime and files of the model"):
        publish(tmp_path, DIGITS, files, holding("one"))
    assert not (tmp_path / "digits").exists()


def test_a_model_that_is_not_there_cannot_be_sealed(tmp_path):
    with pytest.raises(ModelNotPublished, match="letters"):
        seal(tmp_path, "letters")


def test_a_file_that_no_version_shares_cannot_be_published_beside_them(tmp_path):
    for name in ("model.py", "../config.pbtxt", "configs/../x.pbtxt", "/tmp/x", "configs/a/b.pbtxt"):
        with pytest.raises(PublishFailed, match="NAME"):
            publish(tmp_path, DIGITS, {**FILES, name: "x"}, holding("one"))


@pytest.mark.parametrize(
    "name", ["model.py", "triton_python_backend_stub", "libtriton_onnxruntime.so", "../up", "net.so"]
)
def test_a_manifest_of_a_model_that_lists_anything_else_is_refused(tmp_path, name):
    model = publish_text(tmp_path, "one").path.parent
    with (model / MANIFEST).open("a") as manifest:
        manifest.write(f"{'0' * 64}  {name}\n")

    with pytest.raises(ModelDamaged, match="slipway models seal digits"):
        verify(tmp_path, "digits")


def test_what_lies_beside_the_versions_is_named_and_is_no_damage(tmp_path):
    model = publish_text(tmp_path, "one").path.parent
    (model / "model.py").write_text("x")
    (model / "3").write_text("x")
    (model / "configs" / "x\x1b[2J.pbtxt").write_text("x")
    (model / "configs" / "deep").mkdir()
    (model / "link").symlink_to("/etc")
    (model / "01").mkdir()

    result = slipway("models", "verify", "-r", tmp_path)

    assert ("01", "3", "configs/deep", "configs/x\x1b[2J.pbtxt", "link", "model.py") == find_beside(model)
    assert 0 == result.exit_code, result.output
    assert "digits/model.py is not listed: it is never served" in result.stdout
    assert r"digits/configs/x\x1b[2J.pbtxt is not listed" in result.stdout


def test_a_reader_beside_publishers_of_two_configurations_never_sees_a_mixture(tmp_path):
    fork = multiprocessing.get_context("fork")
    publish_text(tmp_path, "one")
    publishers = [
        fork.Process(target=publish_many, args=(tmp_path, contract, 12)) for contract in (DIGITS, LARGER, DIGITS)
    ]
    for publisher in publishers:
        publisher.start()
    while any(publisher.is_alive() for publisher in publishers):
        check_shared(tmp_path / "digits")
    for publisher in publishers:
        publisher.join()

    assert [0, 0, 0] == [publisher.exitcode for publisher in publishers]
    verify(tmp_path, "digits")


def publish_many(root, contract, times):
    for i in range(times):
        publish(root, contract, model_files(contract, cpu=CPU, gpu=GPU), holding(f"{i}"))


def test_the_committed_model_is_sealed():
    folder = Path(__file__).parents[4] / "model_repository" / "mnist"

    assert {"config.pbtxt", "configs/gpu.pbtxt", "labels.txt"} == set(check_shared(folder))
