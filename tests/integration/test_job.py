"""The training job as a person runs it: `slipway train` and `slipway demo` on a small data set of their own."""

import html
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import yaml

from slipway.contract import IMAGE, PROBABILITIES
from slipway.model_config import parse_config, read_contract
from slipway.repository import find_model, verify
from slipway.samples import check_samples, read_samples
from slipway.triton import ServerSettings, TritonServer

SLIPWAY = Path(sys.executable).parent / "slipway"

# A user's own network, found in the folder they stand in.
BUILDER = """
import keras

def tiny(image_shape, classes, regularisation):
    layers = [keras.Input(image_shape), keras.layers.Flatten(), keras.layers.Dense(classes, activation="softmax")]
    return keras.Sequential(layers)
"""

RECIPE = {
    "model": "bars",
    "description": "Bright left or bright right halves",
    "dataset": {"validation_images": 100},
    "network": {"builder": "bars_network:tiny"},
    "optimizer": {"learning_rate": 0.05},
    "fit": {"epochs": 3, "batch_size": 20},
    "gates": {"min_accuracy": 0.9, "min_macro_f1": 0.9, "max_ece": 0.5},
    "serving": {"max_batch_size": 8, "cpu": {"instances": 1}, "gpu": {"instances": 1}},
}


@pytest.fixture(scope="session")
def bars():
    """600 + 100 images, 8x8, one half bright: two classes that any network can tell apart."""
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 90, (700, 8, 8), np.uint8), np.arange(700) % 2
    images[labels == 0, :, :4] += 120
    images[labels == 1, :, 4:] += 120
    return {"x_train": images[:600], "y_train": labels[:600], "x_test": images[600:], "y_test": labels[600:]}


@pytest.fixture
def desk(tmp_path, bars):
    """A folder with a recipe, data and a network module, as a user has it."""
    np.savez(tmp_path / "bars.npz", **bars)
    (tmp_path / "bars_network.py").write_text(BUILDER)
    (tmp_path / "bars.yaml").write_text(yaml.safe_dump(RECIPE))
    return tmp_path


def slipway(desk, *arguments):
    environment = {**os.environ, "COLUMNS": "160", "NO_COLOR": "1"}
    environment.pop("TF_CONFIG", None)
    command = [str(SLIPWAY), *arguments]
    return subprocess.run(command, cwd=desk, env=environment, capture_output=True, text=True, timeout=240, check=False)


def test_train_publishes_what_passes_its_gates(desk):
    trained = slipway(desk, "train", "--recipe", "bars.yaml", "--data", "bars.npz")

    assert 0 == trained.returncode, trained.stderr
    (version,) = verify(desk / "model_repository", "bars")
    assert {"model.onnx", "samples.npz", "card.json", "card.html"} == set(version.model())
    card = json.loads((version.path / "card.json").read_text())
    assert card["passed"]
    assert card["onnx"]["sha256"] == version.contents()["model.onnx"]
    assert "bars.npz" in card["data"]["source"]


def test_a_resumed_run_that_has_published_publishes_nothing_unless_its_version_is_damaged(desk):
    again = ("train", "--recipe", "bars.yaml", "--data", "bars.npz", "--resume")
    first = slipway(desk, *again)
    second = slipway(desk, *again)

    assert (0, 0) == (first.returncode, second.returncode), first.stderr + second.stderr
    assert "this run has published it already, as model_repository/bars/1" in second.stdout
    (version,) = verify(desk / "model_repository", "bars")
    (version.path / "card.html").write_text("damaged")
    assert 0 == slipway(desk, *again).returncode
    assert 2 == find_model(desk / "model_repository", "bars").served.version


def answers(version, images):
    """What the published file says, asked in this process."""
    session = onnxruntime.InferenceSession(version.path / "model.onnx", providers=["CPUExecutionProvider"])
    (probabilities,) = session.run([PROBABILITIES], {IMAGE: images})
    return probabilities.argmax(axis=1)


def test_samples_travel_with_the_version_and_its_file_gets_each_of_them_right(desk, bars):
    """Five test labels are wrong on purpose: these images are mistakes of the model, and no samples."""
    mislabelled = bars["y_test"].copy()
    mislabelled[:5] = 1 - mislabelled[:5]
    np.savez(desk / "bars.npz", **{**bars, "y_test": mislabelled})

    trained = slipway(desk, "train", "--recipe", "bars.yaml", "--data", "bars.npz")

    assert 0 == trained.returncode, trained.stderr
    (version,) = verify(desk / "model_repository", "bars")
    assert "samples.npz" in version.contents()
    samples = read_samples(version.path / "samples.npz")
    check_samples(samples, read_contract(parse_config((version.path.parent / "config.pbtxt").read_text())))
    assert samples.labels.tolist() == answers(version, samples.images).tolist()
    assert np.array_equal(bars["x_test"][5:, :, :, np.newaxis], samples.images)


def test_a_model_that_gets_no_test_image_right_is_refused_though_its_gates_ask_for_nothing(desk, bars):
    np.savez(desk / "bars.npz", **{**bars, "y_test": 1 - bars["y_test"]})
    (desk / "bars.yaml").write_text(
        yaml.safe_dump({**RECIPE, "gates": {"min_accuracy": 0.0, "min_macro_f1": 0.0, "max_ece": 1.0}})
    )

    refused = slipway(desk, "train", "--recipe", "bars.yaml", "--data", "bars.npz")

    assert 3 == refused.returncode
    assert "at least one of 100 test images" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert [] == [path for path in (desk / "model_repository").rglob("*") if path.is_file()]


