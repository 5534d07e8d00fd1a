"""What a notebook starts with, and what teaches in a test: utils.lab, utils.expect, utils.plot, utils.explore."""

from __future__ import annotations

import gc
import subprocess
import sys

import nbformat
import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from course import ROOT
from utils import expect, explore, lab, plot


@pytest.fixture
def shown():
    """Outputs that a notebook would get."""
    InteractiveShell.instance()
    with capture_output() as captured:
        yield captured


def test_a_checkpoint_is_stored_with_its_target(shown):
    lab.Lab("week01_x").checkpoint("ratio", 5, at_least=4, unit="×")
    data = shown.outputs[0].data
    assert data[lab.CHECKPOINT_MIME] | {"value": 5.0, "target": 4.0, "passed": True} == data[lab.CHECKPOINT_MIME]
    assert "✓ ratio: measured 5 ×, target ≥ 4 ×" in data["text/plain"]


@pytest.mark.parametrize(
    ("value", "target"), [(3, {"at_least": 4}), (5, {"at_most": 4}), (float("nan"), {"at_most": 4})]
)
def test_a_missed_checkpoint_is_shown_and_raises(shown, value, target):
    with pytest.raises(lab.CheckpointMissed, match="but the target is"):
        lab.Lab("week01_x").checkpoint("ratio", value, **target)
    assert shown.outputs[0].data[lab.CHECKPOINT_MIME]["passed"] is False


@pytest.mark.parametrize("targets", [{}, {"at_least": 1, "at_most": 2}])
def test_a_checkpoint_has_exactly_one_target(targets):
    with pytest.raises(ValueError, match="exactly one"):
        lab.Lab("week01_x").checkpoint("ratio", 1, **targets)


def test_the_seed_makes_numpy_and_python_repeat():
    import random

    draws = []
    for _ in range(2):
        made = lab.Lab("week01_x", seed=3)
        draws.append((random.random(), np.random.rand(), made.rng.random()))
    assert draws[0] == draws[1]


def test_an_unknown_profile_is_refused_and_pick_takes_the_profiles_value():
    with pytest.raises(ValueError, match="cpu"):
        lab.Lab("week01_x", "tpu")
    assert lab.Lab("week01_x", "gpu").pick(cpu=1, gpu=2) == 2


def test_a_lab_does_not_import_torch():
    code = "import sys; from utils.lab import Lab; Lab('x'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_progress_goes_to_standard_output(capsys):
    assert list(lab.Lab("week01_x").progress([1, 2], "counting")) == [1, 2]
    said = capsys.readouterr()
    assert "counting" in said.out
    assert said.err == ""


def test_an_unattended_run_never_writes_the_students_own_folder(monkeypatch):
    monkeypatch.setenv(lab.UNATTENDED, "1")
    one, other = lab.Lab("week01_x"), lab.Lab("week01_x")
    first, second = one.folder, other.folder
    assert first.is_dir() and second.is_dir() and first != second
    del other
    gc.collect()
    assert not second.exists()  # nothing is left on the machine
    monkeypatch.delenv(lab.UNATTENDED)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(first))
    assert lab.Lab("week01_x").folder.is_relative_to(first) or sys.platform != "linux"


