"""Every way in for a picture gives the same pixels, and what the model was not trained on is said."""

import asyncio
import io
import os
import struct
import tempfile
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageDraw, ImageOps

from slipway.client import AsyncClassifier, Classifier, InvalidImage, MicroBatcher, PictureWarning
from slipway.client import _open_picture as door
from tests.unit.fake_triton import CONTRACT

ORIENTATION = 0x0112


@pytest.fixture
def dark(grpc_fake):
    """A model that was trained on light ink on dark, as MNIST."""
    grpc_fake.contract = replace(CONTRACT, background="dark")
    return grpc_fake


@pytest.fixture
def sent(grpc_fake):
    """Classify, and return the one batch that reached the server."""

    def send(images, **options):
        grpc_fake.batches.clear()
        with Classifier(grpc_fake.url, model="mnist") as classifier:
            classifier.predict(images, **options)
        (batch,) = grpc_fake.batches
        return batch[..., 0]

    return send


@pytest.fixture
def refused(grpc_fake):
    """Classify, and return what was said; nothing may reach the server."""

    def refuse(images, **options):
        with Classifier(grpc_fake.url, model="mnist") as classifier, pytest.raises(InvalidImage) as caught:
            classifier.predict(images, **options)
        assert 0 == grpc_fake.asked["infer"]
        return str(caught.value)

    return refuse


def seven(ink=255, paper=0, size=(28, 28), mode="L"):
    """A digit, drawn from strokes."""
    picture = Image.new(mode, (28, 28), paper)
    draw = ImageDraw.Draw(picture)
    draw.line([(7, 7), (20, 7), (11, 22)], fill=ink, width=3)
    return picture.resize(size)


