"""The page of a rehearsal: what stands in it, that it needs nothing else, and that it appears whole or not at all."""

import io
import re

import pytest
from rich.console import Console

from rehearsal.errors import RehearsalReportError, RehearsalReportUnreadable
from rehearsal.experiment.report import render_report, write_report
from rehearsal.experiment.report.terminal_summary import print_summary
from rehearsal.experiment.result.observations import Event
from rehearsal.experiment.result.result import read_result
from slipway.verdict import EXIT_CODES
from tests.unit.loadtest.report.test_report import Page
from tests.unit.rehearsal_results import action, alert, failure, load, node, observed, result, sample, samples, scenario

HOSTILE = "<script>alert('1')</script>"


def page(**changes):
    return Page(render_report(result(**changes)))


def told(**changes):
    output = io.StringIO()
    print_summary(result(**changes), None, Console(file=output, width=120))
    return output.getvalue()


def with_alerts():
    def look(at_s):
        state = "firing" if 60 <= at_s < 80 else "pending"
        return sample(at_s, alerts=(alert(state=state),) if 45 <= at_s < 80 else ())

    return observed(samples=samples(look))


def test_a_rehearsal_that_passes_says_so_with_every_check():
    text = page().text

    assert "✓ PASS" in text
    assert "Everything that this scenario expects was seen." in text
    assert re.search(r"more replicas requested.*?✓ holds ≤ 20 s 12\.0 s", text)


def test_a_rehearsal_that_fails_says_why():
    text = page(scenario=scenario(expect=[{"check": "failed_requests", "at_most": 0}])).text

    assert "✗ FAIL" in text
    assert "failed requests: expected ≤ 0, got 15,600" in text
    assert "✗ does not hold" in text


def test_load_latency_replicas_nodes_and_price_share_one_axis_of_time():
    chart = page(observed=with_alerts()).figures["timeline"]
    axes = [axis for name, axis in chart["layout"].items() if name.startswith("xaxis")]
    names = {trace["name"] for trace in chart["data"]}

    assert 6 == len(axes)
    assert 5 == sum("matches" in axis for axis in axes)
    assert {
        "offered",
        "answered",
        "failed",
        "p50, from due",
        "p99, from due",
        "objective p99 ≤ 250 ms",
        "replicas ready",
        "replicas requested",
        "nodes ready",
        "nodes, with booting",
        "price",
        "alert pending",
        "alert firing",
    } <= names
    assert len(names) == len(chart["data"])


def test_a_node_is_drawn_as_booting_until_it_is_ready():
    drawn = page()
    booting = drawn.trace("timeline", "nodes, with booting")
    ready = drawn.trace("timeline", "nodes ready")
    at = ready["x"].index(33)

    assert (1, 4) == (ready["y"][at], booting["y"][at])
    assert 4 == ready["y"][ready["x"].index(66)]


def test_an_alert_is_a_bar_from_its_first_to_its_last_look():
    drawn = page(observed=with_alerts())

    assert [45, 60, None] == drawn.trace("timeline", "alert pending")["x"]
    assert [60, 80, None] == drawn.trace("timeline", "alert firing")["x"]


def test_the_seconds_outside_the_objective_have_a_ground_of_their_own():
    shapes = page().figures["timeline"]["layout"]["shapes"]

    assert [(20, 72)] == [(shape["x0"], shape["x1"]) for shape in shapes if shape.get("fillcolor") == "var(--bad)"]


def test_what_the_gpus_cost_stands_beside_the_oracle():
    text = page().text

    assert "GPU-seconds 301 oracle 300" in text
    assert "US dollars 0.0819 0.0817" in text


def test_the_last_words_of_a_failed_container_stand_in_page_and_summary():
    seen = observed(failures=(failure(),))

    assert "model.onnx: FAILED" in page(observed=seen).text
    assert "CrashLoopBackOff; cause: start-triton: version 2 is not what was published" in told(observed=seen)


def test_what_the_cluster_says_is_text_and_never_markup():
    seen = observed(
        events=(Event(at_s=3, kind="pod", subject=HOSTILE, what=HOSTILE, detail=HOSTILE), action(5, HOSTILE, HOSTILE)),
        failures=(failure(pod=HOSTILE, lines=(HOSTILE,)),),
        nodes=(node(name=HOSTILE, type=HOSTILE),),
    )
    hostile = page(observed=seen, name=HOSTILE, command=HOSTILE, notes=(HOSTILE,))

    assert page().scripts == hostile.scripts
    assert HOSTILE in hostile.text


def test_the_page_asks_for_nothing_else():
    assert [] == page(observed=with_alerts()).links


@pytest.mark.parametrize(
    "changes",
    [{"samples": ()}, {"nodes": ()}, {"events": ()}, {"samples": (), "nodes": (), "events": (), "served": ()}],
    ids=" ".join,
)
def test_a_rehearsal_that_saw_little_still_has_a_page(changes):
    assert "Over time" in page(observed=observed(**changes)).text


def test_thousands_of_events_do_not_fill_the_page_and_actions_are_never_left_out():
    many = tuple(
        Event(at_s=float(n % 90), kind="pod", subject=f"p{n}", what="Unhealthy", warning=True) for n in range(3_000)
    )
    text = page(observed=observed(events=(*many, action(89.5, "lose_node", "a GPU node is lost")))).text

    assert "2,801 more stand in report.json." in text
    assert "a GPU node is lost" in text


def test_the_report_for_machines_is_read_back_as_it_was(tmp_path):
    run = result(observed=with_alerts())
    written = write_report(run, tmp_path / "new")

    assert tmp_path / "new" / "report.html" == written
    assert run == read_result(tmp_path / "new")


def test_a_folder_that_cannot_be_written_is_told_with_the_way_out(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RehearsalReportError, match="--report-dir"):
        write_report(result(), tmp_path / "file")

    assert ["file"] == [path.name for path in tmp_path.iterdir()]


def test_what_is_no_report_is_told(tmp_path):
    (tmp_path / "report.json").write_text("{}")
    with pytest.raises(RehearsalReportUnreadable, match="not a report of slipway rehearse"):
        read_result(tmp_path)
    with pytest.raises(RehearsalReportUnreadable, match="cannot be read"):
        read_result(tmp_path / "nothing.json")


def test_the_summary_has_the_verdict_the_checks_and_what_was_lost():
    text = told(load=load(arrivals=scenario().load.arrivals.model_dump(mode="json")))

    assert text.startswith("PASS  step: six times the load at once")
    assert re.search(r"more replicas requested\s+≤ 20 s\s+12\.0 s\s+✓", text)
    assert "75,000 requests in 100 s, 15,600 lost" in text


def test_exit_codes_are_those_of_the_load_test():
    assert {"PASS": 0, "FAIL": 1, "INVALID": 3} == EXIT_CODES
