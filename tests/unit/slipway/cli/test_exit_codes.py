"""One table of exit codes, in the docs, that every command keeps to."""

import importlib
import pkgutil
import re
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image

import slipway.cli
from slipway.cli import main
from slipway.errors import SlipwayError

ROOT = Path(__file__).parents[4]
TABLE = [int(code) for code in re.findall(r"^\| (\d+) \|", (ROOT / "docs" / "exit-codes.md").read_text(), re.MULTILINE)]


def commands(command, words=()):
    """Every command with the words that call it, groups left out."""
    below = getattr(command, "commands", {})
    if not below:
        yield words
    for name, sub in below.items():
        yield from commands(sub, (*words, name))


COMMANDS = sorted(commands(typer.main.get_command(slipway.cli.app)))


@pytest.fixture
def ends_with(monkeypatch, capfd):
    """Run `slipway` in this process; returns its exit code. Its standard error is `ends_with.said`."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["slipway", *map(str, arguments)])
        try:
            main()
        except SystemExit as ended:
            code = ended.code
        run.said = capfd.readouterr().err
        return code or 0

    return run


def error_classes():
    for package in ("slipway", "training", "loadtest", "rehearsal"):
        for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            if module.name.endswith(
                (
                    "errors",
                    "._promote",
                    "._check",
                    "._predict",
                    "._pictures_given",
                    "._connection",
                    "._cores",
                    "._own_packages",
                    "distribution",
                    "samples",
                    "npz",
                )
            ):
                yield from vars(importlib.import_module(module.name)).values()


ERRORS = {cls for cls in error_classes() if isinstance(cls, type) and issubclass(cls, SlipwayError)}


def test_every_error_ends_with_a_code_of_the_table():
    assert len(ERRORS) > 80
    assert {cls for cls in ERRORS if cls.exit_status not in TABLE} == set()


def test_the_table_names_no_code_that_nothing_ends_with():
    assert [0, 1, 2, 3, 4, 5, 130] == TABLE
    assert set(TABLE) - {0} == {cls.exit_status for cls in ERRORS}


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_an_option_that_is_not_known_ends_with_2(ends_with, words):
    assert 2 == ends_with(*words, "--no-such-option")


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_ends_with_0(ends_with, words):
    assert 0 == ends_with(*words, "--help")


MISSING = {
    "picture": "predict {none}/a.png",
    "picture to check": "check grpc://127.0.0.1:1 --image {none}/a.png --expect 7",
    "recipe to train": "train --recipe {none}/a.yaml",
    "recipe to look at": "data --recipe {none}/a.yaml",
    "recipe to show": "demo --recipe {none}/a.yaml",
    "scenario to run": "loadtest {none}/a.yaml",
    "scenario to search with": "capacity {none}/a.yaml",
    "scenario to rehearse": "rehearse {none}/a.yaml",
    "report to compare": "loadtest compare {none}/a.json {none}/b.json",
    "report to draw": "loadtest page {none}/a.json",
    "capacity": "values {none}/capacity.yaml --cluster gpu --storage-uri s3://models/prod",
    "repository to list": "models list -r {none}",
    "repository to serve": "serve -r {none}",
    "model to verify": "models verify mnist -r {none}",
    "model to roll back": "models rollback mnist -r {none}",
    "cluster": "cluster status --folder {none}",
    "nodes of a cluster": "cluster up --nodes {none}/nodes.yaml --folder {none}",
}


@pytest.mark.parametrize("line", MISSING.values(), ids=MISSING)
def test_a_file_that_is_not_there_ends_with_2(ends_with, tmp_path, line):
    code = ends_with(*line.format(none=tmp_path / "none").split())

    assert 2 == code, ends_with.said
    assert ends_with.said.startswith("error: ")


@pytest.mark.parametrize("line", ["predict {picture} --url nowhere", "check nowhere", "loadtest smoke --url nowhere"])
def test_an_address_that_is_none_ends_with_2(ends_with, picture, line):
    assert 2 == ends_with(*line.format(picture=picture).split())
    assert ends_with.said.startswith("error: ")


@pytest.fixture
def picture(tmp_path):
    Image.fromarray(np.zeros((28, 28), np.uint8)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


@pytest.fixture
def no_server():
    """An address where connections are refused."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield f"grpc://127.0.0.1:{unused.getsockname()[1]}"


def test_a_server_that_does_not_answer_ends_with_1_where_there_is_no_verdict(ends_with, picture, no_server):
    assert 1 == ends_with("predict", picture, "--url", no_server, "--timeout-s", "0.2")
    assert 1 == ends_with("check", no_server, "--wait-s", "0.2", "--timeout-s", "0.2")


