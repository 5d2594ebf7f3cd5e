"""Whose metrics they are: pages of servers that count our requests, somebody else's, or none."""

import itertools
from functools import partial

import pytest

from loadtest.engine.metrics_page import SUCCESS, Counts, MetricsUnreadable, disagreement, read_scrape
from loadtest.engine.metrics_page import whose as whose_metrics

whose = partial(whose_metrics, patience_s=0.3)
PAGE = """\
# HELP nv_inference_request_success Number of successful inference requests, all batch sizes
# TYPE nv_inference_request_success counter
nv_inference_request_success{{model="mnist",version="3"}} {}
nv_inference_request_failure{{model="mnist",reason="OTHER",version="3"}} 2
nv_gpu_utilization{{gpu_uuid="GPU-1"}} 0.5
go_goroutines 12
"""


class Server:
    """Answers; its page moves by itself at each look where others use it."""

    def __init__(self, *, others=0):
        self.count, self._others = 5, others

    def ask(self, count):
        self.count += count

    def scrape(self):
        self.count += self._others
        return read_scrape(PAGE.format(self.count), model="mnist", version="3")


def test_the_metrics_of_the_server_that_answers_are_believed():
    server = Server()

    assert "" == whose(server.scrape, server.ask)


def test_the_metrics_of_an_idle_neighbour_are_not_believed():
    asked, neighbour = Server(), Server()

    assert "and they counted 0: they belong to another server" in whose(neighbour.scrape, asked.ask)


def test_the_metrics_of_a_busy_neighbour_are_not_believed():
    asked, neighbour = Server(), Server(others=40)

    assert "while this process sends none" in whose(neighbour.scrape, asked.ask)


def test_one_replica_of_several_is_not_believed():
    turns = itertools.count()
    replicas = [Server(), Server()]

    def ask(count):
        for _ in range(count):
            replicas[next(turns) % 2].ask(1)

    assert "the target has several replicas" in whose(replicas[0].scrape, ask)


@pytest.mark.parametrize(
    ("counted", "counts", "words"),
    [
        (2_000, Counts(answered=2_000, sent=2_000, edge=10), ""),
        (1_900, Counts(answered=2_000, sent=2_000, edge=10), ""),
        (0, Counts(answered=2_000, sent=2_000, edge=10), "counted 0 requests and answered 2,000"),
        (0, Counts(answered=8, sent=8, edge=1), "counted 0 requests and answered 8"),
        (900, Counts(answered=2_000, sent=2_000, edge=10), "several replicas"),
        (5_000, Counts(answered=2_000, sent=2_000, edge=10), "other clients use the target too"),
        (2_900, Counts(answered=1_000, sent=3_000, edge=10), ""),
        (5_000, Counts(answered=2_000, sent=None, edge=10), ""),
    ],
    ids=["all", "edges", "none", "none of few", "half", "more", "late ones", "a part was lost"],
)
def test_what_the_server_counted_is_compared_with_what_was_sent(counted, counts, words):
    said = disagreement(counted, counts)

    assert words in said
    assert bool(words) == bool(said)


def test_counters_are_those_of_one_version():
    page = PAGE.format(7) + 'nv_inference_request_success{model="mnist",version="2"} 100\n'
    scrape = read_scrape(page, model="mnist", version="3")

    assert 7 == scrape.success == scrape.counters[SUCCESS]
    assert {"OTHER": 2} == scrape.failures
    assert {"GPU-1": {"utilization": 0.5}} == scrape.gpus


@pytest.mark.parametrize(
    ("page", "words", "answered"),
    [
        ("<html><body>Please log in</body></html>", "expected Triton's metrics", False),
        ("", "expected Triton's metrics", False),
        ("go_goroutines 12\n", "expected Triton's metrics", False),
        ('nv_inference_request_success{model="mnist"', "expected Prometheus' text format", False),
        ("nv_inference_request_success{model=mnist} x\n", "expected Prometheus' text format", False),
        (PAGE.format("NaN"), "do not contain model 'mnist' version 3", True),
        (PAGE.format(7).replace("mnist", "other"), "do not contain model 'mnist' version 3", True),
        (PAGE.format(7).replace('"3"', '"2"'), "do not contain model 'mnist' version 3", True),
    ],
    ids=["login page", "empty", "another program", "cut", "garbage", "no number", "another model", "another version"],
)
def test_a_page_that_tells_nothing_of_the_version_says_so(page, words, answered):
    with pytest.raises(MetricsUnreadable, match=words) as told:
        read_scrape(page, model="mnist", version="3")

    assert answered == told.value.answered
