"""The verdict, its checks, and the target: shared by the reports of load tests and rehearsals.

`report.json` and `capacity.yaml` are made of these values. They need pydantic, which the rest of the library does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

__all__ = ["EXIT_CODES", "MARKS", "Check", "Environment", "Outcome", "TargetFacts", "Value", "Verdict"]

Outcome = Literal["PASS", "FAIL", "INVALID"]

EXIT_CODES: Mapping[Outcome, int] = {"PASS": 0, "FAIL": 1, "INVALID": 3}
"""Exit codes by verdict; 2 is for an invalid scenario or command line."""

MARKS: Mapping[Outcome, str] = {"PASS": "✓", "FAIL": "✗", "INVALID": "!"}
"""Symbols by verdict on a page."""


class Value(BaseModel):
    """Base of every part of a report: frozen, and rejects unknown keys."""

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
        outcome: PASS, FAIL or INVALID.
        checks: A load test's objectives or a rehearsal's assertions, also if the outcome is INVALID.
        reasons: Why it is FAIL or INVALID, one sentence each; empty for PASS.
    """

    outcome: Outcome
    checks: tuple[CheckT, ...]
    reasons: tuple[str, ...]


class TargetFacts(Value):
    """The target server, as it describes itself."""

    url: str
    protocol: Literal["grpc", "http"]
    model: str
    version: str
    labels: int
    max_batch_size: int


class Environment(Value):
    """The machine of the load generator."""

    machine: str
    cores: int
    python: str
    packages: Mapping[str, str]
