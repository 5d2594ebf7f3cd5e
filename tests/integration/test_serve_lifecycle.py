import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress

import httpx
import pytest

import slipway.triton._launch
from slipway.triton import (
    BackendDied,
    NotReadyInTime,
    PortTaken,
    ServerDied,
    ServerSettings,
    TritonServer,
    prepare,
    prepare_to_print,
)
from tests.integration.server_processes import group_of, shared_memory_of, stubs_of
from tests.waiting import eventually

pytestmark = pytest.mark.triton

PROCESSES = {"native": 0, "python": 2}  # of a backend for the two instances, besides tritonserver's


def assert_nothing_is_left(pid, regions):
    eventually(lambda: not group_of(pid))

    assert [] == [region for region in regions if region.exists()]


@contextmanager
def started(settings):
    """A server that is not drained at the end, which would take three seconds."""
    server = TritonServer(settings)
    server.start()
    try:
        yield server
    finally:
        os.kill(server.pid, signal.SIGKILL)
        server.stop()


@contextmanager
def parent_of_a_server(repository):
    """A process that started a server, and the server's process id."""
    script = (
        "import sys, time, pathlib, slipway.triton as t\n"
        "server = t.TritonServer(t.ServerSettings(repository=pathlib.Path(sys.argv[1])))\n"
        "server.start(); print(server.pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(repository)], stdout=subprocess.PIPE, text=True) as parent:
        yield parent, int(parent.stdout.readline())


def is_ready(http_url):
    return httpx.get(f"{http_url}/v2/models/mnist/ready", trust_env=False).status_code == httpx.codes.OK


def test_a_stopped_server_answers_nothing_and_leaves_nothing(published_repository, tmp_path, backend):
    server = TritonServer(ServerSettings(repository=published_repository, log_file=tmp_path / "triton.log"))
    with server:
        pid, group = server.pid, group_of(server.pid)
        regions = shared_memory_of(group)

        assert 1 + PROCESSES[backend] == len(group)
        assert [True] * PROCESSES[backend] == [region.exists() for region in regions]
        assert is_ready(server.http_url)

    with pytest.raises(httpx.ConnectError):
        is_ready(server.http_url)
    assert 0 == server.stop() == server.poll()
    assert_nothing_is_left(pid, regions)
    assert "successfully unloaded 'mnist'" in (tmp_path / "triton.log").read_text()
    assert "successfully unloaded 'mnist'" in server.log_tail()


def test_nothing_outlives_a_killed_parent(published_repository, backend):
    with parent_of_a_server(published_repository) as (parent, pid):
        group = group_of(pid)
        parent.kill()

    assert 1 + PROCESSES[backend] == len(group)
    try:
        assert_nothing_is_left(pid, shared_memory_of(group))
    finally:
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


@pytest.mark.usefixtures("python_backend")
def test_the_next_start_ends_a_backend_process_that_a_killed_server_left(published_repository, tmp_path, monkeypatch):
    monkeypatch.setenv("SLIPWAY_CACHE", str(tmp_path))
    with parent_of_a_server(published_repository) as (parent, pid):
        regions = shared_memory_of(group_of(pid))
        unaware, _ = stubs_of(pid)
        os.kill(unaware, signal.SIGSTOP)  # as one that is only being started, it does not see its server end
        parent.kill()
    try:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: [unaware] == list(group_of(pid)))
        with started(ServerSettings(repository=published_repository)) as server:
            assert is_ready(server.http_url)

        assert_nothing_is_left(pid, regions)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


def test_server_outlives_the_thread_that_started_it_and_stands_beside_another(published_repository, triton_server):
    server = TritonServer(ServerSettings(repository=published_repository))
    thread = threading.Thread(target=server.start)
    thread.start()
    thread.join()
    time.sleep(0.2)  # a signal to the server would be there by now
    try:
        assert server.poll() is None
        assert is_ready(server.http_url)
        assert is_ready(triton_server.http_url)
        assert server.http_url != triton_server.http_url
    finally:
        os.kill(server.pid, signal.SIGKILL)
        server.stop()


@pytest.mark.usefixtures("backend")
def test_a_model_py_where_one_happens_to_be_is_not_taken_for_the_backend(published_repository, tmp_path, monkeypatch):
    (tmp_path / "model.py").write_text("raise ImportError('the wrong model.py')")
    monkeypatch.chdir(tmp_path)

    with started(ServerSettings(repository=published_repository)) as server:
        assert is_ready(server.http_url)


@pytest.mark.usefixtures("backend")
def test_a_killed_server_is_noticed_and_its_stubs_go_too(published_repository):
    with TritonServer(ServerSettings(repository=published_repository)) as server:
        group = group_of(server.pid)
        os.kill(server.pid, signal.SIGKILL)
        with pytest.raises(ServerDied, match=r"^tritonserver was killed by SIGKILL .*: ") as caught:
            server.wait()

        assert -signal.SIGKILL == caught.value.exit_code == server.poll()
        assert_nothing_is_left(server.pid, shared_memory_of(group))


