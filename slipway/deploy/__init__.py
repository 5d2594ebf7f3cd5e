"""From what was measured to what runs on a cluster."""
