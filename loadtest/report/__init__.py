"""Renders a result as an HTML page with charts, on the terminal, and as JUnit XML."""
