"""How long one measurement is, and whose count of the requests in flight it takes."""

import inspect

import pytest

from loadtest.capacity.probe import LONGEST_S, SHORTEST_S, check_searchable, in_flight, window_s
from loadtest.capacity.search import RESOLUTION
from loadtest.cli import capacity
from loadtest.errors import CapacityError
from tests.unit.loadtest_results import result, scenario, server


@pytest.mark.parametrize(
    ("slo", "rate_rps", "seconds"),
    [
        ({"p99_ms": 50}, 500, 6_085 / 500),
        ({"p99_ms": 50, "p50_ms": 20}, 500, 6_085 / 500),
        ({"p99_ms": 50}, 100_000, SHORTEST_S),
        ({"p99_ms": 50}, 10, LONGEST_S),
    ],
    ids=["p99", "the highest percentile counts", "at least", "at most"],
)
def test_a_measurement_is_as_long_as_its_percentile_needs(slo, rate_rps, seconds):
    assert seconds == window_s(scenario(slo=slo), rate_rps)


def test_a_measurement_can_be_asked_to_be_shorter_but_keeps_its_requests():
    steady = scenario(slo={"p99_ms": 50})

    assert 1 == window_s(steady, 100_000, shortest_s=1)
    assert 6_085 / 500 == window_s(steady, 500, shortest_s=1)


def test_the_command_searches_as_finely_as_is_documented_here():
    options = inspect.signature(capacity).parameters

    assert (RESOLUTION, SHORTEST_S) == (options["resolution"].default, options["shortest_s"].default)


def test_open_arrivals_with_a_latency_objective_can_be_searched_from_their_rate():
    assert 200 == check_searchable(scenario())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"arrivals": {"kind": "closed", "users": 4, "duration_s": 10}}, "a closed loop has no rate"),
        ({"slo": {"error_rate": 0.01}}, "set one, such as --slo p99_ms=50"),
    ],
    ids=["closed loop", "no latency"],
)
def test_what_cannot_be_searched_says_what_to_take(changes, words):
    with pytest.raises(CapacityError, match=words):
        check_searchable(scenario(**changes))


def asked_at(metrics_url):
    return scenario(target={"url": "grpc://h:9000", "model": "mnist", "metrics_url": metrics_url})


def test_requests_in_flight_are_those_that_the_server_counted():
    assert 0.58 == in_flight(result(scenario=asked_at("http://h:8002/metrics"), server=server(in_flight=0.58)))


@pytest.mark.parametrize("metrics_url", [None, "auto"], ids=["not asked", "elsewhere"])
def test_requests_in_flight_are_the_clients_where_nobody_asked_the_server(metrics_url):
    run = result(scenario=asked_at(metrics_url), server=None)
    mean_s = run.figures.service_ms.mean / 1e3

    assert run.figures.answered_rps * mean_s == pytest.approx(in_flight(run))


def test_metrics_that_were_asked_for_and_not_read_are_no_capacity():
    run = result(scenario=asked_at("http://h:8002/metrics"), server=None, notes=("the metrics were not read: refused",))

    with pytest.raises(CapacityError, match=r"not read: refused; .* --set target\.metrics_url=null"):
        in_flight(run)
