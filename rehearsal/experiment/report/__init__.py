"""The report of a rehearsal: one page that needs no other file and no network, and the same for machines.

page = write_report(result, Path("runs/rehearsal/step-1"))     # report.json, report.html
"""

from rehearsal.experiment.report.page import PAGE, render_report, write_report

__all__ = ["PAGE", "render_report", "write_report"]
