"""Every way in for a picture gives the same pixels, and what the model was not trained on is said."""

import asyncio
import io
import struct
import tempfile
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from slipway.client import AsyncClassifier, Classifier, MicroBatcher
from tests.unit.pictures import ORIENTATION, encoded, seven


def turned(orientation, form="JPEG"):
    """The bytes of a picture that says how its camera was held."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return encoded(seven(), form, exif=exif)


def ways_in(content, folder):
    path = folder / "picture"
    path.write_bytes(content)
    spooled = tempfile.SpooledTemporaryFile()  # noqa: SIM115 - an upload, as web frameworks hand it over
    spooled.write(content)
    spooled.seek(0)
    return {
        "path": path,
        "text of a path": str(path),
        "Pillow": Image.open(io.BytesIO(content)),
        "bytes": content,
        "bytearray": bytearray(content),
        "memoryview": memoryview(content),
        "file": path.open("rb"),
        "unbuffered file": path.open("rb", buffering=0),
        "upload": spooled,
    }


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8, 5])
def test_every_way_in_gives_the_same_upright_pixels(sent, tmp_path, form, orientation):
    content = turned(orientation, form)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert("L"))

    ways = ways_in(content, tmp_path)
    for image in ways.values():
        np.testing.assert_array_equal(expected, sent(image)[0])
    for name in ("file", "unbuffered file", "upload"):
        ways[name].close()


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF"])
def test_threads_may_share_a_pillow_image_that_is_not_read_yet(grpc_fake, form):
    content = encoded(seven(size=(600, 600)), form)

    with Classifier(grpc_fake.url, model="mnist") as classifier, ThreadPoolExecutor(8) as threads:
        for _ in range(8):
            shared = Image.open(io.BytesIO(content))
            list(threads.map(lambda _, shared=shared: classifier.predict(shared), range(8)))

    assert 1 == len({batch.tobytes() for batch in grpc_fake.batches})
    assert 64 == len(grpc_fake.batches)


def test_a_list_may_mix_every_way_in(sent, tmp_path):
    ways = ways_in(turned(6), tmp_path)

    assert 1 == len({image.tobytes() for image in sent(list(ways.values()))})
    for name in ("file", "unbuffered file", "upload"):
        ways[name].close()


def test_asyncio_and_batcher_take_the_same_options(grpc_fake):
    content, expected = turned(6), 255 - np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(turned(6)))))

    async def ask():
        async with AsyncClassifier(grpc_fake.url, model="mnist") as classifier:
            await classifier.predict(content, invert=True, fit="pad", frame=0)

    asyncio.run(ask())
    with Classifier(grpc_fake.url, model="mnist") as classifier, MicroBatcher(classifier) as batcher:
        batcher.predict(content, invert=True, fit="pad", frame=0)

    for batch in grpc_fake.batches:
        np.testing.assert_array_equal(expected, batch[0, :, :, 0])


@pytest.mark.parametrize("options", [{"fit": "squeeze"}, {"frame": -1}, {"frame": "first"}])
def test_option_out_of_range_is_refused_before_anything_is_asked(grpc_fake, options):
    with Classifier(grpc_fake.url, model="mnist") as classifier, pytest.raises(ValueError, match="expected"):
        classifier.predict(seven(), **options)

    assert 0 == grpc_fake.asked["config"]


def test_colour_profile_and_gamma_of_a_file_change_no_pixel(sent):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    plain = encoded(seven(), "PNG")
    length = struct.pack(">I", 4)
    chunk = b"gAMA" + struct.pack(">I", 100_000)
    after_header = 8 + 25
    with_gamma = plain[:after_header] + length + chunk + struct.pack(">I", zlib.crc32(chunk)) + plain[after_header:]

    assert 1.0 == Image.open(io.BytesIO(with_gamma)).info["gamma"]
    assert np.array_equal(sent(plain), sent(with_gamma))
    assert np.array_equal(sent(plain), sent(encoded(seven(), "PNG", icc_profile=profile)))
