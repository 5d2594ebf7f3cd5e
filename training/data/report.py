"""The data report: measures, findings, and whether the data can be trained on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from training.data.dataset import Dataset
from training.data.judge import Finding, judge
from training.data.measures import OverlapMeasures, SplitMeasures, measure
from training.errors import DataRefused

__all__ = ["DataReport", "inspect"]

_COLOURS = {"refusal": "red", "warning": "yellow"}

_LINES: tuple[tuple[str, Callable[[SplitMeasures], str]], ...] = (
    ("images", lambda split: f"{split.images:,}"),
    ("height, width, channels", lambda split: ", ".join(map(str, split.shape))),
    ("dtype", lambda split: split.dtype),
    ("pixels", lambda split: f"{split.minimum} to {split.maximum}"),
    ("mean pixel", lambda split: f"{split.mean:.1f}"),
    ("largest / smallest class", lambda split: "" if split.imbalance is None else f"{split.imbalance:.2f}"),
    ("blank", lambda split: f"{split.blank.count:,}"),
    ("duplicates", lambda split: f"{split.duplicates.count:,}"),
    ("conflicting labels", lambda split: f"{split.conflicts.count:,}"),
)
"""Rows of the console table: name and format."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataReport:
    """The data report.

    Attributes:
        name: Name of the data set.
        source: Its source.
        digest: SHA-256, in hex, of all arrays.
        labels: One name per class.
        splits: Measures of train, validation and test, in that order.
        overlaps: Images that held-out splits share with the training data.
        findings: Findings, refusals first.
    """

    name: str
    source: str
    digest: str
    labels: tuple[str, ...]
    splits: tuple[SplitMeasures, ...]
    overlaps: tuple[OverlapMeasures, ...]
    findings: tuple[Finding, ...]

    @property
    def refusals(self) -> tuple[Finding, ...]:
        """The findings that rule out training."""
        return tuple(finding for finding in self.findings if finding.severity == "refusal")

    def refuse(self) -> None:
        """Raise if the data is unfit for training.

        Raises:
            DataRefused: Lists every refusal, with its rows.
        """
        if self.refusals:
            raise DataRefused(
                f"{self.name} ({self.source}) is unfit for training:\n"
                + "\n".join(f"  - {finding.check}: {finding.text}" for finding in self.refusals)
            )

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON-compatible values."""
        splits = [asdict(split) | {"imbalance": split.imbalance} for split in self.splits]
        return asdict(self) | {"splits": splits}

    def render(self) -> RenderableType:
        """The report for a console."""
        findings = [
            Text.assemble((f"{finding.severity} ", _COLOURS[finding.severity]), f"{finding.check}: {finding.text}")
            for finding in self.findings
        ]
        return Group(
            Text(f"{self.name} from {self.source}, digest {self.digest[:12]}…"),
            self._table(),
            *(findings or [Text("no findings", style="green")]),
        )

    def _table(self) -> Table:
        """One column per split, as Text, since labels may look like markup."""
        table = Table("", *(Column(split.name, justify="right") for split in self.splits))
        for heading, shown in _LINES:
            table.add_row(heading, *(shown(split) for split in self.splits))
        shared = {overlap.held_out: overlap.shared.count for overlap in self.overlaps}
        table.add_row(
            "seen before", *(f"{shared[split.name]:,}" if split.name in shared else "" for split in self.splits)
        )
        table.add_section()
        for index, label in enumerate(self.labels):
            table.add_row(Text.assemble("class ", label), *(f"{split.class_counts[index]:,}" for split in self.splits))
        return table


def inspect(dataset: Dataset) -> DataReport:
    """Measure and judge a data set; see the limits in `training.data.judge`.

    Args:
        dataset: The data set, which is not modified.
    """
    splits, overlaps = measure(dataset)
    return DataReport(
        name=dataset.name,
        source=dataset.source,
        digest=dataset.digest,
        labels=dataset.labels,
        splits=splits,
        overlaps=overlaps,
        findings=judge(dataset.labels, splits, overlaps),
    )
