"""An experiment on a running cluster: chart, load, what the scenario does meanwhile, what is seen, and the result."""

from rehearsal.experiment.run.rehearse import Rehearsal, rehearse

__all__ = ["Rehearsal", "rehearse"]
