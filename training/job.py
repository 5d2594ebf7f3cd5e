"""The training job, end to end. Only this module defines the order of its stages.

    result = train_and_publish(TrainingRequest(recipe=load_recipe("mnist"), ...), Steps(Console()))
    result.published.version

The stages are `training.data.prepare`, `training.fit.loop`, `training.candidate` and `training.publication`.
"""

from __future__ import annotations

from dataclasses import dataclass

from slipway.repository import Published, check_publishable
from training.candidate import Candidate, build_candidate
from training.data.prepare import PreparedData, prepare_data
from training.fit.distributed_context import DistributedContext, choose_distributed_context
from training.fit.loop import FitResult, fit
from training.publication import publish_candidate
from training.recipe import TrainingRequest
from training.steps import Steps

__all__ = ["TrainingResult", "train_and_publish"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainingResult:
    """The result of a run.

    Attributes:
        candidate: The trained and evaluated model.
        published: Its version; None if the request does not publish.
    """

    candidate: Candidate
    published: Published | None


def train_and_publish(request: TrainingRequest, steps: Steps) -> TrainingResult | None:
    """Run the job; each step prints its line.

    Returns:
        None on a worker of a distributed run that is not the chief, which does the remaining stages.

    Raises:
        DataError: The data set is unavailable or unfit for training; nothing was trained.
        FitError: The network cannot be built, trained or resumed.
        ExportError: The network cannot be written as ONNX.
        GateRefused: The model misses a gate, or classifies no test image correctly; nothing was published.
        RepositoryError: The model cannot be published; detected before training if possible.
    """
    data = prepare_data(request, steps)
    if request.repository is not None:
        check_publishable(request.repository, data.contract)
    context = choose_distributed_context()
    fitted = _fit(request, data, context, steps)
    if not context.is_chief:
        return None
    candidate = build_candidate(request, data, fitted, steps)
    return TrainingResult(candidate=candidate, published=publish_candidate(request, candidate, steps))


def _fit(request: TrainingRequest, data: PreparedData, context: DistributedContext, steps: Steps) -> FitResult:
    with steps.step("fit") as note:
        fitted = fit(
            request.recipe,
            data.dataset,
            run_dir=request.run_dir,
            resume=request.resume,
            console=steps.console,
            context=context,
        )
        stopped = ", stopped early" if fitted.stopped_early else ""
        note(
            f"{len(fitted.history)} epochs{stopped}, {fitted.images_per_s:,.0f} images/s, "
            f"validation accuracy {fitted.kept.val_accuracy:.2%} (epoch {fitted.kept.epoch})"
        )
    return fitted
