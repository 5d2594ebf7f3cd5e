"""Pictures of a digit, in the forms that people send."""

import io

from PIL import Image, ImageDraw

ORIENTATION = 0x0112


def seven(ink=255, paper=0, size=(28, 28), mode="L"):
    """A digit, drawn from strokes."""
    picture = Image.new(mode, (28, 28), paper)
    draw = ImageDraw.Draw(picture)
    draw.line([(7, 7), (20, 7), (11, 22)], fill=ink, width=3)
    return picture.resize(size)


def encoded(picture, form="PNG", **options):
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


FILM = [seven(), seven(ink=9), seven(ink=99)]
SEVERAL = {
    "GIF": encoded(FILM[0], "GIF", save_all=True, append_images=FILM[1:], duration=50),
    "PNG": encoded(FILM[0], "PNG", save_all=True, append_images=FILM[1:], duration=50),
    "TIFF": encoded(FILM[0], "TIFF", save_all=True, append_images=FILM[1:]),
    "MPO": encoded(FILM[0], "MPO", save_all=True, append_images=FILM[1:], quality=100, subsampling=0),
    "WEBP": encoded(FILM[0], "WEBP", save_all=True, append_images=FILM[1:], lossless=True),
}
