"""Tells nbgrader where our folders are. `nbgrader …` in this folder and the `course` command both read it."""

import os
import sys
from pathlib import Path

root = Path(__file__).resolve().parent
sys.path.insert(0, str(root))  # the preprocessors below live in `course`

from nbgrader.converters import GenerateAssignment  # noqa: E402
from nbgrader.preprocessors import GetGrades  # noqa: E402

from course import database  # noqa: E402
from course.desk import GRADING, Desk  # noqa: E402
from course.execute import UseCourseGrade  # noqa: E402
from course.feedback import AsSubmitted, Styled  # noqa: E402
from course.release import Publish  # noqa: E402
from course.safe_html import Harmless, markdown_to_html  # noqa: E402

c = get_config()

c.CourseDirectory.course_id = "unified-ai-curriculum"
c.CourseDirectory.root = str(root)
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "notebooks"
c.CourseDirectory.submitted_directory = ".grading/submitted"  # never changed: `course grade` works on repaired copies
c.CourseDirectory.autograded_directory = ".grading/autograded"
c.CourseDirectory.feedback_directory = ".grading/feedback"
c.CourseDirectory.db_url = Desk(root / GRADING, root, database.named()).gradebook

if (root / "solutions").is_dir():
    (root / ".grading").mkdir(exist_ok=True)  # nbgrader does not make the gradebook's folder
if (programs := str(Path(sys.executable).parent)) not in os.environ.get("PATH", "").split(os.pathsep):
    os.environ["PATH"] = f"{programs}{os.pathsep}{os.environ.get('PATH', '')}"  # a new gradebook calls `alembic`

c.ClearSolutions.code_stub = {"python": 'raise NotImplementedError("write your answer here, in place of this line")'}
c.ClearSolutions.text_stub = "*Your answer here.*"

c.GenerateAssignment.preprocessors = [*GenerateAssignment.preprocessors.default(), Publish]
c.Autograde.sanitize_preprocessors = [UseCourseGrade]
c.GenerateFeedback.preprocessors = [AsSubmitted, Harmless, GetGrades, Styled]
# Formgrader has no preprocessors of its own, only its exporter's.
c.HTMLExporter.preprocessors = [Harmless]
c.HTMLExporter.filters = {"markdown2html": markdown_to_html}

# For the Validate button. Experiments carry no points.
c.Execute.skip_cells_with_tag = "experiment"
c.Execute.timeout = 60  # seconds a cell
