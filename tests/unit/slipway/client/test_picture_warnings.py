"""What the model was not trained on is sent with a warning; what it was trained on, without a word."""

import io
import struct
import warnings
import zlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageOps

from slipway.client import Classifier, PictureWarning
from tests.unit.fake_triton import CONTRACT
from tests.unit.pictures import encoded, seven


def deep_png(values):
    """A PNG of 16 bits per channel, which Pillow cannot write; `values` are (height, width, 3 or 4)."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width, channels = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", width, height, 16, {3: 2, 4: 6}[channels], 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


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

    assert [sent.__code__.co_filename] == [warning.filename for warning in caught]


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
