"""The highest rate that a replica holds is found, also beside noise, and written down whole."""

import functools
import inspect
import random
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner

from loadtest.capacity.probe import LONGEST_S, SHORTEST_S, RateProbe, check_searchable, in_flight, window_s
from loadtest.capacity.run import announce, write_capacity
from loadtest.capacity.search import RESOLUTION, Held, find_capacity
from loadtest.cli import capacity
from loadtest.engine.request import RunRequest
from loadtest.errors import CapacityError, ReportError
from slipway.capacity import Capacity, Load, ProbeRow, render_capacity
from slipway.cli import app
from tests.unit.loadtest_results import result, scenario, server


def outcome(rate_rps, word, *, excess=None):
    beyond = {"PASS": 0.5, "FAIL": 10.0, "INVALID": 1.0}[word] if excess is None else excess
    return Held(
        rate_rps=rate_rps,
        outcome=word,
        p99_ms=5.0,
        in_flight=rate_rps / 100,
        excess=beyond,
        reasons=() if word == "PASS" else (f"a reason to {word}",),
    )


def server_of(capacity_rps, *, above="FAIL"):
    """Holds the objectives up to a rate."""
    return lambda rate_rps, _longer: outcome(rate_rps, "PASS" if rate_rps <= capacity_rps else above)


def within(capacity_rps, resolution=RESOLUTION):
    """The rates that count as found: below what it holds, by no more than the resolution."""
    return pytest.approx(capacity_rps / (1 + resolution / 2), rel=resolution / 2 + 1e-9)


@pytest.mark.parametrize("start_rps", [1, 20, 499, 500, 501, 4_000, 60_000])
@pytest.mark.parametrize("resolution", [RESOLUTION, 0.02])
def test_a_capacity_is_found_from_wherever_the_search_starts(start_rps, resolution):
    search = find_capacity(server_of(500.0), start_rps=start_rps, resolution=resolution)

    assert within(500, resolution) == search.rate_rps
    assert "server" == search.limited_by
    assert "PASS" == search.best.outcome


@pytest.mark.parametrize("start_rps", [1, 37, 250, 499])
def test_nothing_above_twice_the_highest_rate_that_held_is_offered(start_rps):
    search = find_capacity(server_of(500.0), start_rps=start_rps)
    highest = start_rps
    for held in search.probes:
        assert held.rate_rps <= 2 * highest
        highest = max(highest, held.rate_rps) if held.outcome == "PASS" else highest


def test_what_is_found_was_measured_again_and_longer():
    longer_rates = []

    def probe(rate_rps, longer):
        longer_rates.extend([rate_rps] if longer else [])
        return server_of(500.0)(rate_rps, longer)

    search = find_capacity(probe, start_rps=100)

    assert [search.rate_rps] == longer_rates
    assert search.best == search.probes[-1]


def test_a_measurement_that_is_invalid_once_is_made_again_and_not_counted():
    seen = set()

    def probe(rate_rps, longer):
        first = (rate_rps, longer) not in seen
        seen.add((rate_rps, longer))
        return outcome(rate_rps, "INVALID") if first else server_of(500.0)(rate_rps, longer)

    calm, disturbed = find_capacity(server_of(500.0), start_rps=100), find_capacity(probe, start_rps=100)

    assert (calm.rate_rps, "server") == (disturbed.rate_rps, disturbed.limited_by)
    assert 2 * len(calm.probes) == len(disturbed.probes)
    assert calm.probes == disturbed.probes[1::2]


def test_a_narrow_miss_is_measured_once_more_and_a_wide_one_is_not():
    tries = []

    def probe(rate_rps, _longer):
        tries.append(rate_rps)
        if rate_rps == 200 and tries.count(200) == 1:
            return outcome(rate_rps, "FAIL", excess=1.5)
        return outcome(rate_rps, "PASS") if rate_rps <= 200 else outcome(rate_rps, "FAIL", excess=50.0)

    search = find_capacity(probe, start_rps=100, resolution=0.99)

    assert [100, 200, 200, 400] == tries[:4]
    assert 200 == search.rate_rps
    assert len(tries) == len(search.probes)


@pytest.mark.parametrize(("above", "limited_by"), [("INVALID", "generator"), ("FAIL", "server")])
def test_what_lies_above_says_who_was_the_limit(above, limited_by):
    search = find_capacity(server_of(500.0, above=above), start_rps=100)

    assert limited_by == search.limited_by
    assert within(500) == search.rate_rps


