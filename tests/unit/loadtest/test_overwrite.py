"""A report, a page or a JUnit file that is there already is overwritten only when that is said, by every way in."""

import subprocess
import sys
from pathlib import Path

import pytest

LOADTEST = Path(__file__).parents[3] / "loadtest"
SLIPWAY, LOCUST = ([Path(sys.executable).with_name(name)] for name in ("slipway", "locust"))
LOCUSTFILE = (*LOCUST, "-f", LOADTEST / "locustfile.py", "--headless", "--override", "target.url=grpc://127.0.0.1:1")
NOWHERE = ("--url", "grpc://127.0.0.1:1")
WAYS = {
    "slipway": (*SLIPWAY, "loadtest", "smoke", *NOWHERE),
    "locust": LOCUSTFILE,
    "locust with workers": (*LOCUSTFILE, "--master", "--master-bind-port", "0"),
    "capacity": (*SLIPWAY, "capacity", "smoke", *NOWHERE, "--output", "new.yaml"),
}


def ended(*words, cwd):
    """Exit code, and what was said."""
    done = subprocess.run(
        [str(word) for word in words],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        cwd=cwd,
        timeout=60,
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done.returncode, " ".join((done.stdout + done.stderr).split())


@pytest.mark.parametrize(
    ("way", "kept", "option"),
    [
        ("slipway", "kept/report.json", "--report-dir=kept"),
        ("slipway", "kept/report.html", "--report-dir=kept"),
        ("slipway", "verdict.xml", "--junit=verdict.xml"),
        ("locust", "kept/report.json", "--report-dir=kept"),
        ("locust", "verdict.xml", "--junit=verdict.xml"),
        ("locust with workers", "verdict.xml", "--junit=verdict.xml"),
        ("capacity", "kept/01-at-500-rps/report.json", "--report-dir=kept"),
        ("capacity", "kept/instances-1-batch-16/01-at-500-rps/report.json", "--report-dir=kept"),
    ],
)
def test_what_is_there_is_refused_before_any_load_with_the_way_out(tmp_path, way, kept, option):
    file = tmp_path / kept
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("kept")
    exit_code, said = ended(*WAYS[way], option, cwd=tmp_path)
    other = option.partition("=")[0]

    assert 2 == exit_code, said
    assert f"error: {kept} exists already: overwrite it with --force, or choose another with {other}" in said
    assert "does not answer" not in said, "the target was asked"
    assert "kept" == file.read_text()


@pytest.mark.parametrize("way", ["slipway", "locust", "capacity"])
def test_with_force_the_run_goes_on_to_its_target(tmp_path, way):
    for kept in ("kept/report.json", "kept/01-at-200-rps/report.json", "verdict.xml"):
        (tmp_path / kept).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / kept).write_text("kept")
    junit = () if way == "capacity" else ("--junit", "verdict.xml")
    exit_code, said = ended(*WAYS[way], "--report-dir", "kept", *junit, "--force", cwd=tmp_path)

    assert 3 == exit_code, said
    assert "the target does not answer" in said
