"""A forged answer gains nothing, or a person is told of it with the evidence; an honest one is left alone."""

from __future__ import annotations

import copy
import re

import nbformat
import pytest

from course import answers, forgery, grade, release
from course import notebook as nb
from course.desk import Desk
from course.sandbox import Bubblewrap
from course.submission import Conditions
from tests import tiny

WRONG = "def scale(x):\n    return x\n"
TEST = """np.testing.assert_allclose(scale(np.ones(2)), [3, 3])
### BEGIN HIDDEN TESTS
hidden_question = np.arange(4.0)
expect.close(scale(hidden_question), 3 * hidden_question, "scale() for other numbers", hidden=True)
### END HIDDEN TESTS"""
NEXT = """def shift(x):
    ### BEGIN SOLUTION
    return x + 1
    ### END SOLUTION"""
TEST_NEXT = """expect.equal(shift(1), 2, "shift(1)")
### BEGIN HIDDEN TESTS
assert shift(-3) == -2, "shift() of a negative number is wrong"
### END HIDDEN TESTS"""
# "# %% student: what the flags say", and what stands in the cell of `scale`; WRONG stands for a wrong answer.
FORGED_CELLS = """
# %% rebinds_a_library: CHANGES
np.testing.assert_allclose = expect.close = lambda *a, **k: None
WRONG
# %% by_setattr: CHANGES
for module, name in ((np.testing, "assert_allclose"), (expect, "close")):
    setattr(module, name, lambda *a, **k: None)
WRONG
# %% rebinds_a_name: CHANGES
class expect:
    close = equal = lambda *a, **k: None
class np:
    testing = type("T", (), {"assert_allclose": lambda *a: None})
    ones = arange = lambda n: 1
WRONG
# %% rebinds_builtins: CHANGES
import builtins
builtins.AssertionError = None
WRONG
# %% replaces_modules: CHANGES
import sys
sys.modules["utils.expect"] = sys.modules["numpy.testing"] = sys
WRONG
# %% hooks_imports: CHANGES
import sys
sys.meta_path.insert(0, None)
WRONG
# %% runs_no_cell: KERNEL
get_ipython().input_transformers_cleanup.append(lambda lines: [])
WRONG
# %% runs_other_cells: KERNEL
shell = get_ipython()
run = shell.run_cell_async
shell.run_cell_async = lambda raw, **k: run("pass", **k)
WRONG
# %% catches_exceptions: KERNEL
shell = get_ipython()
shell.set_custom_exc((Exception,), lambda *a, **k: None)
shell.showtraceback = shell._showtraceback = lambda *a, **k: None
WRONG
# %% removes_assertions: KERNEL
import ast
class No(ast.NodeTransformer):
    def visit_Expr(self, node):
        return ast.Pass()
    visit_Assert = visit_Expr
get_ipython().ast_transformers.append(No())
WRONG
# %% clears_output: KERNEL
from IPython.display import clear_output
get_ipython().events.register("post_run_cell", lambda *a: clear_output())
WRONG
# %% captures_output: KERNEL
import ipywidgets
caught = ipywidgets.Output()
get_ipython().events.register("pre_run_cell", lambda *a: caught.__enter__())
WRONG
# %% reads_frames: READS
import sys
def scale(x):
    return 3 * sys._getframe(1).f_globals.get("hidden_question", 1)
# %% reads_history: READS
def scale(x):
    return 3 * x if "arange" in In[-1] else 3
# %% evaluates_text: HIDES
exec("def scale(x): return 3 * x")
# %% knows_it_is_graded: GRADED
import os
factor = 3 if "NBGRADER_EXECUTION" in os.environ else 1
def scale(x):
    return factor * x
# %% equals_everything: COMPARES
class Same(np.ndarray):
    def __array_ufunc__(self, *a, **k):
        return np.bool_(True)
def scale(x):
    return x.view(Same)
"""
HEADS = re.split(r"^# %% (\w+): (\w+)\n", FORGED_CELLS, flags=re.M)[1:]
FORGED = {
    student: (code.replace("WRONG", WRONG), getattr(forgery, what))
    for student, what, code in zip(HEADS[::3], HEADS[1::3], HEADS[2::3], strict=True)
}
GAINS = {"reads_frames", "reads_history", "evaluates_text", "knows_it_is_graded"}
TELLING = {
    # student: answers to `scale` and `shift` that put a hidden test into a message
    "raises_history": ("def scale(x):\n    raise ValueError(In[-1])", None),
    "asserts_history": ("def scale(x):\n    assert len(x) == 2, In[-1]\n    return 3 * x", None),
    "raises_a_class": (
        "def scale(x):\n    if len(x) == 2: return 3 * x\n    raise type(In[-1][:40], (Exception,), {})",
        None,
    ),
    "returns_history": (None, "def shift(x):\n    return In[-2]"),
}


def notebook():
    """Two exercises, whose tests call numpy.testing, utils.expect and assert."""
    source = tiny.notebook()
    scale = "def scale(x):\n    ### BEGIN SOLUTION\n    return 3 * x\n    ### END SOLUTION"
    cells = [tiny.exercise("scale", scale), tiny.graded("test_scale", TEST)]
    cells += [tiny.exercise("shift", NEXT), tiny.graded("test_shift", TEST_NEXT)]
    imports = nbformat.v4.new_code_cell("import numpy as np\nfrom utils import expect", id="imports")
    source.cells = [*source.cells[:3], imports, *cells]
    return source


