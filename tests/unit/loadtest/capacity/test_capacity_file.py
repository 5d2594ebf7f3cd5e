"""What was found is written as capacity.yaml: by whom it was counted, with the margin, whole or not at all."""

import functools
from datetime import UTC, datetime
from io import StringIO

import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner

from loadtest.capacity.run import announce, write_capacity
from loadtest.errors import ReportError
from slipway.capacity import Capacity, Load, ProbeRow, render_capacity
from slipway.cli import app
from tests.unit.loadtest_results import result
from tests.unit.rates import within


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
