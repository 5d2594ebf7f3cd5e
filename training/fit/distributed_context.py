"""Where a run computes: one device, every GPU of this machine, or several machines.

    context = choose_distributed_context()                       # TF_CONFIG, then the GPUs, decide
    with context.scope():
        model, objective = ...                           # their variables are created here
    compiled = context.compile(model, objective, (28, 28, 1))
    with context.fit_scope():
        compiled.fit(context.distribute(make_batches), callbacks=[*context.callbacks(model), ...])

Keras 3's `fit` works under MirroredStrategy. Under MultiWorkerMirroredStrategy it stops before the first step: it
averages the first batch over the workers to learn its shape, and TensorFlow refuses (keras-team/keras#20585); and it
reduces the results of each step along a batch axis that metrics do not have. Both are avoided from outside: the
compiled model is put together outside the scope from variables that were created inside, so that Keras has no shapes to
learn, and its step functions are ours.
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
        """Refuse a batch that cannot be shared equally.

        Raises:
            FitError: It is no multiple of the number of devices.
        """
        if batch_size % self.devices:
            raise FitError(
                f"fit.batch_size: expected a multiple of the {self.devices} devices that share it, got {batch_size}"
            )

    def check_agreement(self, name: str, value: int) -> None:
        """Refuse to start when the workers differ; else they would wait for each other's steps forever.

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
        """Create variables in here."""
        return self.strategy.scope()  # type: ignore[no-any-return]

    def fit_scope(self) -> AbstractContextManager[Any]:
        """Call `fit` in here."""
        return self.strategy.scope() if self.workers > 1 else nullcontext()

    def compile(self, model: keras.Model, objective: Objective, image_shape: tuple[int, int, int]) -> keras.Model:
        """Make a model that `fit` can train here; it shares every variable with `model`.

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
        """Give each device its part of every batch.

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
        """What `fit` must do here so that every device ends with the same values."""
        return [_AverageStatistics(self.strategy, model)] if self.devices > 1 else []

    def _step_function(self, step: Callable[[Any], dict[str, tf.Tensor]]) -> Callable[[Any], dict[str, tf.Tensor]]:
        @tf.function  # type: ignore[untyped-decorator]  # TensorFlow ships no types
        def one_step(batches: Any) -> dict[str, tf.Tensor]:  # noqa: ANN401  # a distributed iterator has no public type
            logs = self.strategy.run(step, args=(next(batches),))
            # This worker's own; at the epoch's end Keras reads the metrics themselves, which add up over all workers.
            return {name: self.strategy.experimental_local_results(value)[0] for name, value in logs.items()}

        return one_step  # type: ignore[no-any-return]


class _AverageStatistics(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Average what each device collected by itself, the moving statistics of batch norm, before each validation."""

    def __init__(self, strategy: tf.distribute.Strategy, model: keras.Model) -> None:
        super().__init__()
        self._strategy = strategy
        self._average = tf.function(self._average_on_all)
        self._variables = [
            variable.value for variable in model.non_trainable_variables if variable.dtype.startswith("float")
        ]

    def on_test_begin(self, _logs: dict[str, float] | None = None) -> None:
        """Average, if the network collects anything."""
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
    """Several machines when TF_CONFIG names them, else every GPU when there are two or more, else one device.

    Under TF_CONFIG this waits until all workers have come.

    Raises:
        FitError: TF_CONFIG is not what TensorFlow expects.
    """
    workers, is_chief = _cluster(os.environ.get("TF_CONFIG", ""))
    if workers > 1:
        # TensorFlow's gRPC would take the proxy of the environment to the other workers, and wait for them for ever.
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
    """Read how many workers there are, and whether this one is the chief: the first worker where none is named."""
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
    """Every machine of the cluster, without its port."""
    addresses = [address for group in json.loads(tf_config)["cluster"].values() for address in group]
    return tuple(dict.fromkeys(str(address).rpartition(":")[0].strip("[]") for address in addresses))
