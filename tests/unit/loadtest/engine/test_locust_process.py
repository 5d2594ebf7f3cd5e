"""The load generator's process and its workers, as the command line follows them: every wait ends."""

import os
import signal
import subprocess
import sys
import threading

import psutil
import pytest

from loadtest.engine.locust_process import LocustProcess
from loadtest.engine.request import RunRequest
from loadtest.errors import GeneratorError
from slipway.platform.sessions import end_session
from tests.unit.loadtest_results import scenario

SECRET = "s3cret-value"
FAKE = """
import json, os, signal, subprocess, sys, time
tell = lambda **message: os.write(int(sys.argv[-1]), json.dumps(message).encode() + b"\\n")
helper = lambda: subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], close_fds=False)
"""


@pytest.fixture
def locust(tmp_path, monkeypatch):
    """`locust(program, **bounds)`: a process that tells what the program says, in Locust's place."""

    def start(program, **bounds):
        package = tmp_path / "locust"
        package.mkdir()
        (package / "__init__.py").touch()
        (package / "__main__.py").write_text(FAKE + program)
        others = [os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else []  # an empty entry is the folder here
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *others]))
        request = RunRequest(
            name="smoke",
            scenario=scenario(target={"headers": {"X-Key": SECRET}}),
            repository=tmp_path,
            report_dir=None,
            junit=None,
            command="slipway loadtest smoke",
        )
        return LocustProcess(request, **bounds)

    return start


def test_a_request_that_cannot_be_handed_over_is_refused_in_one_line(tmp_path):
    request = RunRequest(
        name="smoke",
        scenario=scenario(),
        repository=tmp_path,
        report_dir=tmp_path / "not-utf-8-\udcff",
        junit=None,
        command="slipway loadtest smoke",
    )

    with pytest.raises(GeneratorError, match="the load generator could not be started"), LocustProcess(request):
        pass


def session_of(leader):
    pids = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                pids.append(process.pid)
        except (psutil.Error, ProcessLookupError):
            continue
    return pids


def test_what_lies_in_the_working_folder_is_not_taken_for_the_generator(locust, tmp_path, monkeypatch):
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "locust.py").write_text("raise SystemExit('the locust.py of the working folder')")
    (folder / "loadtest").mkdir()
    (folder / "loadtest" / "__init__.py").write_text("raise SystemExit('the loadtest of the working folder')")
    monkeypatch.chdir(folder)

    with locust("import loadtest; tell(report='x', exit_code=0)") as run:
        messages = list(run.messages())

    assert [{"report": "x", "exit_code": 0}] == messages


def test_the_request_arrives_whole_and_nothing_of_it_stands_on_the_command_line(locust):
    program = """
descriptor = int(sys.argv[sys.argv.index("--request-fd") + 1])
tell(arguments=sys.argv, request=os.read(descriptor, 1 << 20).decode(), links=os.fstat(descriptor).st_nlink)
tell(report='x', exit_code=0)
"""
    with locust(program) as run:
        told = next(run.messages())
        list(run.messages())
        request = run._request

    assert request == RunRequest.model_validate_json(told["request"])
    assert {"X-Key": SECRET} == request.scenario.target.headers
    assert not [word for word in told["arguments"] if SECRET in word or "smoke" in word]
    assert 0 == told["links"], "others can open it by its name"


def test_a_leader_that_dies_and_leaves_workers_with_its_messages_open_is_not_waited_for(locust):
    with locust("helper(); sys.exit('no more')") as run:
        leader = run._process.pid
        with pytest.raises(GeneratorError, match="ended with code 1 before its report; its output:\n  no more"):
            list(run.messages())

    assert [] == session_of(leader)


def test_workers_of_a_run_that_was_completed_do_not_outlive_it(locust):
    with locust("helper(); tell(second=1); tell(report='x', exit_code=0)") as run:
        leader = run._process.pid
        told = list(run.messages())

    assert [{"second": 1}, {"report": "x", "exit_code": 0}] == told
    assert [] == session_of(leader)


def test_a_generator_that_tells_nothing_is_ended_with_that_reason(locust):
    program = "signal.signal(signal.SIGINT, signal.SIG_IGN); tell(second=1); time.sleep(600)"
    with locust(program, silence_s=0.5, stop_s=0.5) as run:
        leader = run._process.pid
        with pytest.raises(GeneratorError, match=r"sent no progress for 0.5 s"):
            list(run.messages())

    assert [] == session_of(leader)


def test_a_generator_that_does_not_heed_the_word_to_end_is_killed(locust):
    program = "signal.signal(signal.SIGINT, signal.SIG_IGN); tell(second=1); time.sleep(600)"
    with locust(program, stop_s=0.5) as run:
        leader, messages = run._process.pid, run.messages()
        first = next(messages)
        told = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM))
        told.start()
        with pytest.raises(GeneratorError, match=r"did not stop within 0.5 s"):
            list(messages)
    told.join()

    assert {"second": 1} == first
    assert [] == session_of(leader)


def test_only_the_session_is_ended():
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    with (
        subprocess.Popen(sleeper, start_new_session=True) as ours,
        subprocess.Popen(sleeper, start_new_session=True) as other,
    ):
        end_session(ours.pid, within_s=0)
        ended = ours.wait(20)
        still = other.poll()
        other.kill()

    assert (-signal.SIGKILL, None) == (ended, still)
