"""The instructor's and contributor's side of the course: one module a step, from syllabus to grades."""

import sys
from pathlib import Path


class CourseError(Exception):
    """Something that a person can mend; the message says what happened, where, and what to do."""


ROOT = Path(__file__).resolve().parent.parent

# `utils` is never installed; it is found beside syllabus.toml, before any other package of that name.
if str(ROOT) not in sys.path[:1]:
    sys.path.insert(0, str(ROOT))

# jsonschema, which checks notebooks, would compile a grammar of international web addresses: 1.5 s of every start.
sys.modules.setdefault("rfc3987_syntax", None)
