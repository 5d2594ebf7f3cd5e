"""Rounds become medians, ratios, goals and tables."""

import json
import re
from pathlib import Path

import pytest

from benchmarks.peers.contenders import BARE, EMBEDDED, PEERS
from benchmarks.peers.load import Sample
from benchmarks.peers.results import Figure, Summary, goals
from benchmarks.peers.rounds import FULL, Turn
from benchmarks.peers.tables import as_document, as_markdown, short_table
from benchmarks.serving import write_results

EVERY = (*EMBEDDED, BARE, *PEERS)
LOCKS = sorted((Path(__file__).parents[3] / "benchmarks" / "peers" / "locks").glob("*.txt"))


def turn(**rates):
    samples = {name.replace("_", "-"): Sample(requests_per_s=rate, p50_us=1e6 / rate) for name, rate in rates.items()}
    return Turn(samples=samples, cold_start_s=0.5, stop_s=0.6, memory_mib={"tritonserver": 90.0, "slipway": 40.0})


@pytest.fixture
def turns():
    """Two rounds, of which the second had half of the machine."""
    return {
        "native": [turn(http_c1=9000, http_c64=12000), turn(http_c1=4500, http_c64=6000)],
        "python": [turn(http_c1=2000, http_c64=8000), turn(http_c1=1000, http_c64=4000)],
        "fastapi-1": [turn(http_c1=3000), turn(http_c1=1500)],
        "fastapi-2": [turn(http_c1=3600), turn(http_c1=1800)],
        "ray": [Turn(failed="ServerUnusable: no answer"), Turn(failed="ServerUnusable: no answer")],
    }


@pytest.fixture
def summary(turns):
    return Summary(EVERY, turns)


def test_a_ratio_is_taken_within_each_round(summary):
    assert Figure(median=4.5, low=4.5, high=4.5) == summary.ratio("native", "python", "http-c1")


def test_a_figure_is_the_median_with_its_range(summary):
    assert Figure(median=6750, low=4500, high=9000) == summary.rate("native", "http-c1")
    assert "6,750 (4,500–9,000)" == summary.rate("native", "http-c1").shown()  # noqa: RUF001


def test_a_round_that_failed_takes_no_ratio_from_its_neighbour(turns):
    turns["python"][0] = Turn(failed="died")
    turns["python"][1] = turn(http_c1=1500)

    assert 3.0 == Summary(EVERY, turns).ratio("native", "python", "http-c1").median


def test_the_goals_are_held_against_the_faster_of_both_fastapis(summary):
    found = {goal.text: goal for goal in goals(summary)}

    assert 2.5 == found["HTTP c=1, against the faster FastAPI"].figure.median
    assert found["HTTP c=1, against the faster FastAPI"].is_met
    assert 1.5 == found["HTTP c=64, against the Python backend"].figure.median
    assert found["HTTP c=64, against the Python backend"].is_met is False
    assert found["gRPC c=4, against the Python backend"].is_met is None
    assert found["start to first right answer"].is_met
    assert 90 == found["memory of tritonserver"].figure.median


def test_the_tables_show_rates_ratios_missed_goals_and_what_failed(summary):
    text = as_markdown(summary, "Measured.")

    assert "| slipway serve, native backend | V2, binary | 6,750 (4,500–9,000) | – |" in text  # noqa: RUF001
    assert "| FastAPI + ONNX Runtime, 2 workers | 2.50 | – |" in text  # noqa: RUF001
    assert "| HTTP c=64, against the Python backend | at least 1.6 × | 1.50 | **no** |" in text  # noqa: RUF001
    assert "- Ray Serve: ServerUnusable: no answer" in text


def test_a_long_reason_is_shown_by_its_start_and_its_end(turns):
    log = "ServerUnusable: ended with 1 before it answered: " + "at some line " * 99 + "Exception: no port"
    text = as_markdown(Summary(EVERY, turns | {"ray": [Turn(failed=log)]}), "Measured.")

    assert "- Ray Serve: ServerUnusable: ended with 1 before it answered: at" in text
    assert "line Exception: no port\n" in text
    assert max(len(line) for line in text.splitlines() if line.startswith("- Ray")) < 300


def test_the_short_table_has_the_servers_with_every_rate_and_not_the_limits(turns):
    whole = turn(http_c1=9000, http_c16=11000, http_c64=12000)
    table = short_table(Summary(EVERY, turns | {"native": [whole], "no-op": [whole], "onnxruntime": [whole]}))

    assert "| slipway serve, native backend | 9,000 | 11,000 | 12,000 | 0.5 |" == table.splitlines()[-1]
    assert 3 == len(table.splitlines())


def test_the_document_holds_every_sample(summary, turns):
    document = json.loads(json.dumps(as_document(summary, turns, conditions={"machine": "m"}, timing=FULL)))

    assert 4500 == document["rounds"]["native"][1]["samples"]["http-c1"]["requests_per_s"]
    assert {"ray": "ServerUnusable: no answer"} == document["failures"]
    assert "m" == document["conditions"]["machine"]


def test_results_replace_what_stands_between_their_marks(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- results: peers -->\nold\n<!-- end -->\nb\n<!-- results: other -->\nkept\n<!-- end -->\n")
    write_results("peers", r"new \1", page)

    assert (
        "a\n<!-- results: peers -->\n\nnew \\1\n<!-- end -->\nb\n<!-- results: other -->\nkept\n<!-- end -->\n"
        == page.read_text()
    )


def test_the_full_measurement_is_estimated_at_a_quarter_of_an_hour_at_most():
    assert FULL.estimate_s(EVERY) <= 15 * 60


def test_every_peer_has_a_lock_of_its_own_and_no_lock_is_left_over():
    assert {peer.environment for peer in PEERS} == {lock.stem for lock in LOCKS}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_a_lock_pins_hashes_names_no_address_and_has_the_projects_onnx_runtime(lock):
    text = lock.read_text()
    pinned = re.findall(r"^(\S+)==\S+ .*\\$", text, re.MULTILINE)
    ours = (Path(__file__).parents[3] / "requirements" / "dev.txt").read_text()

    assert len(pinned) == len(re.findall(r"^[^ #\n]", text, re.MULTILINE))
    assert "://" not in text
    assert re.findall(r"^onnxruntime==\S+", text, re.MULTILINE) == re.findall(r"^onnxruntime==\S+", ours, re.MULTILINE)
