"""Looks for points without an answer: code that changes or reads its grader, and tests that no longer reject.

Both looks can be evaded by whoever tries hard, since a test runs in the process of the code that it tests. So the first
only tells a person where to look. The second takes points away: a test that passes with a wrong answer proves nothing.
It costs as much as the tests do, so it tries some of them, and all where the first look found something.
"""

from __future__ import annotations

import ast
import builtins
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode

from course import notebook as nb

if TYPE_CHECKING:
    from course.execute import End

CHANGES = "changes what tests call"
READS = "can read a test, or what it expects"
HIDES = "runs code that cannot be seen here"
KERNEL = "reaches for the kernel or the process"
GRADED = "can tell that it is graded"
COMPARES = "decides by itself what it is equal to"
FOOLED = "after this notebook has run, the test passes with a wrong answer, too; it is not counted"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _by_name(table: dict[str, str]) -> dict[str, str]:
    return {name: what for what, names in table.items() for name in names.split()}


IMPORTS = _by_name(
    {
        CHANGES: "builtins unittest.mock importlib sys.modules sys.meta_path sys.path_hooks sys.path sys.excepthook",
        READS: "inspect gc linecache dis IPython sys._getframe sys._current_frames sys.exc_info sys.settrace "
        "sys.setprofile sys.monitoring sys.last_traceback sys.last_value sys.addaudithook",
        HIDES: "marshal runpy code codeop cffi",
        KERNEL: "ctypes atexit signal ipykernel jupyter_client zmq subprocess _thread faulthandler "
        "os._exit os.kill os.fork os.abort os.system os.popen os.execv",
    }
)
NAMES = _by_name(
    {
        CHANGES: "__builtins__ globals setattr delattr",
        READS: "_ih _oh In Out _i _ii _iii",
        HIDES: "exec eval compile __import__",
        KERNEL: "get_ipython",
    }
)
ATTRIBUTES = _by_name(
    {
        CHANGES: "__dict__ __builtins__ __setattr__",
        READS: "__code__ __closure__ __globals__ __subclasses__ __traceback__ __self__ __func__ f_back f_locals "
        "f_globals f_code tb_frame tb_next gi_frame cr_frame user_ns",
    }
)
METHODS = _words("__eq__ __ne__ __array_ufunc__ __array_function__ __torch_function__ __instancecheck__")
TEXTS = _by_name({GRADED: "NBGRADER_EXECUTION COURSE_UNATTENDED", READS: "/proc/ /kernel/ gradebook.db solutions/"})

# What tests are made of: where an attribute of one of these is set, a test is another test afterwards.
LIBRARIES = _words("numpy torch builtins sys math types utils IPython unittest random")
SETTINGS = ("torch.backends.", "numpy.random.")  # are there to be set
EXCEPTIONS = {
    name for name, kind in vars(builtins).items() if isinstance(kind, type) and issubclass(kind, BaseException)
}
# Builtins that beginners use as names of their own, and tests seldom need.
HONEST = _words(
    "input sum max min list dict str id iter next type bytes vars dir hash map filter range object slice format pow "
    "round bin set tuple In Out _i _ii _iii"
)
MAGIC = re.compile(r"^\s*[%!?]|=\s*[%!]|\?\s*$", re.M)
MAGICS = _words("timeit time prun matplotlib config precision who whos pdb debug xmode")

MUST_FAIL = "%xmode Minimal\nraise AssertionError"  # most of what a failing test costs is its traceback
DRAWN = 3  # tests of a submission that are tried on a wrong answer where nothing looks suspicious


@dataclass(frozen=True)
class Flag:
    """Something in a submission that a person should look at.

    Attributes:
        cell: where it is, by the cell's id; empty where it is not in a cell.
        what: what it can be used for.
        evidence: the line that does it, or what was seen.
    """

    cell: str
    what: str
    evidence: str


def suspects(release: NotebookNode, repaired: NotebookNode) -> list[Flag]:
    """Read the code that a student wrote, without running it.

    Args:
        release: the notebook as students got it.
        repaired: the same with a student's answers, from :func:`course.collect.collect`.
    """
    given = {cell.id: cell.source for cell in release.cells}
    importing = (cell for cell in release.cells if "import" in cell.source)
    names = dict(binding for cell in importing for binding in _imports(_parse(cell)))
    found = {}
    for cell in repaired.cells:
        if cell.source == given.get(cell.id) or nb.is_test(cell):
            continue
        released = {line.strip() for line in given.get(cell.id, "").splitlines()}
        lines = [line.strip() for line in cell.source.splitlines()]
        for what, number in _Look(_parse(cell), names).found:
            evidence = lines[number - 1] if number <= len(lines) else lines[0]  # a magic can become more lines
            if evidence not in released:
                found[cell.id, what, evidence[:200]] = None
    return [Flag(*key) for key in found]


