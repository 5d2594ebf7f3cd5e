"""What `predict` takes, and what it refuses before anything is sent."""

import numpy as np
import pytest
from PIL import Image

from slipway.client import Classifier, InvalidImage
from slipway.contract import ModelContract


@pytest.fixture
def sent(grpc_fake):
    """Classify, and return the one batch that reached the server."""

    def send(images, **options):
        with Classifier(grpc_fake.url, model="mnist") as classifier:
            classifier.predict(images, **options)
        (batch,) = grpc_fake.batches
        return batch

    return send


def gradient(mode="L", size=(28, 28)):
    ramp = np.linspace(0, 255, size[0] * size[1]).astype(np.uint8).reshape(size[1], size[0])
    return Image.fromarray(ramp).convert(mode)


@pytest.mark.parametrize(
    "shape", [(28, 28), (28, 28, 1), (2, 28, 28), (2, 28, 28, 1)], ids=lambda shape: "x".join(map(str, shape))
)
def test_array_arrives_pixel_by_pixel(sent, shape):
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)

    np.testing.assert_array_equal(images.reshape(-1, 28, 28, 1), sent(images))


def test_array_in_another_memory_order_arrives_pixel_by_pixel(sent):
    images = np.random.default_rng(0).integers(0, 256, (28, 28, 3), dtype=np.uint8).transpose(2, 1, 0)[::-1]

    np.testing.assert_array_equal(images[..., np.newaxis], sent(images))


def test_sequence_may_mix_arrays_pictures_and_paths(sent, tmp_path):
    picture = gradient()
    picture.save(tmp_path / "a.png")
    pixels = np.asarray(picture)

    batch = sent([pixels, picture, tmp_path / "a.png", str(tmp_path / "a.png"), pixels[..., np.newaxis]])

    np.testing.assert_array_equal(np.stack([pixels] * 5)[..., np.newaxis], batch)


def test_picture_of_another_size_is_resized_with_lanczos(sent):
    picture = gradient(size=(56, 14))

    expected = np.asarray(picture.resize((28, 28), Image.Resampling.LANCZOS))

    np.testing.assert_array_equal(expected, sent(picture, fit="stretch")[0, :, :, 0])


def test_colour_picture_becomes_grey_for_a_model_with_one_channel(sent):
    picture = Image.new("RGB", (28, 28), (255, 0, 0))

    assert {76} == set(sent(picture).ravel().tolist())  # ITU-R 601-2 luma: 255 · 0.299


def test_grey_picture_becomes_colour_for_a_model_with_three_channels(grpc_fake, sent):
    grpc_fake.contract = ModelContract(name="mnist", image_shape=(4, 6, 3), labels=("a", "b"), max_batch_size=8)

    assert (1, 4, 6, 3) == sent(gradient(size=(6, 4))).shape


def test_transparent_parts_of_a_picture_are_white(sent):
    picture = Image.new("RGBA", (28, 28), (0, 0, 0, 0))
    picture.putpixel((0, 0), (0, 0, 0, 255))

    assert {0: 1, 255: 783} == dict(zip(*np.unique(sent(picture), return_counts=True), strict=True))


def test_invert_turns_dark_on_light_into_light_on_dark(sent):
    np.testing.assert_array_equal(255 - np.asarray(gradient()), sent(gradient(), invert=True)[0, :, :, 0])


def test_paths_out_of_an_array_of_texts_are_paths(sent, tmp_path):
    gradient().save(tmp_path / "a.png")

    assert (2, 28, 28, 1) == sent(list(np.array([str(tmp_path / "a.png")] * 2))).shape


