"""What a run remembers of its publication, and when a resumed run trusts it."""

import hashlib
import json
import shlex
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from slipway.cli import app
from slipway.repository import MANIFEST, find_model, publish
from tests.unit.digits_repository import DIGITS, FILES, damage_byte, publish_text
from training.publication import PUBLICATION_RECORD, accuracy_regression, find_publication, record_publication


@pytest.fixture
def run_dir(tmp_path):
    return tmp_path / "run"


@pytest.fixture
def repository(tmp_path):
    return tmp_path / "repository"


@pytest.fixture
def published(repository, run_dir):
    version = publish_text(repository, "one")
    record_publication(version, run_dir)
    return version


def recalled(run_dir, repository, text="one", files=FILES):
    digest = hashlib.sha256(text.encode()).hexdigest()
    found = find_publication(run_dir, repository, DIGITS, files, onnx_sha256=digest)
    return found and found.version


def test_the_version_of_the_same_model_is_recalled_though_others_came_after_it(run_dir, repository, published):
    publish_text(repository, "two")

    assert published.version == recalled(run_dir, repository)
    assert {"model": "digits", "version": 1} == json.loads((run_dir / PUBLICATION_RECORD).read_text())


def test_a_run_that_has_published_nothing_recalls_nothing(run_dir, repository):
    publish_text(repository, "one")

    assert recalled(run_dir, repository) is None


@pytest.mark.usefixtures("published")
def test_another_model_or_another_configuration_is_published(run_dir, repository):
    other = {**FILES, "config.pbtxt": FILES["config.pbtxt"] + "# more instances\n"}

    assert recalled(run_dir, repository, text="two") is None
    assert recalled(run_dir, repository, files=other) is None


def test_a_damaged_version_is_not_recalled(run_dir, repository, published):
    damage_byte(published.path)

    assert recalled(run_dir, repository) is None


def test_a_version_that_is_in_the_store_alone_is_recalled(run_dir, repository, published):
    """The new pod's repository is what `pull` brought: the manifest."""
    for path in published.path.iterdir():
        if path.name != MANIFEST:
            path.unlink()

    assert published.version == recalled(run_dir, repository)


@pytest.mark.parametrize(
    "text",
    ["", "[1]", '{"model": "digits"}', '{"model": "letters", "version": 1}', '{"model": "digits", "version": 9}'],
    ids=["empty", "list", "no-version", "other-model", "no-such-version"],
)
@pytest.mark.usefixtures("published")
def test_a_file_that_names_no_published_version_is_no_memory(run_dir, repository, text):
    (run_dir / PUBLICATION_RECORD).write_text(text)

    assert recalled(run_dir, repository) is None


@pytest.mark.parametrize(
    ("before", "now", "digest", "words"),
    [
        (0.9931, 0.987, "a", "better: test accuracy 99.31% then, 98.70% now (on the same test images)"),
        (0.9931, 0.987, "b", "better: test accuracy 99.31% then, 98.70% now (each on its own test images)"),
        (0.987, 0.987, "a", None),
        (0.9, 0.987, "a", None),
        (None, 0.987, "a", None),
        ("high", 0.987, "a", None),
    ],
)
def test_a_version_that_replaces_a_better_one_is_said_with_the_way_back(repository, before, now, digest, words):
    publish_card(repository, {"evaluation": {"accuracy": before}, "data": {"digest": "a"}} if before else [])
    served = publish_card(repository, {})
    card = SimpleNamespace(evaluation=SimpleNamespace(accuracy=now), data={"digest": digest})
    said = accuracy_regression(repository, served, card)

    assert (words or "") in said
    assert (
        "" if words is None else f"slipway models rollback digits --to 1 --repository {repository}"
    ) == said.partition("back to it with: ")[2]


def test_the_way_back_is_a_command_that_works(repository):
    publish_card(repository, {"evaluation": {"accuracy": 1.0}})
    served = publish_card(repository, {})
    card = SimpleNamespace(evaluation=SimpleNamespace(accuracy=0.5), data={"digest": ""})
    _, *arguments = shlex.split(accuracy_regression(repository, served, card).partition("back to it with: ")[2])

    result = CliRunner().invoke(app, arguments)

    assert 0 == result.exit_code, result.output
    assert {"evaluation": {"accuracy": 1.0}} == find_model(repository, "digits").served.card()


def test_a_first_version_replaces_nothing(repository, published):
    assert "" == accuracy_regression(repository, published, SimpleNamespace(evaluation=SimpleNamespace(accuracy=0.0)))


def publish_card(repository, card):
    def fill(folder):
        (folder / "model.onnx").write_text(f"model of {card}")
        (folder / "card.json").write_text(json.dumps(card))

    return publish(repository, DIGITS, FILES, fill)


def test_a_folder_that_cannot_be_written_is_said_and_is_no_failure(run_dir, repository):
    run_dir.write_text("a file")

    problem = record_publication(publish_text(repository, "one"), run_dir)

    assert "--resume would publish the same model once more" in problem
