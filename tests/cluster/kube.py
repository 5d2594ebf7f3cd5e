"""The cluster by the commands that a user types, and how a test waits for something.

kube.kubectl("get", "pods", "-n", "serving")
kube.wait("inferenceservice/mnist", "condition=Ready", namespace="serving")
eventually(lambda: kube.items("nodes") == [], "no node")
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

from rehearsal.cluster.connection import ClusterConnection

LONGEST_S = 90.0
"""Far more than anything here takes: whoever waits for so long waits in vain."""

_CALL_S = 120.0
Seen = TypeVar("Seen")


def eventually(look: Callable[[], Seen], what: str, *, within_s: float = LONGEST_S) -> Seen:
    """Return what `look` returns, as soon as that is neither None nor False nor empty."""
    return _poll(look, bool, what, within_s)


def eventually_nothing(look: Callable[[], list[str]], what: str, *, within_s: float = LONGEST_S) -> None:
    """Return as soon as `look` sees nothing."""
    _poll(look, lambda left: not left, what, within_s)


def _poll(look: Callable[[], Seen], enough: Callable[[Seen], bool], what: str, within_s: float) -> Seen:
    deadline_s = time.monotonic() + within_s
    while not enough(seen := look()):
        assert time.monotonic() < deadline_s, f"after {within_s:.0f} s: {what}; seen last: {seen!r}"
        time.sleep(0.25)
    return seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Kube:
    """kubectl and helm on one cluster.

    Attributes:
        connection: To the cluster.
        home: A folder for Helm's own files.
    """

    connection: ClusterConnection
    home: Path

    def kubectl(self, *words: str | Path, text: str | None = None, check: bool = True) -> str:
        """Run kubectl; return its standard output, with `check=False` all that it said."""
        return self._said(self._run("kubectl", words, text), check=check)

    @contextmanager
    def following(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """kubectl with its standard output as a pipe; ended with the block."""
        command = (self.connection.executables["kubectl"], *words)
        environment = {**os.environ, "KUBECONFIG": str(self.connection.kubeconfig)}
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
            try:
                yield process
            finally:
                process.kill()

    def helm(self, *words: str | Path, check: bool = True) -> str:
        """Run Helm; return as `kubectl`."""
        return self._said(self._run("helm", words, None), check=check)

    def get(self, kind: str, name: str, *, namespace: str = "") -> dict[str, Any]:
        """One object."""
        place = ("--namespace", namespace) if namespace else ()
        found: dict[str, Any] = json.loads(self.kubectl("get", kind, name, *place, "--output=json"))
        return found

    def items(self, kind: str, *, namespace: str = "", selector: str = "") -> list[dict[str, Any]]:
        """All objects of a kind; without a namespace those of all namespaces."""
        place = ("--namespace", namespace) if namespace else ("--all-namespaces",)
        listed = self.kubectl("get", kind, *place, f"--selector={selector}", "--output=json")
        found: list[dict[str, Any]] = json.loads(listed)["items"]
        return found

    def wait(self, what: str, until: str, *, namespace: str = "", within_s: float = LONGEST_S) -> None:
        """Watch an object until a condition of `kubectl wait` holds."""
        place = ("--namespace", namespace) if namespace else ()
        self.kubectl("wait", what, f"--for={until}", *place, f"--timeout={within_s:.0f}s")

    def apply(self, *objects: dict[str, Any]) -> None:
        """Make objects."""
        self.kubectl("apply", "--filename=-", text=yaml.safe_dump_all(objects))

    def _run(self, program: str, words: tuple[str | Path, ...], text: str | None) -> subprocess.CompletedProcess[str]:
        homes = {f"HELM_{kind}_HOME": str(self.home / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}
        return subprocess.run(
            (self.connection.executables[program], *words),
            env={**os.environ, **homes, "KUBECONFIG": str(self.connection.kubeconfig)},
            input=text,
            capture_output=True,
            text=True,
            timeout=_CALL_S,
            check=False,
        )

    def _said(self, done: subprocess.CompletedProcess[str], *, check: bool) -> str:
        if not check:
            return done.stdout + done.stderr
        assert 0 == done.returncode, f"{' '.join(map(str, done.args))}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return done.stdout
