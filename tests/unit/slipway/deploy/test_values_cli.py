"""`slipway values` at the command line."""

import subprocess
import sys

import pytest
import yaml
from typer.testing import CliRunner

from slipway.cli import app, main
from tests.unit.values_inputs import measured, requested


@pytest.fixture
def values(tmp_path):
    """Run the command on a local measurement of sixteen images a request: two warnings."""
    request = requested(tmp_path, capacity=measured(url="grpc://localhost:8001", images_per_request=16.0))
    common = [
        "values",
        request.capacity,
        "-r",
        request.repository,
        "--storage-uri",
        request.storage_uri,
        "--cluster",
        "gpu",
    ]

    def run(*arguments):
        return CliRunner(env={"COLUMNS": "160"}).invoke(app, [str(word) for word in (*common, *arguments)])

    return run


def test_values_go_to_standard_output_and_warnings_to_standard_error(values):
    result = values("--peak-rps", "3000")

    assert 0 == result.exit_code
    assert 5 == yaml.safe_load(result.stdout)["autoscaling"]["maxReplicas"]
    assert 2 == result.stderr.count("warning: ")
    assert "inFlight is an estimate" in result.stderr


def test_the_written_file_is_what_would_be_printed(values, tmp_path):
    path = tmp_path / "values.yaml"
    written = values("-o", path)
    printed = values()

    assert "" == written.stdout
    assert f"written: {path}" in written.stderr.replace("\n", "")
    assert printed.stdout.replace("--values values.yaml", f"--values {path}") == path.read_text()


def test_a_second_run_needs_force_and_changes_no_byte(values, tmp_path):
    path = tmp_path / "values.yaml"
    values("-o", path)
    first = path.read_bytes()

    assert 1 == values("-o", path).exit_code
    assert 0 == values("-o", path, "--force").exit_code
    assert first == path.read_bytes()


def test_products_can_be_named_more_than_once(values):
    text = values("--gpu-product", "NVIDIA-L4", "--gpu-product", "NVIDIA-A10G").stdout

    assert ["NVIDIA-L4", "NVIDIA-A10G"] == yaml.safe_load(text)["gpu"]["products"]


def test_a_mistake_is_one_line_on_standard_error(tmp_path, monkeypatch, capsys):
    missing = str(tmp_path / "capacity.yaml")
    monkeypatch.setattr(
        sys, "argv", ["slipway", "values", missing, "--cluster", "gpu", "--storage-uri", "s3://models/prod"]
    )

    with pytest.raises(SystemExit) as ended:
        main()
    printed = capsys.readouterr()
    assert 2 == ended.value.code
    assert "" == printed.out
    assert f"error: {missing}: cannot be read; expected the file that `slipway capacity` writes" in printed.err


def test_without_the_extra_the_way_to_it_is_told():
    script = (
        "import sys; sys.modules['yaml'] = None\n"
        "from slipway.cli import main\n"
        "sys.argv = ['slipway', 'values', '--cluster', 'gpu', '--storage-uri', 's3://models/prod']\n"
        "main()"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert 4 == result.returncode
    assert "error: no module 'yaml': pip install \"slipway-serving[deploy]\"\n" == result.stderr


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--peak-rps", "0", "x>=0.001"),
        ("--quiet-share", "1.5", "0<=x<=1"),
        ("--min-replicas", "0", "x>=1"),
        ("--max-replicas", "0", "x>=1"),
        ("--headroom-replicas", "-1", "x>=0"),
    ],
    ids=["peak", "quiet-share", "min", "max", "headroom"],
)
def test_a_number_out_of_its_range_is_refused_and_help_shows_the_range(values, option, value, expected):
    _, _, below = values("--help").output.partition(f"│    {option} ")
    entry = below.partition("│    --")[0]

    assert f"[{expected}]" in entry
    assert 2 == values(option, value).exit_code


def test_help_teaches_by_example(values):
    assert "Example: slipway values --cluster gpu" in " ".join(values("--help").output.split())
