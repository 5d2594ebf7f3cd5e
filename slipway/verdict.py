"""What reports of load tests and of rehearsals share: the verdict, its checks, and who was measured from where.

A `report.json` and a `capacity.yaml` are made of these values. They need pydantic, which the library itself does
without.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict

__all__ = ["EXIT_CODES", "MARKS", "Check", "Environment", "Outcome", "TargetFacts", "Value", "Verdict"]

Outcome = Literal["PASS", "FAIL", "INVALID"]

EXIT_CODES: Mapping[Outcome, int] = {"PASS": 0, "FAIL": 1, "INVALID": 3}
"""What a command ends with; 2 is for a scenario, or a command line, that is wrong."""

MARKS: Mapping[Outcome, str] = {"PASS": "✓", "FAIL": "✗", "INVALID": "!"}
"""What a page shows."""


class Value(BaseModel):
    """Base of every part of a report: frozen, and strict about unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Check(Value):
    """One objective. `bound` and `got` are in `unit`."""

    name: str
    relation: Literal["<=", ">="]
    bound: float
    got: float
    unit: str
    passed: bool


class Verdict(Value):
    """PASS: every objective is met. FAIL: one is not. INVALID: the generator was the limit, or the run is partial.

    Attributes:
        outcome: In one word.
        checks: Every objective, also of an invalid run.
        reasons: Why it is FAIL or INVALID, a sentence each; empty for PASS.
    """

    outcome: Outcome
    checks: tuple[Check, ...]
    reasons: tuple[str, ...]


class TargetFacts(Value):
    """Who was asked, as the server says itself."""

    url: str
    protocol: Literal["grpc", "http"]
    model: str
    version: str
    labels: int
    max_batch_size: int


class Environment(Value):
    """Where the generator ran."""

    machine: str
    cores: int
    python: str
    packages: Mapping[str, str]
