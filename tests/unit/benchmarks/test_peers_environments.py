"""Environments of the peers: made of their locks by the real uv, once."""

import pytest

import benchmarks.peers.__main__ as command
from benchmarks.peers import environments
from benchmarks.peers.contenders import PEERS
from benchmarks.peers.environments import EnvironmentUnavailable, is_prepared, prepared

pytestmark = pytest.mark.skipif(not environments._UV.exists(), reason="uv is not installed")


@pytest.fixture
def lock(tmp_path, monkeypatch):
    """An empty one, for a peer named `peer`."""
    monkeypatch.setenv("SLIPWAY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(environments, "_LOCKS", tmp_path)
    path = tmp_path / "peer.txt"
    path.write_text("# nothing\n")
    return path


@pytest.mark.usefixtures("lock")
def test_an_environment_is_installed_once_into_the_cache(tmp_path):
    python = prepared("peer")
    (python.parent / "kept").touch()

    assert python.is_relative_to(tmp_path / "cache" / "peers")
    assert is_prepared("peer")
    assert python == prepared("peer")
    assert (python.parent / "kept").exists()


def test_a_lock_that_changed_makes_another_environment(lock):
    first = prepared("peer")
    lock.write_text("# nothing more\n")

    assert not is_prepared("peer")
    assert first != prepared("peer")


@pytest.mark.usefixtures("lock")
def test_an_installation_that_was_interrupted_is_done_again():
    python = prepared("peer")
    (python.parents[1] / ".ready").unlink()
    (python.parent / "half").touch()
    prepared("peer")

    assert is_prepared("peer")
    assert not (python.parent / "half").exists()


def test_a_lock_that_uv_refuses_is_told_with_its_reason_and_leaves_nothing_ready(lock):
    lock.write_text("numpy\n")  # no version, no hash

    with pytest.raises(EnvironmentUnavailable, match=r"environment of peer is not installed: .*hash"):
        prepared("peer")
    assert not is_prepared("peer")


def test_a_peer_that_cannot_be_installed_is_left_out_with_its_reason(lock, tmp_path):
    lock.rename(tmp_path / "fastapi.txt")
    (tmp_path / "ray.txt").write_text("ray\n")  # no version, no hash
    fastapi, ray = (next(peer for peer in PEERS if peer.environment == name) for name in ("fastapi", "ray"))

    reasons = command._install([fastapi, ray])

    assert ["ray"] == list(reasons)
    assert "hash" in reasons["ray"]
    assert is_prepared("fastapi")
