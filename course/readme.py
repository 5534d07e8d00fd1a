"""Keeps README's syllabus table equal to syllabus.toml and to the notebooks that are there."""

from __future__ import annotations

from pathlib import Path

from course import ROOT, files, syllabus

BEGIN, END = "<!-- syllabus: made by `make notebooks` -->", "<!-- end of syllabus -->"


def table(root: Path = ROOT) -> str:
    """The syllabus as Markdown, one row a notebook."""
    lines = ["| week | section | notebook | you build | checkpoint | hours | state |", "|---|---|---|---|---|---|---|"]
    for phase in syllabus.load(root).phases:
        span = f"{phase.weeks[0]}–{phase.weeks[1]}"
        lines.append(f"| **{span}** | **{phase.number}** | **{phase.title}** | *{phase.goal}* | | | |")
        for entry in phase.notebooks:
            path = entry.released(root)
            link = f"[{entry.stem}]({path.relative_to(root)})" if path.exists() else entry.stem
            state = "there" if entry.is_written(root) else "planned"
            cells = (entry.when, entry.section, link, entry.build, entry.checkpoint, str(entry.hours), state)
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def updated(text: str, root: Path = ROOT) -> str:
    """README's text with a fresh table between the two marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table(root)}\n\n{END}{after}"


def update(root: Path = ROOT) -> None:
    """Rewrite README.md where its table is out of date."""
    path = root / "README.md"
    text = path.read_text(encoding="utf-8")
    if updated(text, root) != text:
        files.write_text(path, updated(text, root))
