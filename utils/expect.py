"""Assertions that teach: what was expected, what came, and the likely mistake.

The visible part of a test says everything. The hidden part passes ``hidden=True``: its message names the property that
does not hold and never the expected value, so that it can be shown to a student.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def holds(condition: bool, message: str) -> None:
    """Assert that a property holds.

    Args:
        condition: the property; an array is refused, since "some" and "all" are different claims.
        message: the property in words, and the likely mistake.
    """
    if np.ndim(condition) != 0:
        raise TypeError("holds() takes one truth value; reduce the array with .all() or .any() first")
    if not bool(condition):
        raise AssertionError(message)


def shape(array: Any, expected: tuple[int, ...], name: str, hint: str = "") -> None:
    """Assert the shape of an array or tensor.

    Args:
        array: whatever has a ``shape``.
        expected: the shape, as a tuple of ints.
        name: what the student calls the array.
        hint: the likely mistake.
    """
    if not hasattr(array, "shape"):
        raise AssertionError(_join(f"{name} should be an array of shape {expected}, but it is {_kind(array)}", hint))
    if tuple(array.shape) != tuple(expected):
        raise AssertionError(_join(f"{name} has shape {tuple(array.shape)}; expected {tuple(expected)}", hint))


def dtype(array: Any, expected: Any, name: str, hint: str = "") -> None:
    """Assert the element type of an array or tensor; arguments as in :func:`shape`."""
    if not hasattr(array, "dtype"):
        raise AssertionError(_join(f"{name} should be an array of {expected}, but it is {_kind(array)}", hint))
    if array.dtype != expected:
        raise AssertionError(_join(f"{name} has dtype {array.dtype}; expected {np.dtype(expected).name}", hint))


def close(
    actual: Any,
    expected: Any,
    name: str,
    *,
    rtol: float = 1e-5,
    atol: float = 1e-8,
    hint: str = "",
    hidden: bool = False,
) -> None:
    """Assert that two arrays or numbers agree in shape and, within a tolerance, in every element.

    Args:
        actual: the student's value: number, array or tensor.
        expected: the reference, never computed from the student's answer.
        name: what is compared; with ``hidden=True`` the property, in words.
        rtol, atol: ``|actual − expected| ≤ atol + rtol · |expected|`` for every element.
        hint: the likely mistake.
        hidden: say only that the property does not hold.
    """
    actual, expected = _array(actual, name), _array(expected, "the reference")
    if actual.shape == expected.shape and np.allclose(actual, expected, rtol=rtol, atol=atol):
        return
    if hidden:
        raise AssertionError(_join(f"this does not hold: {name}", hint))
    if actual.shape != expected.shape:
        raise AssertionError(_join(f"{name} has shape {actual.shape}; expected {expected.shape}", hint))
    raise AssertionError(_join(_difference(actual, expected, name, rtol, atol), hint))


def equal(actual: Any, expected: Any, name: str, *, hint: str = "", hidden: bool = False) -> None:
    """Assert that two values or arrays are the same, exactly; arguments as in :func:`close`."""
    same = np.array_equal(actual, expected) if _is_array(actual) or _is_array(expected) else actual == expected
    if same:
        return
    if hidden:
        raise AssertionError(_join(f"this does not hold: {name}", hint))
    if _is_array(actual) and _is_array(expected) and np.shape(actual) == np.shape(expected):
        raise AssertionError(_join(_difference(np.asarray(actual), np.asarray(expected), name, 0, 0), hint))
    raise AssertionError(_join(f"{name} is {_brief(actual)}; expected {_brief(expected)}", hint))


def raises(error: type[Exception], call: Callable[[], Any], name: str, *, mentions: tuple[str, ...] = ()) -> None:
    """Assert that a call raises an error whose message tells the reader what is wrong.

    Args:
        error: the exception class that must be raised.
        call: a function of no arguments that does the forbidden thing.
        name: the forbidden thing, in words.
        mentions: what the message must contain, compared without case.
    """
    try:
        call()
    except NotImplementedError:
        raise
    except error as caught:
        missing = [word for word in mentions if word.lower() not in str(caught).lower()]
        if missing:
            raise AssertionError(f"{name}: the error should mention {', '.join(missing)}; it says {caught}") from None
    except Exception as caught:
        raise AssertionError(
            f"{name} should raise {error.__name__}; it raised {type(caught).__name__}: {caught}"
        ) from None
    else:
        raise AssertionError(f"{name} should raise {error.__name__}, but nothing was raised")


def _difference(actual: np.ndarray, expected: np.ndarray, name: str, rtol: float, atol: float) -> str:
    wrong = ~np.isclose(actual, expected, rtol=rtol, atol=atol) if actual.dtype.kind in "fciub" else actual != expected
    where = tuple(int(i) for i in np.argwhere(wrong)[0])
    at = f" at {list(where)}" if where else ""
    count = f"; {int(wrong.sum())} of {wrong.size} elements differ" if wrong.size > 1 else ""
    return f"{name} is {actual[where]!s}{at}; expected {expected[where]!s}{count}"


def _array(value: Any, name: str) -> np.ndarray:
    if value is None:
        raise AssertionError(f"{name} is None: did the function forget to return?")
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    array = np.asarray(value)
    if array.dtype.kind not in "fciub":
        raise AssertionError(f"{name} should be numbers, but it is {_kind(value)}")
    return array


def _is_array(value: Any) -> bool:
    return hasattr(value, "shape") and hasattr(value, "dtype")


def _kind(value: Any) -> str:
    return "None: did the function forget to return?" if value is None else f"a {type(value).__name__}"


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "..."


def _join(message: str, hint: str) -> str:
    end = "" if message.endswith(("?", "!", ".")) else "."
    return f"{message}{end} {hint}" if hint else message
