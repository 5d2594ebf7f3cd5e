"""The contract of a model on a server without model configuration, from the V2 metadata.

Metadata has tensor names and shapes. It has neither labels, which become "0", "1", ..., nor the largest batch.
"""

from __future__ import annotations

from slipway.client._operations import TensorMetadata
from slipway.contract import IMAGE, PROBABILITIES, ModelContract
from slipway.model_config import ContractUnreadable, checked_contract
from slipway.printable import printable

__all__ = ["contract_from_metadata"]

_ANY = -1
_IMAGE = (IMAGE, "UINT8", 4)  # name, type and number of axes
_PROBABILITIES = (PROBABILITIES, "FP32", 2)


def contract_from_metadata(
    model: str, inputs: tuple[TensorMetadata, ...], outputs: tuple[TensorMetadata, ...], *, max_batch_size: int
) -> ModelContract:
    """Build a contract from a model's metadata.

    Args:
        model: Its name.
        inputs: One, UINT8 [-1, height, width, channels].
        outputs: One, FP32 [-1, labels].
        max_batch_size: Most images in one request; a server that takes a fixed number takes one.

    Raises:
        ContractUnreadable: The model is not a supported image classifier; says expected and got.
    """
    where = f"model {model!r}"
    image = _only(inputs, f"{where}: expected one input {IMAGE} UINT8 [-1, height, width, channels]", _IMAGE)
    probabilities = _only(outputs, f"{where}: expected one output {PROBABILITIES} FP32 [-1, labels]", _PROBABILITIES)
    return checked_contract(
        where,
        name=model,
        image_shape=image.shape[1:],
        classes=probabilities.shape[1],
        labels_json=None,
        max_batch_size=max_batch_size if image.shape[0] == _ANY else 1,
    )


def _only(tensors: tuple[TensorMetadata, ...], expected: str, signature: tuple[str, str, int]) -> TensorMetadata:
    if len(tensors) == 1:
        (tensor,) = tensors
        batch = tensor.shape[:1] in ((_ANY,), (1,))
        if (tensor.name, tensor.datatype, len(tensor.shape)) == signature and batch:
            return tensor
    got = [f"{tensor.name} {tensor.datatype} {list(tensor.shape)}" for tensor in tensors]
    raise ContractUnreadable(f"{expected}, got {printable(str(got))}")
