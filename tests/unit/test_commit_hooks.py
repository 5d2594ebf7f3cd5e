"""The hooks of a commit run the tools that `make check` runs, from where it has them."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
(LOCAL,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
MAKEFILE = (ROOT / "Makefile").read_text()


def test_every_hook_is_local_and_takes_an_installed_tool():
    assert "local" == LOCAL["repo"]
    assert {"system"} == {hook["language"] for hook in LOCAL["hooks"]}
    assert [] == [hook["id"] for hook in LOCAL["hooks"] if not hook["entry"].startswith((".venv/bin/", ".tools/bin/"))]


def test_what_make_check_runs_is_run_at_a_commit():
    entries = " ".join(hook["entry"] for hook in LOCAL["hooks"])

    for target in ("lint", "types", "imports"):
        recipe = MAKEFILE.partition(f"\n{target}: ")[2].partition("\n.PHONY")[0]
        for program, command in re.findall(r"\$\(BIN\)/([a-z-]+) ?([a-z]*)", recipe):
            assert f".venv/bin/{program} {command}".strip() in entries


def test_files_patterns_are_regular_expressions_that_match_something():
    names = [str(path.relative_to(ROOT)) for path in ROOT.glob("helm/*/*")]
    (helm_docs,) = [hook for hook in LOCAL["hooks"] if "helm-docs" == hook["id"]]

    assert any(re.search(helm_docs["files"], name) for name in names)


def test_a_file_that_coverage_leaves_out_exists_and_has_a_reason():
    lines = (ROOT / "pyproject.toml").read_text().partition("\nomit = [\n")[2].partition("\n]")[0].splitlines()
    files = [line.strip().strip('",') for line in lines if not line.lstrip().startswith("#")]

    assert lines[0].lstrip().startswith("#")
    assert [] == [name for name in files if not (ROOT / name).is_file()]