def test_a_refused_model_leaves_the_repository_untouched_and_says_by_how_much(desk):
    hopeless = {**RECIPE, "gates": {**RECIPE["gates"], "max_ece": 0.0}}
    (desk / "bars.yaml").write_text(yaml.safe_dump(hopeless))

    refused = slipway(desk, "train", "--recipe", "bars.yaml", "--data", "bars.npz")

    assert 3 == refused.returncode
    assert "max_ece" in refused.stderr
    assert "missed by" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert [] == [path for path in (desk / "model_repository").rglob("*") if path.is_file()]
    assert (desk / "runs" / "bars" / "card.html").is_file()


def test_poisonous_data_is_refused_before_training(desk, bars):
    np.savez(desk / "bars.npz", **{**bars, "x_train": bars["x_train"].astype(np.float32) / 255})

    refused = slipway(desk, "train", "--recipe", "bars.yaml", "--data", "bars.npz")

    assert 1 == refused.returncode
    assert "float32" in refused.stderr
    assert "epoch" not in refused.stdout
    assert not (desk / "model_repository").exists()


def test_a_misspelt_recipe_key_is_one_message_without_a_traceback(desk):
    (desk / "bars.yaml").write_text((desk / "bars.yaml").read_text().replace("epochs:", "epoch:"))

    refused = slipway(desk, "train", "--recipe", "bars.yaml", "--data", "bars.npz")

    assert 2 == refused.returncode
    assert "did you mean 'epochs'?" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.triton
def test_demo_trains_serves_asks_and_writes_one_page(desk):
    demo = slipway(desk, "demo", "--recipe", "bars.yaml", "--data", "bars.npz")

    assert 0 == demo.returncode, demo.stderr
    assert 1 == find_model(desk / "model_repository", "bars").served.version
    page = (desk / "runs" / "bars" / "demo.html").read_text()
    for protocol in ("gRPC", "HTTP"):
        assert f"<td>{protocol}</td><td>100</td>" in page
    assert "http-equiv" not in page
    assert 'src="http' not in page, "the page needs another file"
    assert len(list((desk / "runs" / "bars" / "digits").glob("*.png"))) == 20


@pytest.mark.triton
def test_the_demos_last_lines_work_for_any_repository_labels_and_number_of_test_images(desk, bars):
    few = {name: array[:12] if name.endswith("test") else array for name, array in bars.items()}
    np.savez(desk / "bars.npz", **few, labels=np.array(["N/A", "[red]$x$"]))

    demo = slipway(desk, "demo", "--recipe", "bars.yaml", "--data", "bars.npz", "--repository", "my models")

    assert 0 == demo.returncode, demo.stderr
    serve, predict = (line.split(":", 1)[1].strip() for line in demo.stdout.splitlines()[-2:])
    assert f"{SLIPWAY} serve --repository 'my models'" == serve
    page = html.unescape((desk / "runs" / "bars" / "demo.html").read_text())
    assert f"{SLIPWAY} models list --repository 'my models'" in page
    assert {f"{i:02d}-is-{name}.png" for i, name in enumerate(["N_A", "_red_x_"] * 6)} == {
        path.name for path in (desk / "runs/bars/digits").iterdir()
    }
    assert "--model-repository" in shell(desk, f"{serve} --print-command")
    with TritonServer(ServerSettings(repository=desk / "my models")) as server:
        said = json.loads(shell(desk, f"{predict} --json --url {server.grpc_url}"))
    assert ["N/A", "[red]$x$"] * 6 == [answer["label"] for answer in said]


def shell(desk, command):
    """What a person gets who copies the line."""
    environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
    done = subprocess.run(
        command, shell=True, cwd=desk, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert 0 == done.returncode, done.stderr
    return done.stdout


def test_a_worse_version_in_front_of_a_better_one_is_said_with_the_way_back(desk, bars):
    first = slipway(desk, "train", "--recipe", "bars.yaml", "--data", "bars.npz")
    mislabelled = bars["y_test"].copy()
    mislabelled[:5] = 1 - mislabelled[:5]
    np.savez(desk / "bars.npz", **{**bars, "y_test": mislabelled})
    second = slipway(desk, "train", "--recipe", "bars.yaml", "--data", "bars.npz")

    assert (0, 0) == (first.returncode, second.returncode), first.stderr + second.stderr
    assert "which was better" not in first.stdout
    assert "test accuracy 100.00% then, 95.00% now (each on its own test images)" in second.stdout
    assert "slipway models rollback bars --to 1 --repository model_repository" in second.stdout


def test_an_interrupted_demo_goes_on_with_the_option_that_its_message_names(desk):
    """The same recipe for longer, so that there is time to interrupt it."""
    (desk / "bars.yaml").write_text(yaml.safe_dump({**RECIPE, "fit": {"epochs": 5_000, "batch_size": 20}}))
    heard = ("env", "--default-signal=INT")  # whoever runs the tests may ignore it, as nohup does
    command = [*heard, str(SLIPWAY), "demo", "--recipe", "bars.yaml", "--data", "bars.npz"]
    environment = {name: value for name, value in os.environ.items() if name != "TF_CONFIG"}
    demo = subprocess.Popen(
        command,
        cwd=desk,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        for line in demo.stdout:
            if line.startswith("epoch"):
                break
        demo.send_signal(signal.SIGINT)
        _, stderr = demo.communicate(timeout=120)
    finally:
        demo.kill()
        demo.wait()

    assert 0 != demo.returncode
    assert "continue with --resume" in " ".join(stderr.split())
    assert "Traceback" not in stderr
    assert "--resume" in slipway(desk, "demo", "--help").stdout
