"""Make batches from arrays in memory, with `tf.data` pipelines.

    plan = BatchPlan.of(recipe, images=50_000)
    batches = training_batches(dataset.train, plan, first_epoch=0)
    validation = validation_batches(dataset.validation, batch_size=512)

Everything random is drawn from the seed, the epoch and an image's row: the order of the images and what is done to
each of them, rotation, shift and zoom as one projective transform. It depends on nothing else: not on batch size, step,
worker or what ran before. So the stream can be entered at any epoch, and cut among any number of workers; two runs are
equal, and a resumed run is equal to an uninterrupted one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from training._tensorflow import tf
from training.data import Split
from training.errors import FitError
from training.pixels import scaled
from training.recipe import AugmentationSettings, InputRange, Recipe

__all__ = ["BatchPlan", "Share", "distort", "training_batches", "validation_batches"]

_ORDER_STREAM = 0x0D
_DISTORTION_STREAM = 0xD1


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One worker's part of every batch: the `index`-th of `workers` equal parts, divided over `devices`."""

    index: int = 0
    workers: int = 1
    devices: int = 1


_EVERYTHING = Share()


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPlan:
    """Division of a training split into steps.

    Attributes:
        images: Images in the split.
        batch_size: Images per step, over all workers and devices together.
        epochs: Epochs of the whole run.
        seed: Seed of order and distortion.
        augmentation: Ranges of the distortion.
        input_range: Pixel range of the network.
    """

    images: int
    batch_size: int
    epochs: int
    seed: int
    augmentation: AugmentationSettings
    input_range: InputRange = "unit"

    @classmethod
    def of(cls, recipe: Recipe, *, images: int) -> BatchPlan:
        """The recipe's plan for that many images.

        Raises:
            FitError: There are too few images for one batch.
        """
        if images < recipe.fit.batch_size:
            raise FitError(
                f"fit.batch_size: expected at most the {images} training images, got {recipe.fit.batch_size}"
            )
        return cls(
            images=images,
            batch_size=recipe.fit.batch_size,
            epochs=recipe.fit.epochs,
            seed=recipe.seed,
            augmentation=recipe.augmentation,
            input_range=recipe.network.effective_input_range,
        )

    @property
    def steps_per_epoch(self) -> int:
        """Number of full batches. The images of a smaller last batch are skipped; they differ in each epoch."""
        return self.images // self.batch_size


