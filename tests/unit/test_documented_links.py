"""A link of a page leads somewhere, and a folder, a target or a scenario that it names exists."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def pages():
    listed = subprocess.run(["git", "ls-files", "-z", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True)
    return sorted(filter(None, listed.stdout.split("\0")))


def prose(page):
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(path):
    """Of the headings of a page, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(path.relative_to(ROOT)), re.MULTILINE)
    plain = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading) for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in plain}


def broken_links(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = ((ROOT / page).parent / name).resolve() if name else ROOT / page
        if not path.exists() or (anchor and path.suffix == ".md" and anchor not in anchors(path)):
            yield target


@pytest.mark.parametrize("page", pages())
def test_every_link_of_a_page_leads_somewhere(page):
    assert [] == [*broken_links(page)]


def test_a_link_to_nothing_is_found(monkeypatch, tmp_path):
    (tmp_path / "page.md").write_text("# One\n[a](other.md) [b](#two) [c](#one) [d](https://example.com/x)\n")
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)

    assert ["other.md", "#two"] == [*broken_links("page.md")]


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_the_layout_of_a_page_names_folders_that_exist(page):
    table = prose(page).partition("ayout\n")[2].partition("\n## ")[0]
    folders = re.findall(r"`([\w/]+/)`", "\n".join(re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE)))

    assert folders
    assert [] == [folder for folder in folders if not (ROOT / folder).is_dir()]


@pytest.mark.parametrize("page", pages())
def test_every_make_target_of_a_page_exists(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = re.findall(r"(?:`|^\$ |^)make ((?:[a-z][a-z-]* ?)+)", text, re.MULTILINE)
    names = {name for words in targets for name in words.split()}

    assert set() == {name for name in names if not re.search(rf"^{name}:", MAKEFILE, re.MULTILINE)}


def test_the_scenarios_and_recipes_that_readme_names_exist():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rehearsed = re.findall(r"make rehearse SCENARIO=([\w-]+) +# or (.+), \.\.\.", text)
    scenarios = {name for first, others in rehearsed for name in (first, *others.split(", "))}

    assert scenarios
    assert set() == {name for name in scenarios if not (ROOT / "rehearsal" / "scenarios" / f"{name}.yaml").is_file()}
    assert [] == [
        name
        for name in re.findall(r"RECIPE=(\w+)", text)
        if not (ROOT / "training" / "recipes" / f"{name}.yaml").is_file()
    ]
