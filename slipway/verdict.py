"""What reports of load tests and of rehearsals share: the verdict, its checks, and who was measured from where.

A `report.json` and a `capacity.yaml` are made of these values. They need pydantic, which the library itself does
without.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, Literal, TypeVar

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


CheckT = TypeVar("CheckT", bound=Value)


class Verdict(Value, Generic[CheckT]):
    """PASS: every check passed. FAIL: one did not. INVALID: what was measured says nothing about the service.

    Attributes:
        outcome: In one word.
        checks: All of them, also where the outcome is INVALID: a load test's objectives, a rehearsal's assertions.
        reasons: Why it is FAIL or INVALID, a sentence each; empty for PASS.
    """

    outcome: Outcome
    checks: tuple[CheckT, ...]
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