def write_wrong_answers(root):
    wrong = "# %% wrong scale: x itself\n" + WRONG + "\n# %% wrong shift: x itself\ndef shift(x):\n    return x\n"
    tiny.ENTRY.answers(root).parent.mkdir(parents=True)
    tiny.ENTRY.answers(root).write_text(wrong)


def submission(released, scale=None, shift=None):
    filled = copy.deepcopy(released)
    for cell in filled.cells:
        cell.source = {"scale": scale, "shift": shift}.get(cell.id) or cell.source
    return filled


@pytest.fixture(scope="module")
def graded(tmp_path_factory, bwrap):
    """A class that forges, graded once."""
    root = tiny.course(tmp_path_factory.mktemp("forged"), notebook())
    textbook = root / "utils" / "nn"
    textbook.mkdir(exist_ok=True)
    (textbook / "scale.py").write_text("TAUGHT_IN = 1\n\n\ndef scale(x):\n    return 3 * x\n")
    write_wrong_answers(root)
    release.release((tiny.ENTRY,), root)
    desk, released = Desk(root / ".grading", root), nb.read(tiny.ENTRY.released(root))
    sent = {student: submission(released, code) for student, (code, _) in FORGED.items()}
    sent |= {student: submission(released, *codes) for student, codes in TELLING.items()}
    sent["textbook"] = submission(released, "from utils.nn.scale import scale")
    sent["honest"] = submission(released, "def scale(x):\n    return x + x + x", "def shift(x):\n    return 1 + x")
    sent["beside"] = submission(released, "import shutil, numbers_\ndef scale(x):\n    return 3 * x")
    sent["tags"] = submission(released, WRONG)
    for cell in sent["tags"].cells:
        cell.metadata.tags = ["experiment", "skip-execution"]
        cell.metadata.get("nbgrader", {})["points"] = 100
    for student, content in sent.items():
        folder = desk.submitted(student, "week01")
        folder.mkdir(parents=True)
        nbformat.write(content, folder / f"{tiny.ENTRY.stem}.ipynb")
    for name in ("utils.py", "torch.py", "sitecustomize.py", "numbers_.py"):
        (desk.submitted("beside", "week01") / name).write_text("raise SystemExit")
    (desk.submitted("beside", "week01") / "more").symlink_to("/etc")
    conditions = Conditions(Bubblewrap(), timeout=15)
    return desk, {g.student: g for g in grade.grade(desk, "week01", jobs=2, conditions=conditions)}


@pytest.mark.parametrize("student", FORGED)
def test_a_forged_answer_gains_nothing_or_is_shown_to_a_person(graded, student):
    got = graded[1][student]
    assert FORGED[student][1] in {flag.what for flag in got.flags}
    assert all(flag.evidence for flag in got.flags)
    assert (got.score > 0) == (student in GAINS), got.reason


def test_an_honest_answer_is_not_flagged(graded):
    got = graded[1]["honest"]
    assert (got.score, got.flags) == (4, ())


def test_a_test_that_passes_with_a_wrong_answer_is_not_counted_and_the_student_is_told(graded):
    desk, grades = graded
    assert grades["rebinds_a_library"].score == 0
    page = (desk.feedback("rebinds_a_library", "week01") / f"{tiny.ENTRY.stem}.html").read_text()
    assert forgery.FOOLED in page
    assert ("test_scale", forgery.FOOLED) in {(f.cell, f.what) for f in grades["rebinds_a_library"].flags}


def test_the_textbook_of_the_week_is_not_there(graded):
    assert graded[1]["textbook"].score == 0
    assert "NameError" in graded[1]["textbook"].reason


def test_files_beside_the_notebook_are_not_used_and_are_named(graded):
    got = graded[1]["beside"]
    assert got.score == 0  # numbers_ is not there to be imported, so the cell ends before scale()
    assert {flag.evidence for flag in got.flags} == {"utils.py", "torch.py", "sitecustomize.py", "numbers_.py", "more"}


def test_tags_and_points_of_the_submission_change_nothing_and_are_named(graded):
    got = graded[1]["tags"]
    assert (got.score, got.max_score) == (0, 4)
    assert {"experiment, skip-execution", "points: 100, not 2"} <= {flag.evidence for flag in got.flags}


@pytest.mark.parametrize("student", [*TELLING, *FORGED])
def test_no_message_tells_a_hidden_test(graded, student):
    desk, grades = graded
    page = (desk.feedback(student, "week01") / f"{tiny.ENTRY.stem}.html").read_text()
    told = page.replace(FORGED.get(student, ("", ""))[0], "") + grades[student].reason
    assert "hidden_question =" not in told
    assert "np.arange(4.0)" not in told


def test_a_copied_test_is_flagged(graded):
    assert forgery.READS in {flag.what for flag in graded[1]["returns_history"].flags}


def test_what_honest_code_does_is_not_flagged():
    released = nbformat.v4.new_notebook()
    honest = """%timeit sum(range(9))
In = 3
print(In)
torch.backends.cudnn.benchmark = True
class Net(nn.Module):
    def __init__(self):
        setattr(self, "w0", 1)
        self.eval()
def train(model, eval_every=3):
    model.compile()"""
    answered = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("import torch\nfrom torch import nn\n" + honest)]
    )
    assert forgery.suspects(released, answered) == []


def test_answers_of_the_course_are_not_flagged(entry):
    answered, source = nb.read(entry.released()), nb.read(entry.source())
    given = [answer.code for answer in answers.parse(entry.answers().read_text(encoding="utf-8"))]
    given += [cell.source for cell in source.cells if nb.is_exercise(cell)]
    released = copy.deepcopy(answered)
    answered.cells += [nbformat.v4.new_code_cell(code) for code in given]
    assert forgery.suspects(released, answered) == []
