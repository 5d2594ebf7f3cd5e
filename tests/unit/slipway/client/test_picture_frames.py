"""A picture of several frames is sent as one of them, a picture of layers as a whole."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from tests.unit.pictures import SEVERAL, seven


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
