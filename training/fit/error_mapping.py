"""What ends a run from outside, translated into one sentence that says how to go on.

with map_training_errors(run, run_dir, workers=1):
model.fit(...)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from slipway.errors import SlipwayError
from training._tensorflow import tf
from training.errors import FitError, FitInterrupted, error_summary, is_full_disk
from training.fit.run_state import RunState

__all__ = ["map_training_errors"]


@contextmanager
def map_training_errors(run: RunState, run_dir: Path, *, workers: int) -> Iterator[None]:
    """Translate what ends a run into one sentence that says how to go on.

    Raises:
        FitInterrupted: KeyboardInterrupt in the body.
        FitError: Any other exception that is not ours: a full disk, no memory, another worker that is gone.
    """
    try:
        yield
    except KeyboardInterrupt as exc:
        raise FitInterrupted(f"interrupted; {_resume_hint(run, run_dir)}") from exc
    except SlipwayError:
        raise
    except Exception as exc:  # Keras, TensorFlow and a person's own layers each have their own
        hint = _resume_hint(run, run_dir)
        if is_full_disk(exc):
            raise FitError(f"{run_dir}: no space left on the device; make room, then: {hint}") from exc
        if isinstance(exc, tf.errors.ResourceExhaustedError):
            raise FitError(f"out of memory: lower fit.batch_size; {error_summary(exc)}") from exc
        if workers > 1 and isinstance(exc, tf.errors.OpError):
            raise FitError(f"another worker is gone ({type(exc).__name__}); {hint}, on every worker") from exc
        raise FitError(f"training failed: {error_summary(exc)}; {hint}") from exc


def _resume_hint(run: RunState, run_dir: Path) -> str:
    if not run.history:
        return "no epoch was finished yet: start again"
    return f"everything up to epoch {len(run.history)} is kept in {run_dir}: go on with --resume"
