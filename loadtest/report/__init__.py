"""A result shown to people: the page, its charts, the terminal, JUnit."""