def training_batches(
    split: Split, plan: BatchPlan, *, first_epoch: int, one_hot: int | None = None, share: Share = _EVERYTHING
) -> tf.data.Dataset:
    """The batches of all epochs from `first_epoch` (0 is the first) to the plan's end, one after the other.

    Args:
        split: The images.
        plan: Their division into batches.
        first_epoch: 0 is the first.
        one_hot: Number of classes if the loss takes one-hot labels; None if it takes indices.
        share: This worker's part.

    Returns:
        Pairs of float32 images `(batch, height, width, channels)`, in the range that the plan names, and int64 labels
        `(batch,)`, or float32 `(batch, classes)` with `one_hot`, where batch is the plan's batch size divided by the
        share's workers and devices.
    """
    part = plan.batch_size // share.workers
    with tf.device("CPU:0"):
        images, labels = tf.constant(split.images), tf.constant(split.labels)

    def rows_and_draws(epoch: tf.Tensor) -> tf.data.Dataset:
        rows = _shuffled_rows(plan, epoch)[:, share.index * part : (share.index + 1) * part]
        draws = draw_distortions(images=plan.images, seed=tf.random.fold_in((plan.seed, _DISTORTION_STREAM), epoch))
        return tf.data.Dataset.from_tensor_slices((rows, tf.gather(draws, rows)))

    def batch(rows: tf.Tensor, draws: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        inputs = distort(_as_input(tf.gather(images, rows), plan.input_range), draws, plan.augmentation)
        return inputs, _labels(tf.gather(labels, rows), one_hot)

    stream = tf.data.Dataset.range(first_epoch, plan.epochs).flat_map(rows_and_draws)
    stream = stream.map(batch, num_parallel_calls=tf.data.AUTOTUNE)
    if share.devices > 1:
        stream = stream.rebatch(part // share.devices)
    return stream.prefetch(tf.data.AUTOTUNE)


def validation_batches(
    split: Split,
    *,
    batch_size: int,
    input_range: InputRange = "unit",
    one_hot: int | None = None,
    share: Share = _EVERYTHING,
) -> tf.data.Dataset:
    """The split in its own order, undistorted, repeated; the last batch of a round may be smaller.

    Every device gets every batch, so means over all devices are exact.

    Returns:
        Pairs as of `training_batches`.
    """
    batches = tf.data.Dataset.from_tensor_slices((split.images, split.labels)).batch(batch_size)
    if share.devices > 1:
        batches = batches.flat_map(lambda *batch: tf.data.Dataset.from_tensors(batch).repeat(share.devices))
    return (
        batches.map(lambda images, labels: (_as_input(images, input_range), _labels(labels, one_hot)))
        .repeat()
        .prefetch(tf.data.AUTOTUNE)
    )


def _shuffled_rows(plan: BatchPlan, epoch: tf.Tensor) -> tf.Tensor:
    """One epoch's order: int32 `(steps, batch)`."""
    seed = tf.random.fold_in((plan.seed, _ORDER_STREAM), epoch)
    order = tf.random.experimental.stateless_shuffle(tf.range(plan.images), seed=seed)
    return tf.reshape(order[: plan.steps_per_epoch * plan.batch_size], (plan.steps_per_epoch, plan.batch_size))


def _labels(labels: tf.Tensor, one_hot: int | None) -> tf.Tensor:
    return labels if one_hot is None else tf.one_hot(labels, one_hot)


def _as_input(images: tf.Tensor, input_range: InputRange) -> tf.Tensor:
    return scaled(tf.cast(images, tf.float32), input_range)


def draw_distortions(*, images: int, seed: tf.Tensor) -> tf.Tensor:
    """Draw one epoch's distortions.

    Returns:
        float32 `(images, 4)`, uniform in [-1, 1): how far along its range each image is rotated, shifted down, shifted
        right and zoomed.
    """
    return tf.random.stateless_uniform((images, 4), seed=seed, minval=-1.0, maxval=1.0)


def distort(images: tf.Tensor, draws: tf.Tensor, settings: AugmentationSettings) -> tf.Tensor:
    """Rotate (counter-clockwise) and zoom each image about its centre, then shift it; what comes in from outside is 0.

    Args:
        images: float32 `(batch, height, width, channels)`.
        draws: float32 `(batch, 4)`, rows of `draw_distortions`.
        settings: The ranges; all zero returns `images` untouched.

    Returns:
        float32, the shape of `images`, bilinearly interpolated.
    """
    if not (settings.rotation_degrees or settings.shift_fraction or settings.zoom_fraction):
        return images
    size = tf.shape(images)[1:3]
    transforms = _inverse_transforms(tf.unstack(tf.cast(size, tf.float32)), draws, settings)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=transforms,
        output_shape=size,
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )


def _inverse_transforms(size: list[tf.Tensor], draws: tf.Tensor, settings: AugmentationSettings) -> tf.Tensor:
    """Map output pixels to input pixels, as ImageProjectiveTransformV3 wants it.

    Returns:
        float32 `(batch, 8)`: rows (a0, a1, a2, b0, b1, b2, 0, 0) that send output (x, y) to input
        (a0 x + a1 y + a2, b0 x + b1 y + b2).
    """
    height, width = size
    angle = draws[:, 0] * (settings.rotation_degrees * math.pi / 180)
    down = draws[:, 1] * settings.shift_fraction * height
    right = draws[:, 2] * settings.shift_fraction * width
    scale = 1.0 + draws[:, 3] * settings.zoom_fraction
    cos, sin = tf.cos(angle) / scale, tf.sin(angle) / scale
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
    from_x, from_y = centre_x + right, centre_y + down
    nought = tf.zeros_like(angle)
    return tf.stack(
        [
            cos,
            -sin,
            centre_x - cos * from_x + sin * from_y,
            sin,
            cos,
            centre_y - sin * from_x - cos * from_y,
            nought,
            nought,
        ],
        axis=1,
    )
