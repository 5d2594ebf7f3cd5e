"""Write the report of a rehearsal: a self-contained HTML page, and report.json.

page = write_report(result, Path("runs/rehearsal/step-1"))     # report.json, report.html
"""

from rehearsal.experiment.report.page import PAGE, render_report, write_report

__all__ = ["PAGE", "render_report", "write_report"]
