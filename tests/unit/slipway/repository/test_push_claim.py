"""Pushes of one number at once, over the real S3 wire: one wins, it is intact, and the others are told."""

import os
import random
import signal
import threading
import time

import pytest

pytest.importorskip("s3fs", reason="the extra `remote` is not installed")
pytest.importorskip("moto", reason="the dependency group `test` is not installed")

from rich.console import Console
from typer.testing import CliRunner

from slipway.cli import app
from slipway.repository import MANIFEST, RemoteFailed, RepositoryError, VersionTaken, pull, push, verify
from slipway.repository import _push_claim as claims
from tests.unit.digits_repository import publish_text
from tests.unit.s3_store import below

PUSHERS = 4
CLAIM = f"digits/{claims.CLAIM}"


@pytest.fixture
def slow_writes(s3):
    """The store takes a while for each write, so that pushes interleave."""
    chance = random.Random(2026)

    def wait(_path):
        time.sleep(chance.choice((0.0, 0.0, 0.01, 0.03)))

    s3.interceptor.after = wait
    return s3


@pytest.mark.parametrize("round_", range(6))
def test_of_many_pushes_of_one_number_at_once_exactly_one_is_published_and_intact(tmp_path, slow_writes, round_):
    s3, outcomes = slow_writes, {}
    texts = [f"model {n} of round {round_}" for n in range(PUSHERS)]
    for text in texts:
        publish_text(tmp_path / text, text)
    together = threading.Barrier(PUSHERS)

    def run(text):
        together.wait()
        try:
            outcomes[text] = push(tmp_path / text, s3.url)[0].new
        except (VersionTaken, RemoteFailed) as exc:
            outcomes[text] = exc

    threads = [threading.Thread(target=run, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    (winner,) = [text for text, outcome in outcomes.items() if outcome == (1,)]
    assert PUSHERS - 1 == sum(isinstance(outcome, RepositoryError) for outcome in outcomes.values())
    assert below(1) == s3.names()
    (pulled,) = pull(tmp_path / "reader", s3.url, complete=True)
    assert (1,) == pulled.complete
    assert winner == (tmp_path / "reader" / "digits" / "1" / "model.onnx").read_text()
    assert [1] == [entry.version for entry in verify(tmp_path / "reader", "digits")]


@pytest.mark.parametrize("moment", ["card.json", "model.onnx", "labels.txt", "digits/manifest.sha256"])
def test_a_push_that_was_overtaken_is_told_and_harms_nothing(tmp_path, s3, monkeypatch, moment):
    """As if it had slept so long that the other took it for killed."""
    monkeypatch.setattr(claims, "ABANDONED_S", 0)
    publish_text(tmp_path / "sleepy", "sleepy")
    publish_text(tmp_path / "rival", "rival")

    def overtake(path):
        if path.endswith(moment):
            s3.interceptor.after = None
            push(tmp_path / "rival", s3.url)

    s3.interceptor.after = overtake

    with pytest.raises(VersionTaken, match="published by another push meanwhile"):
        push(tmp_path / "sleepy", s3.url)
    assert below(1) == s3.names()
    pull(tmp_path / "reader", s3.url, complete=True)
    assert "rival" == (tmp_path / "reader" / "digits" / "1" / "model.onnx").read_text()


def test_a_push_beside_a_live_one_is_refused_and_says_until_when(tmp_path, s3):
    publish_text(tmp_path / "desk", "one")
    publish_text(tmp_path / "rival", "another one")
    refusals = []

    def try_as_well(path):
        if path.endswith("model.onnx"):
            s3.interceptor.after = None
            with pytest.raises(RemoteFailed) as refused:
                push(tmp_path / "rival", s3.url)
            refusals.append(str(refused.value))

    s3.interceptor.after = try_as_well

    (pushed,) = push(tmp_path / "desk", s3.url)

    assert (1,) == pushed.new
    (said,) = refusals
    assert "is under way, or was killed: it wrote last at" in said
    assert "UTC, or after removing that object" in said
    assert below(1) == s3.names()


def killed_push(s3, root, at):
    """Push, and stop like a killed process at a write: nothing is tidied up."""
    s3.interceptor.reset()
    s3.interceptor.refuse_from = at
    with pytest.raises(RemoteFailed):
        push(root, s3.url)
    s3.interceptor.reset()
    assert CLAIM in s3.names()


def test_the_same_push_goes_on_at_once_after_a_kill(tmp_path, s3):
    publish_text(tmp_path / "desk", "one")
    killed_push(s3, tmp_path / "desk", at=4)

    (pushed,) = push(tmp_path / "desk", s3.url)

    assert (1,) == pushed.new
    assert below(1) == s3.names()


def test_another_push_after_a_kill_waits_and_then_replaces_what_was_left(tmp_path, s3, monkeypatch):
    publish_text(tmp_path / "killed", "killed")
    publish_text(tmp_path / "next", "next")
    killed_push(s3, tmp_path / "killed", at=4)

    with pytest.raises(RemoteFailed, match="was killed"):
        push(tmp_path / "next", s3.url)
    monkeypatch.setattr(claims, "ABANDONED_S", 0)
    push(tmp_path / "next", s3.url)

    assert below(1) == s3.names()
    pull(tmp_path / "reader", s3.url, complete=True)
    assert "next" == (tmp_path / "reader" / "digits" / "1" / "model.onnx").read_text()


def test_what_is_damaged_while_it_is_published_is_said_and_taken_back(tmp_path, s3):
    publish_text(tmp_path / "desk", "one")

    def spoil(path):
        if path.endswith(f"/1/{MANIFEST}"):
            s3.interceptor.after = None
            s3.files.pipe_file(f"{s3.root}/digits/1/model.onnx", b"two")

    s3.interceptor.after = spoil

    with pytest.raises(RemoteFailed, match=r"model\.onnx is changed, read back after .* manifest was removed"):
        push(tmp_path / "desk", s3.url)
    assert f"digits/1/{MANIFEST}" not in s3.names()
    push(tmp_path / "desk", s3.url)
    pull(tmp_path / "reader", s3.url, complete=True)


def test_a_store_without_conditional_writes_is_named(tmp_path, s3):
    publish_text(tmp_path / "desk", "one")
    s3.interceptor.ignores_conditions = True
    with (tmp_path / "said").open("w") as said:
        push(tmp_path / "desk", s3.url, console=Console(file=said, width=400))

    assert "no conditional writes" in (tmp_path / "said").read_text()
    assert below(1) == s3.names()


def test_a_push_that_is_told_to_end_gives_its_claim_back(tmp_path, s3):
    """As a pod that is evicted; another one may push other weights at once."""
    publish_text(tmp_path / "evicted", "evicted")
    publish_text(tmp_path / "next", "next")

    def evict(path):
        if path.endswith("model.onnx"):
            s3.interceptor.after = None
            os.kill(os.getpid(), signal.SIGTERM)

    s3.interceptor.after = evict
    before = signal.getsignal(signal.SIGTERM)

    result = CliRunner().invoke(app, ["models", "push", s3.url, "-r", str(tmp_path / "evicted")])

    assert 128 + signal.SIGTERM == result.exit_code, result.output
    assert before == signal.getsignal(signal.SIGTERM)
    assert CLAIM not in s3.names()
    push(tmp_path / "next", s3.url)
    assert below(1) == s3.names()
