"""A start that does not succeed, with another program in tritonserver's place."""

from pathlib import Path
from types import SimpleNamespace

import pytest

import slipway.triton._server as server_module
from slipway.triton import AdminKey, Launch, Ports, ServerSettings, TritonServer

ENDS_S = 30


@pytest.fixture
def server(tmp_path, monkeypatch):
    """What it starts takes no port and answers nothing."""
    monkeypatch.setenv("SLIPWAY_CACHE", str(tmp_path / "cache"))

    def start(*, models=(), engines=()):
        launch = Launch(
            command=("/bin/sleep", "600"),
            environment={},
            directory=None,
            http_url="http://127.0.0.1:1",
            ports=Ports(http=1, grpc=1, metrics=1),
            models=models,
            skipped=(),
            left_out=(),
            admin=AdminKey(),
            activity=tmp_path / "activity",
            shared_memory=None,
            backend="native",
            fallback="",
            engines=engines,
        )
        monkeypatch.setattr(server_module, "prepare", lambda *_: launch)
        return TritonServer(ServerSettings(repository=tmp_path, ready_timeout_s=0.01))

    return start


def interrupt(*_, **__):
    raise KeyboardInterrupt


def test_an_interrupt_while_a_late_server_is_drained_ends_it(server, monkeypatch, tmp_path):
    processes = []

    def drain(process, *_, **__):
        processes.append(process)
        interrupt()

    monkeypatch.setattr("slipway.triton._running.drain", drain)
    with pytest.raises(KeyboardInterrupt):
        server(models=("mnist",)).start()

    assert -9 == processes[0].wait(ENDS_S)
    assert [] == list(Path(tmp_path, "cache/servers").iterdir())


def test_an_interrupt_while_engines_are_kept_ends_the_server(server):
    processes = []

    def keep():
        processes.append(started._server.process)
        interrupt()

    started = server(engines=(SimpleNamespace(keep=keep),))
    with pytest.raises(KeyboardInterrupt):
        started.start()

    assert -15 == processes[0].wait(ENDS_S)


def test_an_interrupt_before_anything_can_end_the_server_does(server, monkeypatch):
    processes = []

    def stop(running):
        processes.append(running.process)
        running.log.close()
        interrupt()

    monkeypatch.setattr("slipway.triton._running.RunningServer.wait_ready", interrupt)
    monkeypatch.setattr("slipway.triton._running.RunningServer.stop", stop)
    with pytest.raises(KeyboardInterrupt):
        server().start()

    assert -9 == processes[0].wait(ENDS_S)


def test_an_interrupted_stop_ends_the_server_and_removes_its_folder(server, monkeypatch, tmp_path):
    started = server()
    started.start()
    process = started._server.process
    monkeypatch.setattr("slipway.triton._running.drain", interrupt)
    with pytest.raises(KeyboardInterrupt):
        started.stop()

    assert -9 == process.wait(ENDS_S)
    assert [] == list(Path(tmp_path, "cache/servers").iterdir())
