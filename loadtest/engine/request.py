"""Command and master: what is asked for, and what it takes to begin: scenario, a target that answers, images."""

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
    """One run, as it was asked for; the command writes it for the process that leads the run.

    Attributes:
        name: The scenario's, without folder and suffix.
        scenario: Read and checked, with what replaces its values.
        repository: Where the served version was published.
        report_dir: Where the report goes; None: a new folder below runs/loadtest.
        junit: Where the verdict goes as JUnit XML; None: nowhere.
        command: Repeats the run.
        page: Also write the HTML page, which takes a second or two.
        force: Reports that are there already may be overwritten.
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
        """A file without a name, for nobody but whom it is handed to: headers may hold a secret."""
        content = self.model_dump_json(context=WITH_SECRETS).encode()
        file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
        file.write(content)
        file.seek(0)
        return file

    @classmethod
    def from_descriptor(cls, descriptor: int) -> Self:
        """Read what `to_file` wrote, and close it."""
        with open(descriptor, "rb") as file:
            return cls.model_validate_json(file.read())

    def with_changes(self, changes: Mapping[str, object], **others: object) -> Self:
        """The request with other values in its scenario, by dotted key, and other attributes.

        Raises:
            ScenarioError: The scenario is none with them.
        """
        return self.model_copy(update={"scenario": changed(self.scenario, changes), **others})

    def refuse_to_overwrite(self, *, own: Collection[Path] = ()) -> None:
        """See before the load that the files of this run would replace no others.

        Args:
            own: What this process itself has written: its next run may replace it.

        Raises:
            ReportExists: They would.
        """
        if self.report_dir is not None and self.report_dir not in own:
            for name in (REPORT, PAGE):
                refuse_to_overwrite(self.report_dir / name, other="--report-dir", force=self.force)
        if self.junit is not None and self.junit not in own:
            refuse_to_overwrite(self.junit, other="--junit", force=self.force)

    def folder(self, started: datetime) -> Path:
        """Of the report; where none is named, one that no other run has."""
        if self.report_dir is not None:
            return self.report_dir
        base = Path("runs/loadtest") / f"{self.name}-{started:%Y%m%d-%H%M%S}"
        names = chain([base.name], (f"{base.name}-{number}" for number in count(2)))
        return next(path for path in map(base.with_name, names) if not path.exists())

    def prepare(self) -> Prepared:
        """Ask the target, and read the images.

        Raises:
            LoadTestError: Whatever keeps the run from beginning.
        """
        scenario = self.scenario
        facts, contract = inspect(scenario.target)
        payload = load_payload(
            scenario.payload, contract, version=facts.version, repository=self.repository, seed=scenario.seed
        )
        return Prepared(scenario, facts, payload)


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything a run begins with."""

    scenario: Scenario
    target: TargetFacts
    payload: Payload


def requested_run(options: argparse.Namespace, *, host: str | None) -> RunRequest:
    """Read the request: the command's, or what somebody typed after `locust -f`.

    Args:
        options: Of Locust's command line, or of the fields of its page.
        host: Locust's own option for the target; counts where ours is not given.

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
