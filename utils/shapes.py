"""Generated colour images of one shape each, with attributes and captions: `data.shapes(count)`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Shapes:
    """Generated images of one shape each, with what is in them.

    Attributes:
        images: uint8 (N, 3, S, S), red, green, blue.
        labels: int64 (N,), indices into ``classes``: shape and filling.
        classes: the ten names, such as ``"hollow circle"``.
        captions: N sentences, such as ``"a small red hollow circle at the top left on a grey background"``.
        shape, colour, background: int64 (N,), indices into ``SHAPES``, ``COLOURS`` and ``BACKGROUNDS``.
        position: float32 (N, 2), x and y of the centre in image widths; (0, 0) is the top left corner.
        scale: float32 (N,), radius in image widths.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    captions: list[str]
    shape: np.ndarray
    colour: np.ndarray
    background: np.ndarray
    position: np.ndarray
    scale: np.ndarray


# Signed distance in radii from the outline of each shape, negative inside; x (n, 1, S) to the right and y (n, S, 1)
# downwards are in radii from the centre, and broadcast to (n, S, S).
_DISTANCE = {
    "circle": lambda x, y: np.sqrt(x * x + y * y) - 1,
    "square": lambda x, y: np.maximum(abs(x), abs(y)) - 0.85,
    "triangle": lambda x, y: np.maximum(y, abs(x) * np.float32(0.75**0.5) - y / 2) - 0.5,
    "diamond": lambda x, y: (abs(x) + abs(y) - 1) * np.float32(0.5**0.5),
    "cross": lambda x, y: np.minimum(np.maximum(abs(x) - 1, abs(y) - 0.4), np.maximum(abs(x) - 0.4, abs(y) - 1)),
}
SHAPES = tuple(_DISTANCE)
FILLINGS = ("filled", "hollow")
COLOURS = {
    "red": (220, 40, 40),
    "orange": (245, 140, 30),
    "yellow": (240, 220, 40),
    "green": (50, 170, 70),
    "cyan": (60, 200, 220),
    "blue": (50, 80, 220),
    "purple": (150, 60, 190),
    "pink": (245, 120, 180),
}
BACKGROUNDS = {"black": (15, 15, 15), "grey": (110, 110, 110), "white": (240, 240, 240), "brown": (100, 65, 40)}
PLACES = ("top left", "top right", "bottom left", "bottom right")
SIZES = ("small", "large")
MIN_SCALE, MID_SCALE, MAX_SCALE = 0.18, 0.27, 0.36  # radii in image widths; from MID_SCALE on a shape is called large
LINE = np.float32(0.18)  # width of a hollow shape's line, in radii


def shapes(count: int, size: int = 32, seed: int = 0) -> Shapes:
    """Colour images of one shape each, wholly inside the image, on a plain background; edges are antialiased.

    The ten classes (five shapes, filled or hollow) are equally frequent and in random order. Colour, background, scale
    and position are drawn independently of the class and of each other, but a large shape has less room to move.

    Args:
        count: number of images, N.
        size: height and width S in pixels.
        seed: the same seed gives the same images.

    Returns:
        ``Shapes``, 3 * S * S bytes per image.
    """
    random = np.random.RandomState(seed)  # its numbers are frozen (NEP 19): the same images with every version of numpy
    labels = random.permutation(np.arange(count) % (len(SHAPES) * len(FILLINGS)))
    shape, hollow = labels // len(FILLINGS), labels % len(FILLINGS)
    colour, background = random.randint(len(COLOURS), size=count), random.randint(len(BACKGROUNDS), size=count)
    scale = random.uniform(MIN_SCALE, MAX_SCALE, count).astype(np.float32)
    position = random.uniform(size=(count, 2)).astype(np.float32) * (1 - 2 * scale[:, None]) + scale[:, None]
    images = np.empty((count, 3, size, size), np.uint8)
    for kind, name in enumerate(SHAPES):
        members = np.flatnonzero(shape == kind)
        for start in range(0, len(members), 256):  # few enough to stay in the processor's cache
            some = members[start : start + 256]
            cover = _coverage(name, position[some], scale[some], hollow[some], size)  # (n, S, S)
            images[some] = _paint(cover, colour[some], background[some])
    captions = _captions(labels, colour, background, position, scale)
    classes = tuple(f"{filling} {shape}" for shape in SHAPES for filling in FILLINGS)
    return Shapes(images, labels, classes, captions, shape, colour, background, position, scale)


def _coverage(name: str, position: np.ndarray, scale: np.ndarray, hollow: np.ndarray, size: int) -> np.ndarray:
    """How much of each pixel a shape covers, from 0 to 1: float32 (n, S, S)."""
    centres = (np.arange(size, dtype=np.float32) + 0.5) / size  # of the pixels, in image widths
    x, y = ((centres - position[:, [axis]]) / scale[:, None] for axis in (0, 1))  # (n, S), in radii
    distance = _DISTANCE[name](x[:, None, :], y[:, :, None])
    outlined = hollow == 1
    distance[outlined] = abs(distance[outlined] + LINE / 2) - LINE / 2  # a line just inside the outline
    return np.clip(0.5 - distance * (scale * size)[:, None, None], 0, 1)  # one pixel from inside to outside


def _paint(cover: np.ndarray, colour: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Blend colour over background by the coverage (n, S, S): uint8 (n, 3, S, S)."""
    below = np.array(list(BACKGROUNDS.values()), np.float32)[background][:, :, None, None]
    above = np.array(list(COLOURS.values()), np.float32)[colour][:, :, None, None]
    return (below + (above - below) * cover[:, None] + np.float32(0.5)).astype(np.uint8)


def _captions(
    labels: np.ndarray, colour: np.ndarray, background: np.ndarray, position: np.ndarray, scale: np.ndarray
) -> list[str]:
    """A sentence for each image, looked up in the table of all sentences."""
    table = [
        f"a {size} {hue} {filling} {shape} at the {place} on a {behind} background"
        for size in SIZES
        for hue in COLOURS
        for shape in SHAPES
        for filling in FILLINGS
        for place in PLACES
        for behind in BACKGROUNDS
    ]
    place = 2 * (position[:, 1] >= 0.5) + (position[:, 0] >= 0.5)
    large = (scale >= MID_SCALE).astype(int)
    grid = (len(SIZES), len(COLOURS), len(SHAPES) * len(FILLINGS), len(PLACES), len(BACKGROUNDS))
    return [table[row] for row in np.ravel_multi_index((large, colour, labels, place, background), grid)]
