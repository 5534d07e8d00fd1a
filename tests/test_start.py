"""The first command, whole and without a network: from source notebook to graded class."""

from __future__ import annotations

import csv
import html
import os
import re
import subprocess
import sys

import pytest

from course import ROOT
from tests import sample_class

POINTS = {  # what each sample submission is worth in tests passed, and what its reason says
    "right": ("all 8 tests passed", ""),
    "partly_right": ("5 of 8 tests passed", ""),
    "empty": ("nothing answered", ""),
    "wrong_file_name": ("all 8 tests passed", "My pipeline (1).ipynb"),
    "deleted_test": ("all 8 tests passed", "deleted, put back"),
    "lost_metadata": ("all 8 tests passed", "metadata was lost"),
    "endless_loop": ("7 of 8 tests passed", ""),
    "invalid_json": ("not valid JSON", ""),
}


@pytest.fixture(scope="module")
def started():
    """`course start` in a network namespace of its own, in which only the loopback device is up.

    The gradebook that the environment names is not for the sample class.
    """
    command = 'ip link set lo up && exec "$@"'
    start = [sys.executable, "-m", "course", "start"]
    return subprocess.run(
        ["unshare", "-rn", "sh", "-c", command, "sh", *start],
        cwd=ROOT,
        env=os.environ | {"GRADEBOOK_URL": "postgresql+psycopg://nobody@/of_a_real_class"},
        capture_output=True,
        text=True,
    )


@pytest.fixture(autouse=True)
def _tools(needs):
    needs("ip", "link")
    needs("unshare", "-rn", "true")


def test_it_passes_without_a_network_and_says_what_to_type_next(started):
    assert started.returncode == 0, started.stdout + started.stderr
    for said in ("Checkpoints", "Gradebook", "Feedback: build/sample_class/feedback", "make lab"):
        assert said in started.stdout


@pytest.mark.parametrize("student", POINTS)
def test_every_sample_submission_has_its_score_and_reason(started, student):
    with (ROOT / "build" / "sample_class" / "week01.csv").open(encoding="utf-8") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    assert rows.keys() == POINTS.keys()
    reason, repairs = POINTS[student]
    assert reason in rows[student]["reason"]
    assert repairs in rows[student]["repairs"]
    full = float(rows["right"]["score"])
    score = float(rows[student]["score"])
    assert score == full if reason.startswith("all") else score < full
    assert (score == 0) == (student in ("empty", "invalid_json"))


def test_every_sample_student_gets_feedback_without_hidden_tests(started):
    from course import notebook as nb

    parts = [nb.regions(cell.source) for cell in nb.read(sample_class.ENTRY.source()).cells]
    visible = {line.strip() for part in parts for line in part.visible}
    hidden = {line.strip() for part in parts for line in part.hidden if len(line.strip()) > 30} - visible
    assert hidden
    for student in POINTS:
        [page] = (ROOT / "build" / "sample_class" / "feedback" / student / "week01").glob("*.html")
        text = html.unescape(re.sub(r"<[^>]+>", "", page.read_text(encoding="utf-8")))  # without the colours of code
        assert any(line in text for line in visible if len(line) > 30)
        assert not [line for line in hidden if line in text]
