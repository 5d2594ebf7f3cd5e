"""How fast the shipped recipes' networks are in ONNX Runtime on one core, side by side in one run.

    make bench-networks                               prints the table
    .venv/bin/python benchmarks/networks.py --write   also replaces the results in docs/benchmarks.md

The weights are random: they do not change the time. Both networks go through the exporter that training uses.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from serving import Row, bare_session, latencies_us, render, report

from slipway.contract import IMAGE, PROBABILITIES
from training.export import export_onnx
from training.networks import build_network
from training.recipe import load_recipe

BATCH = 32
SHAPE = (28, 28, 1)
LABELS = tuple("0123456789")


def measure() -> dict[str, tuple[str, list[Row]]]:
    """Export both networks and take their times in turn: title -> (unit, rows)."""
    images = np.random.default_rng(0).integers(0, 256, (BATCH, *SHAPE), np.uint8)
    contenders = {}
    for name in ("seed", "mnist"):
        recipe = load_recipe(name)
        model = build_network(recipe, SHAPE, len(LABELS))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            path.write_bytes(export_onnx(model, recipe.contract(SHAPE, LABELS), opset=recipe.export.opset))
            session = bare_session(path)
        label = f"recipe {name}, {model.count_params():,} parameters"
        contenders[label] = lambda session=session: session.run([PROBABILITIES], {IMAGE: images})
    times = latencies_us(contenders, rounds=20, calls=50)
    rates = [Row(name=row.name, figure=BATCH * 1e6 / row.figure, ratio=times[0].figure / row.figure) for row in times]
    return {f"Batches of {BATCH}, one thread": ("images/s", rates)}


if __name__ == "__main__":
    report("networks", __doc__ or "", lambda: render("make bench-networks", "random weights", measure()))
