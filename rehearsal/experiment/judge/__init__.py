"""Verdict and metrics of a rehearsal, computed from its measurements and observations. Pure: no input or output.

evidence = Evidence.of(scenario, load, observed, values=chart.values)
judge(evidence), rehearsal_metrics(evidence)
"""

from rehearsal.experiment.judge.evidence import Evidence
from rehearsal.experiment.judge.metrics import rehearsal_metrics
from rehearsal.experiment.judge.verdict import judge

__all__ = ["Evidence", "judge", "rehearsal_metrics"]
