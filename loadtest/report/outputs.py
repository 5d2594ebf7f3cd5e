"""Master: the files of a run: report.json, the page beside it, and the verdict as JUnit XML.

    write_outputs(result, Path("runs/steady"), page=True, junit=Path("verdict.xml"))

JUnit has one test case per objective, so that a pipeline shows which one failed. An INVALID run is an error, not a
failure: it says nothing about the service.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from loadtest.output_file import write_output
from loadtest.result.run_result import Result, write_result
from slipway.printable import printable

__all__ = ["render_junit", "write_junit", "write_outputs"]

_MOST = 4_000
"""Characters to remove from a message: XML allows no control characters, not even escaped."""


def write_outputs(result: Result, folder: Path, *, page: bool, junit: Path | None) -> Path:
    """Write report.json to the folder, with the page beside it if it is wanted, and the XML to a path of its own.

    Returns:
        Path of the page; of report.json where there is none.

    Raises:
        ReportError: The disk refused.
    """
    if page:
        from loadtest.report.page import write_report  # noqa: PLC0415 - plotly imports slowly: after the load

        path = write_report(result, folder)
    else:
        path = write_result(result, folder)
    if junit is not None:
        write_junit(result, junit)
    return path


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
    """Write the file atomically.

    Raises:
        ReportError: The disk refused.
    """
    write_output(path, render_junit(result), other="--junit")
