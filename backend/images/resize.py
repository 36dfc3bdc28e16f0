"""A picture made the size that is wanted, in A1111's resize modes."""

from collections.abc import Callable

from PIL import Image

Enlarge = Callable[[Image.Image, float], Image.Image]  # a picture, and by how much; gives about that size

JUST_RESIZE, CROP, FILL, LATENT = range(4)  # request.InitImage.resize_mode


def resize(image: Image.Image, mode: int, width: int, height: int, enlarge: Enlarge | None = None) -> Image.Image:
    """CROP keeps proportions and cuts off what sticks out; FILL keeps them and draws the edges out. enlarge: for what is too small; None = Lanczos."""
    if mode == JUST_RESIZE:
        return _scale(image, width, height, enlarge)
    wide = width * image.height > image.width * height  # the frame is wider than the picture
    fit_width = wide if mode == CROP else not wide
    size = (width, image.height * width // image.width) if fit_width else (image.width * height // image.height, height)
    resized = _scale(image, max(size[0], 1), max(size[1], 1), enlarge)
    left, top = width // 2 - resized.width // 2, height // 2 - resized.height // 2
    frame = Image.new(image.mode, (width, height))
    frame.paste(resized, (left, top))
    if mode != CROP:
        _draw_out(frame, resized, left, top)
    return frame


def _scale(image: Image.Image, width: int, height: int, enlarge: Enlarge | None) -> Image.Image:
    scale = max(width / image.width, height / image.height)
    if enlarge is not None and image.mode == "RGB" and scale > 1:
        image = enlarge(image, scale)
    return image if image.size == (width, height) else image.resize((width, height), Image.Resampling.LANCZOS)


def _draw_out(frame: Image.Image, inner: Image.Image, left: int, top: int) -> None:
    """Repeats the outermost lines of what was pasted up to the frame's edges."""
    (width, height), below, beside = frame.size, inner.height, inner.width
    if top > 0:
        frame.paste(inner.resize((width, top), box=(0, 0, width, 0)), (0, 0))
        frame.paste(inner.resize((width, top), box=(0, below, width, below)), (0, top + below))
    elif left > 0:
        frame.paste(inner.resize((left, height), box=(0, 0, 0, height)), (0, 0))
        frame.paste(inner.resize((left, height), box=(beside, 0, beside, height)), (left + beside, 0))
