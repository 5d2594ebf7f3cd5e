"""The distributed context of a run: one device, all GPUs of this machine, or several machines.

    context = choose_distributed_context()                       # TF_CONFIG, then the GPUs, decide
    with context.scope():
        model, objective = ...                           # their variables are created here
    compiled = context.compile(model, objective, (28, 28, 1))
    with context.fit_scope():
        compiled.fit(context.distribute(make_batches), callbacks=[*context.callbacks(model), ...])

Keras 3's `fit` works under MirroredStrategy. Under MultiWorkerMirroredStrategy it stops before the first step: it
averages the first batch over the workers to learn its shape, and TensorFlow refuses (keras-team/keras#20585); and it
reduces the results of each step along a batch axis that metrics do not have. Both are
avoided here: the compiled model is built outside the scope from variables created inside it, so that Keras infers no
shapes, and with custom step functions.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from training._tensorflow import keras, tf
from training.errors import FitError
from training.fit.input_pipeline import Share
from training.fit.objective import Objective

__all__ = ["DistributedContext", "choose_distributed_context"]

_TF_CONFIG_SHAPE = '{"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}'


@dataclass(frozen=True, slots=True, kw_only=True)
class DistributedContext:
    """The devices of a run, and this process's place among its workers.

    Attributes:
        strategy: TensorFlow's strategy; the default one for a single device.
        workers: Processes that train together.
        is_chief: Whether this process writes checkpoints and logs.
    """

    strategy: tf.distribute.Strategy
    workers: int = 1
    is_chief: bool = True

    @property
    def devices(self) -> int:
        """Devices over all workers."""
        return int(self.strategy.num_replicas_in_sync)

    def check_batch_size(self, batch_size: int) -> None:
        """Reject a batch size that cannot be divided equally.

        Raises:
            FitError: It is not a multiple of the number of devices.
        """
        if batch_size % self.devices:
            raise FitError(f"fit.batch_size: expected a multiple of the {self.devices} devices, got {batch_size}")

    def check_agreement(self, name: str, value: int) -> None:
        """Check that all workers have the same value; otherwise they would wait for each other for ever.

        Raises:
            FitError: Not every worker has that value.
        """
        if self.workers == 1:
            return
        values = self.strategy.gather(tf.constant([value]), axis=0).numpy().tolist()
        if len(set(values)) > 1:
            raise FitError(
                f"{name}: expected the same on every worker, got {values}; give all of them one shared folder"
            )

    def scope(self) -> AbstractContextManager[Any]:
        """Context in which to create variables."""
        return self.strategy.scope()  # type: ignore[no-any-return]

    def fit_scope(self) -> AbstractContextManager[Any]:
        """Context in which to call `fit`."""
        return self.strategy.scope() if self.workers > 1 else nullcontext()

    def compile(self, model: keras.Model, objective: Objective, image_shape: tuple[int, int, int]) -> keras.Model:
        """Make a model that `fit` can train in this context; it shares all variables with `model`.

        Returns:
            The model. Its optimizer, built, is the objective's, or Keras' wrapper of it that scales the loss.
        """
        compiled = model
        if self.workers > 1:
            images = keras.Input(image_shape)
            compiled = keras.Model(images, model(images))
        with self.scope():
            compiled.compile(
                objective.optimizer,
                objective.loss,
                loss_weights=objective.loss_weights,
                metrics=list(objective.metrics),
                weighted_metrics=objective.weighted_metrics,
                run_eagerly=objective.run_eagerly,
                jit_compile=False,
            )
            compiled.optimizer.build(compiled.trainable_variables)
        if self.workers > 1:
            compiled.train_function = self._step_function(compiled.train_step)
            compiled.test_function = self._step_function(compiled.test_step)
        return compiled

    def distribute(self, make_batches: Callable[[Share], tf.data.Dataset]) -> Any:  # noqa: ANN401  # no common type
        """Distribute every batch over the devices.

        Args:
            make_batches: Makes the batches of one device's size, for each of the worker's devices in turn.
        """

        def on_this_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
            workers = context.num_input_pipelines
            return make_batches(
                Share(index=context.input_pipeline_id, workers=workers, devices=self.devices // workers)
            )

        return self.strategy.distribute_datasets_from_function(on_this_worker)

    def callbacks(self, model: keras.Model) -> list[keras.callbacks.Callback]:
        """Callbacks with which all devices end with equal values."""
        return [_AverageStatistics(self.strategy, model)] if self.devices > 1 else []

    def _step_function(self, step: Callable[[Any], dict[str, tf.Tensor]]) -> Callable[[Any], dict[str, tf.Tensor]]:
        @tf.function  # type: ignore[untyped-decorator]  # TensorFlow ships no types
        def one_step(batches: Any) -> dict[str, tf.Tensor]:  # noqa: ANN401  # a distributed iterator has no public type
            logs = self.strategy.run(step, args=(next(batches),))
            # This worker's values; at the epoch's end Keras reads the metrics, which are summed over all workers.
            return {name: self.strategy.experimental_local_results(value)[0] for name, value in logs.items()}

        return one_step  # type: ignore[no-any-return]


class _AverageStatistics(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Average the devices' moving statistics of batch norm before each validation."""

    def __init__(self, strategy: tf.distribute.Strategy, model: keras.Model) -> None:
        super().__init__()
        self._strategy = strategy
        self._average = tf.function(self._average_on_all)
        self._variables = [
            variable.value for variable in model.non_trainable_variables if variable.dtype.startswith("float")
        ]

    def on_test_begin(self, _logs: dict[str, float] | None = None) -> None:
        """Average the statistics, if the network has any."""
        if self._variables:
            self._average()

    def _average_on_all(self) -> None:
        def on_one_device() -> None:
            own = [tf.identity(variable) for variable in self._variables]
            means = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, own)
            for variable, mean in zip(self._variables, means, strict=True):
                variable.assign(mean)

        self._strategy.run(on_one_device)


