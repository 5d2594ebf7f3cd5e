"""Render Triton's `config.pbtxt` from a contract, and parse it back. Pure: no I/O.

    text = render_config(contract, ServingProfile(accelerator="cpu", instances=2))
    read_contract(parse_config(text)) == contract

Labels and background are parameters of the configuration, so that a client gets the whole contract with one request for
the model configuration.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Literal, cast, get_args

from google.protobuf import text_format

from slipway import protocol as pb
from slipway.contract import (
    IMAGE,
    LARGEST_IMAGE_BYTES,
    LONGEST_LABEL,
    MOST_LABELS,
    PROBABILITIES,
    Background,
    ModelContract,
)
from slipway.errors import SlipwayError
from slipway.printable import printable

__all__ = [
    "ContractUnreadable",
    "ServingProfile",
    "checked_contract",
    "parse_config",
    "read_contract",
    "read_profile",
    "render_config",
]

_LABELS = "labels"
_BACKGROUND = "background"
# A configuration is untrusted input: sizes are checked before anything is allocated.
_LONGEST_LABELS = 16 << 20  # characters of JSON
_LONGEST_CONFIG = 16 << 20
_HEADER = """\
# Rendered from the recipe's contract and serving settings; a test compares. Edit the recipe, not this file.
# There is no queue policy on purpose: any of its settings makes Triton's batcher stall an idle server for 500 ms.
"""


class ContractUnreadable(SlipwayError, ValueError):
    """A model configuration does not describe an image classifier of Slipway's kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingProfile:
    """How Triton runs the model on one kind of hardware.

    Attributes:
        accelerator: Device of the instances.
        instances: Model instances per device; each runs one batch at a time.
        queue_delay_us: Longest wait for more requests to fill a batch, in microseconds; 0 takes what is queued.
        intra_op_threads: ONNX Runtime threads per operator. Explicit, because the default is every core of the
            *node*, which gets a pod with a CPU limit throttled.
    """

    accelerator: Literal["cpu", "gpu"]
    instances: int
    queue_delay_us: int = 0
    intra_op_threads: int = 1


def render_config(contract: ModelContract, profile: ServingProfile) -> str:
    """Render the protobuf text that Triton reads as `config.pbtxt`."""
    config = pb.ModelConfig(name=contract.name, backend="onnxruntime", max_batch_size=contract.max_batch_size)
    config.input.add(name=IMAGE, data_type=pb.TYPE_UINT8, dims=contract.image.dims)
    config.output.add(
        name=PROBABILITIES, data_type=pb.TYPE_FP32, dims=contract.probabilities.dims, label_filename="labels.txt"
    )
    kind = pb.ModelInstanceGroup.KIND_CPU if profile.accelerator == "cpu" else pb.ModelInstanceGroup.KIND_GPU
    config.instance_group.add(kind=kind, count=profile.instances)
    config.dynamic_batching.max_queue_delay_microseconds = profile.queue_delay_us
    config.parameters["intra_op_thread_count"].string_value = str(profile.intra_op_threads)
    config.parameters["inter_op_thread_count"].string_value = "1"
    config.parameters[_LABELS].string_value = json.dumps(contract.labels)
    if contract.background is not None:
        config.parameters[_BACKGROUND].string_value = contract.background
    for batch_size in sorted({1, contract.max_batch_size}):
        warmup = config.model_warmup.add(name=f"batch-{batch_size}", batch_size=batch_size, count=1)
        warmup.inputs[IMAGE].CopyFrom(
            pb.ModelWarmup.Input(data_type=pb.TYPE_UINT8, dims=contract.image.dims, zero_data=True)
        )
    text: str = text_format.MessageToString(config)
    return _HEADER + text


def parse_config(text: str) -> pb.Message:
    """Read protobuf text.

    Raises:
        ContractUnreadable: It is not a model configuration; with line and column.
    """
    if len(text) > _LONGEST_CONFIG:
        raise ContractUnreadable(f"expected a configuration of at most {_LONGEST_CONFIG} characters, got {len(text)}")
    try:
        return text_format.Parse(text, pb.ModelConfig())
    except text_format.ParseError as exc:
        raise ContractUnreadable(f"not a Triton model configuration: {printable(str(exc))}") from exc
    except (RecursionError, UnicodeError) as exc:
        raise ContractUnreadable(f"not a Triton model configuration: {type(exc).__name__}") from exc