def deep_png(values):
    """A PNG of 16 bits per channel, which Pillow cannot write; `values` are (height, width, 3 or 4)."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width, channels = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", width, height, 16, {3: 2, 4: 6}[channels], 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def layered(whole, layers):
    """A PSD file, which Pillow cannot write: the picture as a whole, and its layers."""
    width, height = whole.size
    records, pixels = b"", b""
    for layer in layers:
        channels = b"".join(struct.pack(">hI", number, 2 + width * height) for number in range(3))
        records += struct.pack(">4iH", 0, 0, height, width, 3) + channels
        records += b"8BIMnorm\xff\0\0\0" + struct.pack(">IIII", 12, 0, 0, 0x014C0000)
        pixels += b"".join(b"\0\0" + channel.tobytes() for channel in layer.convert("RGB").split())
    info = struct.pack(">h", len(layers)) + records + pixels
    section = struct.pack(">I", len(info)) + info + bytes(4)
    head = struct.pack(">4sH6xHIIHHII", b"8BPS", 1, 3, height, width, 8, 3, 0, 0)
    flat = b"".join(channel.tobytes() for channel in whole.convert("RGB").split())
    return head + struct.pack(">I", len(section)) + section + b"\0\0" + flat


def encoded(picture, form="PNG", **options):
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


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


FILM = [seven(), seven(ink=9), seven(ink=99)]
SEVERAL = {
    "GIF": encoded(FILM[0], "GIF", save_all=True, append_images=FILM[1:], duration=50),
    "PNG": encoded(FILM[0], "PNG", save_all=True, append_images=FILM[1:], duration=50),
    "TIFF": encoded(FILM[0], "TIFF", save_all=True, append_images=FILM[1:]),
    "MPO": encoded(FILM[0], "MPO", save_all=True, append_images=FILM[1:], quality=100, subsampling=0),
    "WEBP": encoded(FILM[0], "WEBP", save_all=True, append_images=FILM[1:], lossless=True),
}


@pytest.mark.parametrize("content", SEVERAL.values(), ids=SEVERAL)
def test_several_frames_are_refused_until_one_is_named(refused, content):
    expected = "expected one picture, got 3 frames or pages: choose one, frame=0 to frame=2"

    assert expected == refused(content)
    assert expected == refused(Image.open(io.BytesIO(content)))
    assert "frame=3: expected less than 3, the number of frames in the file" == refused(content, frame=3)


@pytest.mark.parametrize("content", SEVERAL.values(), ids=SEVERAL)
def test_the_named_frame_is_sent_and_a_pillow_image_stays_where_it_stood(sent, content):
    picture = Image.open(io.BytesIO(content))
    picture.seek(1)

    for given in (content, picture):
        assert abs(int(sent(given, frame=2).max()) - 99) < 12  # JPEG and WebP are near
    assert 1 == picture.tell()


@pytest.mark.parametrize("frame", [None, 0])
def test_a_picture_of_layers_is_sent_as_a_whole(sent, frame):
    content = layered(seven(), layers=[seven(ink=9), seven(ink=99)])

    for given in (content, Image.open(io.BytesIO(content))):
        np.testing.assert_array_equal(np.asarray(seven()), sent(given, frame=frame)[0])


def test_one_layer_of_a_picture_cannot_be_named(refused):
    content = layered(seven(), layers=[seven(ink=9), seven(ink=99)])

    assert "frame=1: expected less than 1, the number of frames in the file" == refused(content, frame=1)


def test_frame_zero_may_be_said_of_any_picture(sent):
    np.testing.assert_array_equal(np.asarray(seven()), sent(seven(), frame=0)[0])


@pytest.mark.parametrize("options", [{"fit": "squeeze"}, {"frame": -1}, {"frame": "first"}])
def test_option_out_of_range_is_refused_before_anything_is_asked(grpc_fake, options):
    with Classifier(grpc_fake.url, model="mnist") as classifier, pytest.raises(ValueError, match="expected"):
        classifier.predict(seven(), **options)

    assert 0 == grpc_fake.asked["config"]


@pytest.mark.parametrize("fit", ["stretch", "pad", "crop"])
def test_fit_is_carried_out_as_pillow_does_it(sent, fit):
    wide = seven(ink=255, paper=40, size=(100, 25))
    expected = {
        "stretch": wide.resize((28, 28), Image.Resampling.LANCZOS),
        "pad": ImageOps.pad(wide, (28, 28), Image.Resampling.LANCZOS, color=40),
        "crop": ImageOps.fit(wide, (28, 28), Image.Resampling.LANCZOS),
    }[fit]

    np.testing.assert_array_equal(np.asarray(expected), sent(wide, fit=fit)[0])


def test_bars_have_the_colour_of_the_border(grpc_fake):
    grpc_fake.contract = replace(CONTRACT, image_shape=(28, 28, 3))
    with Classifier(grpc_fake.url, model="mnist") as classifier:
        classifier.predict(Image.new("RGB", (40, 10), (250, 20, 90)), fit="pad")

    assert [(250, 20, 90)] == sorted({tuple(pixel) for pixel in grpc_fake.batches[0].reshape(-1, 3).tolist()})


def test_other_proportions_are_stretched_with_a_warning_at_the_callers_line(sent):
    with pytest.warns(PictureWarning, match="400 x 100 pixels were stretched to 28 x 28; fit='pad' keeps") as caught:
        sent(seven(size=(400, 100)))

    assert [__file__] == [warning.filename for warning in caught]


def test_one_call_warns_once_and_names_each_picture(sent, tmp_path):
    for name in "abcde":
        seven(size=(56, 28)).save(tmp_path / f"{name}.png")
    with pytest.warns(PictureWarning) as caught:
        sent([tmp_path / f"{name}.png" for name in "abcde"])

    assert 1 == len(caught)
    for said in ("a.png: ", "b.png: ", "c.png: ", "; and 2 more such"):
        assert said in str(caught[0].message)


@pytest.mark.parametrize("size", [(28, 28), (280, 280), (31, 28), (1000, 900)])
@pytest.mark.usefixtures("dark")
def test_a_digit_as_in_training_is_sent_without_a_word(sent, size):
    assert 0 == sent(seven(size=size))[0, 0, 0]
    assert 0 == sent(seven(ink=0, paper=255, size=size), invert=True)[0, 0, 0]


UNLIKE = {
    "dark ink on white": (seven(ink=0, paper=255), {}, "dark on light .*brightness 255 .*light on dark: invert=True"),
    "photograph of paper": (seven(ink=40, paper=150, size=(640, 640)), {}, "dark on light .*invert=True"),
    "photograph in dim light": (seven(ink=20, paper=110, size=(640, 640)), {}, "dark on light .*invert=True"),
    "in colour": (seven(ink=(0, 0, 200), paper=(255, 255, 200), mode="RGB"), {}, "invert=True"),
    "print": (seven(ink=0, paper=255).convert("RGB").convert("CMYK"), {}, "invert=True"),
    "one bit": (seven(ink=0, paper=255).convert("1"), {}, "invert=True"),
    "palette": (seven(ink=0, paper=255).convert("P"), {}, "invert=True"),
    "inverted in vain": (seven(), {"invert": True}, "light on dark .*invert=False"),
    "a white page": (Image.new("L", (28, 28), 255), {}, "invert=True"),
    "chalk on a bright board": (seven(ink=255, paper=180), {}, "background has brightness 180 .*raise the contrast"),
    "dark ink on nothing": (
        seven(ink=(0, 0, 0, 255), paper=(0, 0, 0, 0), mode="RGBA"),
        {},
        "drawn on black, .*invert=",
    ),
}


@pytest.mark.parametrize("extra", [0, 1], ids=["colour", "colour and transparency"])
def test_deep_colours_are_sent_by_their_upper_bits_with_a_warning(sent, extra):
    deep = np.stack([np.asarray(seven()).astype(">u2") * 257] * 3 + [np.full((28, 28), 65535)] * extra, axis=-1)
    said = "it has 16 bits per channel, of which the upper 8 were taken"

    for given in (deep_png(deep), Image.open(io.BytesIO(deep_png(deep)))):
        with pytest.warns(PictureWarning, match=said):
            np.testing.assert_array_equal(np.asarray(seven()), sent(given)[0])


def test_sixteen_bits_for_all_channels_together_are_no_reason_for_a_warning(sent):
    five_bits_each = np.where(np.asarray(seven()) > 127, 0x7FFF, 0).astype("<u2")[::-1].tobytes()
    head = struct.pack("<2sIIIIiiHHIIiiII", b"BM", 54 + 1568, 0, 54, 40, 28, 28, 1, 16, 0, 1568, 0, 0, 0, 0)

    assert {0, 255} == set(np.unique(sent(head + five_bits_each)))


@pytest.mark.parametrize(("picture", "options", "said"), UNLIKE.values(), ids=UNLIKE)
@pytest.mark.usefixtures("dark")
def test_a_picture_unlike_the_training_images_is_sent_with_a_warning(sent, picture, options, said):
    with pytest.warns(PictureWarning, match=said):
        sent(picture, **options)


@pytest.mark.parametrize(("picture", "options"), [case[:2] for case in UNLIKE.values()], ids=UNLIKE)
def test_a_model_that_does_not_say_its_background_warns_of_no_brightness(sent, picture, options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sent(picture, **options)


def test_a_model_of_ink_on_paper_warns_of_light_on_dark(grpc_fake, sent):
    grpc_fake.contract = replace(CONTRACT, background="light")
    sent(seven(ink=0, paper=255))
    with pytest.warns(
        PictureWarning, match="light on dark .*, but the model was trained on dark on light: invert=True"
    ):
        sent(seven())


@pytest.mark.usefixtures("dark")
def test_arrays_are_sent_without_a_word(sent):
    assert 255 == sent(np.full((28, 28), 255, np.uint8)).max()


def transparent(ink, form, mode):
    """A digit on nothing: an alpha channel, or a palette or one grey that is transparent."""
    layer = seven(ink=(ink, ink, ink, 255), paper=(128, 128, 128, 0), mode="RGBA")
    if mode == "P":
        palette = seven(ink=1, paper=0, mode="P")
        palette.putpalette([128, 128, 128, ink, ink, ink])
        return encoded(palette, form, transparency=0)
    if mode == "L":
        return encoded(seven(ink=ink, paper=128), form, transparency=128)
    return encoded(layer.convert(mode), form)


@pytest.mark.parametrize(
    ("form", "mode"), [("PNG", "RGBA"), ("PNG", "LA"), ("PNG", "P"), ("PNG", "L"), ("GIF", "P"), ("WEBP", "RGBA")]
)
@pytest.mark.usefixtures("dark")
def test_transparent_parts_show_the_background_that_the_model_knows(sent, form, mode):
    light, black = transparent(255, form, mode), transparent(0, form, mode)
    if form == "WEBP":
        expected = np.asarray(
            Image.alpha_composite(Image.new("RGBA", (28, 28), "black"), Image.open(io.BytesIO(light)))
        )
        np.testing.assert_array_equal(np.asarray(Image.fromarray(expected).convert("L")), sent(light)[0])
        return

    np.testing.assert_array_equal(np.asarray(seven()), sent(light)[0])
    np.testing.assert_array_equal(np.asarray(seven()), sent(black, invert=True)[0])


def test_a_model_of_colour_and_transparency_takes_both(grpc_fake):
    grpc_fake.contract = replace(CONTRACT, image_shape=(28, 28, 4))
    layer = seven(ink=(1, 2, 3, 40), paper=(9, 8, 7, 0), mode="RGBA")
    with Classifier(grpc_fake.url, model="mnist") as classifier:
        classifier.predict(layer)

    np.testing.assert_array_equal(np.asarray(layer), grpc_fake.batches[0][0])


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
    monkeypatch.setattr(door, "LARGEST_FILE_BYTES", 100_000)

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
