"""The page of a run: what stands in it, that it needs nothing else, and that it appears whole or not at all."""

import json
import math
import re
from html.parser import HTMLParser

import pytest

from loadtest.errors import ReportError
from loadtest.report.page import render_report, write_report
from loadtest.report.timeline import MOST_POINTS
from loadtest.result.histogram import LatencyHistogram
from loadtest.result.run_result import read_result
from tests.unit.loadtest_results import generator, result, scenario, second, seconds, server, worker

HOSTILE = "<script>alert('1')</script>"
STALL = tuple(second(n, latency_ms=400.0 if 3 <= n < 6 else 4.0) for n in range(-2, 10))
CLOSED = scenario(arrivals={"kind": "closed", "users": 8, "duration_s": 10})


class Page(HTMLParser):
    """What a reader sees, what a browser would load, and the charts."""

    def __init__(self, html):
        super().__init__()
        self.text, self.links, self.scripts, self.figures = "", [], 0, {}
        self._inside = []
        self.feed(html)
        self.text = re.sub(r"\s+", " ", self.text)

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        self._inside.append(tag)
        self.scripts += tag == "script"
        self.links += [value for name, value in attrs if name in {"src", "href", "srcset", "action", "data", "poster"}]
        if "data-figure" in named:
            self.figures[named["aria-labelledby"]] = json.loads(named["data-figure"])

    def handle_endtag(self, tag):
        self.text += " " if tag in {"td", "th", "dt", "dd", "li", "p"} else ""
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data):
        if not {"script", "style"} & set(self._inside):
            self.text += data

    def trace(self, chart, name):
        return next(trace for trace in self.figures[chart]["data"] if trace["name"] == name)


def page(**changes):
    return Page(render_report(result(**changes)))


def test_a_run_that_passes_says_so_and_of_whom():
    text = page().text

    assert "✓ PASS" in text
    assert "Every objective is met." in text
    assert "to mnist version 3 at grpc://localhost:8001 over 10 s, 2,000 requests in all" in text


def test_every_reason_of_a_verdict_stands_in_the_page():
    run = result(seconds=STALL, generator=generator(worker("w1", due=900, reported=200, lost=True), worker("w2")))
    text = Page(render_report(run)).text

    assert "! INVALID" in text
    assert run.verdict.reasons
    assert [] == [reason for reason in run.verdict.reasons if reason not in text]
    assert "✗ lost" in text


def test_a_missed_objective_shows_by_how_much():
    text = page(seconds=seconds(latency_ms=40.0)).text

    assert "✗ FAIL" in text
    assert re.search(r"p50 ✗ missed ≤ 20 ms 39\.\d+ ms 19\.\d+ ms above \(9\d %\)", text)


def test_what_a_scenario_or_a_server_says_is_text_and_never_markup():
    hostile = page(
        scenario=scenario(description=HOSTILE),
        name=HOSTILE,
        notes=(HOSTILE,),
        command=f"slipway loadtest '{HOSTILE}'",
        seconds=seconds(errors={HOSTILE: 3}),
        generator=generator(worker(HOSTILE)),
        server=server(failures={HOSTILE: 1}),
        target=result().target.model_copy(update={"url": f"grpc://host:1/{HOSTILE}", "model": HOSTILE}),
    )

    assert page().scripts == hostile.scripts
    assert hostile.text.count(HOSTILE) > 8
    assert f"at grpc://host:1/{HOSTILE}" in hostile.text


def test_the_page_loads_nothing():
    html = render_report(result())

    assert [] == Page(html).links
    assert "default-src 'none'" in html


def test_an_interrupted_run_is_marked_partial():
    text = page(partial=True).text

    assert "PARTIAL: interrupted" in text
    assert "PARTIAL" not in page().text


def test_a_closed_loop_is_for_comparison_only():
    text = page(scenario=CLOSED, generator=generator(open_loop=False)).text

    assert "closed loop: for comparison only; its latencies omit stalls of the server" in text.lower()
    assert "closed loop" not in page().text.lower()


def test_a_stall_stands_in_the_chart_in_the_seconds_in_which_it_was():
    p50 = page(seconds=STALL).trace("over-time", "p50")

    assert [3.5, 4.5, 5.5] == [x for x, y in zip(p50["x"], p50["y"], strict=True) if y > 100]
    assert -1.5 == p50["x"][0]


