import subprocess
import sys

import pytest
from typer.testing import CliRunner

from slipway.cli import app, main
from slipway.contract import ModelContract
from slipway.model_config import ServingProfile
from slipway.repository import model_files, publish

CONTRACT = ModelContract(name="digits", image_shape=(28, 28, 1), labels=("a", "b"), max_batch_size=4)
FILES = model_files(
    CONTRACT, cpu=ServingProfile(accelerator="cpu", instances=1), gpu=ServingProfile(accelerator="gpu", instances=1)
)


@pytest.fixture
def repository(tmp_path):
    for text in ("one", "two"):
        publish(tmp_path, CONTRACT, FILES, lambda folder, text=text: (folder / "model.onnx").write_text(text) and None)
    return tmp_path


def slipway(*arguments):
    return CliRunner(env={"COLUMNS": "160"}).invoke(app, [str(argument) for argument in arguments])


def test_every_command_is_there_whoever_brings_it():
    result = slipway("--help")

    assert 0 == result.exit_code
    for command in ("capacity", "check", "data", "demo", "loadtest", "models", "predict", "serve", "train", "values"):
        assert command in result.output


@pytest.mark.parametrize(
    "command", ["check", "data", "demo", "models list", "models rollback", "predict", "serve", "train", "values"]
)
def test_help_teaches_by_example(command):
    result = slipway(*command.split(), "--help")

    assert 0 == result.exit_code
    assert "Example: slipway" in result.output


def test_help_loads_no_heavy_package():
    script = (
        "import sys, slipway.cli._app\n"
        "heavy = {'tensorflow', 'keras', 'sklearn', 'onnxruntime', 'grpc', 'locust', 'kubernetes', 'numpy', 'httpx'}\n"
        "loaded = heavy & set(sys.modules)\n"
        "sys.exit(str(loaded) if loaded else 0)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert "" == result.stderr
    assert 0 == result.returncode


def test_ctrl_c_while_the_command_line_is_imported_ends_it_without_a_traceback():
    script = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # pytest itself may run under nohup
        "class InterruptedAtTyper:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'typer': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, InterruptedAtTyper())\n"
        "sys.argv = ['slipway', '--help']\n"
        "from slipway.cli import main\n"
        "main()\n"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert (130, "", "") == (result.returncode, result.stdout, result.stderr)


def test_ctrl_c_that_is_ignored_stays_ignored_while_the_command_line_is_imported():
    script = (
        "import signal, sys\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "class InterruptedAtTyper:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'typer': signal.raise_signal(signal.SIGINT)\n"
        "sys.meta_path.insert(0, InterruptedAtTyper())\n"
        "sys.argv = ['slipway', '--version']\n"
        "from slipway.cli import main\n"
        "main()\n"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert (0, "") == (result.returncode, result.stderr)
    assert result.stdout.startswith("slipway ")


def test_models_list_shows_which_version_is_served(repository):
    result = slipway("models", "list", "-r", repository)

    assert 0 == result.exit_code
    assert "2 served" in result.output
    assert 2 == result.output.count("intact")


def test_models_list_ends_with_an_error_when_a_version_is_damaged(repository, monkeypatch, capsys):
    (repository / "digits" / "1" / "model.onnx").write_text("One")
    monkeypatch.setattr(sys, "argv", ["slipway", "models", "list", "-r", str(repository)])

    with pytest.raises(SystemExit) as ended:
        main()
    printed = capsys.readouterr()
    assert 1 == ended.value.code
    assert "damaged" in printed.out
    assert "slipway models verify" in printed.err


def test_models_verify_names_the_changed_file(repository, monkeypatch, capsys):
    (repository / "digits" / "2" / "model.onnx").write_text("Two")
    monkeypatch.setattr(sys, "argv", ["slipway", "models", "verify", "digits", "-r", str(repository)])

    with pytest.raises(SystemExit) as ended:
        main()
    printed = capsys.readouterr()
    assert 1 == ended.value.code
    assert "intact digits version 1" in printed.out
    assert "model.onnx is changed" in printed.err.replace("\n", " ")


def test_an_error_is_printed_as_it_is_brackets_and_all(repository, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["slipway", "models", "verify", "[bold]", "-r", str(repository)])

    with pytest.raises(SystemExit):
        main()
    assert "error: " in (printed := capsys.readouterr().err)
    assert "has no model '[bold]'; available: digits" in printed


def test_models_rollback_and_prune_say_what_they_did(repository):
    back = slipway("models", "rollback", "digits", "-r", repository)
    would = slipway("models", "prune", "digits", "--keep", 1, "--dry-run", "-r", repository)
    pruned = slipway("models", "prune", "digits", "--keep", 1, "-r", repository)

    assert "digits version 3 now has the files of version 1" in back.output
    assert "would remove: 1, 2; kept: 3" in would.output
    assert "removed: 1, 2; kept: 3" in pruned.output
