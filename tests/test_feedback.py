"""What a student is told about a test: of its hidden part only what the author wrote down as messages."""

from __future__ import annotations

import pytest
from nbformat.v4 import new_notebook

from course import feedback
from course.execute import End
from tests import tiny

TEST = """assert double(2) == 4, "twice two is four"
### BEGIN HIDDEN TESTS
for number in (7, 11):
    expect.close(double(number), 2 * number, f"double() of the number {number}", hint="Add it to itself.")
secret_number = sum(double(index) for index in range(12345))
### END HIDDEN TESTS"""
MASTER = new_notebook(cells=[tiny.graded("test_double", TEST)])


@pytest.mark.parametrize(
    ("end", "told"),
    [
        (End(), "passed"),
        (End("visible", "NotImplementedError", "write your answer here"), "not answered"),
        (End("hidden", "NotImplementedError", "write your answer here"), "not answered"),
        (End("grader", "KernelDied", "the program ended while this cell ran"), "the program ended while this cell ran"),
        (End("visible", "AssertionError", "twice two is four"), "twice two is four"),
        (End("visible", "AssertionError", ""), feedback.UNNAMED),
        (End("visible", "TypeError", "an int has no len()"), "TypeError: an int has no len()"),
        (End("visible", "MemoryError", ""), "MemoryError"),
        (End("visible", "ValueError", "x" * 1000), f"ValueError: {'x' * 488} …"),
        (End("visible", "AssertionError", "the code is secret_number = sum(double(index)"), feedback.WITHHELD),
        (End("hidden", "TypeError", "unsupported operand 7"), "TypeError in a hidden test"),
        (End("hidden", "secret_number = sum(", ""), "an error in a hidden test"),
        (End("hidden", "AssertionError", "secret_number = sum(double(index)"), feedback.UNNAMED),
        (
            End("hidden", "AssertionError", "double() of the number 7 is 3; expected 14. Add it to itself."),
            "double() of the number … is …; expected …. Add it to itself.",
        ),
    ],
)
def test_a_message_tells_what_it_may(end, told):
    assert feedback.message(end, TEST, MASTER) == told
