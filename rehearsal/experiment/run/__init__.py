"""Runs an experiment on a cluster: installs the chart, offers the load, injects faults, observes and reports."""

from rehearsal.experiment.run.context import RehearsalPlan
from rehearsal.experiment.run.rehearse import rehearse

__all__ = ["RehearsalPlan", "rehearse"]