def test_a_long_run_is_merged_to_few_points_and_loses_no_request():
    rows = seconds(warmup_s=7, window_s=1_000, due=20, errors={"timeout": 1})
    run = page(seconds=rows, scenario=scenario(warmup_s=7, arrivals=arrivals(rate_rps=20, duration_s=1_000)))
    failed = run.trace("over-time", "failed")

    assert len(failed["x"]) <= MOST_POINTS
    assert {1.0} == set(failed["y"])
    merged = LatencyHistogram.merged(row.histogram("latency") for row in rows)
    assert merged.max_ns / 1e6 == max(run.trace("over-time", "max")["y"])


@pytest.mark.parametrize(("due", "end"), [(5, "p92.8"), (200, "p99.80"), (5_000, "p99.99")])
def test_the_percentile_curve_ends_where_the_requests_no_longer_support_it(due, end):
    curve = page(seconds=seconds(due=due), scenario=scenario(slo={})).trace("percentiles", "latency, from due")
    last = 100 * (1 - 1 / curve["x"][-1])

    assert math.isclose(float(end[1:]), last, abs_tol=0.05 * (100 - float(end[1:])) + 0.001)


def test_a_curve_that_ends_early_says_so():
    assert "The curves end at p99.8: 2,000 answered requests support no further." in page().text


def test_a_figure_from_too_few_requests_is_marked():
    run = page(seconds=seconds(due=5), scenario=scenario(slo={}))

    assert "From fewer requests than this percentile needs" in run.text
    assert "From fewer requests" not in page(seconds=seconds(due=5_000)).text


def test_a_run_without_an_answer_has_a_page():
    text = page(seconds=seconds(due=30, errors={"UNAVAILABLE: refused": 30})).text

    assert "No request was answered in the measured window" in text
    assert "UNAVAILABLE: refused 300 100 %" in text
    assert "no request was answered" in text


def test_a_run_that_ended_before_its_window_has_a_page():
    empty = result().figures.model_copy(update={"due": 0, "answered": 0, "window_s": 0.0})

    assert "no request was due in the measured window" in page(seconds=(), figures=empty, partial=True).text


def test_a_run_without_errors_says_so():
    assert "None: every request that was due in the window was answered correctly and in time." in page().text


def test_the_parts_of_a_request_add_up_to_its_mean_latency():
    run = result()
    parts = {trace["name"]: trace["x"][0] for trace in Page(render_report(run)).figures["time-parts"]["data"]}

    assert math.isclose(run.figures.latency_ms.mean, sum(parts.values()), rel_tol=2e-3)
    assert 1.8 == parts["compute infer"]


def test_without_the_servers_metrics_its_time_and_the_networks_are_one():
    run = page(server=None)

    assert ["generator's lag", "wait for a place in flight", "service"] == [
        t["name"] for t in run.figures["time-parts"]["data"]
    ]
    assert "The server's metrics were not read" in run.text
    assert "usage" not in run.figures


def test_a_gpu_is_shown_where_triton_tells_of_one():
    gpus = {"GPU-1": {"utilization": 0.42, "memory_used_bytes": 1.834e9}}

    assert "GPU-1 42 % 1,834" in page(server=server(gpus=gpus)).text


def test_the_command_and_the_scenario_are_there_to_run_it_again():
    text = page(command="slipway loadtest smoke --set seed=7").text

    assert "slipway loadtest smoke --set seed=7" in text
    assert "rate_rps: 200" in text


def test_both_files_are_written_and_nothing_else(tmp_path):
    run = result()
    html = write_report(run, tmp_path / "new" / "run")

    assert tmp_path / "new" / "run" / "report.html" == html
    assert ["report.html", "report.json"] == sorted(path.name for path in html.parent.iterdir())
    assert render_report(run) == html.read_text(encoding="utf-8")
    assert run == read_result(html.parent)


def test_a_folder_that_cannot_be_made_is_an_error_with_the_way_out(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(
        ReportError, match=r"report\.json cannot be written: .*; free some space or .* choose another with --report-dir"
    ):
        write_report(result(), tmp_path / "file" / "run")


def test_a_failed_write_leaves_nothing_half_written(tmp_path):
    (tmp_path / "report.html").mkdir()

    with pytest.raises(ReportError, match="cannot be written: Is a directory"):
        write_report(result(), tmp_path)

    assert ["report.html", "report.json"] == sorted(path.name for path in tmp_path.iterdir())


def arrivals(**changes):
    return {"kind": "poisson", "rate_rps": 200, "duration_s": 10} | changes
