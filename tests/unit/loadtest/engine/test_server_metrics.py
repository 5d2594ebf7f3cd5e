"""The server's side of a run: a real metrics page and real processes, watched as a run watches them."""

import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from loadtest.engine.metrics_page import Counts
from loadtest.engine.server_metrics import ServerWatch
from loadtest.errors import TargetError

PAGE = """\
# TYPE nv_inference_request_success counter
nv_inference_request_success{{model="mnist",version="3"}} {requests}
nv_inference_request_failure{{model="mnist",version="3",reason="CANCELED"}} {failures}
nv_inference_request_failure{{model="mnist",version="3",reason="OTHER"}} 7
nv_inference_count{{model="mnist",version="3"}} {inferences}
nv_inference_exec_count{{model="mnist",version="3"}} {executions}
nv_inference_queue_duration_us{{model="mnist",version="3"}} {queue_us}
nv_inference_request_duration_us{{model="mnist",version="3"}} {request_us}
nv_inference_request_duration_us{{model="other",version="3"}} 5000000
nv_gpu_utilization{{gpu_uuid="GPU-1"}} {utilization}
"""


class Counters:
    """Counts as a server does: each request has two images and takes three milliseconds, one of them in the queue."""

    def __init__(self):
        self.requests, self.failures, self.executions, self.utilization = 50, 1, 50, 0.2
        self.broken = None
        self.url = ""

    def ask(self, count):
        self.requests += count
        self.executions += count / 2

    def text(self):
        return self.broken or PAGE.format(
            requests=self.requests,
            failures=self.failures,
            inferences=2 * self.requests,
            executions=self.executions,
            queue_us=1_000 * self.requests,
            request_us=3_000 * self.requests,
            utilization=self.utilization,
        )


@pytest.fixture
def counters():
    counted = Counters()

    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            content = counted.text().encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_words):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    counted.url = f"http://127.0.0.1:{server.server_port}/metrics"
    yield counted
    server.shutdown()
    thread.join()
    server.server_close()


def watch(url, *, port=None):
    return ServerWatch(url, model="mnist", version="3", port=port)


def sent(count):
    return Counts(answered=count, sent=count, edge=0)


def test_figures_are_what_the_counters_moved_by_in_the_window(counters):
    watched = watch(counters.url)
    watched.prepare(counters.ask)
    watched.begin()
    counters.ask(1_000)
    counters.failures, counters.utilization = 4, 0.8
    seen = watched.end(window_s=10.0, counts=sent(1_000))

    assert ((), "") == (tuple(watched.notes), watched.doubt)
    assert (1_000, 2_000, 500, 4.0) == (seen.requests, seen.inferences, seen.executions, seen.mean_batch)
    assert {"CANCELED": 3} == seen.failures, "those of before the run are not of the run"
    assert (1_000.0, 3_000.0) == (seen.queue_us, seen.request_us)
    assert pytest.approx(0.3) == seen.in_flight, "1,000 requests of 3 ms in ten seconds"
    assert {"GPU-1": {"utilization": pytest.approx(0.5)}} == seen.gpus


def test_a_window_without_a_request_has_figures_of_nothing(counters):
    watched = watch(counters.url)
    watched.prepare(counters.ask)
    watched.begin()
    seen = watched.end(window_s=10.0, counts=sent(0))

    assert (0, 0.0, 0.0, 0.0) == (seen.requests, seen.mean_batch, seen.request_us, seen.in_flight)


def test_counters_of_another_server_are_left_out_and_named(counters):
    watched = watch(counters.url)
    watched.prepare(lambda _count: None)
    watched.begin()

    assert None is watched.end(window_s=1.0, counts=sent(10))
    assert "they belong to another server" in watched.doubt
    assert "set the target's own with --metrics-url" in watched.doubt
    assert [watched.doubt] == watched.notes


def test_metrics_of_another_model_are_another_servers(counters):
    counters.broken = 'nv_inference_request_success{model="other",version="3"} 5\n'
    watched = watch(counters.url)
    watched.prepare(counters.ask)

    assert "they do not contain model 'mnist' version 3: they belong to another server" in watched.doubt


