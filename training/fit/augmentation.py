"""Random distortion of training images: rotation, shift and zoom as one projective transform.

    draws = draw_distortions(images=60_000, seed=tf.random.fold_in((7, 0), epoch))     # one row per image
    batch = distort(batch, draws_of_the_batch, settings)

What happens to an image depends on the seed and the image's row in the data set, and on nothing else: not on batch
size, step, worker or what ran before. That is what makes two runs equal, and a resumed run equal to an
uninterrupted one.
"""

from __future__ import annotations

import math

from training._tensorflow import tf
from training.recipe import AugmentationSettings

__all__ = ["distort", "draw_distortions"]


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
