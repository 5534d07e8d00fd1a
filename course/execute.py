"""The grading run of one notebook: whatever a cell does, the cells before it keep their points and the run ends."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import run_sync
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_output, output_from_msg
from nbgrader.converters.base import NbGraderException
from nbgrader.preprocessors import Execute, NbGraderPreprocessor
from traitlets import Dict, Integer

from course import notebook as nb

TRAP = "trap"
GRACE = 10  # seconds for a kernel to answer after it was interrupted
LONGEST_ERROR = 10_000  # characters


@dataclass(frozen=True)
class End:
    """How a test ended.

    Attributes:
        part: ``"visible"`` or ``"hidden"`` for the part in which something was raised, ``"grader"`` where the grader
            ended it; empty where the test passed.
        error: the exception's class, as the kernel names it.
        message: the exception's text, or the grader's.
    """

    part: str = ""
    error: str = ""
    message: str = ""


class ExecuteToTheEnd(Execute):
    """nbgrader's Execute, for kernels that may die, hang or lie.

    nbgrader gives full points to a graded cell without an error in its outputs, so ``ends`` says of every test whether
    it ran to its end. The hidden part of a test reaches the kernel only once the visible part has passed. ``trapped``
    says how the traps of tests that passed ended.
    """

    output_limit = Integer(2**20, help="bytes of output that are kept of one cell")
    traps = Dict(help="for some tests a code that must fail; see course.forgery.traps")
    shutdown_kernel = "immediate"  # an interpreter takes a second to end in order

    def preprocess(self, notebook: NotebookNode, resources: dict, km: AsyncKernelManager) -> tuple[NotebookNode, dict]:
        self.lost = ""  # why the kernel can run nothing more
        self.ends: dict[str, End] = {}
        self.trapped: dict[str, End] = {}
        own = len(notebook.cells)
        notebook.cells += [new_code_cell(code, id=TRAP, metadata={TRAP: test}) for test, code in self.traps.items()]
        try:
            executed, resources = super().preprocess(notebook, resources, km)
            del executed.cells[own:]
            return executed, resources
        finally:
            if self.km is not None:  # None where the kernel could not start
                self._cleanup_kernel()

    def process_message(self, msg: dict, cell: NotebookNode, cell_index: int) -> NotebookNode | None:
        """Keep what a cell shows, until it is too much. Messages that take back or redirect what was shown are ignored.

        With them a cell could hide its error: ``clear_output``, and an output widget's capture.
        """
        kind = msg["msg_type"]
        if kind in ("status", "execute_input"):
            return super().process_message(msg, cell, cell_index)
        if kind not in ("stream", "display_data", "execute_result", "error"):
            return None
        output = output_from_msg(msg)
        kept = _shortened(output) if kind == "error" else self._within_limit(output)
        cell.outputs += [kept] if kept else []
        return kept

    def _within_limit(self, output: NotebookNode) -> NotebookNode | None:
        size = len(json.dumps(output))
        self.kept += size
        if self.kept <= self.output_limit:
            return output
        if self.kept - size > self.output_limit:
            return None  # it was said already
        text = f"\n… more than {self.output_limit} bytes of output: the rest is left out.\n"
        return new_output("stream", name="stdout", text=text)

    def on_cell_executed(self, **kwargs) -> None:
        super().on_cell_executed(**kwargs)
        self.status = kwargs["execute_reply"]["content"]["status"]

    def preprocess_cell(self, cell: NotebookNode, resources: dict, index: int) -> tuple[NotebookNode, dict]:
        self.kept = 0
        if cell.cell_type != "code" or (self.skip_cells_with_tag and not nb.is_run_when_graded(cell)):
            return cell, resources
        if nb.is_test(cell):
            self.ends[cell.id] = self._run_test(cell, resources, index)
        elif cell.id == TRAP:
            self._run_trap(cell, resources, index)
        else:
            self._run(cell, resources, index)
        return cell, resources

    def _run_trap(self, cell: NotebookNode, resources: dict, index: int) -> None:
        test = cell.metadata[TRAP]
        if not (test and self.ends[test].part):
            self.trapped[test] = self._run(cell, resources, index)

    def _run_test(self, cell: NotebookNode, resources: dict, index: int) -> End:
        source, outputs, end = cell.source, [], End()
        parts = nb.regions(source)
        for part, lines in (("visible", parts.visible), ("hidden", parts.hidden)):
            cell.source = "\n".join(lines)
            if not cell.source.strip():
                continue
            end = self._run(cell, resources, index)
            outputs += cell.outputs
            if end.part:
                end = replace(end, part=part) if end.part == "kernel" else end
                break
        cell.source, cell.outputs = source, outputs
        return end

    def _run(self, cell: NotebookNode, resources: dict, index: int) -> End:
        """Execute a cell, whatever it does to the kernel."""
        if self.lost:
            cell.outputs = [_error("NotRun", f"not run, because {self.lost}")]
            return _by_grader(cell)
        self.status = "ok"  # as it stays where a cell is empty, and never sent to the kernel
        try:
            super().preprocess_cell(cell, resources, index)
        except DeadKernelError:
            why = getattr(self.km.provisioner, "fault", "") or "the program ended"
            return self._lose(cell, "KernelDied", f"{why} while this cell ran", f"{why} in an earlier cell")
        except CellTimeoutError:
            return self._lose(cell, "CellTimeoutError", self._too_long, "an earlier cell could not be stopped")
        except Exception as error:  # the student's code can send anything in the kernel's name
            said = f"the kernel sent what is no message ({type(error).__name__}: {str(error)[:200]})"
            return self._lose(cell, "KernelDied", said, "the kernel was stopped")
        return self._after(cell)

    @property
    def _too_long(self) -> str:
        return f"ran longer than {self.timeout} s and was stopped"

    def _after(self, cell: NotebookNode) -> End:
        for output in cell.get("outputs", ()):
            if output.output_type == "stream":
                output.name = "stdout"  # a warning is no failure, but nbgrader takes standard error for one
        errors = [output for output in cell.get("outputs", ()) if output.output_type == "error"]
        if errors and errors[-1].ename == "CellTimeoutError":
            errors[-1].evalue = self._too_long
            if not self._kernel_answers():
                return self._lose(cell, "CellTimeoutError", self._too_long, "an earlier cell could not be stopped")
            return _by_grader(cell)
        if not errors and self.status != "ok":
            cell.outputs.append(_error("NotRun", "did not run to its end"))
            return _by_grader(cell)
        return End("kernel", errors[-1].ename, errors[-1].evalue) if errors else End()

    def _kernel_answers(self) -> bool:
        try:
            run_sync(self.kc.wait_for_ready)(timeout=GRACE)
        except RuntimeError:
            return False
        return True

    def _lose(self, cell: NotebookNode, name: str, message: str, reason: str) -> End:
        self.lost = reason
        cell.outputs = [*cell.get("outputs", ()), _error(name, message)]
        run_sync(self.km.shutdown_kernel)(now=True)
        return _by_grader(cell)


class UseCourseGrade(NbGraderPreprocessor):
    """Stands in the way of nbgrader's own autograder, which would run submissions with the instructor's rights."""

    def preprocess(self, notebook: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        raise NbGraderException("Submissions are run in a sandbox, by: make grade WEEK=… (docs/instructors.md)")


def _shortened(error: NotebookNode) -> NotebookNode:
    lines = [line[:LONGEST_ERROR] for line in error.traceback[-50:]]
    return new_output("error", ename=error.ename, evalue=error.evalue[:LONGEST_ERROR], traceback=lines)


def _by_grader(cell: NotebookNode) -> End:
    return End("grader", cell.outputs[-1].ename, cell.outputs[-1].evalue)


def _error(name: str, message: str) -> NotebookNode:
    return new_output("error", ename=name, evalue=message, traceback=[f"{name}: {message}"])