def test_a_rate_that_does_not_hold_again_is_lowered_until_one_does():
    """For longer, the server holds an eighth less."""
    search = find_capacity(
        lambda rate_rps, longer: server_of(437.5 if longer else 500.0)(rate_rps, longer), start_rps=100
    )

    assert 437.5 / (1 + RESOLUTION) <= search.rate_rps <= 437.5
    assert "server" == search.limited_by


def test_a_rate_that_never_holds_again_is_no_capacity():
    with pytest.raises(CapacityError, match=r"passed once and then failed \(a reason to FAIL\).*too noisy"):
        find_capacity(lambda rate_rps, longer: server_of(0 if longer else 500)(rate_rps, longer), start_rps=100)


@pytest.mark.parametrize("word", ["FAIL", "INVALID"])
def test_a_server_that_holds_nothing_is_told_with_the_reasons(word):
    with pytest.raises(CapacityError, match=f"not even 1 requests/s meet the objectives: a reason to {word}"):
        find_capacity(server_of(0, above=word), start_rps=100)


def test_a_server_that_holds_everything_is_doubted():
    with pytest.raises(CapacityError, match="is the target a real server"):
        find_capacity(server_of(float("inf")), start_rps=100)


@pytest.mark.parametrize("seed", range(30))
def test_a_server_that_is_unsteady_near_its_edge_is_still_found(seed):
    draw = random.Random(seed)

    def probe(rate_rps, longer):
        return server_of(1_000 * draw.uniform(0.9, 1.1))(rate_rps, longer)

    assert pytest.approx(1_000, rel=0.15) == find_capacity(probe, start_rps=200).rate_rps


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


@functools.cache
def measured():
    run = result()
    return Capacity(
        target_server=run.target,
        images_per_request=1.25,
        slo={"p99_ms": 50.0, "error_rate": 0.001},
        limited_by="server",
        replica=Load(requests_per_s=1234.5678, in_flight=3.14159, p99_ms=41.98765),
        utilisation_margin=0.2,
        target=Load(requests_per_s=987.65424, in_flight=2.22222, p99_ms=12.34567),
        machine=run.environment,
        measured=datetime(2030, 5, 17, 12, 0, tzinfo=UTC),
        command="slipway capacity steady",
        probes=(ProbeRow(requests_per_s=1234.5678, outcome="PASS", p99_ms=41.98765, in_flight=3.14159),),
    )


def test_the_file_is_yaml_with_figures_of_four_digits():
    text = render_capacity(measured())
    document = yaml.safe_load(text)

    assert text.startswith("# What one replica carries")
    assert {"requests_per_s": 1235, "in_flight": 3.142, "p99_ms": 41.99} == document["replica"]
    assert {"requests_per_s": 987.7, "in_flight": 2.222, "p99_ms": 12.35} == document["target"]
    assert {"p99_ms": 50, "error_rate": 0.001} == document["slo"]
    assert ("server", 0.2) == (document["limited_by"], document["utilisation_margin"])
    assert ("a machine", 8) == (document["machine"]["machine"], document["machine"]["cores"])
    assert [{"requests_per_s": 1235, "outcome": "PASS", "p99_ms": 41.99, "in_flight": 3.142}] == document["probes"]


def probing(monkeypatch, outcomes, *, terminal=False):
    """What a search prints that meets these outcomes at 100, 200, ... requests/s."""
    out, left = StringIO(), list(outcomes)

    def run(_request, **_):
        run = result()
        return run.model_copy(update={"verdict": run.verdict.model_copy(update={"outcome": left.pop(0)})}), None

    monkeypatch.setattr("loadtest.capacity.probe.run_scenario", run)
    request = RunRequest(
        name="steady",
        scenario=scenario(),
        repository=Path(),
        report_dir=None,
        junit=None,
        command="slipway capacity",
    )
    console = Console(file=out, width=500, force_terminal=terminal)
    probe = RateProbe(request=request, folder=Path("x"), processes=1, console=console)
    for i in range(len(outcomes)):
        probe(100.0 * (i + 1), False)
    return out.getvalue().splitlines()


