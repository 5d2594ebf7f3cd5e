"""The embedded server beside other servers in Python: the same model, machine and client, in turns.

    make bench-peers                                   measures everything, prints the tables
    .venv/bin/python -m benchmarks.peers --write       also replaces the results in docs/benchmarks.md
    .venv/bin/python -m benchmarks.peers --quick       the embedded server alone, short: does every part work?

Each round starts every contender once, in random order: so each has the machine to itself, and start, memory and stop
are measured as often as the rates. A contender's answers are compared with ONNX Runtime's own before it is measured.
"""
