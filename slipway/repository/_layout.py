"""Names of files and folders in a model repository, and the contents of a model's shared files. Pure."""

from __future__ import annotations

import re
from pathlib import Path

from slipway.contract import ModelContract
from slipway.model_config import ServingProfile, render_config

CONFIG = "config.pbtxt"
LABELS = "labels.txt"
SCRATCH_PREFIX = ".scratch-"
"""Triton reads only numeric folders as versions, so a scratch folder inside a model's folder is invisible to it."""

_VERSION = re.compile(r"[1-9][0-9]{0,18}")  # Triton ignores version folders that begin with 0
HIGHEST_VERSION = 2**63 - 1  # Triton exits if a folder has a greater number
_SHARED = re.compile(r"config\.pbtxt|labels\.txt|configs/[A-Za-z0-9_][A-Za-z0-9._-]*\.pbtxt")


def model_files(contract: ModelContract, *, cpu: ServingProfile, gpu: ServingProfile) -> dict[str, str]:
    """Text of every file that all versions of a model share, by its path below the model's folder."""
    return {
        LABELS: "".join(f"{label}\n" for label in contract.labels),
        "configs/gpu.pbtxt": render_config(contract, gpu),
        CONFIG: render_config(contract, cpu),
    }


def is_version(name: str) -> bool:
    """Whether a folder of that name is a version."""
    return _VERSION.fullmatch(name) is not None and int(name) <= HIGHEST_VERSION


def is_shared(name: str) -> bool:
    """Whether a path below a model's folder is one of the files that all versions share; Triton sees no other."""
    return _SHARED.fullmatch(name) is not None


def version_numbers(model_dir: Path) -> tuple[int, ...]:
    """Published version numbers, ascending; empty when there is no such folder."""
    if not model_dir.is_dir():
        return ()
    return tuple(sorted(int(p.name) for p in model_dir.iterdir() if is_version(p.name) and p.is_dir()))


def is_model_folder(folder: Path) -> bool:
    """Whether a folder is a model of a repository, not a repository itself."""
    return (folder / CONFIG).is_file() and ((folder / LABELS).is_file() or bool(version_numbers(folder)))


def one_too_deep(where: str) -> str:
    """Message for a model's folder that was given as a repository."""
    return (
        f"{where} is a model's folder: expected the repository above it, which holds <model>/{CONFIG}; leave the last "
        "part of the path out"
    )
