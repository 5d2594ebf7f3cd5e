"""Small scripts in place of C compilers."""

from pathlib import Path

# Writes what looks like a library of this machine where `-o` says, and counts its runs.
COMPILE = """
echo run >> "$0.runs"
while [ "$1" != -o ]; do shift; done
head -c 4096 /proc/self/exe > "$2"
"""
MARKS_AND_WAITS = 'echo > "$0.started"; while [ ! -e "$0.go" ]; do sleep 0.01; done\n'


def script(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}")
    path.chmod(0o755)
    return path


def runs(program):
    path = Path(f"{program}.runs")
    return len(path.read_text().split()) if path.exists() else 0
