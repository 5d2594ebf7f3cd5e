import os
import re
import shutil
import signal
import socket
import subprocess

import httpx
import pytest
import tritonclient.grpc as triton_grpc

from slipway.triton import addresses_from_outside
from tests.integration.serve_command import ANY_PORTS, child_of, refused, serving

pytestmark = pytest.mark.triton


def test_panel_names_the_model_and_its_commands_work(published_repository):
    with serving(published_repository, "--model", "mnist") as (command, panel, urls):
        ready = subprocess.run(
            re.search(r"curl -i (\S+)", panel)[0].split(),
            env=os.environ | {"no_proxy": "127.0.0.1"},  # curl asks a proxy of the environment otherwise
            capture_output=True,
            text=True,
            check=True,
        )
        metrics = httpx.get(urls["metrics"], trust_env=False).text
        command.send_signal(signal.SIGINT)
        _, complaint = command.communicate()

    assert re.search(r"model +mnist, version 1", panel)
    assert f"slipway predict digit.png --url {urls['gRPC']} --model mnist" in panel
    assert ready.stdout.startswith("HTTP/1.1 200")
    assert "nv_inference_request_success" in metrics
    assert (0, "") == (command.returncode, complaint)


def test_the_key_is_printed_on_request_and_opens_what_is_closed(published_repository):
    with serving(published_repository, "--print-admin-key") as (_, panel, urls):
        name, value = re.search(r"HTTP header: (\S+): (\S+)", panel).groups()
        grpc_name, grpc_value = re.search(r"gRPC metadata: (\S+): (\S+)", panel).groups()
        with httpx.Client(base_url=urls["HTTP"], trust_env=False) as client:
            answers = [client.get("/v2/logging", headers=headers).status_code for headers in ({}, {name: value})]
        with triton_grpc.InferenceServerClient(urls["gRPC"].removeprefix("grpc://")) as client:
            index = client.get_model_repository_index(headers={grpc_name: grpc_value})

    assert [403, 200] == answers
    assert ["mnist"] == [model.name for model in index.models]


def test_a_server_for_every_interface_says_who_reaches_it_and_keeps_its_key_to_itself(published_repository):
    addresses = addresses_from_outside("0.0.0.0")
    with serving(published_repository, "--address", "0.0.0.0") as (command, panel, urls):
        command.send_signal(signal.SIGTERM)
        said, complaint = command.communicate()

    assert urls["HTTP"].startswith("http://127.0.0.1:")
    assert bool(addresses) == complaint.startswith("warning: other machines can reach this server at ")
    assert all(address in complaint for address in addresses)
    assert "admin" not in panel + said + complaint


def test_without_restarts_a_server_that_dies_ends_the_command_with_its_reason(published_repository):
    with serving(published_repository, "--restarts", "0") as (command, _, _):
        os.kill(child_of(command.pid), signal.SIGKILL)
        _, complaint = command.communicate()

    assert complaint.startswith("error: tritonserver was killed by SIGKILL ")
    assert 1 == command.returncode


def test_a_changed_file_is_not_served(own_repository):
    with (own_repository / "mnist" / "1" / "model.onnx").open("r+b") as model:
        model.seek(100)
        model.write(b"!")
    result = refused(own_repository)

    assert 1 == result.returncode
    assert re.match(r"error: .*model\.onnx", result.stderr)


def test_a_damaged_model_is_named_and_the_others_are_served(own_repository):
    shutil.copytree(own_repository / "mnist", own_repository / "letters")
    (own_repository / "letters" / "1" / "model.onnx").write_bytes(b"damaged")
    with serving(own_repository) as (command, panel, _):
        command.send_signal(signal.SIGINT)
        _, complaint = command.communicate()

    assert re.search(r"model +mnist, version 1", panel)
    assert "letters" not in panel
    assert complaint.startswith("warning: not served: model 'letters': ")
    assert 0 == command.returncode


def test_a_taken_port_is_one_line_and_exit_code_1(published_repository):
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        result = refused(published_repository, *ANY_PORTS, "--http-port", str(taken))

    assert 1 == result.returncode
    assert result.stderr.startswith(f"error: http port {taken} on 127.0.0.1 is taken: choose another")
    assert 1 == result.stderr.count("\n")


def test_nothing_published_says_what_publishes(tmp_path):
    result = refused(tmp_path)

    assert (2, "") == (result.returncode, result.stdout)
    assert f"error: no model in {tmp_path} has a published version; `slipway train` publishes one\n" == result.stderr


def test_print_command_starts_nothing_and_wants_no_free_port(published_repository):
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        result = refused(published_repository, *ANY_PORTS, "--print-command", "--http-port", str(taken))

    assert 0 == result.returncode
    assert f"--http-port={taken}" in result.stdout
    assert result.stdout.startswith("env ")
