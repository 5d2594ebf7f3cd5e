"""What a real tritonserver is shown of a repository."""

import os
import subprocess
from pathlib import Path

import httpx
import pytest

from slipway.triton import ModelNotServable, ServerSettings, TritonServer
from tests.integration.server_processes import group_of

pytestmark = pytest.mark.triton

STRANGERS = ("triton_python_backend_stub", "model.py", "libtriton_onnxruntime.so", "triton_python_backend_utils.py")


def view_of(server):
    (words,) = (words for words in group_of(server.pid).values() if words[0].endswith("/tritonserver"))
    (folder,) = (word.partition("=")[2] for word in words if word.startswith("--model-repository="))
    return Path(folder)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("verify", [True, False], ids=["verified", "not verified"])
def test_files_that_nobody_published_are_neither_shown_nor_run(own_repository, tmp_path, verify):
    """Triton runs a stub that lies in the model's folder in place of its own, and looks there for code."""
    proof = tmp_path / "executed"
    for name in STRANGERS:
        stranger = own_repository / "mnist" / name
        stranger.write_text(f"#!/bin/sh\necho run > {proof}\n")
        stranger.chmod(0o755)
    with TritonServer(ServerSettings(repository=own_repository, verify=verify)) as server:
        shown = {path.relative_to(view_of(server)).as_posix() for path in view_of(server).rglob("*")}

    assert not proof.exists()
    assert {
        "mnist",
        "mnist/1",
        "mnist/1/model.onnx",
        "mnist/1/publication.json",
        "mnist/config.pbtxt",
        "mnist/configs",
        "mnist/configs/gpu.pbtxt",
        "mnist/labels.txt",
    } == shown
    assert not server.poll()


def test_nobody_else_enters_what_is_served_and_it_is_gone_at_the_end(published_repository):
    with TritonServer(ServerSettings(repository=published_repository)) as server:
        folder = view_of(server)

        assert 0o700 == folder.parent.stat().st_mode & 0o777
        assert os.getuid() == folder.parent.stat().st_uid
    assert not folder.parent.exists()


def test_what_is_swapped_after_the_check_does_not_reach_the_server(own_repository):
    """A restart, too, loads the bytes that were verified."""
    with TritonServer(ServerSettings(repository=own_repository)) as server:
        model = own_repository / "mnist" / "1" / "model.onnx"
        published = model.read_bytes()
        model.write_bytes(b"swapped")
        (own_repository / "mnist" / "config.pbtxt").write_text('backend: "python"')
        server.restart()

        assert published == (view_of(server) / "mnist" / "1" / "model.onnx").read_bytes()
        assert httpx.codes.OK == httpx.get(f"{server.http_url}/v2/models/mnist/ready", trust_env=False).status_code


def test_a_damaged_newest_version_is_passed_over_and_named(own_repository):
    subprocess.run(["cp", "-r", own_repository / "mnist" / "1", own_repository / "mnist" / "2"], check=True)
    (own_repository / "mnist" / "2" / "model.onnx").write_bytes(b"damaged")
    with TritonServer(ServerSettings(repository=own_repository)) as server:
        (model,) = server.models()
        (skipped,) = server.skipped

    assert (1,) == model.versions
    assert "model.onnx is changed" in skipped


def test_the_embedded_server_runs_no_python_model(own_repository):
    (own_repository / "mnist" / "config.pbtxt").write_text('backend: "python" max_batch_size: 1')
    with pytest.raises(ModelNotServable, match=r'got backend: "python"\. The server that comes with Slipway'):
        TritonServer(ServerSettings(repository=own_repository, verify=False)).start()
