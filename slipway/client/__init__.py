"""Typed client for the image classifier behind Triton, over gRPC or HTTP, blocking or asyncio.

    from slipway.client import Classifier

    with Classifier("grpc://localhost:8001", model="mnist") as classifier:
        classifier.wait_ready()
        prediction = classifier.predict(["three.png", "seven.png"])
    prediction.labels          # ("3", "7")
    prediction.probabilities   # float32, shape (2, 10)

The client reads the model's input signature and labels from the server, rejects invalid images before it sends them,
splits large batches, and retries within one deadline. Every error derives from `ClientError`.
"""

from __future__ import annotations

from slipway.client._classifier import AsyncClassifier, Classifier
from slipway.client._conversion import PictureWarning
from slipway.client._errors import (
    Attempt,
    ClientClosed,
    ClientError,
    DeadlineExceeded,
    InvalidAddress,
    InvalidImage,
    InvalidRequest,
    ModelLoadFailed,
    ModelNotFound,
    ModelNotReady,
    QueueFull,
    ServerDraining,
    ServerError,
    ServerOverloaded,
    ServerUnavailable,
    Unauthenticated,
    UnsupportedModel,
)
from slipway.client._microbatcher import MicroBatcher
from slipway.client._options import KeepAlive, RetryPolicy
from slipway.client._prediction import Prediction
from slipway.client._tls import Tls

__all__ = [
    "AsyncClassifier",
    "Attempt",
    "Classifier",
    "ClientClosed",
    "ClientError",
    "DeadlineExceeded",
    "InvalidAddress",
    "InvalidImage",
    "InvalidRequest",
    "KeepAlive",
    "MicroBatcher",
    "ModelLoadFailed",
    "ModelNotFound",
    "ModelNotReady",
    "PictureWarning",
    "Prediction",
    "QueueFull",
    "RetryPolicy",
    "ServerDraining",
    "ServerError",
    "ServerOverloaded",
    "ServerUnavailable",
    "Tls",
    "Unauthenticated",
    "UnsupportedModel",
]