def read_contract(config: pb.Message) -> ModelContract:
    """Read the contract from the model configuration of a file or of a running server.

    Without labels in the configuration they are "0", "1", ...

    Raises:
        ContractUnreadable: Tensors, types or dims are not those of an image classifier.
    """
    where = f"model {printable(config.name, limit=100)!r}"
    image = _tensor(where, "input", config.input)
    probabilities = _tensor(where, "output", config.output)
    if (image.name, image.data_type, len(image.dims)) != (IMAGE, pb.TYPE_UINT8, 3):
        raise ContractUnreadable(f"{where}: expected input {IMAGE} UINT8 [height, width, channels], got {_show(image)}")
    if (probabilities.name, probabilities.data_type, len(probabilities.dims)) != (PROBABILITIES, pb.TYPE_FP32, 1):
        raise ContractUnreadable(f"{where}: expected output {PROBABILITIES} FP32 [labels], got {_show(probabilities)}")
    return checked_contract(
        where,
        name=config.name,
        image_shape=tuple(image.dims),
        classes=probabilities.dims[0],
        labels_json=config.parameters[_LABELS].string_value if _LABELS in config.parameters else None,
        max_batch_size=config.max_batch_size,
        background=_background(config),
    )


def checked_contract(
    where: str,
    *,
    name: str,
    image_shape: tuple[int, ...],
    classes: int,
    labels_json: str | None,
    max_batch_size: int,
    background: Background | None = None,
) -> ModelContract:
    """Make a contract from untrusted values, with size limits that are checked before anything is allocated.

    Args:
        where: Prefix of messages.
        name: Model name.
        image_shape: (height, width, channels).
        classes: Number of probabilities per image.
        labels_json: Labels as a JSON list; None for "0", "1", ...
        max_batch_size: Largest number of images in a request.
        background: Background of the training images, if known.

    Raises:
        ContractUnreadable: A value is invalid.
    """
    if not 2 <= classes <= MOST_LABELS:
        raise ContractUnreadable(f"{where}: expected 2 to {MOST_LABELS} labels, got {classes}")
    if min(image_shape) < 1 or math.prod(image_shape) > LARGEST_IMAGE_BYTES:
        raise ContractUnreadable(
            f"{where}: expected an image of 1 to {LARGEST_IMAGE_BYTES} bytes, got {list(image_shape)}"
        )
    labels = tuple(map(str, range(classes))) if labels_json is None else _read_labels(where, labels_json)
    if len(labels) != classes:
        raise ContractUnreadable(f"{where}: expected {classes} labels, one per probability, got {len(labels)}")
    if len(set(labels)) != classes:
        raise ContractUnreadable(f"{where}: expected {classes} different labels, got {len(set(labels))}")
    try:
        height, width, channels = image_shape
        return ModelContract(
            name=name,
            image_shape=(height, width, channels),
            labels=labels,
            max_batch_size=max_batch_size,
            background=background,
        )
    except ValueError as exc:
        raise ContractUnreadable(f"{where}: {printable(str(exc))}") from exc


def _background(config: pb.Message) -> Background | None:
    """The background that the configuration specifies; None if absent or unknown."""
    said = config.parameters[_BACKGROUND].string_value if _BACKGROUND in config.parameters else ""
    return cast("Background", said) if said in get_args(Background) else None


def _read_labels(where: str, labels_json: str) -> tuple[str, ...]:
    expected = f"{where}: expected parameter {_LABELS} to be a JSON list of texts"
    if len(labels_json) > _LONGEST_LABELS:
        raise ContractUnreadable(f"{expected}, {_LONGEST_LABELS} characters at most, got {len(labels_json)}")
    try:
        labels = json.loads(labels_json)
    except (ValueError, RecursionError):
        raise ContractUnreadable(f"{expected}, got {printable(labels_json, limit=80)}") from None
    if not isinstance(labels, list) or not all(
        isinstance(label, str) and 0 < len(label) <= LONGEST_LABEL for label in labels
    ):
        raise ContractUnreadable(
            f"{expected} of 1 to {LONGEST_LABEL} characters, got {printable(labels_json, limit=80)}"
        )
    return tuple(labels)


def read_profile(config: pb.Message) -> ServingProfile:
    """Read the serving profile; missing values are Triton's defaults.

    Raises:
        ContractUnreadable: It does not have exactly one instance group.
    """
    if len(config.instance_group) != 1:
        where = f"model {printable(config.name, limit=100)!r}"
        raise ContractUnreadable(
            f"{where}: expected one instance_group, got {len(config.instance_group)}: set its instances"
        )
    (group,) = config.instance_group
    threads = config.parameters["intra_op_thread_count"].string_value if config.parameters else ""
    return ServingProfile(
        accelerator="gpu" if group.kind == pb.ModelInstanceGroup.KIND_GPU else "cpu",
        instances=group.count or 1,
        queue_delay_us=config.dynamic_batching.max_queue_delay_microseconds,
        intra_op_threads=int(threads or 1),
    )


def _tensor(where: str, kind: str, tensors: pb.Message) -> pb.Message:
    if len(tensors) != 1:
        shown = [_show(tensor) for tensor in tensors[:3]]
        raise ContractUnreadable(f"{where}: expected one {kind}, got {len(tensors)}: {shown}")
    return tensors[0]


def _show(tensor: pb.Message) -> str:
    types = pb.DataType.values()
    dtype = pb.DataType.Name(tensor.data_type).removeprefix("TYPE_") if tensor.data_type in types else "?"
    return f"{printable(tensor.name, limit=60)} {dtype} {list(tensor.dims[:8])}"
