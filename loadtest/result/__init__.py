"""The result of a run: interval statistics merged into metrics, the verdict, and comparisons."""
