"""Command and master: the request for a run, and its preparation: scenario, target, images."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, count
from pathlib import Path
from typing import IO, Self

from pydantic import BaseModel, ConfigDict

from loadtest.engine.target import inspect
from loadtest.output_file import refuse_to_overwrite
from loadtest.result.run_result import PAGE, REPORT
from loadtest.scenario.payload import Payload, load_payload
from loadtest.scenario.scenario_file import command_line, load_scenario, parse_overrides
from loadtest.scenario.schema import WITH_SECRETS, Scenario, changed
from slipway.verdict import TargetFacts

__all__ = ["Prepared", "RunRequest", "requested_run"]


class RunRequest(BaseModel):
    """The request for one run; the command writes it for the coordinator.

    Attributes:
        name: Name of the scenario, without folder and suffix.
        scenario: The validated scenario, with overrides applied.
        repository: Model repository of the served version.
        report_dir: Folder for the report; None for a new one below runs/loadtest.
        junit: File for the verdict as JUnit XML; None for none.
        command: Command line that repeats the run.
        page: Also write the HTML page, which takes a second or two.
        force: Overwrite existing reports.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    scenario: Scenario
    repository: Path
    report_dir: Path | None
    junit: Path | None
    command: str
    page: bool = True
    force: bool = False

    def to_file(self) -> IO[bytes]:
        """Write it to an unnamed file that only the receiving process can read: headers may hold a secret."""
        content = self.model_dump_json(context=WITH_SECRETS).encode()
        file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
        file.write(content)
        file.seek(0)
        return file

    @classmethod
    def from_descriptor(cls, descriptor: int) -> Self:
        """Read the file of `to_file`, and close it."""
        with open(descriptor, "rb") as file:
            return cls.model_validate_json(file.read())

    def with_changes(self, changes: Mapping[str, object], **others: object) -> Self:
        """A copy with other scenario values, by dotted key, and other attributes.

        Raises:
            ScenarioError: The changed scenario is invalid.
        """
        return self.model_copy(update={"scenario": changed(self.scenario, changes), **others})

    def refuse_to_overwrite(self, *, own: Collection[Path] = ()) -> None:
        """Check before the load that no existing file would be overwritten.

        Args:
            own: Files that this process has written: its next run may replace them.

        Raises:
            ReportExists: A report exists.
        """
        if self.report_dir is not None and self.report_dir not in own:
            for name in (REPORT, PAGE):
                refuse_to_overwrite(self.report_dir / name, other="--report-dir", force=self.force)
        if self.junit is not None and self.junit not in own:
            refuse_to_overwrite(self.junit, other="--junit", force=self.force)

    def folder(self, started: datetime) -> Path:
        """Folder of the report; by default one that no other run uses."""
        if self.report_dir is not None:
            return self.report_dir
        base = Path("runs/loadtest") / f"{self.name}-{started:%Y%m%d-%H%M%S}"
        names = chain([base.name], (f"{base.name}-{number}" for number in count(2)))
        return next(path for path in map(base.with_name, names) if not path.exists())

    def prepare(self) -> Prepared:
        """Inspect the target, and read the images.

        Raises:
            LoadTestError: The run cannot begin.
        """
        scenario = self.scenario
        facts, contract = inspect(scenario.target)
        payload = load_payload(
            scenario.payload, contract, version=facts.version, repository=self.repository, seed=scenario.seed
        )
        return Prepared(scenario, facts, payload)


@dataclass(frozen=True, slots=True)
class Prepared:
    """The prepared inputs of a run."""

    scenario: Scenario
    target: TargetFacts
    payload: Payload


def requested_run(options: argparse.Namespace, *, host: str | None) -> RunRequest:
    """The run request of the `slipway` command, or from the arguments of `locust -f`.

    Args:
        options: Locust's command line, or the fields of its page.
        host: Locust's own option for the target; used if ours is not given.

    Raises:
        ScenarioError: The scenario cannot be run.
    """
    if options.request_fd >= 0:
        return RunRequest.from_descriptor(options.request_fd)
    overrides = parse_overrides(options.override)
    if url := options.target or host:
        overrides["target.url"] = url
    return RunRequest(
        name=Path(options.scenario).stem,
        scenario=load_scenario(options.scenario, overrides),
        repository=Path(options.repository),
        report_dir=Path(options.report_dir) if options.report_dir else None,
        junit=Path(options.junit) if options.junit else None,
        page=not options.no_page,
        force=options.force,
        command=command_line(sys.argv),
    )
