"""`slipway loadtest` and `slipway capacity` where nothing is measured: help, lists, comparisons, and what is told."""

import json
import subprocess
import sys
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console
from typer.testing import CliRunner

from loadtest.errors import ReportError, ReportUnreadable
from loadtest.report.compare_table import sentence
from loadtest.report.outputs import render_junit, write_junit
from loadtest.report.page import render_report
from loadtest.report.terminal_summary import print_summary
from loadtest.result.compare import compare
from loadtest.result.run_result import read_result
from loadtest.scenario.scenario_file import shipped_scenarios
from slipway.cli import app
from tests.unit.loadtest_results import figures, generator, result, scenario, second, seconds, server, worker

LOADTEST = Path(__file__).parents[3] / "loadtest"
SLOW = seconds(latency_ms=30.0)
FAILED = result(name="slow", seconds=SLOW)
INVALID = result(generator=generator(worker("w1", reported=900, lost=True), worker("w2")))
CLOSED = scenario(arrivals={"kind": "closed", "users": 8, "duration_s": 10})


def slipway(*arguments):
    return CliRunner(env={"COLUMNS": "160"}).invoke(app, [str(argument) for argument in arguments])


def summary(run, page=None):
    out = StringIO()
    print_summary(run, page, Console(file=out, width=60))
    return out.getvalue()


def test_list_names_every_shipped_scenario_with_what_it_offers():
    listed = slipway("loadtest", "list")

    assert 0 == listed.exit_code
    assert len(shipped_scenarios()) > 4
    assert set(shipped_scenarios()) <= {line.split()[0] for line in listed.output.splitlines()}
    assert "200 requests/s of one image for ten seconds" in listed.output


