"""Model repositories for the embedded server: the published one, and those that differ from it in one thing each."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import onnx
from google.protobuf import text_format
from onnx import TensorProto, helper

from benchmarks.peers.payloads import MODEL
from slipway import protocol as pb
from slipway.contract import IMAGE, PROBABILITIES
from slipway.model_config import parse_config, read_contract, read_profile, render_config
from slipway.repository import find_model, seal

__all__ = ["no_op", "with_batches_of", "with_config"]

_SLICE = {"first": 0, "end": 10, "axis": 1}


def with_batches_of(size: int, published: Path, folder: Path) -> Path:
    """The published model with another largest batch."""
    _copy(published, folder, max_batch_size=size)
    seal(folder, MODEL)
    return folder


def with_config(edit: Callable[[pb.Message], None], published: Path, folder: Path) -> Path:
    """The published model with an edited configuration. Not sealed: serve it without a check of its manifest."""
    _copy(published, folder, max_batch_size=None)
    path = folder / MODEL / "config.pbtxt"
    config = parse_config(path.read_text(encoding="utf-8"))
    edit(config)
    path.write_text(text_format.MessageToString(config), encoding="utf-8")
    return folder


def no_op(published: Path, folder: Path) -> Path:
    """A model that returns ten pixels as floats: what remains is the server.

    Its manifest is the published model's: serve it with `--no-verify`.
    """
    version = _copy(published, folder, max_batch_size=None)
    nodes = [
        helper.make_node("Reshape", [IMAGE, "flat"], ["pixels"]),
        helper.make_node("Slice", ["pixels", "first", "end", "axis"], ["ten"]),
        helper.make_node("Cast", ["ten"], [PROBABILITIES], to=TensorProto.FLOAT),
    ]
    graph = helper.make_graph(
        nodes,
        "no_op",
        [helper.make_tensor_value_info(IMAGE, TensorProto.UINT8, ["n", 28, 28, 1])],
        [helper.make_tensor_value_info(PROBABILITIES, TensorProto.FLOAT, ["n", 10])],
        [
            helper.make_tensor("flat", TensorProto.INT64, [2], [-1, 784]),
            *(helper.make_tensor(name, TensorProto.INT64, [1], [value]) for name, value in _SLICE.items()),
        ],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    onnx.save(model, version / "model.onnx")
    return folder


def _copy(published: Path, folder: Path, *, max_batch_size: int | None) -> Path:
    """Into an empty folder; returns the version's folder."""
    entry = find_model(published, MODEL)
    version = folder / MODEL / entry.served.path.name
    shutil.copytree(entry.served.path, version)
    shutil.copyfile(entry.path / "labels.txt", folder / MODEL / "labels.txt")
    config = parse_config((entry.path / "config.pbtxt").read_text(encoding="utf-8"))
    contract = read_contract(config)
    wanted = replace(contract, max_batch_size=max_batch_size or contract.max_batch_size)
    (folder / MODEL / "config.pbtxt").write_text(render_config(wanted, read_profile(config)), encoding="utf-8")
    return version
