"""The pass rule of a rehearsal: figures and verdict from what was measured and seen. Pure; nothing is asked here.

evidence = Evidence.of(scenario, load, observed, values=chart.values)
judge(evidence), figures(evidence)
"""

from rehearsal.experiment.judge.evidence import Evidence
from rehearsal.experiment.judge.figures import figures
from rehearsal.experiment.judge.verdict import judge

__all__ = ["Evidence", "figures", "judge"]
