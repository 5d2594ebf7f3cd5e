"""What the pages tell to type is taken by the command, and their tables name all that there is and nothing else."""

import re
import shlex
from pathlib import Path

import pytest
import typer

import slipway.client
from slipway.cli import app
from slipway.client import ClientError
from training.recipe import Recipe

ROOT = Path(__file__).parents[2]
COMMAND = re.compile(r"(?:^|[|`] ?|\$ )(?:\.venv/bin/)?slipway ((?:[a-z]|-)[^|#`\n]*)", re.MULTILINE)


def text_of(page):
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page):
    """What stands in fenced blocks of a shell."""
    return "\n".join(re.findall(r"^```(?:sh|console)\n(.*?)^```", text_of(page), re.MULTILINE | re.DOTALL))


def shows_commands():
    """Every page with a block of a shell in which `slipway` is called."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    names = [str(path.relative_to(ROOT)) for path in pages]
    return [name for name in names if COMMAND.search(blocks(name))]


def first_cells(page, heading):
    """Names in the first column of the table under this heading of columns."""
    rows = text_of(page).partition(heading)[2].partition("\n\n")[0].splitlines()
    return [name for row in rows if row.startswith("| `") for name in re.findall(r"`(\w+)`", row.split(" | ")[0])]


def parse(line):
    """Have the command parse a line, and do nothing."""
    words = shlex.split(line.replace("…", ""))
    command, context = typer.main.get_command(app), None
    # Typer brings a Click of its own, so that no class of the package `click` is a base of its groups.
    while hasattr(command, "resolve_command"):
        context = command.context_class(command, parent=context, info_name=command.name)
        _, command, words = command.resolve_command(context, words)
    command.make_parser(command.context_class(command, parent=context)).parse_args(words)


@pytest.mark.parametrize("page", shows_commands())
def test_every_command_of_a_page_is_one_that_the_program_takes(page):
    of_their_own = ("loadtest ", "rehearse ")  # a scenario takes the place of a command; their pages have tests
    lines = [line for line in COMMAND.findall(blocks(page)) if not line.startswith(of_their_own)]
    for line in lines:
        parse(line)


def test_the_pages_of_the_main_commands_show_them():
    pages = {f"docs/{name}.md" for name in ("client", "serving", "repository", "training", "values", "load-testing")}

    assert {"README.md"} | pages <= set(shows_commands())


def test_an_option_that_the_program_does_not_know_would_be_found():
    with pytest.raises(Exception, match="--keep-last"):
        parse("models prune mnist --keep-last 3")
    with pytest.raises(Exception, match="prone"):
        parse("models prone mnist")


def test_the_clients_page_names_every_error():
    public = [getattr(slipway.client, name) for name in slipway.client.__all__]
    errors = {each.__name__ for each in public if isinstance(each, type) and issubclass(each, ClientError)}

    assert errors - {"ClientError"} == set(first_cells("docs/client.md", "| error | when |"))


def test_the_training_page_names_every_section_of_a_recipe():
    assert set(Recipe.model_fields) == set(first_cells("docs/training.md", "| section | says |"))


def test_the_images_page_names_every_build_argument():
    dockerfiles = (ROOT / "docker" / f"{name}.Dockerfile" for name in ("client", "training"))
    arguments = {name for path in dockerfiles for name in re.findall(r"^ARG (\w+)", path.read_text(), re.MULTILINE)}

    assert arguments == set(first_cells("docs/images.md", "| argument | default |"))
