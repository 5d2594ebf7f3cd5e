"""The verdict as JUnit XML: one test case per objective, so that a pipeline shows which one failed.

An INVALID run is an error, not a failure: it says nothing about the service.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from loadtest.output_file import write_output
from loadtest.result.run_result import Result
from slipway.printable import printable

__all__ = ["render_junit", "write_junit"]

_MOST = 4_000
"""Characters of a message; XML knows no control characters, not even escaped."""


def render_junit(result: Result) -> str:
    """XML of one test suite."""
    verdict, figures = result.verdict, result.figures
    suite_name = f"slipway.loadtest.{printable(result.name)}"
    invalid = verdict.outcome == "INVALID"
    failed = [check for check in verdict.checks if not check.passed]
    suite = ET.Element(
        "testsuite",
        name=suite_name,
        tests=str(len(verdict.checks)),
        failures="0" if invalid else str(len(failed)),
        errors=str(len(verdict.checks)) if invalid else "0",
        time=f"{figures.window_s:.3f}",
        timestamp=result.started.isoformat(timespec="seconds"),
    )
    for check in verdict.checks:
        name = f"{check.name} {check.relation} {check.bound:g} {check.unit}"
        case = ET.SubElement(suite, "testcase", classname=suite_name, name=name)
        if invalid:
            ET.SubElement(case, "error", message=printable("; ".join(verdict.reasons), limit=_MOST), type="INVALID")
        elif not check.passed:
            ET.SubElement(case, "failure", message=f"got {check.got:.4g} {check.unit}", type="FAIL")
        ET.SubElement(case, "system-out").text = f"got {check.got:.6g} {check.unit}"
    document = ET.Element("testsuites")
    document.append(suite)
    ET.indent(document)
    return ET.tostring(document, encoding="unicode", xml_declaration=True) + "\n"


def write_junit(result: Result, path: Path) -> None:
    """Write it whole, or not at all.

    Raises:
        ReportError: The disk refused.
    """
    write_output(path, render_junit(result), other="--junit")
