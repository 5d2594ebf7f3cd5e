"""Findings on a data set: warnings, and faults that rule out training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from training.data.measures import OverlapMeasures, SplitMeasures
from training.data.rows import Pairs, Rows

__all__ = [
    "FAINT",
    "MAX_BLANK_SHARE",
    "MAX_CONFLICT_SHARE",
    "MAX_IMBALANCE",
    "MAX_OVERLAP_SHARE",
    "MAX_UNSCALED_SHARE",
    "MAX_VALIDATION_SHARE",
    "Finding",
    "judge",
]

Severity = Literal["refusal", "warning"]

MAX_VALIDATION_SHARE = 1 / 3
"""Largest validation share of the training images. A larger one was probably meant for a larger data set; more than
half is rejected."""

MAX_OVERLAP_SHARE = 0.01
"""Largest share of a held-out split that is also in the training data. One in a hundred can raise the measured accuracy
by as much as the shipped gate leaves for errors (0.8 %); beyond that the gate is meaningless."""

MAX_BLANK_SHARE = 0.01
"""Largest share of blank images in a split. The label of a blank image is noise; a few are scanner faults, more than
one in a hundred is a broken export."""

MAX_UNSCALED_SHARE = 0.01
"""Largest share of unscaled images in a split. Zeros and ones among images of 0 to 255 are masks or one-bit images that
were read without scaling: nearly black for a network, but not for a client."""

FAINT = 128
"""If no pixel of any image is brighter, the images probably have another scale, such as 0 to 16 or 0 to 100. Clients
send 0 to 255."""

MAX_CONFLICT_SHARE = 0.005
"""Largest share of conflicting duplicates in a split. Of two equal images with different labels one label is wrong:
five in a thousand are most of the eight errors that the shipped gate allows. MNIST has none."""

MAX_IMBALANCE = 10.0
"""Largest ratio of the most frequent class to the rarest; MNIST has 1.24. Beyond, the rarest of ten classes may be one
image in 91 (9 x 10 + 1): a model that never predicts it loses about one point of accuracy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A finding on the data.

    Attributes:
        severity: `refusal`: the data is not trained on. `warning`: it is, with a note in the report.
        check: Name of the check.
        text: The fault, the rows and arrays concerned, and the remedy.
    """

    severity: Severity
    check: str
    text: str


def judge(
    labels: tuple[str, ...], splits: tuple[SplitMeasures, ...], overlaps: tuple[OverlapMeasures, ...]
) -> tuple[Finding, ...]:
    """Compare the measures with the limits of this module; refusals first."""
    findings = [finding for split in splits for finding in _split_findings(labels, split)]
    findings += [*_order_findings(labels), *_shape_findings(splits[0])]
    findings += _split_size_findings(splits)
    findings += [finding for overlap in overlaps for finding in _overlap_findings(overlap)]
    return tuple(sorted(findings, key=lambda finding: finding.severity))


def _split_findings(labels: tuple[str, ...], split: SplitMeasures) -> Iterator[Finding]:
    if not split.images:
        yield Finding(severity="refusal", check="images", text=f"the {split.name} split has no images")
        return
    yield from _class_findings(labels, split)
    yield from _range_findings(split)
    yield from _rows_finding(
        split, "blank", split.blank, MAX_BLANK_SHARE, "blank (of one value); remove them, or read them again"
    )
    yield from _rows_finding(split, "duplicates", split.duplicates, None, "equal to an earlier image")
    yield from _rows_finding(
        split,
        "conflicting labels",
        split.conflicts,
        MAX_CONFLICT_SHARE,
        "equal to an earlier image with another label; one of the two labels is wrong",
    )


def _range_findings(split: SplitMeasures) -> Iterator[Finding]:
    expected = f"{split.name}: expected pixels from 0 to 255, got {split.minimum} to {split.maximum}"
    if split.maximum <= 1:
        yield Finding(
            severity="refusal",
            check="value range",
            text=f"{expected}: scaled to 0 to 1 before they were cast to uint8? multiply by 255 first",
        )
    elif split.maximum < FAINT:
        yield Finding(
            severity="warning",
            check="value range",
            text=f"{expected}: clients send 0 to 255. Unless the images really are that dark, scale them so that "
            "white is 255, train and test alike",
        )
    yield from _rows_finding(
        split,
        "value range",
        split.unscaled,
        MAX_UNSCALED_SHARE,
        "of zeros and ones, while others are brighter; read files of one bit a pixel with Image.convert('L'), or "
        "multiply by 255",
    )


def _order_findings(labels: tuple[str, ...]) -> Iterator[Finding]:
    """Names that are the numbers 0 to n - 1, in another order: mostly `sorted()` of texts, 10 before 2."""
    numbers = [str(number) for number in range(len(labels))]
    if sorted(labels) == sorted(numbers) and list(labels) != numbers:
        first = next(index for index, label in enumerate(labels) if label != str(index))
        yield Finding(
            severity="warning",
            check="labels",
            text=f"labels are the numbers of the classes in another order: images of label {first} in y are called "
            f"{labels[first]!r}. Sorted as texts, 10 comes before 2: if y holds the numbers themselves, leave `labels` "
            "out",
        )


def _shape_findings(train: SplitMeasures) -> Iterator[Finding]:
    height, width, channels = train.shape
    if min(height, width) <= 3 < max(height, width):  # the possible numbers of channels
        yield Finding(
            severity="warning",
            check="shape",
            text=f"images are {height} x {width} pixels with {channels} channel(s): rows of pixels, or channels first? "
            "Clients would squeeze their pictures into that. Expected (n, height, width) or (n, height, width, 1 or 3)",
        )


def _split_size_findings(splits: tuple[SplitMeasures, ...]) -> Iterator[Finding]:
    counts = {split.name: split.images for split in splits}
    train, aside = counts["train"], counts["validation"]
    if train and aside > MAX_VALIDATION_SHARE * (train + aside):
        yield Finding(
            severity="refusal" if aside > train else "warning",
            check="split",
            text=f"{aside:,} of {train + aside:,} images are set aside to validate and {train:,} are left to train on; "
            "leave dataset.validation_images out of the recipe, and one in six is set aside, 5,000 at most",
        )


def _class_findings(labels: tuple[str, ...], split: SplitMeasures) -> Iterator[Finding]:
    if split.unlabelled.count:
        yield Finding(
            severity="refusal",
            check="labels",
            text=f"{split.name}: expected labels from 0 to {len(labels) - 1}, got others in {split.unlabelled} "
            f"of {split.array}",
        )
    missing = [label for label, count in zip(labels, split.class_counts, strict=True) if not count]
    if missing:
        yield Finding(
            # Validation only selects the epoch and may lack a rare class; training and test may not.
            severity="warning" if split.name == "validation" else "refusal",
            check="classes",
            text=f"{split.name}: no image of {', '.join(map(repr, missing))}",
        )
    if split.imbalance is not None and split.imbalance > MAX_IMBALANCE:
        yield Finding(
            severity="warning",
            check="balance",
            text=f"{split.name}: the most frequent class has {split.imbalance:.1f} images for each of the rarest; "
            "accuracy hides the rare class, so set gates.min_macro_f1",
        )


def _overlap_findings(overlap: OverlapMeasures) -> Iterator[Finding]:
    share = overlap.shared.count / overlap.images if overlap.images else 0.0
    if overlap.shared.count:
        yield Finding(
            severity="refusal" if share > MAX_OVERLAP_SHARE else "warning",
            check="overlap",
            text=f"{overlap.held_out}: {_counted(overlap.shared, overlap.images)} in {overlap.seen} too, so it does "
            f"not measure new images; {overlap.held_out_array} {overlap.shared} of {overlap.seen_array}",
        )
    if overlap.conflicts.count:
        conflicting = overlap.conflicts.count / overlap.images
        yield Finding(
            severity="refusal" if conflicting > MAX_CONFLICT_SHARE else "warning",
            check="conflicting labels",
            text=f"{overlap.held_out}: {_counted(overlap.conflicts, overlap.images)} in {overlap.seen} under another "
            f"label; {overlap.held_out_array} {overlap.conflicts} of {overlap.seen_array}",
        )


def _rows_finding(
    split: SplitMeasures, check: str, rows: Rows | Pairs, limit: float | None, what: str
) -> Iterator[Finding]:
    """A warning for any row; a refusal above `limit`, a share of the split, if given."""
    if rows.count:
        refused = limit is not None and rows.count / split.images > limit
        yield Finding(
            severity="refusal" if refused else "warning",
            check=check,
            text=f"{split.name}: {_counted(rows, split.images)} {what}; {split.array} {rows}",
        )


def _counted(rows: Rows | Pairs, images: int) -> str:
    """A phrase such as `120 of 10,000 images (1.2 %) are`."""
    return f"{rows.count:,} of {images:,} images ({rows.count / images:.2%}) {'is' if rows.count == 1 else 'are'}"