@pytest.mark.parametrize(("terminal", "lines_each"), [(False, 2), (True, 1)])
def test_the_search_tells_its_rounds_and_its_bounds_with_and_without_a_terminal(monkeypatch, terminal, lines_each):
    lines = probing(monkeypatch, ["PASS", "PASS", "FAIL"], terminal=terminal)
    told = [line for line in lines if "so far" in line]

    assert 3 * lines_each == len(lines)
    assert ["1", "2", "3"] == [line.split()[0] for line in told]
    assert ["so far: holds 100/s", "so far: holds 200/s"] == [line[line.index("so far") :].strip() for line in told[:2]]
    assert "so far: holds 200/s, not 300/s" in told[2]


@pytest.mark.parametrize(
    ("options", "share"), [((), 0.8), (("--utilisation-margin", "0.5"), 0.5), (("--head-room", "0.5"), 0.5)]
)
def test_the_rate_that_leaves_the_margin_is_measured_after_the_search_and_written(
    monkeypatch, tmp_path, options, share
):
    rates = []

    def run(request, **_):
        rates.append(request.scenario.arrivals.rate_rps)
        run = result()
        word, check = ("PASS", 0.5) if rates[-1] <= 700 else ("FAIL", 10.0)
        checks = tuple(each.model_copy(update={"got": each.bound * check}) for each in run.verdict.checks)
        verdict = run.verdict.model_copy(update={"outcome": word, "checks": checks})
        return run.model_copy(update={"verdict": verdict}), None

    monkeypatch.setattr("loadtest.capacity.probe.run_scenario", run)
    monkeypatch.chdir(tmp_path)
    searched = CliRunner().invoke(app, ["capacity", "steady", *options])
    document = yaml.safe_load((tmp_path / "capacity.yaml").read_text())
    replica_rps, target_rps = (document[each]["requests_per_s"] for each in ("replica", "target"))

    assert 0 == searched.exit_code, searched.output
    assert within(700) == replica_rps
    assert pytest.approx(share * replica_rps, rel=1e-3) == target_rps == pytest.approx(rates[-1], rel=1e-3)


def test_a_measurement_that_is_stopped_ends_the_search_without_a_capacity(monkeypatch, tmp_path):
    rates = []

    def stopped(request, **_):
        rates.append(request.scenario.arrivals)
        return result(partial=True), None

    monkeypatch.setattr("loadtest.capacity.probe.run_scenario", stopped)
    monkeypatch.chdir(tmp_path)
    searched = CliRunner().invoke(app, ["capacity", "steady"])

    assert 130 == searched.exit_code, searched.output
    assert 1 == len(rates), "the search went on"
    assert [] == list(tmp_path.iterdir())


def test_a_capacity_of_the_clients_clock_says_so_in_the_file_and_on_the_terminal(tmp_path):
    of_client = measured().model_copy(update={"in_flight_counted_by": "client"})
    out = StringIO()
    console = Console(file=out, width=500)
    announce(of_client, output=tmp_path / "c.yaml", folder=tmp_path, print_file=False, console=console)

    assert "client" == yaml.safe_load(render_capacity(of_client))["in_flight_counted_by"]
    assert "server" == yaml.safe_load(render_capacity(measured()))["in_flight_counted_by"]
    assert "computed from client timings, which include the network" in out.getvalue()


def announced(tmp_path, *, print_file):
    out = StringIO()
    announce(
        measured(),
        output=tmp_path / "capacity.yaml",
        folder=tmp_path,
        print_file=print_file,
        console=Console(file=out, width=20),
    )
    return out.getvalue()


def test_the_file_is_the_end_of_what_is_printed_where_that_is_asked_for(tmp_path):
    text = render_capacity(measured())

    assert announced(tmp_path, print_file=False) + text == announced(tmp_path, print_file=True)
    assert "one replica holds 1,235 requests/s with 3.1 in flight" in announced(tmp_path, print_file=False)


def test_the_file_appears_with_its_folder(tmp_path):
    write_capacity(measured(), tmp_path / "deeper" / "capacity.yaml")

    assert [tmp_path / "deeper" / "capacity.yaml"] == list((tmp_path / "deeper").iterdir())
    assert render_capacity(measured()) == (tmp_path / "deeper" / "capacity.yaml").read_text()


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path):
    (tmp_path / "capacity.yaml").mkdir()
    (tmp_path / "capacity.yaml" / "kept").touch()

    with pytest.raises(ReportError, match=r"capacity\.yaml cannot be written.*--output"):
        write_capacity(measured(), tmp_path / "capacity.yaml")
    assert [tmp_path / "capacity.yaml"] == list(tmp_path.iterdir())
