"""What stands for an image on this machine."""

import subprocess
from pathlib import Path

import pytest

from rehearsal.cluster.node_agent.image_programs import ImagePrograms, ImageUnknown, tritonserver_script
from slipway.triton import Program


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("nvcr.io/nvidia/tritonserver:26.07-py3", ()),
        ("host:5000/tritonserver@sha256:abc", ()),
        ("slipway-client:0.1.0", ("slipway",)),
        ("host/team/slipway-client", ("slipway",)),
    ],
)
def test_images_have_a_program_of_this_machine(image, expected):
    assert expected == ImagePrograms(folder=Path("/bin")).entrypoint(image)


def test_other_images_cannot_be_pulled_and_it_says_what_can():
    with pytest.raises(ImageUnknown, match=r'"nginx:1".* tritonserver and slipway-client only'):
        ImagePrograms(folder=Path("/bin")).entrypoint("nginx:1")


def test_a_machine_without_tritonserver_says_so():
    with pytest.raises(ImageUnknown, match=r"there is none here"):
        ImagePrograms(folder=Path("/bin"), missing="there is none here").entrypoint("tritonserver")


def test_a_tritonserver_with_the_slower_backend_is_in_the_agents_log(tmp_path, monkeypatch, caplog):
    program = Program(
        executable=tmp_path / "tritonserver",
        backends=None,
        environment={},
        directory=None,
        gpu_metrics=False,
        fallback="the Python backend runs the models",
    )
    monkeypatch.setattr("rehearsal.cluster.node_agent.image_programs.find_program", lambda: program)
    ImagePrograms.install(tmp_path)

    assert ["the Python backend runs the models"] == caplog.messages


def test_the_start_script_replaces_what_this_machine_decides(tmp_path):
    printer = tmp_path / "print"
    printer.write_text('#!/bin/sh\nprintf "%s\\n" "$PWD" "$LD_LIBRARY_PATH" "$@"\n')
    printer.chmod(0o755)
    (tmp_path / "backend's").mkdir()
    program = Program(
        executable=printer,
        backends=Path("/back ends"),
        environment={"LD_LIBRARY_PATH": "/lib with space"},
        directory=tmp_path / "backend's",
        gpu_metrics=False,
    )
    script = tmp_path / "tritonserver"
    script.write_text(tritonserver_script(program))
    given = ["--http-port=8080", "--allow-gpu-metrics=true", "--http-address=0.0.0.0", "--load-model=a b"]
    variables = {"SLIPWAY_POD_ADDRESS": "127.64.1.1", "SLIPWAY_SHARED_MEMORY": "slipway-x-"}
    said = subprocess.run(
        ["bash", script, *given], env=variables, capture_output=True, text=True, check=True
    ).stdout.splitlines()

    assert [
        str(tmp_path / "backend's"),
        "/lib with space",
        "--http-port=8080",
        "--load-model=a b",
        "--backend-directory=/back ends",
        "--allow-gpu-metrics=false",
        "--http-address=127.64.1.1",
        "--grpc-address=127.64.1.1",
        "--metrics-address=127.64.1.1",
        "--backend-config=python,shm-region-prefix-name=slipway-x-",
    ] == said
