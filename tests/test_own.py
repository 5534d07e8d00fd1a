"""A student's own code in later weeks: kept with its tests, brought back if it passes them, never in silence."""

from __future__ import annotations

import random

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell

from course import notebook as nb
from course import release
from tests import tiny
from utils import own

DOUBLE = "FACTOR = 2\n\n\ndef helper(x):\n    return FACTOR * x\n\n\ndef double(x):\n    return helper(x)"
QUADRUPLE = "import functools\n\n\n@functools.cache\ndef quadruple(x):\n    noise = 0\n    return double(double(x))"
ANSWERS = {"double": DOUBLE, "quadruple": QUADRUPLE}


@pytest.fixture
def tree(course):
    release.release((tiny.ENTRY,), course)
    return course


@pytest.fixture
def keep(tree, tmp_path_factory):
    """Keeps something that a student's answers and further cells define; returns the file."""
    folder = tmp_path_factory.mktemp("own")

    def kept(*cells, name="quadruple", answers=ANSWERS):
        answered = tiny.answered(tiny.ENTRY.released(tree), answers)
        ran = [cell.source for cell in answered.cells if cell.cell_type == "code" and cell.id != "setup"]
        return own.keep(name, [*ran, *cells], tiny.ENTRY.stem, folder, tree)

    return kept


def test_kept_code_has_what_it_uses_and_its_tests_and_nothing_else(keep):
    book = nb.read(keep("noise = 1"))
    definitions = [cell.source for cell in book.cells if cell.metadata.get("kept") == "definition"]
    assert definitions[-1].startswith("@functools.cache\ndef quadruple(x):")
    assert len(definitions) == 5  # FACTOR, helper, double, the import, quadruple
    assert [cell.metadata.test for cell in book.cells if "test" in cell.metadata] == ["test_double", "test_quadruple"]
    assert "noise = 1" not in nbformat.writes(book)


def test_own_code_comes_back_is_announced_and_leaves_random_numbers_alone(keep, capsys):
    folder = keep().parents[1]
    random.seed(1)
    state = random.getstate()
    assert own.mine("quadruple", folder)(10) == 40
    assert random.getstate() == state
    assert capsys.readouterr().out == "quadruple: your own, of week01_tiny; it passed its 2 tests again.\n"


@pytest.mark.parametrize(
    ("damage", "why"),
    [("FACTOR = 3", "fails test_double: AssertionError: twice two is four"), (None, "fails to be read")],
)
def test_own_code_that_no_longer_passes_gives_way_and_the_reason_is_said(keep, damage, why):
    path = keep()
    book = nb.read(path)
    book.cells[0].source = damage
    path.write_text("{" if damage is None else nbformat.writes(book))
    with pytest.raises(LookupError) as none:  # the textbook has no quadruple either
        own.mine("quadruple", path.parents[1])
    assert why in str(none.value)


@pytest.mark.parametrize("attended", [True, False])
def test_the_textbooks_code_is_announced_with_the_reason(tmp_path, capsys, attended):
    from utils.nn.bpe import BytePairEncoding

    assert own.mine("BytePairEncoding", tmp_path if attended else None) is BytePairEncoding
    said = capsys.readouterr().out
    assert said.startswith("BytePairEncoding: the course's, utils.nn.bpe; ")
    assert ("you have not kept one" if attended else "nobody sits in front of this run") in said


@pytest.mark.parametrize(
    ("name", "answers", "why"),
    [
        ("quadruple", {}, "quadruple is not kept: by itself it fails test_quadruple: NotImplementedError"),
        ("quadruple", ANSWERS | {"double": "def double(x):\n    return 3 * x"}, "fails test_double: AssertionError"),
        ("halve", ANSWERS, "halve is not kept: no cell that you have run defines it"),
        ("PROFILE", ANSWERS, "PROFILE is not kept: no exercise of week01_tiny has to do with it"),
    ],
)
def test_what_is_not_right_is_not_kept_and_the_message_says_why(keep, name, answers, why):
    with pytest.raises(own.NotKept) as refused:
        keep(name=name, answers=answers)
    assert why in str(refused.value)


def test_what_adds_to_a_class_is_kept_and_what_was_overwritten_is_not():
    cells = ["class Box:\n    old = 1", "class Box:\n    pass", "def open_it(self): return 7", "Box.open = open_it"]
    found = own._closure({"Box"}, list(own._statements(cells)))
    assert [s.source for s in found] == ["class Box:\n    pass", "def open_it(self): return 7", "Box.open = open_it"]


def test_in_a_kernel_lab_keeps_and_brings_back_and_progress_stays_with_the_open_notebook(tree, attended):
    """Kept code may itself make the Lab of an earlier week."""
    earlier = 'from utils.lab import Lab\nold = Lab("week00_old")\n\n\ndef double(x):\n    old\n    return 2 * x'
    notebook = tiny.answered(tiny.ENTRY.released(tree), ANSWERS | {"double": earlier})
    notebook.cells.insert(3, new_code_cell('from utils.lab import Lab\nlab = Lab("week01_tiny")'))
    look = 'print(lab.mine("quadruple")(10))\nfrom utils import progress\nprint(progress._watching.notebook)'
    notebook.cells += [new_code_cell('lab.keep("quadruple")'), new_code_cell(look)]
    folder = {"metadata": {"path": str(tiny.ENTRY.released(tree).parent)}}
    NotebookClient(notebook, resources=folder).execute()
    assert "is kept: " in notebook.cells[-2].outputs[0].text
    assert notebook.cells[-1].outputs[0].text.endswith("tests again.\n40\nweek01_tiny\n")