@pytest.mark.parametrize(
    ("words", "example"),
    [
        (("loadtest", "run"), "Example: slipway loadtest smoke"),
        (("loadtest", "smoke"), "Example: slipway loadtest smoke"),
        (("loadtest", "list"), "Example: slipway loadtest list"),
        (("loadtest", "compare"), "Example: slipway loadtest compare"),
        (("capacity",), "Example: slipway capacity steady"),
        (("loadtest",), "slipway loadtest SCENARIO is short for slipway loadtest run SCENARIO"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_help_teaches_by_example(words, example):
    shown = slipway(*words, "--help")

    assert 0 == shown.exit_code
    assert example in " ".join(shown.output.split())


@pytest.fixture
def two(tmp_path):
    """Folders of two reports, of which the second is slower."""
    folders = tmp_path / "before", tmp_path / "after"
    for folder, run in zip(folders, (result(), FAILED), strict=True):
        folder.mkdir()
        (folder / "report.json").write_text(run.model_dump_json())
    return folders


def test_compare_ends_with_a_sentence(two):
    compared = slipway("loadtest", "compare", *two)
    last = compared.output.splitlines()[-1]

    assert 0 == compared.exit_code
    assert sentence(compare(result(), FAILED)) == last
    assert "is slower: p99" in last


def test_compare_speaks_json(two):
    compared = slipway("loadtest", "compare", *two, "--json")

    assert 0 == compared.exit_code
    assert json.loads(json.dumps(compare(result(), FAILED).to_dict())) == json.loads(compared.output)


def test_compare_of_what_cannot_be_compared_has_an_exit_code_of_its_own(two):
    (two[1] / "report.json").write_text(INVALID.model_dump_json())
    compared = slipway("loadtest", "compare", *two)

    assert 3 == compared.exit_code
    assert "cannot be compared" in compared.output.splitlines()[-1]


def refused(*words):
    """A command that is refused before it begins: exit code and what it says."""
    done = subprocess.run(
        [Path(sys.executable).with_name("slipway"), *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=60,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, " ".join(done.stderr.split())


def test_what_was_written_is_overwritten_only_when_that_is_said(two, tmp_path):
    report = (two[0] / "report.json").read_text()
    (tmp_path / "capacity.yaml").write_text("kept")
    (tmp_path / "page.html").write_text("kept")
    told = [
        refused("loadtest", "smoke", "-o", two[0]),
        refused("capacity", "steady", "-o", tmp_path / "capacity.yaml"),
        refused("loadtest", "page", two[0], "-o", tmp_path / "page.html"),
    ]
    forced = slipway("loadtest", "page", two[0], "-o", tmp_path / "page.html", "--force")

    assert [2, 2, 2] == [code for code, _ in told]
    assert all("exists already: overwrite it with --force, or choose another with --" in text for _, text in told)
    assert report == (two[0] / "report.json").read_text()
    assert "kept" == (tmp_path / "capacity.yaml").read_text()
    assert 0 == forced.exit_code
    assert "PASS" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize(
    ("words", "blamed"),
    [
        (("--slo", "p99=20"), "error: --slo p99=20 (overriding"),
        (("--slo", "p99_ms=0.01", "--rate", "300"), "error: --slo p99_ms=0.01 (overriding"),
        (("--slo", "p99_ms=40", "--set", "generator.conections=3"), "error: --set generator.conections=3 (overriding"),
        (("--url", "nowhere"), "error: --url nowhere (overriding"),
        (("--rate", "-1"), "error: --rate -1.0 (overriding"),
    ],
)
def test_a_wrong_option_is_blamed_and_no_file_that_nobody_touched(words, blamed):
    code, said = refused("loadtest", "smoke", *words)

    assert 2 == code
    assert said.startswith(blamed)


@pytest.mark.parametrize(
    ("text", "words"),
    [(None, "No such file"), ("not JSON", "Invalid JSON"), ('{"format": 1}', "name: Field required")],
    ids=["missing", "no JSON", "no report"],
)
def test_what_is_no_report_cannot_be_compared(two, tmp_path, text, words):
    other = tmp_path / "other.json"
    if text is not None:
        other.write_text(text)
    command = [Path(sys.executable).with_name("slipway"), "loadtest", "compare", two[0], other]
    compared = subprocess.run(command, capture_output=True, text=True, check=False)

    assert 2 == compared.returncode
    assert str(other) in compared.stderr
    assert words in compared.stderr
    assert "Traceback" not in compared.stderr


def suite(run):
    return ET.fromstring(render_junit(run))[0]


def test_junit_of_a_pass_has_a_case_per_objective():
    passed = suite(result())

    assert ("3", "0", "0") == (passed.get("tests"), passed.get("failures"), passed.get("errors"))
    assert ["p50 <= 20 ms", "p99 <= 50 ms", "error rate <= 0.1 %"] == [case.get("name") for case in passed]
    assert {"slipway.loadtest.smoke"} == {case.get("classname") for case in passed}
    assert [] == passed.findall("testcase/failure") + passed.findall("testcase/error")


def test_junit_of_a_fail_has_a_failure_where_an_objective_was_missed():
    failed = suite(FAILED)

    assert ("3", "2", "0") == (failed.get("tests"), failed.get("failures"), failed.get("errors"))
    assert [True, True, False] == [case.find("failure") is not None for case in failed]
    assert f"got {FAILED.figures.latency_ms.p50:.4g} ms" == failed.find("testcase/failure").get("message")
    assert [] == failed.findall("testcase/error")


def test_junit_of_an_invalid_run_has_errors_and_blames_no_objective():
    invalid = suite(INVALID)

    assert ("3", "0", "3") == (invalid.get("tests"), invalid.get("failures"), invalid.get("errors"))
    assert 3 == len(invalid.findall("testcase/error"))
    assert "w1 was lost" in invalid.find("testcase/error").get("message")
    assert [] == invalid.findall("testcase/failure")


def test_junit_that_cannot_be_written_says_how_to_name_another(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(ReportError, match="--junit"):
        write_junit(result(), tmp_path / "file" / "verdict.xml")


def test_the_summary_begins_with_the_verdict_and_ends_with_the_report(tmp_path):
    first, *_, last = summary(result(), tmp_path / "a-folder-with-a-long-name" / "report.html").splitlines()

    assert "PASS  smoke at grpc://localhost:8001, model mnist version 3" == first
    assert f"report: {tmp_path / 'a-folder-with-a-long-name' / 'report.html'}" == last


def test_the_summary_gives_the_reasons_of_a_fail_and_of_an_invalid_run():
    assert summary(FAILED).startswith("FAIL  slow")
    assert FAILED.verdict.reasons
    for run in (FAILED, INVALID):
        for reason in run.verdict.reasons:
            assert f"\n  {reason}\n" in summary(run)


def test_the_summary_counts_each_kind_of_error_as_it_was_told():
    rows = tuple(second(number, errors={"timeout": 1, "[wrong] answer": 2}) for number in range(-2, 10))
    told = summary(result(seconds=rows))

    assert "  10 times: timeout\n" in told
    assert "  20 times: [wrong] answer\n" in told


def test_the_summary_says_what_limits_its_figures():
    rows = seconds()
    closed = result(scenario=CLOSED, figures=figures(rows, window_s=10), generator=generator(open_loop=False))

    assert "closed loop: latencies omit stalls of the server" in summary(closed)
    assert ", interrupted" in summary(result(partial=True))
    assert "note: metrics [were] not read" in summary(result(notes=("metrics [were] not read",), server=None))
    assert "server: 0.90 ms in queue" in summary(result(server=server()))
    assert "report:" not in summary(result())


def test_no_module_of_the_load_test_hides_a_package_when_locust_puts_its_folder_first():
    names = sorted(path.stem for path in LOADTEST.glob("*.py") if path.stem != "__init__")
    script = (
        "import importlib.util, sys\n"
        f"sys.path = [folder for folder in sys.path if folder != {str(LOADTEST)!r}]\n"
        "print(*[name for name in sys.argv[1:] if importlib.util.find_spec(name)])"
    )
    found = subprocess.run(
        [sys.executable, "-P", "-c", script, *names, "json"], capture_output=True, text=True, check=True
    )

    assert "locustfile" in names
    assert ["json"] == found.stdout.split(), "only the last, which is there to be found"


HOSTILE = "smoke\x1b[2J\x00\n[red]</script><script>alert(1)</script>\u202e"


def test_text_from_outside_moves_no_terminal_and_breaks_no_file():
    rows = tuple(second(number, errors={HOSTILE: 3}) for number in range(-2, 10))
    run = result(name=HOSTILE, seconds=rows, notes=(HOSTILE,), verdict=INVALID.verdict)
    run = run.model_copy(update={"verdict": run.verdict.model_copy(update={"reasons": (HOSTILE,)})})
    told, xml, page = summary(run), render_junit(run), render_report(run)

    assert not {"\x1b", "\x00", "\u202e"} & set(told + xml)
    assert r"smoke\x1b[2J\x00\n[red]" in told
    assert r"\x1b[2J" in ET.fromstring(xml)[0].get("name")
    assert "<script>alert(1)" not in page


@pytest.mark.parametrize("text", ["", "garbage", "HISTFAAA", "AAAA"])
def test_a_report_with_no_histogram_in_it_is_refused_by_our_error(text):
    row = second(0).model_copy(update={"latency": text})

    with pytest.raises(ReportUnreadable, match="second 0 has no histogram latency"):
        row.histogram("latency")


def test_what_is_no_regular_file_is_no_report():
    with pytest.raises(ReportUnreadable, match="expected a file"):
        read_result(Path("/dev/zero"))
