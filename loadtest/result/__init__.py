"""What a run came to: interval statistics merged into metrics, the verdict, and comparisons."""
