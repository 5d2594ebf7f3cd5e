"""One rehearsal: scenario, faults, load, observations, verdict and report. Nothing in `cluster` imports it."""
