"""Pictures of a training run, as PNG bytes.

plots = draw_plots(history, evaluation, images=images, labels=labels, probabilities=probabilities)
Path("curves.png").write_bytes(plots[0].png)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from training.card.plot_style import BLUE, GREY, ORANGE, PALE_BLUE, drawn_png, set_log_scale
from training.evaluate.metrics import Evaluation
from training.fit.history import EpochRecord

__all__ = [
    "Plot",
    "confusion_matrix",
    "draw_plots",
    "learning_curves",
    "reliability_diagram",
    "worst_mistakes",
]

_MOST_CLASSES_WITH_NUMBERS = 20
_MISTAKES_PER_ROW = 8
_MOST_MISTAKES = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """One plot.

    Attributes:
        name: File name without its suffix.
        caption: How to read the plot; also its alternative text.
        png: The file.
    """

    name: str
    caption: str
    png: bytes


def draw_plots(
    history: Sequence[EpochRecord],
    evaluation: Evaluation,
    *,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    probabilities: NDArray[np.float32],
) -> tuple[Plot, ...]:
    """Draw the plots of a model card.

    Args:
        history: At least one epoch.
        evaluation: Evaluation of `probabilities` against `labels`.
        images: Shape (n, height, width, channels).
        labels: Shape (n,), the true classes.
        probabilities: Shape (n, classes).
    """
    return (
        Plot(
            name="learning-curves",
            caption="Learning curves. Training metrics are measured with augmentation and dropout while the weights "
            "change, so the validation curve may be better.",
            png=learning_curves(history),
        ),
        Plot(
            name="confusion-matrix",
            caption="Confusion matrix on the test images. Blue is correct; the stronger the orange, the more often the "
            "row's class was classified as the column's.",
            png=confusion_matrix(evaluation),
        ),
        Plot(
            name="reliability-diagram",
            caption="Reliability on the test images. Where the points lie on the dashed line, a prediction with 90 % "
            "probability is correct nine times out of ten.",
            png=reliability_diagram(evaluation),
        ),
        Plot(
            name="worst-mistakes",
            caption="The mistakes with the lowest probability of the true class: true class → predicted class, and "
            "its probability.",
            png=worst_mistakes(images, labels, probabilities, evaluation.class_names),
        ),
    )


def learning_curves(history: Sequence[EpochRecord]) -> bytes:
    """Loss and accuracy over the epochs, training and validation."""
    epochs = [record.epoch for record in history]
    best = max(history, key=lambda record: record.val_accuracy)

    def draw(figure: Figure) -> None:
        loss, accuracy = figure.subplots(1, 2)
        _curves(loss, epochs, [one.loss for one in history], [one.val_loss for one in history])
        set_log_scale(loss, steps=(1, 2, 5))
        loss.set_title("Loss (log scale)")
        _curves(accuracy, epochs, [one.accuracy for one in history], [one.val_accuracy for one in history])
        accuracy.set_title(f"Accuracy (validation at best {best.val_accuracy:.4f})")
        loss.legend()

    return drawn_png((9, 3.4), draw)


def _curves(axes: Axes, epochs: list[int], training: list[float], validation: list[float]) -> None:
    axes.plot(epochs, training, color=BLUE, linestyle="--", marker="o", markersize=4, label="training")
    axes.plot(epochs, validation, color=ORANGE, marker="s", markersize=4, label="validation")
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def confusion_matrix(evaluation: Evaluation) -> bytes:
    """Confusion matrix. The colours emphasise the mistakes."""
    counts = np.array(evaluation.confusion)
    wrong = counts.astype(float)
    np.fill_diagonal(wrong, 0)
    classes = range(len(counts))
    longest = max(len(name) for name in evaluation.class_names)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.grid(visible=False)
        axes.set_xticks(np.arange(0.5, len(counts) - 1), minor=True)
        axes.set_yticks(np.arange(0.5, len(counts) - 1), minor=True)
        axes.grid(which="minor", color="white", linewidth=1)
        axes.tick_params(which="both", length=0)
        most = max(wrong.max(), 1)
        # The square root makes a single mistake visible beside fifty.
        axes.imshow(wrong, cmap="Oranges", norm=PowerNorm(0.5, vmin=0, vmax=most))
        axes.imshow(np.ma.masked_equal(np.eye(len(counts)), 0), cmap=ListedColormap([PALE_BLUE]))
        axes.set_xticks(classes, evaluation.class_names, rotation=90 if longest > 3 else 0)
        axes.set_yticks(classes, evaluation.class_names)
        axes.set(xlabel="answered", ylabel="true", title=_confusion_title(evaluation, wrong))
        if len(counts) <= _MOST_CLASSES_WITH_NUMBERS:
            for (row, column), count in np.ndenumerate(counts):
                colour = "white" if wrong[row, column] > 0.6 * most else "black"
                if count:
                    axes.text(column, row, f"{count}", ha="center", va="center", color=colour, fontsize=9)

    return drawn_png((6.4, 6.2), draw)


def _confusion_title(evaluation: Evaluation, wrong: NDArray[np.float64]) -> str:
    summary = f"{evaluation.mistakes} of {evaluation.images:,} images misclassified"
    if not evaluation.mistakes:
        return summary
    true, answered = np.unravel_index(int(wrong.argmax()), wrong.shape)
    names = evaluation.class_names
    return f"{summary},\nmost often {names[true]} as {names[answered]} ({wrong.max():.0f} times)"


def reliability_diagram(evaluation: Evaluation) -> bytes:
    """Accuracy over confidence, and the number of images behind each point."""
    filled = [one for one in evaluation.reliability if one.images]
    confidence = [one.confidence for one in filled]
    centres = [(one.lower + one.upper) / 2 for one in evaluation.reliability]
    width = evaluation.reliability[0].upper - evaluation.reliability[0].lower

    def draw(figure: Figure) -> None:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        upper.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="perfect calibration")
        upper.plot(confidence, [one.accuracy for one in filled], color=BLUE, marker="o", label="this model")
        upper.set(ylabel="accuracy", ylim=(-0.03, 1.03), xlim=(0, 1))
        upper.set_title(f"Expected calibration error {evaluation.expected_calibration_error:.4f}")
        upper.legend(loc="upper left")
        lower.bar(centres, [one.images for one in evaluation.reliability], 0.9 * width, color=BLUE)
        set_log_scale(lower, steps=(1,))
        lower.set_axisbelow(True)
        lower.set(xlabel="confidence (highest probability)", ylabel="images", ylim=(0.5, 2 * evaluation.images))

    return drawn_png((5.6, 5.4), draw)


def worst_mistakes(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    probabilities: NDArray[np.float32],
    class_names: Sequence[str],
) -> bytes:
    """Up to 24 misclassified images, lowest probability of the true class first.

    Args:
        images: Shape (n, height, width, channels); one channel is drawn in grey, three as red, green, blue.
        labels: Shape (n,), the true classes.
        probabilities: Shape (n, classes).
        class_names: One per column of `probabilities`.
    """
    answers = probabilities.argmax(axis=1)
    mistakes = np.flatnonzero(answers != labels)
    by_true_probability = np.argsort(probabilities[mistakes, labels[mistakes]], kind="stable")
    worst = mistakes[by_true_probability][:_MOST_MISTAKES]

    def draw(figure: Figure) -> None:
        if not len(worst):
            figure.text(0.5, 0.5, f"No mistake in {len(labels):,} images", ha="center", va="center", fontsize=14)
            return
        axes = figure.subplots()
        axes.set_axis_off()
        for position, index in enumerate(worst):
            row, left = divmod(position, _MISTAKES_PER_ROW)
            top = row * pitch
            axes.imshow(_drawable(images[index]), "gray", vmin=0, vmax=255, extent=(left, left + 0.9, top + tall, top))
            text = f"{class_names[labels[index]]} → {class_names[answers[index]]}  {probabilities[index].max():.2f}"
            axes.text(left + 0.45, top - 0.05, text, ha="center", fontsize=10 if longest <= 3 else 6)
        axes.set(xlim=(0, _MISTAKES_PER_ROW - 0.1), ylim=(rows * pitch - 0.25, -0.3))
        axes.set_title(f"The worst {len(worst)} of {len(mistakes)} mistakes: true → predicted class, its probability")

    rows = max(1, -(-len(worst) // _MISTAKES_PER_ROW))
    longest = max(len(name) for name in class_names)
    tall = 0.9 * images.shape[1] / images.shape[2]  # of a picture, in units of a column
    pitch = tall + 0.32  # from one row of pictures to the next
    return drawn_png((9, 0.5 + 1.13 * pitch * rows), draw)


def _drawable(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return image if image.shape[2] == 3 else image[:, :, 0]
