"""Rewrite a model's manifest after its files were edited by hand and validated.

seal(root, "mnist")
"""

from __future__ import annotations

from pathlib import Path

from slipway.contract import ModelContract
from slipway.model_config import parse_config, read_contract
from slipway.printable import printable
from slipway.repository._errors import ModelDamaged, ModelNotPublished, refused_by_disk
from slipway.repository._files import replace_file
from slipway.repository._layout import CONFIG, LABELS
from slipway.repository._manifest import digest
from slipway.repository._manifest_text import MANIFEST, render_manifest
from slipway.repository._onnx_only import other_than_onnx
from slipway.repository._scratch import scratch_folder
from slipway.repository._shared import read_text, shared_names


def seal(root: Path, model: str) -> tuple[str, ...]:
    """Rewrite the model's manifest after the files that it lists were edited by hand.

    Args:
        root: Model repository.
        model: Model name.

    Returns:
        The listed paths.

    Raises:
        ModelNotPublished: There is no such model.
        ModelDamaged: Triton could not serve a file, or the configurations disagree on the contract.
        PublishFailed: The file system refused.
    """
    model_dir = root / model
    if not (model_dir / CONFIG).is_file():
        raise ModelNotPublished(f"{root} has no model {printable(model)!r}: expected {model_dir / CONFIG}")
    names = shared_names(model_dir)
    _refuse_unservable(model_dir, names)
    with refused_by_disk(f"seal {model!r}", root), scratch_folder(model_dir) as scratch:
        text = render_manifest({name: digest(model_dir, name) for name in names})
        replace_file(model_dir / MANIFEST, scratch / MANIFEST, text)
    return names


def _refuse_unservable(model_dir: Path, names: tuple[str, ...]) -> None:
    contracts: dict[str, ModelContract] = {}
    for name in names:
        if name == LABELS:
            continue
        try:
            config = parse_config(read_text(model_dir, name))
            contracts[name] = read_contract(config)
        except ValueError as exc:
            raise ModelDamaged(f"{model_dir / name}: {exc}. Nothing was sealed: fix it first") from exc
        if named := other_than_onnx(config) or ("" if config.backend else "no backend"):
            raise ModelDamaged(
                f"{model_dir / name}: expected the backend onnxruntime and files of the model, nothing else, got "
                f"{named}. Nothing was sealed: remove it first"
            )
        if config.name not in {"", model_dir.name}:
            raise ModelDamaged(
                f"{model_dir / name}: expected name: {model_dir.name!r}, as the folder's, got {config.name!r}"
            )
    expected = contracts[CONFIG]
    for name, contract in contracts.items():
        if (contract.image_shape, contract.labels) != (expected.image_shape, expected.labels):
            raise ModelDamaged(
                f"{model_dir}: expected the same inputs and outputs in {CONFIG} and {name}, got "
                f"{expected.image_shape} with {len(expected.labels)} labels and {contract.image_shape} with "
                f"{len(contract.labels)}, or other labels. "
                "Nothing was sealed: make them agree first"
            )
    if LABELS in names and tuple(read_text(model_dir, LABELS).splitlines()) != expected.labels:
        raise ModelDamaged(
            f"{model_dir / LABELS}: expected the labels of {CONFIG}, one per line, got others. Nothing was sealed: "
            "make them agree first"
        )
