"""Versions of models on disk, in the layout that Triton reads.

    <root>/<model>/config.pbtxt          how Triton serves it on CPU; rendered, committed
    <root>/<model>/configs/gpu.pbtxt     the same for GPUs, chosen with --model-config-name=gpu
    <root>/<model>/labels.txt            one label a line
    <root>/<model>/manifest.sha256       SHA-256 of these three, which all versions share
    <root>/<model>/<version>/model.onnx  immutable, with samples.npz, a model card, manifest.sha256

    published = publish(root, contract, model_files(contract, cpu=cpu, gpu=gpu), fill)
    verify(root, "mnist", published.version)

    (view,) = build_view(root, ["mnist"], folder)     # what Triton is started on: verified files, and nothing else

Publishing is atomic and a version never changes: readers see the whole version or none.

    pull(root, "s3://models/prod")     # a remote repository has the same layout; needs the extra `remote`
    push(root, "s3://models/prod")
"""

from slipway.repository._errors import (
    ContractChanged,
    Failures,
    ModelDamaged,
    ModelNotPublished,
    NothingToRollBack,
    PublishFailed,
    RemoteFailed,
    RepositoryError,
    SeveralFailed,
    StoreUnreachable,
    VersionDamaged,
    VersionNotFound,
    VersionTaken,
)
from slipway.repository._layout import model_files
from slipway.repository._manifest_text import MANIFEST
from slipway.repository._onnx_only import other_than_onnx
from slipway.repository._publish import Published, check_publishable, publish
from slipway.repository._remote import Pulled, Pushed, check_pushable, pull, push
from slipway.repository._retire import prune, rollback
from slipway.repository._seal import seal
from slipway.repository._shared import check_shared, find_beside
from slipway.repository._store.redaction import shown_url
from slipway.repository._versions import ModelEntry, VersionEntry, find_fault, find_model, list_models, verify
from slipway.repository._view import ModelView, build_view

__all__ = [
    "MANIFEST",
    "ContractChanged",
    "Failures",
    "ModelDamaged",
    "ModelEntry",
    "ModelNotPublished",
    "ModelView",
    "NothingToRollBack",
    "PublishFailed",
    "Published",
    "Pulled",
    "Pushed",
    "RemoteFailed",
    "RepositoryError",
    "SeveralFailed",
    "StoreUnreachable",
    "VersionDamaged",
    "VersionEntry",
    "VersionNotFound",
    "VersionTaken",
    "build_view",
    "check_publishable",
    "check_pushable",
    "check_shared",
    "find_beside",
    "find_fault",
    "find_model",
    "list_models",
    "model_files",
    "other_than_onnx",
    "prune",
    "publish",
    "pull",
    "push",
    "rollback",
    "seal",
    "shown_url",
    "verify",
]
