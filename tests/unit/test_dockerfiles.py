"""What holds for every Dockerfile, read with BuildKit's own parser and with Hadolint; nothing is built here."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import dockerfile
import pathspec
import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILES = sorted((ROOT / "docker").glob("*.Dockerfile"))
IGNORED = pathspec.GitIgnoreSpec.from_lines((ROOT / ".dockerignore").read_text().splitlines())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
COMMANDS = {"ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "FROM", "HEALTHCHECK", "LABEL", "RUN", "USER", "WORKDIR"}


@pytest.fixture(params=DOCKERFILES, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def commands(path):
    return dockerfile.parse_file(str(path))


def values(commands, name):
    return [command.value for command in commands if command.cmd.upper() == name]


def pairs(commands, name):
    flat = [text.strip('"') for value in values(commands, name) for text in value]
    return dict(zip(flat[::2], flat[1::2], strict=True))


def copied_from_the_repository(commands):
    return [
        source
        for command in commands
        if command.cmd.upper() == "COPY" and not command.flags
        for source in command.value[:-1]
    ]


def pinned(lock):
    """Name and version of each line of a lock."""
    return dict(re.findall(r"^([a-z][\w.-]*)==(\S+)", (ROOT / "requirements" / lock).read_text(), re.MULTILINE))


def test_hadolint_finds_nothing(path):
    hadolint = shutil.which("hadolint", path=Path(sys.executable).parent) or shutil.which("hadolint")
    done = subprocess.run([hadolint, "--no-color", path], capture_output=True, text=True, check=False)

    assert "" == done.stdout + done.stderr
    assert 0 == done.returncode


def test_nothing_is_fetched_but_by_hash_and_no_unusual_instruction_is_there(commands):
    assert COMMANDS == {command.cmd.upper() for command in commands}
    for (line,) in values(commands, "RUN"):
        assert not re.search(r"\b(apt|apt-get|curl|wget|git)\b", line)
        for install in re.findall(r"pip\b[^&]* install\b[^&]*", line):
            assert "--require-hashes" in install or "--no-index" in install


def test_base_image_is_one_argument_pinned_to_a_python_that_the_project_takes(commands):
    bases = {value[0] for value in values(commands, "FROM")}
    default = re.fullmatch(r"PYTHON_IMAGE=python:(\d+\.\d+)\.\d+-slim-[a-z]+", values(commands, "ARG")[0][0])

    assert {"${PYTHON_IMAGE}"} == bases
    assert "3.11" == default[1]
    assert PROJECT["project"]["requires-python"].startswith(f">={default[1]}")


def test_process_runs_as_a_numbered_user_whose_folders_need_no_writable_root(commands):
    assert [("1000:1000",)] == values(commands, "USER")
    after = commands[[command.cmd.upper() for command in commands].index("USER") + 1 :]
    assert {"HEALTHCHECK", "ENTRYPOINT", "CMD"} == {command.cmd.upper() for command in after}
    environment = pairs(commands, "ENV")
    assert ("/tmp", "/tmp") == (environment["HOME"], environment["TMPDIR"])
    for name in ("KERAS_HOME", "MPLCONFIGDIR", "XDG_CACHE_HOME"):
        assert environment.get(name, "/tmp/").startswith("/tmp/")
    assert "1" == environment["PYTHONDONTWRITEBYTECODE"]


def test_an_image_with_onnxruntime_tells_it_to_send_nothing(path, commands):
    locks = {"training": "training", "client": "loadtest"}
    has_onnxruntime = "\nonnxruntime==" in (ROOT / "requirements" / f"{locks[path.stem]}.txt").read_text()

    assert has_onnxruntime == ("1" == pairs(commands, "ENV").get("ORT_DISABLE_TELEMETRY"))


def test_entry_point_is_the_command(commands):
    assert [("slipway",)] == values(commands, "ENTRYPOINT")
    assert [("--help",)] == values(commands, "CMD")


def test_every_argument_is_used(path, commands):
    for (argument,) in values(commands, "ARG"):
        name = argument.partition("=")[0]

        assert f"${{{name}}}" in path.read_text() or "SOURCE_DATE_EPOCH" == name


def test_labels_name_the_image_and_the_version_of_the_project(path, commands):
    labels = pairs(commands, "LABEL")

    assert f"slipway-{path.stem}" == labels["org.opencontainers.image.title"]
    assert PROJECT["project"]["license"] == labels["org.opencontainers.image.licenses"]
    assert (f"VERSION={PROJECT['project']['version']}",) in values(commands, "ARG")


def test_what_is_copied_exists_and_is_sent_to_the_builder(commands):
    for source in copied_from_the_repository(commands):
        assert (ROOT / source).exists()
        assert not IGNORED.match_file(source)


def test_every_package_of_the_wheel_is_copied(commands):
    packages = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]

    assert set(packages) <= set(copied_from_the_repository(commands))


@pytest.mark.parametrize(
    "kept_out",
    [
        ".git/config",
        ".venv/bin/python",
        "model_repository/mnist/2/model.onnx",
        "runs/mnist/card.html",
        "slipway/__pycache__/errors.pyc",
    ],
)
def test_builder_is_not_sent_what_no_image_needs(kept_out):
    assert IGNORED.match_file(kept_out)


def test_gpu_lock_is_the_cpu_lock_with_another_tensorflow_and_the_libraries_it_needs():
    cpu, gpu = pinned("training.txt"), pinned("training-gpu.txt")
    libraries = {name for name in gpu if re.fullmatch(r"nvidia-\w+(-\w+)*-cu\d+", name)}

    assert cpu.pop("tensorflow-cpu") == gpu.pop("tensorflow")
    assert {"nvidia-cudnn-cu12", "nvidia-cublas-cu12", "nvidia-nccl-cu12"} <= libraries
    assert cpu == {name: version for name, version in gpu.items() if name not in libraries}


def test_build_tools_are_those_of_the_desk():
    dev = pinned("dev.txt")

    assert pinned("build.txt")
    assert {name: dev[name] for name in pinned("build.txt")} == pinned("build.txt")
