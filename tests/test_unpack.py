"""A learning platform's zip file: everybody's work finds its folder, nothing escapes, nothing is overwritten."""

from __future__ import annotations

import io
import stat
import zipfile

import pytest

from course import unpack
from course.desk import Desk

NOTEBOOK = "week01_data_pipeline.ipynb"
NAMES = {
    # how a platform names an entry: the student's folder, the file
    f"Ada Lovelace_4711_assignsubmission_file_/{NOTEBOOK}": ("Ada_Lovelace_4711", NOTEBOOK),
    f"Ada Lovelace_4711_assignsubmission_file_{NOTEBOOK}": ("Ada_Lovelace_4711", NOTEBOOK),
    f"lovelaceada_4711_99_{NOTEBOOK}": ("lovelaceada_4711", NOTEBOOK),
    f"lovelaceada_LATE_4711_99_{NOTEBOOK}": ("lovelaceada_4711", NOTEBOOK),
    f"Week 1_alovelace_attempt_2026-11-02-10-00-00_{NOTEBOOK}": ("alovelace", NOTEBOOK),
    f"submitted/ada/week01/{NOTEBOOK}": ("ada", NOTEBOOK),
    f"export\\ada\\{NOTEBOOK}": ("ada", NOTEBOOK),
    f"ada_{NOTEBOOK}": ("ada", f"ada_{NOTEBOOK}"),
    "Žofie Dvořáková_7_assignsubmission_file_/my work (1).ipynb": ("Žofie_Dvořáková_7", "my_work_(1).ipynb"),
}
HOSTILE = {
    "../../../escaped.ipynb": "escaped",
    "/etc/cron.d/escaped.ipynb": "escaped",
    "ada/../../escaped.ipynb": "escaped",
    "../ada_1_assignsubmission_file_/escaped.ipynb": "escaped",
    "..\\..\\escaped.ipynb": "escaped",
}


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path / "class")


def zipped(path, entries):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def files(desk):
    return {str(path.relative_to(desk.folder)) for path in desk.folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("entry_name", NAMES)
def test_each_platforms_names_lead_to_the_students_folder(tmp_path, desk, entry_name):
    student, name = NAMES[entry_name]
    got = unpack.unpack(zipped(tmp_path / "a.zip", {entry_name: "{}"}), desk, "week01")
    assert (got.new, got.refused) == ([student], [])
    assert files(desk) == {f"submitted/{student}/week01/{name}"}


@pytest.mark.parametrize("entry_name", HOSTILE)
def test_nothing_is_written_outside_the_class(tmp_path, desk, entry_name):
    unpack.unpack(zipped(tmp_path / "a.zip", {entry_name: "{}"}), desk, "week01")
    assert {path.parts[0] for path in map(type(tmp_path), files(desk))} <= {"submitted"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "class"]


def test_a_link_in_an_archive_is_refused(tmp_path, desk):
    link = zipfile.ZipInfo("ada/week01_x.ipynb")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    got = unpack.unpack(zipped(tmp_path / "a.zip", {}), desk, "week01")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    got = unpack.unpack(tmp_path / "a.zip", desk, "week01")
    assert ("link to another place" in got.refused[0][1], files(desk)) == (True, set())


def test_a_bomb_is_refused_and_the_others_are_taken(tmp_path, desk, monkeypatch):
    monkeypatch.setattr(unpack, "LARGEST", 10**6)
    inner = io.BytesIO()
    zipped(inner, {"bomb.ipynb": bytes(10**7)})
    entries = {"eve/bomb.ipynb": bytes(10**7), "mallory/work.zip": inner.getvalue(), f"ada/{NOTEBOOK}": "{}"}
    got = unpack.unpack(zipped(tmp_path / "a.zip", entries), desk, "week01")
    assert got.new == ["ada"]
    assert {name for name, _ in got.refused} == {"eve/bomb.ipynb", "mallory/work.zip"}
    assert files(desk) == {f"submitted/ada/week01/{NOTEBOOK}"}


def test_an_archive_that_does_not_fit_on_the_disk_is_refused_whole(tmp_path, desk, monkeypatch):
    monkeypatch.setattr(unpack.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 100}))
    with pytest.raises(unpack.CannotUnpack, match="unpacks to"):
        unpack.unpack(zipped(tmp_path / "a.zip", {f"ada/{NOTEBOOK}": bytes(1000)}), desk, "week01")
    assert files(desk) == set()


def test_a_students_own_zip_file_is_opened(tmp_path, desk):
    inner = io.BytesIO()
    zipped(inner, {f"week01/{NOTEBOOK}": "{}", "__MACOSX/._x": "", "week01/plot.png": "x"})
    unpack.unpack(zipped(tmp_path / "a.zip", {"ada/work.zip": inner.getvalue()}), desk, "week01")
    assert files(desk) == {f"submitted/ada/week01/{NOTEBOOK}", "submitted/ada/week01/plot.png"}


def test_work_that_is_there_is_never_overwritten(tmp_path, desk):
    first = zipped(tmp_path / "1.zip", {f"ada/{NOTEBOOK}": "1", f"bob/{NOTEBOOK}": "1"})
    second = zipped(tmp_path / "2.zip", {f"ada/{NOTEBOOK}": "2", f"bob/{NOTEBOOK}": "1"})
    unpack.unpack(first, desk, "week01")
    again = unpack.unpack(second, desk, "week01")
    mine = desk.submitted("ada", "week01") / NOTEBOOK
    assert (again.different, again.same, mine.read_text()) == (["ada"], ["bob"], "1")
    taken = unpack.unpack(second, desk, "week01", update=True)
    assert (taken.updated, mine.read_text()) == (["ada"], "2")
    assert (desk.folder / "superseded" / "ada" / "week01-1" / NOTEBOOK).read_text() == "1"


def test_two_students_of_one_name_are_not_mixed_up(tmp_path, desk):
    got = unpack.unpack(zipped(tmp_path / "a.zip", {"a?a/x.ipynb": "1", "a*a/x.ipynb": "2"}), desk, "week01")
    assert (got.new, [name for name, _ in got.refused]) == (["a_a"], ["a*a/x.ipynb"])


def test_a_file_without_a_student_is_named(tmp_path, desk):
    got = unpack.unpack(zipped(tmp_path / "a.zip", {NOTEBOOK: "{}"}), desk, "week01")
    assert "whose it is" in got.refused[0][1]


def test_the_notebooks_tell_the_week(tmp_path):
    assert unpack.week_of(zipped(tmp_path / "a.zip", {f"ada/{NOTEBOOK}": "{}"})) == "week01"
    with pytest.raises(unpack.CannotUnpack, match="which week"):
        unpack.week_of(zipped(tmp_path / "b.zip", {"ada/mine.ipynb": "{}"}))


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04"])
def test_what_is_no_archive_is_refused_by_name(tmp_path, desk, content):
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(unpack.CannotUnpack, match=r"a\.zip"):
        unpack.unpack(tmp_path / "a.zip", desk, "week01")


def test_damaged_and_encrypted_entries_are_named(tmp_path, desk):
    path = zipped(tmp_path / "a.zip", {"ada/x.ipynb": "word " * 1000, f"bob/{NOTEBOOK}": "{}"})
    data = bytearray(path.read_bytes())
    data[50:54] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    got = unpack.unpack(path, desk, "week01")
    assert (got.new, [name for name, _ in got.refused]) == (["bob"], ["ada/x.ipynb"])