@pytest.mark.usefixtures("python_backend")
def test_a_killed_backend_process_is_noticed_and_the_server_that_lost_it_ends(published_repository):
    with TritonServer(ServerSettings(repository=published_repository)) as server:
        group = group_of(server.pid)
        lost, _ = stubs_of(server.pid)
        os.kill(lost, signal.SIGKILL)
        with pytest.raises(BackendDied, match=rf"^a backend process of tritonserver \({lost}\) was killed by SIGKILL"):
            server.wait()

        assert server.poll() is None
    assert_nothing_is_left(server.pid, shared_memory_of(group))


def test_a_restarted_server_has_the_same_files_ports_and_key(own_repository):
    with TritonServer(ServerSettings(repository=own_repository)) as server:
        before = (server.http_url, server.grpc_url, server.metrics_url, server.admin, server.models())
        (own_repository / "mnist" / "1" / "model.onnx").write_bytes(b"swapped")
        in_hand = server._launch.activity / "left"
        in_hand.write_bytes(bytes([1, 0, 0, 0, 0, 0, 0, 0]))
        os.kill(server.pid, signal.SIGKILL)
        server.restart()

        assert before == (server.http_url, server.grpc_url, server.metrics_url, server.admin, server.models())
        assert is_ready(server.http_url)
        assert not in_hand.exists(), "it would keep the next drain for as long as the server may take"


def test_a_free_port_that_is_lost_before_its_use_is_replaced(published_repository, monkeypatch):
    choose_ports = slipway.triton._launch.choose_ports
    with socket.create_server(("127.0.0.1", 0)) as other:
        lost = other.getsockname()[1]
        chosen = []

        def slow_choice(settings):
            ports = choose_ports(settings)
            chosen.append(ports)
            return type(ports)(http=lost, grpc=ports.grpc, metrics=ports.metrics) if len(chosen) == 1 else ports

        monkeypatch.setattr("slipway.triton._launch.choose_ports", slow_choice)
        with started(ServerSettings(repository=published_repository)) as server:
            assert 2 == len(chosen)
            assert is_ready(server.http_url)


def test_a_given_port_that_is_taken_is_named_before_anything_starts(published_repository):
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        server = TritonServer(ServerSettings(repository=published_repository, grpc_port=taken))
        with pytest.raises(PortTaken, match=rf"^grpc port {taken} on 127\.0\.0\.1 is taken") as caught:
            server.start()

    assert taken == caught.value.port
    assert not server.log_tail()


def test_an_argument_that_tritonserver_does_not_know_is_the_reason(published_repository):
    with pytest.raises(ServerDied, match=r"ended with code 1: unrecognized option '--no-such-option'"):
        TritonServer(ServerSettings(repository=published_repository, extra_args=("--no-such-option",))).start()


@pytest.mark.parametrize("and_then", ["exec sleep 600", "trap '' TERM; sleep 600; sleep 600"], ids=["slow", "deaf"])
def test_a_server_that_never_gets_ready_is_given_up_and_ended(published_repository, tmp_path, monkeypatch, and_then):
    monkeypatch.setattr("slipway.triton._drain._EXIT_MARGIN_S", 0.2)
    program = tmp_path / "tritonserver"
    program.write_text(f'#!/bin/sh\necho "I am $$, and still thinking"\n{and_then}\n')
    program.chmod(0o755)
    server = TritonServer(
        ServerSettings(repository=published_repository, tritonserver=program, ready_timeout_s=0.5, exit_timeout_s=0)
    )
    with pytest.raises(NotReadyInTime, match=r"^mnist not ready within 0\.5 s (?s:.*) still thinking$") as caught:
        server.start()

    eventually(lambda: not group_of(int(str(caught.value).rpartition("I am ")[2].split(",")[0])))


@pytest.mark.usefixtures("backend")
def test_a_tritonserver_of_the_system_serves_the_same_repository(published_repository, tmp_path):
    embedded = prepare(ServerSettings(repository=published_repository), tmp_path / "embedded")
    (backends,) = (word.partition("=")[2] for word in embedded.command if word.startswith("--backend-directory="))
    (tmp_path / "bin").mkdir()
    (tmp_path / "backends").symlink_to(backends)
    program = tmp_path / "bin" / "tritonserver"
    variables = "".join(f"export {name}='{value}'\n" for name, value in embedded.environment.items())
    program.write_text(f'#!/bin/sh\n{variables}cd {embedded.directory or "/"}\nexec {embedded.command[0]} "$@"\n')
    program.chmod(0o755)
    settings = ServerSettings(repository=published_repository, tritonserver=program)

    command = prepare(settings, tmp_path / "system").command

    assert f"--backend-directory={tmp_path / 'backends'}" in command
    assert "--allow-gpu-metrics=false" not in command
    with started(settings) as server:
        assert is_ready(server.http_url)


@pytest.mark.usefixtures("backend")
def test_the_printed_command_starts_the_same_server(published_repository, tmp_path, monkeypatch):
    monkeypatch.setenv("SLIPWAY_CACHE", str(tmp_path))
    launch = prepare_to_print(ServerSettings(repository=published_repository))
    url = f"http://127.0.0.1:{launch.ports.http}"

    def answers():
        try:
            return is_ready(url)
        except httpx.TransportError:
            return False

    with subprocess.Popen(
        ["/bin/sh", "-c", f"exec {launch.shell_command()}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            eventually(answers)
        finally:
            process.terminate()

    assert 0 == process.returncode
