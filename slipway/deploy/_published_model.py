"""The serving profile of a published model on the chosen accelerator.

It is read from the published configuration, which the pods use, not from the recipe.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from slipway.contract import ModelContract
from slipway.deploy._errors import ValuesRefused
from slipway.model_config import ServingProfile, parse_config, read_contract, read_profile
from slipway.repository import find_model, list_models, verify


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedModel:
    """A published model and its serving profile.

    Attributes:
        contract: Its inputs, outputs and labels.
        profile: Instances and batching on the chosen accelerator.
        config_file: The file of both, below the model's folder.
        newest: Highest published version; None if there is none.
    """

    contract: ModelContract
    profile: ServingProfile
    config_file: str
    newest: int | None


def read_published_model(repository: Path, name: str, *, on_gpu: bool) -> PublishedModel:
    """Read the configuration of one accelerator.

    Raises:
        ValuesRefused: The repository does not contain the model, or not for this accelerator.
        RepositoryError: There is no repository.
        ContractUnreadable: The configuration is not one of Slipway's.
    """
    models = {entry.name: entry for entry in list_models(repository)}
    if name not in models:
        raise ValuesRefused(
            f"{repository} has no model {name!r}; available: {', '.join(models) or 'none'}: set --model or --repository"
        )
    entry = models[name]
    config_file = "configs/gpu.pbtxt" if on_gpu else "config.pbtxt"
    try:
        text = (entry.path / config_file).read_text(encoding="utf-8")
    except OSError as exc:
        raise ValuesRefused(
            f"{entry.path / config_file} cannot be read: publish the model again, or choose another --cluster"
        ) from exc
    config = parse_config(text)
    profile = read_profile(config)
    expected = "gpu" if on_gpu else "cpu"
    if profile.accelerator != expected:
        raise ValuesRefused(
            f"{entry.path / config_file}: expected instances on the {expected.upper()}, got "
            f"{profile.accelerator.upper()}: publish the model again, or choose another --cluster"
        )
    newest = entry.versions[-1].version if entry.versions else None
    return PublishedModel(contract=read_contract(config), profile=profile, config_file=config_file, newest=newest)


def newest_intact_version(repository: Path, name: str) -> int:
    """The highest published version, compared with its manifest.

    Raises:
        RepositoryError: There is none, or its files are damaged.
    """
    number = find_model(repository, name).served.version
    verify(repository, name, number)
    return number