def test_on_colab_a_students_own_folder_is_in_drive_where_that_is_connected(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", object())
    monkeypatch.setattr(lab, "COLAB", tmp_path)
    assert lab.own_folder() == tmp_path / "my-unified-ai-curriculum"
    (tmp_path / "drive" / "MyDrive").mkdir(parents=True)
    assert lab.own_folder() == tmp_path / "drive" / "MyDrive" / "unified-ai-curriculum"
    assert lab.own_folder().is_dir()


def test_close_names_the_place_the_values_and_the_likely_mistake():
    with pytest.raises(AssertionError, match=r"batch is 5\.0 at \[1, 0\]; expected 2\.0; 1 of 4 .* Forgot the mean\?"):
        expect.close(np.array([[0.0, 1], [5, 3]]), np.arange(4.0).reshape(2, 2), "batch", hint="Forgot the mean?")


@pytest.mark.parametrize("compare", [expect.close, expect.equal])
def test_a_hidden_comparison_never_tells_the_expected_value(compare):
    with pytest.raises(AssertionError) as caught:
        compare(np.array([1234.0]), np.array([5678.0]), "labels stay with their images", hidden=True)
    assert "labels stay" in str(caught.value)
    assert "5678" not in str(caught.value)


@pytest.mark.parametrize(
    "call",
    [
        lambda: expect.close(np.zeros(3), np.zeros((1, 3)), "x"),
        lambda: expect.close(None, np.zeros(3), "x"),
        lambda: expect.close("text", np.zeros(3), "x"),
        lambda: expect.close(np.array([np.nan]), np.zeros(1), "x"),
        lambda: expect.equal([1, 2], [1, 3], "x"),
        lambda: expect.equal(np.zeros(2), np.zeros(3), "x"),
        lambda: expect.equal(None, np.zeros(3), "x"),
        lambda: expect.shape(np.zeros((2, 3)), (3, 2), "x"),
        lambda: expect.shape([1, 2], (2,), "x"),
        lambda: expect.dtype(np.zeros(2), np.float32, "x"),
        lambda: expect.dtype(3, np.float32, "x"),
        lambda: expect.holds(False, "x"),
        lambda: expect.holds(np.bool_(False), "x"),
        lambda: expect.raises(ValueError, lambda: None, "x"),
        lambda: expect.raises(ValueError, lambda: 1 / 0, "x"),
        lambda: expect.raises(ZeroDivisionError, lambda: 1 / 0, "x", mentions=("file.bin",)),
    ],
)
def test_what_is_not_as_expected_is_an_assertion_error(call):
    with pytest.raises(AssertionError):
        call()


def test_what_is_as_expected_passes():
    import torch

    expect.close(torch.tensor([1.0, 2.0], requires_grad=True), np.array([1.0, 2.0 + 1e-9]), "x")
    expect.equal((1, "a"), (1, "a"), "x")
    expect.equal(np.arange(3), [0, 1, 2], "x")
    expect.dtype(np.zeros(2, np.float32), np.float32, "x")
    expect.raises(ZeroDivisionError, lambda: 1 / 0, "x", mentions=("DIVISION",))


def test_an_unanswered_stub_is_no_wrong_error():
    def stub():
        raise NotImplementedError

    with pytest.raises(NotImplementedError):
        expect.raises(ValueError, stub, "x")


def test_a_truth_value_of_many_is_refused():
    with pytest.raises(TypeError, match=r"\.all\(\)"):
        expect.holds(np.array([True, False]), "x")


def test_a_figure_keeps_its_alt_text_and_is_refused_without():
    fig, _ = plot.figure()
    assert 'alt="two &amp; two"' in plot.markup(fig, "two & two")
    with pytest.raises(ValueError, match="alt text"):
        plot.markup(fig, " ")
    with pytest.raises(ValueError, match="wide"):
        plot.figure(width=7)


def test_a_figure_is_the_same_byte_for_byte():
    def drawn():
        fig, axis = plot.figure()
        axis.plot([1, 3, 2])
        return plot.markup(fig, "a line")

    assert drawn() == drawn()


def test_tiles_are_drawn_in_reading_order():
    _, axis = plot.figure()
    images = np.stack([np.full((3, 2, 2), i, np.uint8) for i in range(3)])
    plot.tile(axis, images, columns=2)
    canvas = axis.images[0].get_array()
    assert canvas.shape == (5, 5, 3)
    assert [canvas[0, 0, 0], canvas[0, 3, 0], canvas[3, 0, 0], canvas[3, 3, 0]] == [0, 1, 2, 255]


EXPLORER = """
from utils import explore, plot
def draw(offset, flip):
    fig, axis = plot.figure()
    axis.plot([offset, -offset if flip else offset])
    return fig, f"offset {offset}, flip {flip}"
panel = explore.explore(draw, offset=(0, 8), flip=False)
"""


def test_labels_that_would_touch_move_apart():
    _, axis = plot.figure()
    for name, end in (("low", 1.0), ("also low", 1.001), ("high", 5.0)):
        axis.plot([0, 1], [0, end], label=name)
    axis.plot([0, 1], [2, 2])  # has no label
    plot.label_ends(axis, gap=10)
    places = {
        text.get_text(): text.get_position()[1] + axis.transData.transform(text.xy)[1] * 0.72 for text in axis.texts
    }
    assert list(places) == ["low", "also low", "high"] and sorted(places, key=places.get) == list(places)
    assert places["also low"] - places["low"] >= 9.9
    assert [text.get_color() for text in axis.texts] == list(plot.COLOURS[:3])


def test_an_explorer_renders_without_a_front_end_and_redraws_with_one():
    notebook = new_notebook(cells=[new_code_cell(EXPLORER), new_code_cell("panel.children[0].value = 7")])
    NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}}).execute()
    data = notebook.cells[0].outputs[0].data
    assert 'alt="offset 4, flip False"' in data["text/html"]
    model = data[explore.WIDGET_MIME]["model_id"]
    widgets = notebook.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
    assert model in widgets
    assert any('alt="offset 7, flip False"' in str(w["state"].get("value")) for w in widgets.values())
    assert nbformat.validate(notebook) is None