def test_an_interrupted_command_ends_with_130(ends_with, picture, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("slipway.client.Classifier.predict", interrupted)
    monkeypatch.setattr("slipway.client.Classifier.contract", interrupted)

    assert 130 == ends_with("predict", picture)


BASE_ONLY = """
import re, sys
from importlib import metadata
from packaging.requirements import Requirement

def name_of(text):
    return re.sub(r"[-_.]+", "-", text).lower()

def closure(start):
    seen, todo = set(), [(start, frozenset())]
    while todo:
        name, extras = todo.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            needed = map(Requirement, metadata.requires(name) or [])
        except metadata.PackageNotFoundError:
            continue
        for need in needed:
            if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in (extras or {""})):
                todo.append((name_of(need.name), frozenset(need.extras)))
    return {name for name, _ in seen}

base = closure(name_of("slipway-serving"))
ours = {"slipway", "training", "loadtest", "rehearsal"}
left_out = {
    module
    for module, owners in metadata.packages_distributions().items()
    if not base & {name_of(owner) for owner in owners}
} - ours

class BaseOnly:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in left_out:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

for name in [name for name in sys.modules if name.partition(".")[0] in left_out]:
    del sys.modules[name]
sys.meta_path.insert(0, BaseOnly())
from slipway.cli import main
for line in sys.stdin.read().splitlines():
    sys.argv = ["slipway", *line.split()]
    try:
        main()
    except SystemExit as ended:
        print("exit code", ended.code)
        print("exit code", ended.code, file=sys.stderr)
"""


@pytest.fixture(scope="module")
def base_only():
    """Run commands where nothing but the base installation can be imported: one (code, output, errors) each."""

    def run(*lines, cwd):
        done = subprocess.run(
            [sys.executable, "-c", BASE_ONLY],
            input="\n".join(lines),
            cwd=cwd,
            env={"PYTHONPATH": str(ROOT), "COLUMNS": "300", "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert 0 == done.returncode, done.stderr
        out, err = (re.split(r"exit code (\d+)\n", text) for text in (done.stdout, done.stderr))
        return [(int(out[i + 1]), out[i], err[i]) for i in range(0, len(out) - 1, 2)]

    return run


LEFT_OUT = {
    "train": "training",
    "data": "training",
    "demo": "training,serve",
    "loadtest smoke": "loadtest",
    "loadtest list": "loadtest",
    "loadtest compare a b": "loadtest",
    "loadtest page a": "loadtest",
    "capacity steady": "loadtest",
    "rehearse spike": "rehearsal,loadtest,serve",
    "cluster up": "rehearsal,loadtest,serve",
    "cluster status": "rehearsal,loadtest,serve",
    "values --cluster gpu --storage-uri s3://models/prod": "deploy",
    "models push s3://models/prod -r repository": "remote",
    "models promote mnist --to mnist -n serving": "deploy",
    "serve -r repository": "serve",
}


def test_what_is_not_installed_ends_with_4_and_one_line_that_installs_it(base_only, tmp_path):
    from slipway.repository import model_files, publish
    from tests.unit.slipway.cli.test_cli import CONTRACT, FILES

    assert model_files
    publish(tmp_path / "repository", CONTRACT, FILES, lambda folder: (folder / "model.onnx").write_text("x") and None)
    for (line, extras), (code, _, err) in zip(LEFT_OUT.items(), base_only(*LEFT_OUT, cwd=tmp_path), strict=True):
        assert 4 == code, (line, err)
        assert f'pip install "slipway-serving[{extras}]"' in err, line
        assert err.startswith("error: "), line
        assert 1 == err.count("\n"), line


def test_help_marks_what_is_not_installed_and_the_rest_works(base_only, tmp_path):
    (help_code, help_text, _), (list_code, _, list_err), (train_code, train_help, _) = base_only(
        "--help", "models list", "train --help", cwd=tmp_path
    )
    lines = {line.split()[1]: line for line in help_text.splitlines() if re.match(r"│ [a-z]", line)}

    assert [0, 0] == [help_code, train_code]
    assert "Example: slipway train" in train_help
    assert 2 == list_code, list_err
    for name in ("train", "data", "demo", "loadtest", "capacity", "rehearse", "cluster", "values"):
        assert "Not installed: pip install" in lines[name]
    for name in ("predict", "check", "models", "serve"):
        assert "Not installed" not in lines[name]


def test_help_marks_nothing_where_everything_is_installed(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["slipway", "--help"])
    with pytest.raises(SystemExit):
        main()

    assert "Not installed" not in capsys.readouterr().out
