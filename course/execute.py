"""The grading run of one notebook: whatever a cell does, the cells before it keep their points and the run ends."""

from __future__ import annotations

from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import run_sync
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader.converters.base import NbGraderException
from nbgrader.preprocessors import Execute, NbGraderPreprocessor
from traitlets import Integer

from course import notebook as nb

GRACE = 10  # seconds for a kernel to answer after it was interrupted


class ExecuteToTheEnd(Execute):
    """nbgrader's Execute, for kernels that may die or hang.

    nbgrader gives full points to a graded cell without an error in its outputs, so a test that never ran must get one.
    """

    output_limit = Integer(2**20, help="bytes of output that are kept of one cell")
    shutdown_kernel = "immediate"  # an interpreter takes a second to end in order

    def preprocess(self, notebook: NotebookNode, resources: dict, km: AsyncKernelManager) -> tuple[NotebookNode, dict]:
        self.lost = ""  # why the kernel can run nothing more
        try:
            return super().preprocess(notebook, resources, km)
        finally:
            if self.km is not None:  # None where the kernel could not start
                self._cleanup_kernel()

    def process_message(self, msg: dict, cell: NotebookNode, cell_index: int) -> NotebookNode | None:
        """Keep output until it is too much; errors, which decide about points, are always kept."""
        size = _size(msg["content"]) if msg["msg_type"] in ("stream", "display_data", "execute_result") else 0
        self.kept += size
        if size and self.kept > self.output_limit:
            if self.kept - size <= self.output_limit:
                note = f"\n… more than {self.output_limit} bytes of output: the rest is left out.\n"
                cell.outputs.append(new_output("stream", name="stdout", text=note))
            return None
        return super().process_message(msg, cell, cell_index)

    def preprocess_cell(self, cell: NotebookNode, resources: dict, index: int) -> tuple[NotebookNode, dict]:
        self.kept = 0
        if self.lost:
            if nb.is_run_when_graded(cell):
                cell.outputs = [_error("NotRun", f"not run, because {self.lost}")]
            return cell, resources
        try:
            cell, resources = super().preprocess_cell(cell, resources, index)
        except DeadKernelError:
            why = getattr(self.km.provisioner, "fault", "") or "the program ended"
            self._lose(cell, "KernelDied", f"{why} while this cell ran", f"{why} in an earlier cell")
        except CellTimeoutError:
            self._lose(cell, "CellTimeoutError", self._too_long, "an earlier cell could not be stopped")
        else:
            self._after(cell)
        return cell, resources

    @property
    def _too_long(self) -> str:
        return f"ran longer than {self.timeout} s and was stopped"

    def _after(self, cell: NotebookNode) -> None:
        for output in cell.get("outputs", ()):
            if output.output_type == "stream":
                output.name = "stdout"  # a warning is no failure, but nbgrader takes standard error for one
            elif output.output_type == "error" and output.ename == "CellTimeoutError":
                output.evalue = self._too_long
                if not self._kernel_answers():
                    self._lose(cell, "CellTimeoutError", self._too_long, "an earlier cell could not be stopped")

    def _kernel_answers(self) -> bool:
        try:
            run_sync(self.kc.wait_for_ready)(timeout=GRACE)
        except RuntimeError:
            return False
        return True

    def _lose(self, cell: NotebookNode, name: str, message: str, reason: str) -> None:
        self.lost = reason
        cell.outputs = [*cell.get("outputs", ()), _error(name, message)]
        run_sync(self.km.shutdown_kernel)(now=True)


class UseCourseGrade(NbGraderPreprocessor):
    """Stands in the way of nbgrader's own autograder, which would run submissions with the instructor's rights."""

    def preprocess(self, notebook: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        raise NbGraderException("Submissions are run in a sandbox, by: make grade WEEK=… (docs/instructors.md)")


def _size(content: dict) -> int:
    return len(content.get("text", "")) + sum(len(str(value)) for value in content.get("data", {}).values())


def _error(name: str, message: str) -> NotebookNode:
    return new_output("error", ename=name, evalue=message, traceback=[f"{name}: {message}"])
