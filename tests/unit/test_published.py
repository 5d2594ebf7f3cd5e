"""What a run remembers of its publication, and when a resumed run trusts it."""

import hashlib
import json

import pytest

from slipway.repository import MANIFEST
from tests.unit.digits_repository import DIGITS, FILES, damage_byte, publish_text
from training.published import REMEMBERED, recall, remember


@pytest.fixture
def run_dir(tmp_path):
    return tmp_path / "run"


@pytest.fixture
def repository(tmp_path):
    return tmp_path / "repository"


@pytest.fixture
def published(repository, run_dir):
    version = publish_text(repository, "one")
    remember(version, run_dir)
    return version


def recalled(run_dir, repository, text="one", files=FILES):
    digest = hashlib.sha256(text.encode()).hexdigest()
    found = recall(run_dir, repository, DIGITS, files, onnx_sha256=digest)
    return found and found.version


def test_the_version_of_the_same_model_is_recalled_though_others_came_after_it(run_dir, repository, published):
    publish_text(repository, "two")

    assert published.version == recalled(run_dir, repository)
    assert {"model": "digits", "version": 1} == json.loads((run_dir / REMEMBERED).read_text())


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
    (run_dir / REMEMBERED).write_text(text)

    assert recalled(run_dir, repository) is None


def test_a_folder_that_cannot_be_written_is_said_and_is_no_failure(run_dir, repository):
    run_dir.write_text("a file")

    assert "--resume would publish the same model once more" in remember(publish_text(repository, "one"), run_dir)
