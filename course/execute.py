"""The grading run of one notebook: whatever a cell does, the cells before it keep their points and the run ends."""

from __future__ import annotations

from jupyter_core.utils import run_sync
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader.preprocessors import Execute

from course import notebook as nb
from course.kernel import LocalKernel

GRACE = 10  # seconds for a kernel to answer after it was interrupted


class ExecuteToTheEnd(Execute):
    """nbgrader's Execute, for kernels that may die or hang.

    nbgrader gives full points to a graded cell without an error in its outputs, so a test that never ran must get one.
    """

    def __init__(self, *args, **options) -> None:
        super().__init__(*args, **{"kernel_manager_class": LocalKernel} | options)

    def preprocess(self, notebook: NotebookNode, resources: dict, km=None) -> tuple[NotebookNode, dict]:
        self.lost = ""  # why the kernel can run nothing more
        return super().preprocess(notebook, resources, km)

    def preprocess_cell(self, cell: NotebookNode, resources: dict, index: int) -> tuple[NotebookNode, dict]:
        if self.lost:
            if nb.is_run_when_graded(cell):
                cell.outputs = [_error("NotRun", f"not run, because {self.lost}")]
            return cell, resources
        try:
            cell, resources = super().preprocess_cell(cell, resources, index)
        except DeadKernelError:
            self._lose(
                cell, "KernelDied", "the program ended while this cell ran", "the program ended in an earlier cell"
            )
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


def _error(name: str, message: str) -> NotebookNode:
    return new_output("error", ename=name, evalue=message, traceback=[f"{name}: {message}"])
