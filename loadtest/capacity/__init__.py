"""The highest rate that one replica holds within its objectives: the search, its probes, and the file."""