class Tensor:
    """What NumPy can read, as a tensor of another library."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        if isinstance(self.values, Exception):
            raise self.values
        return self.values


class Tagged(np.ndarray):
    pass


PIXELS = np.random.default_rng(14).integers(0, 256, (28, 28), dtype=np.uint8)
EXACT = {
    "negative strides": PIXELS[::-1, ::-1][::-1, ::-1],
    "every second of a larger one": np.repeat(np.repeat(PIXELS, 2, 0), 2, 1)[::2, ::2],
    "columns first": np.asfortranarray(PIXELS),
    "big-endian": PIXELS.astype(">u1"),
    "matrix": PIXELS.view(np.matrix),
    "subclass": PIXELS.view(Tagged),
    "no pixel masked": np.ma.masked_array(PIXELS, mask=False),
    "no pixel masked, one by one": np.ma.masked_array(PIXELS, mask=np.zeros((28, 28), np.bool_)),
    "tensor": Tensor(PIXELS),
    "read-only": np.frombuffer(PIXELS.tobytes(), np.uint8).reshape(28, 28),
}


@pytest.mark.parametrize("wrapped", [lambda image: image, lambda image: [image, image]], ids=["alone", "in a list"])
@pytest.mark.parametrize("image", EXACT.values(), ids=EXACT)
def test_array_of_any_kind_arrives_pixel_by_pixel(sent, image, wrapped):
    for arrived in sent(wrapped(image)):
        np.testing.assert_array_equal(PIXELS, arrived[:, :, 0])


def test_array_in_a_file_arrives_pixel_by_pixel(sent, tmp_path):
    mapped = np.memmap(tmp_path / "pixels", np.uint8, "w+", shape=(28, 28))
    mapped[:] = PIXELS

    np.testing.assert_array_equal(PIXELS, sent(mapped)[0, :, :, 0])


MASKED = np.ma.masked_array(PIXELS, mask=PIXELS > 200)
REFUSED = {
    "masked": (MASKED, r"a value for every pixel, got masked ones: fill them, such as images\.filled\(0\)"),
    "masked-in-list": ([MASKED], r"images\[0\]: expected a value for every pixel, got masked ones"),
    "float32": (
        np.full((1, 28, 28, 1), 0.5, np.float32),
        r"expected uint8 \(28, 28, 1\), \(28, 28\) .*, got float32 .* 0\.5 to 0\.5: .*\(images \* 255\)\.round\(\)",
    ),
    "float64": (np.full((28, 28), 200.0), r"got float64 \(28, 28\).*with images\.round\(\)\.astype\(np\.uint8\)"),
    "float-below-zero": (np.linspace(-1, 1, 784).reshape(28, 28), r"are -1 to 1, below 0: bring them to 0 to 255"),
    "float-beyond-255": (np.full((28, 28), 300.0), "beyond 255"),
    "not-a-number": (np.full((28, 28), np.nan), "some values are NaN or infinite"),
    "int64": (np.full((28, 28), 200), r"got int64 \(28, 28\).*convert with images\.astype\(np\.uint8\)"),
    "int64-of-zeros-and-ones": (np.ones((28, 28), int), r"convert with \.astype\(np\.uint8\), times 255 if 1 is white"),
    "uint16": (np.full((28, 28), 65535, np.uint16), r"\(images // 257\)\.astype\(np\.uint8\) if they are 16 bits deep"),
    "big-endian-uint16": (np.full((28, 28), 7, ">u2"), r"got >u2 .*convert with images\.astype"),
    "bool": (np.zeros((28, 28), np.bool_), r"got bool \(28, 28\).*convert with images\.astype\(np\.uint8\) \* 255"),
    "int8": (np.zeros((28, 28), np.int8), r"got int8 \(28, 28\)"),
    "objects": (PIXELS.astype(object), r"got object \(28, 28\).*such as np\.stack\(images\)"),
    "images-in-objects": (np.array([PIXELS, None], object), r"got object \(2,\).*np\.stack"),
    "records": (np.zeros((28, 28), [("grey", "u1")]), "these are no real numbers"),
    "complex": (np.zeros((28, 28), complex), "got complex128 .*no real numbers"),
    "texts": (np.zeros((28, 28), "U3"), "got <U3 .*no real numbers"),
    "one-number": (np.uint8(7), r"got uint8 \(\)"),
    "zero-dimensional": (np.array(7, np.uint8), r"got uint8 \(\)"),
    "float-tensor": (Tensor(PIXELS / 255), r"got float64 \(28, 28\).* \* 255\)"),
    "tensor-elsewhere": (
        Tensor(TypeError("can't convert cuda:0 device type tensor to numpy")),
        r"got Tensor that gives no values \(can't convert cuda.*bring it to the CPU first",
    ),
    "height": (np.zeros((29, 28), np.uint8), r"got uint8 \(29, 28\)"),
    "flat": (np.zeros((784,), np.uint8), r"got uint8 \(784,\)"),
    "flat-batch": (np.zeros((1, 784), np.uint8), r"got uint8 \(1, 784\)"),
    "channels": (np.zeros((2, 28, 28, 3), np.uint8), r"got uint8 \(2, 28, 28, 3\)"),
    "batch-of-batches": (np.zeros((1, 1, 28, 28, 1), np.uint8), r"got uint8 \(1, 1, 28, 28, 1\)"),
    "empty-batch": (np.zeros((0, 28, 28, 1), np.uint8), r"at least one image, got an empty batch \(0, 28, 28, 1\)"),
    "empty-grey-batch": (np.zeros((0, 28, 28), np.uint8), r"at least one image, got an empty batch \(0, 28, 28\)"),
    "empty-list": ([], "expected at least one image, got an empty sequence"),
    "batch-in-list": (
        [np.zeros((28, 28), np.uint8), np.zeros((2, 28, 28), np.uint8)],
        r"images\[1\]: .* got uint8 \(2, 28, 28\)",
    ),
    "numbers": (
        [[0, 1], [2, 3]],
        r"images\[0\]: expected a uint8 array, a Pillow image, the path .*, got list: .*np\.array\(images, dtype=",
    ),
    "one-row-of-numbers": ([0, 1], r"images\[0\]: expected a uint8 array, .*, got int"),
    "generator": ((image for image in [PIXELS]), "expected a uint8 array, .*, got generator"),
    "set": ({1}, "got set"),
    "none": (None, "got NoneType"),
    "32-bit-picture": (Image.new("I", (28, 28)), "expected 8 bits per channel, got Pillow mode I"),
    "float-picture": (Image.new("F", (28, 28)), "expected 8 bits per channel, got Pillow mode F"),
    "no-such-file": ("nowhere.png", r"nowhere\.png: no such file"),
}


@pytest.mark.parametrize(("images", "message"), REFUSED.values(), ids=REFUSED)
def test_anything_else_is_refused_before_it_is_sent(grpc_fake, images, message):
    with Classifier(grpc_fake.url, model="mnist") as classifier, pytest.raises(InvalidImage, match=message) as caught:
        classifier.predict(images)

    assert isinstance(caught.value, ValueError)
    assert 0 == grpc_fake.asked["infer"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"this is no picture", "broken.png: expected an image file such as PNG or JPEG, got something else"),
        (b"", "broken.png: expected an image file such as PNG or JPEG"),
        ("truncated", "broken.png: expected a readable image: "),
    ],
    ids=["text", "empty", "truncated"],
)
def test_file_that_is_no_picture_is_refused_by_name(grpc_fake, tmp_path, content, message):
    path = tmp_path / "broken.png"
    if content == "truncated":
        Image.effect_noise((28, 28), 50).save(path)
        content = path.read_bytes()[:-200]
    path.write_bytes(content)
    with Classifier(grpc_fake.url, model="mnist") as classifier, pytest.raises(InvalidImage, match=message):
        classifier.predict(path)

    assert 0 == grpc_fake.asked["infer"]


def test_file_with_sixteen_bits_is_refused_by_name(grpc_fake, tmp_path):
    Image.new("I;16", (28, 28)).save(tmp_path / "deep.png")
    message = r"deep\.png: expected 8 bits per channel, got Pillow mode I;16"
    with Classifier(grpc_fake.url, model="mnist") as classifier, pytest.raises(InvalidImage, match=message):
        classifier.predict(tmp_path / "deep.png")


def test_folder_is_refused_by_name(grpc_fake, tmp_path):
    with Classifier(grpc_fake.url, model="mnist") as classifier, pytest.raises(InvalidImage, match=tmp_path.name):
        classifier.predict(tmp_path)


def test_picture_for_a_model_with_two_channels_is_refused(grpc_fake):
    grpc_fake.contract = ModelContract(name="mnist", image_shape=(4, 6, 2), labels=("a", "b"), max_batch_size=8)
    with Classifier(grpc_fake.url, model="mnist") as classifier, pytest.raises(InvalidImage, match="takes 2 channels"):
        classifier.predict(gradient())
