"""`python -m benchmarks.peers`: measure, show, and write the results. See the package for what it measures."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import benchmarks.peers as package
from benchmarks.peers.contenders import BARE, EMBEDDED, PEERS, Contender, Peer
from benchmarks.peers.environments import EnvironmentUnavailable, is_prepared, locked_version, prepared
from benchmarks.peers.load import missing_programs, program_versions
from benchmarks.peers.payloads import MODEL
from benchmarks.peers.results import Summary
from benchmarks.peers.rounds import FULL, QUICK, Bench, Timing, Turn, model_file
from benchmarks.peers.tables import as_document, as_markdown, short_table
from benchmarks.serving import ROOT, machine, write_results
from slipway.errors import SlipwayError
from slipway.platform.signals import signals_as_interrupt
from slipway.repository import find_model
from training.recipe import load_recipe

_EVERY: tuple[Contender, ...] = (*EMBEDDED, BARE, *PEERS)
_INTERRUPTED = 130
_BUSY = 0.25  # of a core in use before anything is measured


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    options = _parse(arguments)
    try:
        with signals_as_interrupt():
            return _run(options)
    except SlipwayError as exc:
        print(f"bench-peers: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench-peers: interrupted; nothing was written, and every server is stopped", file=sys.stderr)
        return _INTERRUPTED


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers",
        description=package.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = [contender.name for contender in _EVERY]
    parser.add_argument("--quick", action="store_true", help="the embedded server and ONNX Runtime alone, one round")
    parser.add_argument("--only", action="append", choices=names, metavar="NAME", help=f"one of {', '.join(names)}")
    parser.add_argument("--rounds", type=int, help=f"turns of each contender; {FULL.rounds} if not given")
    parser.add_argument("--repository", type=Path, default=ROOT / "model_repository", help="the model repository")
    parser.add_argument("--output", type=Path, default=ROOT / "runs" / "peers.json", help="every sample, as JSON")
    parser.add_argument("--write", action="store_true", help="replace the tables in docs/benchmarks.md and README.md")
    return parser.parse_args(arguments)


def _run(options: argparse.Namespace) -> int:
    if missing := missing_programs():
        raise SlipwayError(missing)
    contenders = _chosen(options)
    timing = QUICK if options.quick else FULL
    timing = replace(timing, rounds=options.rounds) if options.rounds else timing
    load_before = os.getloadavg()[0]
    _tell(_plan(contenders, timing, load_before))
    if other := _other_network(options.repository):
        _tell(other)
    unavailable = _install(contenders)
    started = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="slipway-peers-") as scratch:
        bench = Bench(published=options.repository, scratch=Path(scratch), timing=timing, tell=_tell)
        turns = bench.run([each for each in contenders if each.name not in unavailable])
    turns |= {name: [Turn(failed=reason)] for name, reason in unavailable.items()}
    summary = Summary(contenders, turns)
    facts = _facts(options.repository, contenders, started, load_before)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    document = as_document(summary, turns, conditions=facts, timing=timing)
    options.output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    text = as_markdown(summary, _sentence(facts, timing))
    print(text)
    _tell(f"every sample: {options.output}")
    if options.write:
        write_results("peers", text)
        write_results("peers", short_table(summary), page=ROOT / "README.md")
    return 1 if summary.failures() else 0


def _chosen(options: argparse.Namespace) -> list[Contender]:
    if options.only:
        return [each for each in _EVERY if each.name in options.only]
    return [*EMBEDDED, BARE] if options.quick else list(_EVERY)


def _install(contenders: Sequence[Contender]) -> dict[str, str]:
    """Install what the peers need; by contender, why that is not possible. The others are measured all the same."""
    reasons: dict[str, str] = {}
    for each in contenders:
        if not isinstance(each, Peer):
            continue
        try:
            if not is_prepared(each.environment):
                _tell(f"installing the environment of {each.environment}, once")
            prepared(each.environment)
        except EnvironmentUnavailable as exc:
            _tell(str(exc))
            reasons[each.name] = str(exc)
    return reasons


def _plan(contenders: Sequence[Contender], timing: Timing, load: float) -> str:
    minutes = timing.estimate_s(contenders) / 60
    plan = f"contenders: {len(contenders)}, rounds: {timing.rounds}: about {minutes:.1f} min"
    if load > _BUSY:
        return f"{plan}\nthis machine is busy (load average {load:.2f}): ratios will spread, and figures will be low"
    return plan


def _other_network(repository: Path) -> str:
    """A sentence where the goals are not for what is published; empty otherwise, or where there is no card."""
    card = find_model(repository, MODEL).served.path / "card.json"
    recipe = json.loads(card.read_text(encoding="utf-8"))["recipe"] if card.exists() else {}
    expected = load_recipe(MODEL).network.builder
    builder = recipe.get("network", {}).get("builder", expected)
    if builder == expected:
        return ""
    return f"the goals are for the network of the default recipe, {expected}; published is {builder}: see `make train`"


def _facts(
    repository: Path, contenders: Sequence[Contender], started: datetime, load_before: float
) -> dict[str, object]:
    peers = {each.environment for each in contenders if isinstance(each, Peer)}
    served = find_model(repository, MODEL).served
    return {
        "measured": f"{started:%Y-%m-%d %H:%M} UTC",
        "machine": machine(),
        "kernel": platform.release(),
        "load_average": {"before": load_before, "after": os.getloadavg()[0]},
        "clients": program_versions(),
        "peers": {name: locked_version(name) for name in sorted(peers)},
        "model_sha256": served.contents()["model.onnx"],
        "model_bytes": model_file(repository).stat().st_size,
    }


def _sentence(facts: dict[str, object], timing: Timing) -> str:
    clients = ", ".join(f"{name} {number}" for name, number in dict(facts["clients"]).items())  # type: ignore[call-overload]
    peers = ", ".join(f"{name} {number}" for name, number in dict(facts["peers"]).items())  # type: ignore[call-overload]
    load = dict(facts["load_average"])  # type: ignore[call-overload]
    return (
        f"Measured {facts['measured']} with `make bench-peers` on {facts['machine']}; Linux {facts['kernel']}; "
        f"{clients}; {peers or 'no peers'}; model.onnx of {facts['model_bytes']:,} bytes, sha256 "
        f"{str(facts['model_sha256'])[:12]}…. "
        "Server and client share the cores; "
        f"rounds: {timing.rounds}, {timing.row_s} s for each figure; shown are medians, in brackets the lowest and "
        f"highest; load average {load['before']:.2f} before, {load['after']:.2f} after."
    )


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
