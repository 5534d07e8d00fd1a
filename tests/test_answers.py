"""The machine that tests the graders: what it must notice about graders, answers and unanswered notebooks."""

from __future__ import annotations

import nbformat
import pytest

from course import answers, check, release, session
from course import notebook as nb
from tests import tiny

WRONG = "# %% wrong double: "
RIGHT = "# %% right double: "
TORN = """for x in (1, 2):
    assert double(x) == 2 * x
    ### BEGIN HIDDEN TESTS
    assert double(-x) == -2 * x
    ### END HIDDEN TESTS"""


def verdict_on(course, head: str, code: str) -> answers.Verdict:
    path = tiny.ENTRY.answers(course)
    path.parent.mkdir(parents=True)
    path.write_text(f"{head}an answer\n{code}\n")
    [(_, [verdict])] = answers.try_all((tiny.ENTRY,), root=course)
    return verdict


@pytest.mark.parametrize(
    ("body", "part"),
    [("return x", "visible"), ("return 4 if x == 2 else 2", "hidden"), ("return 2 * x", "")],
)
def test_the_part_that_caught_an_answer_is_named(course, body, part):
    verdict = verdict_on(course, WRONG, f"def double(x):\n    {body}")
    assert verdict.caught_by == part
    assert bool(verdict.problem) == (part == "")


@pytest.mark.parametrize(
    ("head", "code", "problem"),
    [
        (RIGHT, "def double(x):\n    return x", "a right answer is rejected"),
        (RIGHT, "import sys\ndef double(x):\n    print('!', file=sys.stderr)\n    return 2 * x", "standard error"),
        (WRONG, "def double(x):\n    return x.y", "not rejected by an assertion, but by AttributeError"),
        (WRONG, "def double(x):\n    raise SystemExit", "not rejected by an assertion, but by SystemExit"),
        (WRONG, "import os\ndef double(x):\n    os._exit(0)", "not rejected by an assertion, but by SystemExit"),
        (RIGHT, "def double(x) return", "a right answer is rejected: SyntaxError"),
    ],
)
def test_a_bad_answer_or_grader_is_a_problem(course, head, code, problem):
    assert problem in verdict_on(course, head, code).problem


def test_an_answer_that_never_ends_is_stopped(monkeypatch):
    def loop():
        while True:
            pass

    monkeypatch.setattr(session, "LIMIT", 1)
    assert session.in_fork(loop).error == "TimeoutError"


def test_one_answer_does_not_spoil_the_next(course):
    path = tiny.ENTRY.answers(course)
    path.parent.mkdir(parents=True)
    spoil = "import math\nmath.pi = 3\ndef double(x):\n    return x"
    path.write_text(
        f"{WRONG}spoils\n{spoil}\n{RIGHT}needs pi\nimport math\nassert math.pi > 3\ndef double(x):\n    return 2*x\n"
    )
    [(_, verdicts)] = answers.try_all((tiny.ENTRY,), root=course)
    assert [bool(v.problem) for v in verdicts] == [False, False]


def test_a_head_out_of_format_is_refused():
    with pytest.raises(answers.MalformedAnswers, match="wrongly double"):
        answers.parse("# %% wrongly double: x\npass\n")


def unanswered(course, change) -> list[str]:
    source = tiny.notebook()
    change({cell.id: cell for cell in source.cells})
    nbformat.write(source, tiny.ENTRY.source(course))
    release.release((tiny.ENTRY,), course)
    [(_, problems)] = answers.unanswered_all((tiny.ENTRY,), root=course)
    return problems


def test_a_stub_that_passes_its_test_is_noticed(course):
    def change(cells):
        cells["test_double"].source = cells["test_double"].source.replace(
            'assert double(2) == 4, "twice two is four"', ""
        )

    assert "no error" in unanswered(course, change)[0]


def test_a_need_that_the_heading_does_not_name_is_noticed(course):
    def change(cells):
        cells["heading"].source = cells["heading"].source.replace("needs: double", "")
        cells["quadruple"].source = cells["quadruple"].source.replace('"""\n', '"""\n    x = double(x)\n', 1)

    assert "comes from double" in unanswered(course, change)[0]


def test_rules_notice_what_they_are_for(course):
    """One planted fault a rule; each must be named."""
    faults = {
        "outputs": (lambda c: c["parameters"].update(execution_count=3), "execution count is committed"),
        "tag": (lambda c: c["test_double"].metadata.update(tags=["experiment"]), "never run while grading"),
        "lock": (lambda c: c["test_double"].metadata.nbgrader.update(locked=False), "not locked"),
        "points": (lambda c: c["test_double"].metadata.nbgrader.update(points=0), "worth nothing"),
        "setup": (lambda c: c["setup"].update(source="import utils"), "course/setup_cell.txt"),
        "parameters": (lambda c: c["parameters"].update(source="PROFILE = 1"), "PROFILE and SEED"),
        "hidden": (lambda c: c["test_double"].update(source="assert double(2) == 4"), "no hidden tests"),
        "alone": (lambda c: c["test_double"].update(source=TORN), "hidden part is not Python by itself"),
        "checkpoint": (lambda c: c["checkpoint"].metadata.update(tags=[]), "would run while grading"),
        "title": (lambda c: c["title"].update(source="# Week 2 · Tiny"), "should be '# Week 1"),
        "table": (lambda c: c["why"].update(source="| | b |\n|---|---|\n| c | d |"), "column without a name"),
        "id": (lambda c: c["double"].metadata.nbgrader.update(grade_id="quadruple"), "grade ids are not unique"),
    }
    for plant, message in faults.values():
        source = tiny.notebook()
        plant({cell.id: cell for cell in source.cells})
        nbformat.write(source, tiny.ENTRY.source(course))
        assert any(message in problem for problem in check.source_problems(tiny.ENTRY, course)), message
    nbformat.write(tiny.notebook(), tiny.ENTRY.source(course))
    expected = {"cells", "words", "exercises", "figures", "experiments", "hints", "no section", "write"}
    left = [p for p in check.source_problems(tiny.ENTRY, course) if not p.startswith(tuple(expected))]
    assert left == []


def test_a_notebook_out_of_canonical_form_is_noticed(course):
    path = tiny.ENTRY.source(course)
    path.write_text(path.read_text().replace("\n ", "\n  "))
    assert any("canonical" in problem for problem in check.source_problems(tiny.ENTRY, course))
    assert nb.read(path).cells