def _parse(cell: NotebookNode) -> ast.Module:
    """A cell's Python, with magics as the calls that they become; empty where it is no Python and cannot run."""
    if cell.cell_type != "code":
        return ast.Module([], [])
    try:
        if not MAGIC.search(cell.source):
            return ast.parse(cell.source)
        return ast.parse(TransformerManager().transform_cell(cell.source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module([], [])


def _imports(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Names that imports bind, each with what it stands for."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield (alias.asname, alias.name) if alias.asname else (alias.name.split(".")[0],) * 2
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names)


class _Look:
    """What can be said about one cell's syntax tree: (what it can be used for, line) in ``found``."""

    def __init__(self, tree: ast.Module, released_names: dict[str, str]) -> None:
        self.tree, self.released = tree, released_names
        self.names = released_names | dict(_imports(tree))
        self.found = list(dict.fromkeys(found for node in ast.walk(tree) for found in self._at(node)))
        self.found += [(CHANGES, line) for name, line in self._top_level_names() if self._is_used_by_tests(name)]

    def _at(self, node: ast.AST) -> Iterator[tuple[str, int]]:
        match node:
            case ast.Import(names=names):
                yield from ((what, node.lineno) for alias in names if (what := _of_module(alias.name)))
            case ast.ImportFrom(module=str(module), names=names):
                full = (f"{module}.{alias.name}" for alias in names)
                yield from ((what, node.lineno) for name in full if (what := _of_module(name)))
            case ast.Attribute():
                yield from self._attribute(node)
            case ast.Name(id=name) if name in NAMES and id(node) not in self._honest:
                yield NAMES[name], node.lineno
            case ast.FunctionDef(name=name) if name in METHODS:
                yield COMPARES, node.lineno
            case ast.Constant(value=str(text)):
                known = [what for part, what in TEXTS.items() if part in text] + [ATTRIBUTES.get(text)]
                yield from ((what, node.lineno) for what in known if what)

    def _attribute(self, node: ast.Attribute) -> Iterator[tuple[str, int]]:
        dotted = self._dotted(node)
        is_set = not isinstance(node.ctx, ast.Load) and dotted.split(".")[0] in LIBRARIES
        if what := ATTRIBUTES.get(node.attr) or IMPORTS.get(dotted):
            yield what, node.lineno
        elif is_set and not dotted.startswith(SETTINGS):
            yield CHANGES, node.lineno

    def _dotted(self, node: ast.AST) -> str:
        """What an expression stands for, such as ``numpy.testing.assert_allclose``; empty where that is not known."""
        parts = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        root = self.names.get(node.id) if isinstance(node, ast.Name) else None
        return ".".join([root, *reversed(parts)]) if root else ""

    @cached_property
    def _honest(self) -> set[int]:
        """Names that mean no harm here: in ``%timeit`` and its like, a cell's own ``In``, in ``setattr(self, …)``."""
        names = [node for node in ast.walk(self.tree) if isinstance(node, ast.Name)]
        own = {node.id for node in names if isinstance(node.ctx, ast.Store)} & HONEST
        found = {id(node) for node in names if node.id in own}
        for node in ast.walk(self.tree):
            match node:
                case ast.Call(ast.Attribute(ast.Call(ast.Name() as name)), [ast.Constant(magic), *_]) if (
                    magic in MAGICS
                ):
                    found.add(id(name))
                case ast.Call(ast.Name("setattr") as name, [ast.Name("self"), *_]):
                    found.add(id(name))
        return found

    def _top_level_names(self) -> Iterator[tuple[str, int]]:
        """Names to which a cell gives a value for all cells, other than by an import."""
        shared = {name for node in ast.walk(self.tree) if isinstance(node, ast.Global) for name in node.names}
        for name in shared:
            yield name, self.tree.body[0].lineno
        for node in _outside_functions(self.tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                yield node.name, node.lineno
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id not in HONEST:
                yield node.id, node.lineno

    def _is_used_by_tests(self, name: str) -> bool:
        library = self.released.get(name, "").split(".")[0] in LIBRARIES
        return library or name in EXCEPTIONS or name in vars(builtins)


def _of_module(name: str) -> str:
    """What importing something can be used for, which its own name tells, or that of what it is part of."""
    parts = [] if name.startswith("IPython.display") else name.split(".")
    whole = (".".join(parts[:end]) for end in range(len(parts), 0, -1))
    return next((IMPORTS[part] for part in whole if part in IMPORTS), "")


def _outside_functions(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda | ast.comprehension):
            yield from _outside_functions(node)


def traps(master: NotebookNode, wrong: dict[str, str], digest: str, *, every: bool) -> dict[str, str]:
    """Cells that must fail, to be run when a submission's own have: a wrong answer and a test, for some tests.

    Args:
        master: the notebook with its hidden tests.
        wrong: for each exercise the code of a wrong answer.
        digest: draws the tests; of something that no student knows.
        every: take all tests.

    Returns:
        The code by the test's id, and by the empty id one that is about all tests.
    """
    cells, found = [cell for cell in master.cells if nb.is_run_when_graded(cell)], {}
    for index, cell in enumerate(cells):
        if nb.is_exercise(cell) and nb.grade_id(cell) in wrong:
            test = next(i for i in range(index, len(cells)) if nb.is_test(cells[i]))
            parts = [wrong[nb.grade_id(cell)], *(part.source for part in cells[index + 1 : test + 1])]
            found[nb.grade_id(cells[test])] = "\n".join(parts)
    drawn = sorted(found) if every else random.Random(digest).sample(sorted(found), min(DRAWN, len(found)))
    return {"": MUST_FAIL} | {test: found[test] for test in drawn}


def caught(ends: dict[str, End]) -> Iterator[Flag]:
    """What traps tell of a submission.

    Args:
        ends: how each of :func:`traps` ended, for tests that had passed.
    """
    for test, end in ends.items():
        if not end.part:
            evidence = "it passed with the first wrong answer of tests/answers" if test else "nothing fails any more"
            yield Flag(test, FOOLED, evidence)
        elif end.error == "KernelDied":
            yield Flag(test, KERNEL, f"{end.message}, a wrong answer of ours")
