"""What is no picture is refused in one sentence, whatever its bytes are."""

import io
import os
import warnings

import numpy as np
import pytest
from PIL import Image

from slipway.client import Classifier, InvalidImage, PictureWarning, _open_picture
from tests.unit.pictures import ORIENTATION, SEVERAL, encoded, seven


class Stream:
    """A file object whose `read` answers as told."""

    closed = False

    def __init__(self, answer):
        self.answer = answer

    def read(self, _size):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class AsyncStream:
    async def read(self, _size):
        return b""


def test_bytes_that_are_no_picture_are_refused(refused):
    assert "got none: has the file been read already?" in refused(b"")
    assert "images[1]: expected an image file such as PNG or JPEG, got something else" == refused(
        [seven(), b"a,b\n1,2\n"]
    )
    assert refused(encoded(seven())[:60]).startswith("expected a readable image: ")


def test_file_objects_that_give_no_picture_are_refused(refused, tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(seven()))
    with (tmp_path / "a.png").open("rb") as read, (tmp_path / "a.png").open(encoding="latin-1") as text:
        read.read()
        assert "has the file been read already?" in refused(read)
        assert 'one opened for text: open(path, "rb")' in refused(text)
    with (tmp_path / "b.png").open("wb") as written:
        assert "expected a readable image: " in refused(written)
    assert "expected an open file, got a closed one" == refused(read)
    assert "expected a file of bytes, got str from its read()" == refused(Stream("PNG"))
    assert "expected a file of bytes, got NoneType from its read()" == refused(Stream(None))
    assert "expected a readable image: cut off" == refused(Stream(ConnectionError("cut off")))
    assert "pass await file.read()" in refused(AsyncStream())


def test_a_stream_without_end_is_refused(refused, monkeypatch):
    monkeypatch.setattr(_open_picture, "LARGEST_FILE_BYTES", 100_000)

    assert "expected at most 100,000 bytes, got more" == refused(Stream(bytes(1000)))


@pytest.mark.timeout(60)
def test_a_pipe_is_refused_and_not_waited_for(refused, tmp_path):
    os.mkfifo(tmp_path / "pipe")

    assert "got a pipe or device: read it and pass the bytes" in refused(tmp_path / "pipe")
    assert "got a pipe or device" in refused("/dev/zero")


@pytest.mark.parametrize("path", ["nul\0byte.png", "x" * 5000, "broken\udcff\udc00.png", ""], ids=repr)
def test_paths_that_no_file_can_have_are_refused(refused, path):
    assert refused(path)


def test_name_of_a_file_cannot_move_the_cursor(refused, tmp_path):
    assert r"\x1b[2J.png: no such file" in refused(tmp_path / "\x1b[2J.png")


def test_pillow_image_whose_file_was_closed_before_it_was_read_is_refused(refused, tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(seven()))
    with Image.open(tmp_path / "a.png") as image:
        pass

    assert "whose file was closed before they were read: call image.load() while it is open" in refused(image)


def test_pillow_image_that_is_cut_short_is_refused(refused):
    noise = encoded(Image.effect_noise((28, 28), 50), "JPEG")

    assert refused(Image.open(io.BytesIO(noise[: len(noise) // 2]))).startswith("expected a readable image: ")


@pytest.mark.parametrize("size", [(0, 0), (0, 5), (5, 0)])
def test_picture_without_pixels_is_refused(refused, size):
    assert f"expected pixels, got a picture of {size[0]} x {size[1]}" == refused(Image.new("L", size))


@pytest.mark.parametrize("fit", ["stretch", "pad", "crop"])
@pytest.mark.parametrize("size", [(9000, 1), (1, 9000), (1, 1)])
def test_thin_picture_is_answered(sent, size, fit):
    assert (1, 28, 28) == sent(Image.new("L", size), fit=fit).shape


def test_bomb_is_refused_before_it_is_unpacked(refused):
    content = encoded(Image.new("1", (20000, 20000)))

    assert "decompression bomb" in refused(content)


def test_picture_that_is_a_program_is_refused_before_it_runs(refused):
    content = encoded(seven(), "EPS")

    assert "expected pixels, got a program that draws (EPS)" in refused(content)


@pytest.mark.parametrize("mode", ["I", "F", "I;16", "LAB", "HSV", "YCbCr", "La", "RGBa", "PA"])
def test_any_mode_of_pillow_is_converted_or_refused(grpc_fake, mode):
    picture = Image.new(mode, (28, 28))
    with Classifier(grpc_fake.url, model="mnist") as classifier, warnings.catch_warnings():
        warnings.simplefilter("ignore", PictureWarning)  # it is blank
        try:
            classifier.predict(picture)
        except InvalidImage as exc:
            assert "expected" in str(exc)  # noqa: PT017 - either is right


def seeds():
    noise = Image.effect_noise((24, 24), 90)
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    return {
        "PNG": encoded(noise.convert("P"), "PNG", transparency=3, exif=exif),
        "JPEG": encoded(noise, "JPEG", exif=exif),
        "GIF": SEVERAL["GIF"],
        "TIFF": encoded(noise, "TIFF", compression="packbits"),
        "BMP": encoded(noise.convert("RGB"), "BMP"),
        "WEBP": encoded(noise.convert("RGB"), "WEBP"),
        "ICO": encoded(noise, "ICO"),
    }


@pytest.mark.parametrize("content", seeds().values(), ids=seeds())
def test_no_change_of_bytes_is_anything_but_an_answer_or_a_refusal(dark, content):
    random, refusals, tried = np.random.default_rng(14), 0, 250
    with Classifier(dark.url, model="mnist") as classifier, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(tried):
            changed = bytearray(content)
            for position in random.integers(0, len(content), random.integers(1, 12)):
                changed[position] = random.integers(0, 256)
            if random.random() < 0.2:
                del changed[random.integers(1, len(changed)) :]
            form = random.integers(0, 3)
            try:
                given = bytes(changed) if form == 0 else io.BytesIO(changed)
                classifier.predict(Image.open(given) if form == 2 else given, frame=0)
            except InvalidImage:
                refusals += 1
            except Exception:
                if form != 2:
                    raise
                with pytest.raises(Exception):  # noqa: B017 - Pillow's own, before the client is asked
                    Image.open(io.BytesIO(changed))

    assert 0 < refusals <= tried
