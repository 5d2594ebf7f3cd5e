"""GPU nodes that are not there: their types, and what brings them up."""
