"""Every measured figure of README.md is the one of docs/benchmarks.md, or of the demo that README.md shows."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BENCHMARKS = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
RESULTS = dict(
    re.findall(r"^\| ([^|]+?) \| ([^|]+?) \|$", README.partition("## Results")[2].partition("\n## ")[0], re.MULTILINE)
)
DEMO = README.partition("$ make demo\n")[2].partition("```")[0]


def measured(title, contender):
    """Ratio of one contender to the first, in a table of the benchmarks."""
    rows = BENCHMARKS.partition(f"### {title}\n")[2].partition("\n\n### ")[0].partition("<!-- end -->")[0]
    (ratio,) = re.findall(rf"^\| {re.escape(contender)}[^|]* \| [\d,]+ \| ([\d.]+) \|$", rows, re.MULTILINE)
    return ratio


RATIOS = {
    "against the classic network, one core": ("Batches of 32, one thread", "recipe mnist"),
    "`slipway.client` over a raw gRPC stub, one caller": ("One caller, one image", "slipway.client, gRPC"),
    "`MicroBatcher`, 64 threads": ("64 threads, one image a call", "slipway.client, MicroBatcher"),
}


@pytest.mark.parametrize("row", RATIOS)
def test_a_ratio_is_that_of_the_benchmarks(row):
    ratio = measured(*RATIOS[row])
    ranges = re.findall(r"([\d.]+) to ([\d.]+)", RESULTS[row])

    assert ratio == RESULTS[row].split()[0]
    assert all(float(low) <= float(ratio) <= float(high) for low, high in ranges)
    assert all(f"{low} to {high}" in BENCHMARKS for low, high in ranges)


def test_a_server_of_the_short_table_has_the_medians_of_the_benchmarks():
    block = README.partition("<!-- results: peers -->")[2].partition("<!-- end -->")[0]
    short = re.findall(r"^\| ([^|]+?) \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \|", block, re.MULTILINE)
    table = BENCHMARKS.partition("### Over HTTP, images/s\n\n")[2].partition("\n\n")[0]
    full = {
        row.split(" | ")[0].removeprefix("| "): re.findall(r"\| ([\d,]+)(?= [|(])", row) for row in table.splitlines()
    }

    assert bool(block.strip()) == bool(short)
    assert [] == [name for name, *medians in short if medians != full[name][:3]]


def test_what_training_gives_is_what_the_demo_printed():
    (accuracy,) = re.findall(r"test accuracy ([\d.]+)%", DEMO)
    (fit_s,) = re.findall(r"✓ fit +([\d.]+) s", DEMO)
    (parameters,) = re.findall(r"recipe mnist, ([\d,]+) parameters", BENCHMARKS)

    assert RESULTS["test accuracy, recipe `mnist`"].startswith(f"{accuracy} % with {parameters} parameters")
    assert RESULTS["training it, two CPU cores"].startswith(f"{float(fit_s):.0f} s ")


def test_every_result_names_a_command_that_exists():
    commands = {row: re.findall(r"`make ([a-z-]+)`", cell) for row, cell in RESULTS.items() if row.strip()}

    assert {} == {row: cell for row, cell in RESULTS.items() if row.strip() and not commands[row]}
    assert [] == [name for names in commands.values() for name in names if f"\n{name}: " not in MAKEFILE]


def test_every_table_of_the_benchmarks_names_the_command_that_measured_it():
    sections = re.findall(r"<!-- results: \w+ -->\n(.*?)<!-- end -->", BENCHMARKS, re.DOTALL)

    assert sections
    assert [] == [
        section[:80]
        for section in sections
        if section.strip() and not re.search(r"with `make bench-[a-z]+` on", section)
    ]
