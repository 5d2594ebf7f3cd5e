"""The state of a training run, in memory and on disk: its epochs so far and its variables.

    run = RunState(variables=Variables(model, optimizer), identity=..., folder=..., patience=3, writes=True)
    run.resume()           # or run.discard_checkpoints()
    run.add_epoch(record)      # after each epoch
    run.restore_best()     # at the end

It does not depend on how an epoch is trained.
"""

from __future__ import annotations

import numpy as np

from training._tensorflow import keras
from training.errors import FitError
from training.fit.checkpoint import Checkpoint, CheckpointFolder, RunIdentity, State
from training.fit.history import EpochRecord, best_epoch, patience_is_over

__all__ = ["RunState", "Variables"]


class Variables:
    """All variables of a run: weights, statistics, dropout seeds, and the optimizer's state.

    They are named by their position. Keras' own names count layers up over the life of a process.
    """

    def __init__(self, model: keras.Model, optimizer: keras.optimizers.Optimizer) -> None:
        self._by_name = {
            f"{owner}/{i:03d}": variable
            for owner, variables in (("model", model.variables), ("optimizer", optimizer.variables))
            for i, variable in enumerate(variables)
        }

    def read(self) -> State:
        """Copy the values."""
        return {name: np.array(variable.numpy()) for name, variable in self._by_name.items()}

    def write(self, state: State) -> None:
        """Set the values.

        Raises:
            FitError: They belong to another network or optimizer.
        """
        expected = {name: tuple(variable.shape) for name, variable in self._by_name.items()}
        got = {name: value.shape for name, value in state.items()}
        if expected != got:
            differing = sorted({name for name, _ in expected.items() ^ got.items()})
            raise FitError(
                f"checkpoint: of another network, which differs in {', '.join(differing[:3])}; train without --resume"
            )
        for name, variable in self._by_name.items():
            variable.assign(state[name])


class RunState:
    """The epochs of one run and its state, in memory and on disk.

    Attributes:
        history: The epochs so far, including those of earlier sessions.
    """

    def __init__(
        self,
        *,
        variables: Variables,
        identity: RunIdentity,
        folder: CheckpointFolder,
        patience: int | None,
        writes: bool,
    ) -> None:
        self.history: list[EpochRecord] = []
        self._variables = variables
        self._identity = identity
        self._folder = folder
        self._patience = patience
        self._writes = writes
        self._best: State | None = None

    def discard_checkpoints(self) -> None:
        """Remove the checkpoints of an earlier run."""
        if self._writes:
            self._folder.clear()

    def resume(self) -> tuple[str, ...]:
        """Restore the last complete epoch, if there is one.

        Returns:
            Packages whose version has changed, so that the weights may differ slightly.

        Raises:
            FitError: The checkpoints are of another recipe or other data; says what differs.
        """
        saved = self._folder.newest()
        if saved is None:
            return ()
        if differences := saved.identity.differences(self._identity):
            raise FitError(
                "\n  ".join([f"{self._folder.path}: contains another run; train without --resume", *differences])
            )
        self._variables.write(saved.state)
        self.history = list(saved.history)
        if self._patience is not None:
            best = best_epoch(self.history).epoch
            self._best = saved.state if best == len(self.history) else self._folder.load(best).state
        return saved.identity.package_differences(self._identity)

    @property
    def patience_is_over(self) -> bool:
        """Whether early stopping applies."""
        return patience_is_over(self.history, self._patience)

    def add_epoch(self, record: EpochRecord) -> None:
        """Add a finished epoch, in memory and on disk.

        Raises:
            FitError: It cannot be written.
        """
        history = [*self.history, record]
        state = self._variables.read()
        best = best_epoch(history).epoch if self._patience is not None else None
        if self._writes:
            checkpoint = Checkpoint(identity=self._identity, history=tuple(history), state=state)
            self._folder.save(checkpoint, keep_epoch=best)
        if best == record.epoch:
            self._best = state
        self.history = history

    def restore_best(self) -> EpochRecord:
        """Restore the epoch with the lowest validation loss, if the recipe stops early; otherwise keep the last.

        Returns:
            The epoch of the network's weights.
        """
        if self._best is None:
            return self.history[-1]
        self._variables.write(self._best)
        return best_epoch(self.history)
