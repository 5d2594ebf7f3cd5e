"""Versions of models on disk, in the layout that Triton reads.

    <root>/<model>/config.pbtxt          how Triton serves it on CPU; rendered, committed
    <root>/<model>/configs/gpu.pbtxt     the same for GPUs, chosen with --model-config-name=gpu
    <root>/<model>/labels.txt            one label a line
    <root>/<model>/<version>/model.onnx  immutable, with samples.npz, a model card, manifest.sha256

    published = publish(root, contract, model_files(contract, cpu=cpu, gpu=gpu), fill)
    verify(root, "mnist", published.version)

A version is never half there and never changes: readers see nothing, or all of it.

    pull(root, "s3://models/prod")     # a remote repository has the same layout; needs the extra `remote`
    push(root, "s3://models/prod")
"""

from slipway.repository._errors import (
    ContractChanged,
    ModelNotPublished,
    NothingToRollBack,
    PublishFailed,
    RemoteFailed,
    RepositoryError,
    VersionDamaged,
    VersionNotFound,
    VersionTaken,
)
from slipway.repository._layout import model_files
from slipway.repository._manifest import MANIFEST
from slipway.repository._publish import Published, check_publishable, publish
from slipway.repository._remote import Pulled, Pushed, check_pushable, pull, push
from slipway.repository._retire import prune, rollback
from slipway.repository._versions import ModelEntry, VersionEntry, find_model, list_models, verify

__all__ = [
    "MANIFEST",
    "ContractChanged",
    "ModelEntry",
    "ModelNotPublished",
    "NothingToRollBack",
    "PublishFailed",
    "Published",
    "Pulled",
    "Pushed",
    "RemoteFailed",
    "RepositoryError",
    "VersionDamaged",
    "VersionEntry",
    "VersionNotFound",
    "VersionTaken",
    "check_publishable",
    "check_pushable",
    "find_model",
    "list_models",
    "model_files",
    "prune",
    "publish",
    "pull",
    "push",
    "rollback",
    "verify",
]
