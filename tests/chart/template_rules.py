"""How a chart's templates are written, checked on their text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

# An object is read whole, from its guard to its last field; more than this is no longer one job.
MOST_LINES = 150
_COMMENT = re.compile(r"\{\{-?\s*/\*.*?\*/\s*-?\}\}", re.DOTALL)
_ACTION = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_DEFINE = re.compile(r'\bdefine\s+"([^"]+)"')
_INCLUDE = re.compile(r'\b(?:include|template)\s+"([^"]+)"')
# include (printf "slipway-training.%sArgs" .step): a name that is put together.
_COMPOSED = re.compile(r'\binclude\s+\(printf\s+"([^"]+)"')
_CHECK = re.compile(r'\{\{-? include "[^"]+" \. -?\}\}\n')
_GUARD = re.compile(r"\{\{-? (if|with|range) ")
# Where an object may begin: a guard, a check of the values, or the object itself, which then is always there.
_FIRST_LINE = re.compile(r'apiVersion:|\{\{-? (if|with|range) |\{\{-? include "[^"]+" ')


def findings(chart: Path) -> list[str]:
    """Return what is wrong with the chart's templates, a sentence each."""
    said = []
    for path in _texts(chart):
        said += [f"{path.relative_to(chart)}: {sentence}" for sentence in _of_a_template(path, chart)]
    return said + list(_of_the_helpers(chart))


def guarded(path: Path) -> bool:
    """Return whether the template may leave its object out, by its first line; a check of the values may precede it."""
    return _GUARD.match(_CHECK.sub("", path.read_text(), count=1)) is not None


def _texts(chart: Path) -> list[Path]:
    """Return the templates, and the files in rules/ that a template renders with `tpl`."""
    found = [path for folder in ("templates", "rules") for path in (chart / folder).rglob("*")]
    return sorted(path for path in found if path.is_file())


def _of_a_template(path: Path, chart: Path) -> Iterator[str]:
    text = path.read_text()
    lines = text.count("\n")
    if lines > MOST_LINES:
        yield f"{lines} lines; at most {MOST_LINES}"
    code = _COMMENT.sub("", text)
    for action in _ACTION.findall(code):
        if re.search(r"\b(default|coalesce)\b", re.sub(r'"[^"]*"', "", action)) and ".Chart.AppVersion" not in action:
            yield f"{action} hides a default; it belongs into values.yaml"
    prefix = f"slipway-{chart.name}."
    yield from (f"{name} does not begin with {prefix}" for name in _DEFINE.findall(code) if not name.startswith(prefix))
    if path.suffix == ".yaml" and path.is_relative_to(chart / "templates"):
        first = next(iter(code.splitlines()), "")
        if not _FIRST_LINE.match(first):
            yield f"expected a guard or an object on the first line, got {first!r}"
        if len(re.findall(r"^kind:", code, re.MULTILINE)) > 1:
            yield "more than one object"


def _of_the_helpers(chart: Path) -> Iterator[str]:
    code = "\n".join(_COMMENT.sub("", path.read_text()) for path in _texts(chart))
    composed = [re.escape(name).replace("%s", "[^.]+") for name in _COMPOSED.findall(code)]
    defined = _DEFINE.findall(code)
    used = {*_INCLUDE.findall(code), *(name for name in defined for form in composed if re.fullmatch(form, name))}
    yield from (f"{name} is defined twice" for name in sorted({name for name in defined if defined.count(name) > 1}))
    yield from (f"{name} is defined and nobody includes it" for name in sorted(set(defined) - used))