def test_a_target_that_does_not_answer_meanwhile_leaves_them_out(counters):
    def refuse(_count):
        raise TargetError("connection failed")

    watched = watch(counters.url)
    watched.prepare(refuse)

    assert "the target did not answer while they were checked: connection failed" in watched.doubt


def test_a_server_that_was_started_again_in_the_run_is_noticed(counters):
    watched = watch(counters.url)
    watched.prepare(counters.ask)
    watched.begin()
    counters.requests = 3

    assert None is watched.end(window_s=1.0, counts=sent(3))
    assert "the server was restarted" in watched.doubt


def test_requests_of_others_are_noticed_at_the_end(counters):
    watched = watch(counters.url)
    watched.prepare(counters.ask)
    watched.begin()
    counters.ask(5_000)

    assert None is watched.end(window_s=1.0, counts=sent(1_000))
    assert "the server counted 5,000 requests and this run sent 1,000" in watched.doubt


@pytest.mark.parametrize(
    ("url", "words"),
    [("http://127.0.0.1:1/metrics", "Connection refused"), ("ftp://127.0.0.1/metrics", "expected"), (None, "")],
    ids=["nobody", "no HTTP", "not asked"],
)
def test_metrics_that_cannot_be_had_are_a_note_and_end_no_run(url, words):
    watched = watch(url)
    watched.prepare(lambda _count: None)
    watched.begin()

    assert None is watched.end(window_s=1.0, counts=sent(10))
    assert "" == watched.doubt
    assert words in " ".join(watched.notes)
    assert (1 if url else 0) == len(watched.notes)


def test_a_page_that_breaks_in_the_run_is_a_note(counters):
    watched = watch(counters.url)
    watched.prepare(counters.ask)
    watched.begin()
    counters.broken = "<html>login</html>"

    assert None is watched.end(window_s=1.0, counts=sent(0))
    assert f"the server's metrics were not read at {counters.url}: expected Triton's metrics" in watched.notes[0]


SERVER = """
import os, socket, subprocess, sys
os.sched_setaffinity(0, {int(sys.argv[1])})
listening = socket.create_server(("127.0.0.1", 0))
backend = subprocess.Popen([sys.executable, "-I", "-S", "-c", "while True: sum(range(1000))"])
print(listening.getsockname()[1], backend.pid, flush=True)
try:
    sys.stdin.read()
finally:
    backend.kill()
    backend.wait()
"""


@pytest.fixture
def listening(tmp_path):
    """Start a program of a name that listens, with a busy child: `listening("tritonserver")` is its port."""
    running = []

    def start(name):
        program = tmp_path / name
        program.symlink_to(os.path.realpath(sys.executable))
        process = subprocess.Popen(
            [program, "-I", "-S", "-c", SERVER, str(min(os.sched_getaffinity(0)))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return int(process.stdout.readline().split()[0])

    yield start
    for process in running:
        process.communicate(timeout=20)


@pytest.mark.skipif(os.cpu_count() < 2, reason="one core: to be bound to it is to be bound to none")
def test_a_server_on_this_machine_is_watched_with_what_it_started(counters, listening):
    watched = watch(counters.url, port=listening("tritonserver"))
    watched.prepare(counters.ask)
    watched.begin()
    used = 0.0
    for number in range(2_000):
        watched.sample(second=float(number))
        used = max(used, watched._usage[-1].cpu_cores)
        if used > 0:
            break
    seen = watched.end(window_s=1.0, counts=sent(0))

    assert watched.here
    assert frozenset({min(os.sched_getaffinity(0))}) == watched.bound_cores
    assert used > 0, "the child of the server is busy"
    assert seen.usage[0].memory_bytes > 1_000_000


def test_what_only_forwards_the_port_is_not_the_server(listening):
    watched = watch(None, port=listening("kubectl"))
    watched.prepare(lambda _count: None)
    watched.sample(second=0.0)

    assert not watched.here
    assert frozenset() == watched.bound_cores
