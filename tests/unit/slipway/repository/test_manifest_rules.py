"""One table of folders, run through everything that reads a manifest: each accepts, or refuses, the same."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from slipway.repository import ModelDamaged, RepositoryError, VersionDamaged, build_view
from slipway.repository._manifest import check_manifest
from slipway.repository._shared import check_shared
from tests.unit.hostile_folders import MODELS, VERSIONS, prepare

SCRIPT = Path(__file__).parents[4] / "helm" / "serving" / "files" / "start-triton.sh"

pytestmark = [
    pytest.mark.skipif(shutil.which("bash") is None, reason="no bash"),
    pytest.mark.timeout(60),  # what hangs fails here
]


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    """Between two looks at files that a publisher may be replacing."""
    monkeypatch.setattr("slipway.repository._shared._PAUSE_S", 0.001)


@pytest.fixture
def start(tmp_path):
    """Run the container's script up to tritonserver: `start(root)` returns its exit code, its words, what is shown."""

    def run(root, **environment):
        view, programs = tmp_path / "shown", tmp_path / "bin"
        programs.mkdir(exist_ok=True)
        (programs / "tritonserver").write_text("#!/bin/bash\necho started\n")
        (programs / "tritonserver").chmod(0o755)
        settings = {"MODEL_NAME": "digits", "MODEL_STORE": str(root), "MODEL_VIEW": str(view), "MODEL_VERSION": "1"}
        settings |= {"CHECK_INTEGRITY": "true", "RESTRICT_ADMIN_APIS": "false"} | environment
        ended = subprocess.run(
            ["bash", "-c", SCRIPT.read_text(), "tritonserver"],
            env={"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", **settings},
            stdin=subprocess.PIPE,  # nobody writes there: who reads it waits for ever
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return ended.returncode, ended.stdout, files_below(view) if view.exists() else None

    return run


def files_below(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if not path.is_dir()}


def built(root, into, **options):
    try:
        build_view(root, ["digits"], into, **options)
    except RepositoryError:
        return None
    return files_below(into)


@pytest.mark.parametrize("name", VERSIONS)
def test_a_version_is_accepted_or_refused_by_all_alike(tmp_path, start, name):
    root, case = tmp_path / "store", VERSIONS[name]
    folder = prepare(root)
    try:
        case.make(folder)
    except PermissionError:
        pytest.skip("only root makes devices")

    code, said, shown = start(root)
    view = built(root, tmp_path / "view", versions={"digits": 1})

    if case.accepted:
        check_manifest(folder)
        assert 0 == code, said
        assert "started" in said
        assert shown == view != None  # noqa: E711
    else:
        with pytest.raises(VersionDamaged) as refusal:
            check_manifest(folder)
        assert str(refusal.value).isprintable()
        assert 1 == code, said
        assert "start-triton: version 1 is not what was published: " in said
        assert (None, None) == (shown, view)


@pytest.mark.parametrize("name", MODELS)
def test_the_files_that_all_versions_share_are_accepted_or_refused_by_all_alike(tmp_path, start, name):
    root, case = tmp_path / "store", MODELS[name]
    prepare(root)
    case.make(root / "digits")

    code, said, shown = start(root)
    view = built(root, tmp_path / "view", versions={"digits": 1})

    if case.accepted:
        check_shared(root / "digits")
        assert 0 == code, said
        assert shown == view != None  # noqa: E711
    else:
        with pytest.raises(ModelDamaged, match="slipway models seal digits"):
            check_shared(root / "digits")
        assert 1 == code, said
        assert "slipway models seal digits" in said
        assert (None, None) == (shown, view)


def test_without_the_check_both_show_everything_but_code_and_links(tmp_path, start):
    root = tmp_path / "store"
    folder = prepare(root)
    (folder / "manifest.sha256").unlink()
    (root / "digits" / "manifest.sha256").unlink()
    for name in ("model.py", "x.so", "weights/by hand.bin", "weights/MODEL.PY"):
        (folder / name).write_text("by hand")
    for name in ("model.py", "triton_python_backend_stub", "notes.txt", "configs/other.pbtxt"):
        (root / "digits" / name).write_text("by hand")
    (folder / "link").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe")

    code, said, shown = start(root, CHECK_INTEGRITY="false")

    assert 0 == code, said
    assert {
        *("digits/config.pbtxt", "digits/labels.txt", "digits/configs/gpu.pbtxt", "digits/configs/other.pbtxt"),
        *("digits/1/model.onnx", "digits/1/weights/layer.bin", "digits/1/weights/by hand.bin"),
    } <= set(shown)
    assert shown == built(root, tmp_path / "view", compare=False)
    assert not any("model.py" in name.lower() or "link" in name or "stub" in name for name in shown)


@pytest.mark.parametrize("version", ["../1", "1/../1", "01", "-1", "1 ", "$(id)", "/etc", str(2**63)])
def test_a_version_that_is_no_number_is_refused(tmp_path, start, version):
    prepare(tmp_path / "store")

    code, said, shown = start(tmp_path / "store", MODEL_VERSION=version)

    assert (1, None) == (code, shown)
    assert "expected a version such as 3" in said


def test_a_number_that_is_too_great_for_triton_is_no_version_to_either(tmp_path, start):
    root = tmp_path / "store"
    prepare(root)
    shutil.copytree(root / "digits" / "1", root / "digits" / str(2**63 - 1))
    shutil.copytree(root / "digits" / "1", root / "digits" / str(2**63))

    code, said, shown = start(root, MODEL_VERSION="")

    assert 0 == code, said
    assert shown == built(root, tmp_path / "view")
    assert f"digits/{2**63 - 1}/model.onnx" in shown


def test_a_second_start_in_the_same_pod_shows_the_new_version_alone(tmp_path, start):
    root = tmp_path / "store"
    prepare(root)
    start(root)
    prepare(root)

    code, said, shown = start(root, MODEL_VERSION="")

    assert 0 == code, said
    assert {"2"} == {name.split("/")[1] for name in shown} - {"config.pbtxt", "labels.txt", "configs"}


def test_the_script_asks_for_nothing_that_the_image_lacks(tmp_path, start):
    """bash, coreutils and findutils: everything else is hidden from it."""
    root = tmp_path / "store"
    prepare(root)
    only = tmp_path / "only"
    only.mkdir()
    for program in ("bash", "basename", "cat", "cp", "find", "head", "mkdir", "mv", "od", "rm", "sha256sum", "sleep"):
        (only / program).symlink_to(shutil.which(program))
    for program in ("sort", "stat", "tail", "tr", "wc"):
        (only / program).symlink_to(shutil.which(program))

    code, said, _ = start(root, MODEL_VERSION="", PATH=f"{tmp_path / 'bin'}{os.pathsep}{only}")

    assert 0 == code, said
