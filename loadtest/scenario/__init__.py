"""What a load test offers, to whom, and what it must reach: read from YAML, planned, drawn."""