def choose_distributed_context() -> DistributedContext:
    """Several machines if TF_CONFIG names them, otherwise all GPUs if there are several, otherwise one device.

    With TF_CONFIG this waits until all workers are connected.

    Raises:
        FitError: TF_CONFIG is invalid.
    """
    workers, is_chief = _cluster(os.environ.get("TF_CONFIG", ""))
    if workers > 1:
        # TensorFlow's gRPC would use the environment's proxy for the other workers, and wait for ever.
        os.environ.setdefault("no_grpc_proxy", ",".join(_hosts(os.environ["TF_CONFIG"])))
        try:
            strategy = tf.distribute.MultiWorkerMirroredStrategy()
        except (tf.errors.OpError, RuntimeError) as exc:
            raise FitError(f"TF_CONFIG: the workers cannot form a cluster: {exc}") from exc
        return DistributedContext(strategy=strategy, workers=workers, is_chief=is_chief)
    if len(tf.config.list_physical_devices("GPU")) > 1:
        return DistributedContext(strategy=tf.distribute.MirroredStrategy())
    return DistributedContext(strategy=tf.distribute.get_strategy())


def _cluster(tf_config: str) -> tuple[int, bool]:
    """Number of workers, and whether this one is the chief, by default the first worker."""
    if not tf_config:
        return 1, True
    try:
        document = json.loads(tf_config)
        cluster, task = document["cluster"], document["task"]
        kind, index = task["type"], int(task["index"])
        chiefs, others = cluster.get("chief", []), cluster.get("worker", [])
        cluster[kind][index]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as exc:
        raise FitError(f"TF_CONFIG: expected {_TF_CONFIG_SHAPE}, got {tf_config!r}: {exc!r}") from exc
    if kind not in {"chief", "worker"}:
        raise FitError(f"TF_CONFIG: expected task type 'chief' or 'worker', got {kind!r}")
    return len(chiefs) + len(others), kind == "chief" or (not chiefs and index == 0)


def _hosts(tf_config: str) -> tuple[str, ...]:
    """Host names of the cluster."""
    addresses = [address for group in json.loads(tf_config)["cluster"].values() for address in group]
    return tuple(dict.fromkeys(str(address).rpartition(":")[0].strip("[]") for address in addresses))
