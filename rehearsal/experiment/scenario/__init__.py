"""A rehearsal's scenario: what is served and offered, the faults, and the assertions."""
