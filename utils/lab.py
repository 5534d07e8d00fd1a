"""What a notebook starts with: its profile, seed, device, progress bars, checkpoints and the student's own folder."""

from __future__ import annotations

import html
import math
import os
import random
import sys
import tempfile
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import platformdirs
from IPython import get_ipython
from IPython.display import display
from tqdm import tqdm

if TYPE_CHECKING:
    import torch

PROFILES = ("cpu", "gpu")
CHECKPOINT_MIME = "application/vnd.unified-ai-curriculum.checkpoint+json"
COLAB = Path("/content")  # where a student's files are on Colab; the machine is lost when the session ends
UNATTENDED = "COURSE_UNATTENDED"  # set by `course run`, by grading and by CI: nobody sits in front of the notebook

Item = TypeVar("Item")


class CheckpointMissed(AssertionError):
    """A measured value is on the wrong side of its target."""


class Lab:
    """One notebook's laboratory.

    Args:
        name: the notebook's file stem, such as ``"week01_data_pipeline"``.
        profile: ``"cpu"`` (two laptop cores, offline) or ``"gpu"`` (the real data on one GPU).
        seed: seeds Python, NumPy and, where the notebook has imported it, PyTorch.

    Raises:
        ValueError: the profile is not one of the two.
    """

    def __init__(self, name: str, profile: str = "cpu", seed: int = 0) -> None:
        if profile not in PROFILES:
            raise ValueError(f'PROFILE is {profile!r}; it must be "cpu" or "gpu"')
        self.name, self.profile, self.seed = name, profile, seed
        random.seed(seed)
        np.random.seed(seed)
        self.rng = np.random.default_rng(seed)
        # Importing torch costs two seconds and 190 MB: a notebook that does without it should not pay.
        if torch := sys.modules.get("torch"):
            torch.manual_seed(seed)
        if is_attended():
            from utils import progress  # a graded notebook does without it

            progress.watch(name, self.folder)

    def __repr__(self) -> str:
        return f"Lab({self.name!r}, profile={self.profile!r}, seed={self.seed})"

    @cached_property
    def device(self) -> torch.device:
        """Where tensors of this profile live: the CPU, or the first CUDA device.

        Raises:
            RuntimeError: the profile is ``"gpu"`` and PyTorch sees no CUDA device.
        """
        import torch

        if self.profile == "cpu":
            return torch.device("cpu")
        if not torch.cuda.is_available():
            raise RuntimeError(
                'PROFILE = "gpu" needs a CUDA GPU and PyTorch sees none. Set PROFILE = "cpu" in the parameters cell.'
            )
        return torch.device("cuda")

    def pick(self, *, cpu: Item, gpu: Item) -> Item:
        """The value that belongs to this profile."""
        return {"cpu": cpu, "gpu": gpu}[self.profile]

    def progress(self, items: Iterable[Item], title: str, total: int | None = None) -> Iterator[Item]:
        """Iterate over ``items`` behind a progress bar on standard output.

        Standard output, because nbgrader gives no points to a graded cell that writes to standard error.
        """
        return iter(tqdm(items, desc=title, total=total, file=sys.stdout, mininterval=0.5, ncols=80))

    def checkpoint(
        self,
        name: str,
        value: float,
        *,
        at_least: float | None = None,
        at_most: float | None = None,
        unit: str = "",
    ) -> None:
        """Show a measured value beside its target, store both in the cell's output, and stop when it is missed.

        Args:
            name: what was measured, in a few words.
            value: the measured number, in ``unit``.
            at_least, at_most: the target; give exactly one.
            unit: the unit of value and target, such as ``"s"`` or ``"×"``.

        Raises:
            CheckpointMissed: the value is on the wrong side of the target, or is not a finite number.
            ValueError: none or both of the targets were given.
        """
        if (at_least is None) == (at_most is None):
            raise ValueError("give a checkpoint exactly one of at_least and at_most")
        value = float(value)
        sign, target = ("≥", at_least) if at_least is not None else ("≤", at_most)
        passed = math.isfinite(value) and (value >= target if at_least is not None else value <= target)
        row = dict(name=name, value=value, sign=sign, target=float(target), unit=unit, passed=passed)
        _show_checkpoint(row, self)
        if is_attended():
            from utils import progress

            progress.Diary(self.folder).write(self.name, checkpoint=_stored(row, self))
        if not passed:
            raise CheckpointMissed(
                f"{name}: measured {number(value)} {unit}, but the target is {sign} {number(target)} {unit}. "
                "Run the cells above again in order; if it stays, compare your code with the hints."
            )

    def keep(self, name: str) -> None:
        """Keep a class or function of this notebook for later weeks, with its tests; see :mod:`utils.own`.

        Args:
            name: what to keep, such as ``"GPT"``.

        Raises:
            NotKept: it is not defined, has no test or fails one; the message says what to do.
        """
        from utils import own

        executed = get_ipython().user_ns["In"]
        print(f"{name} is kept: {own.keep(name, executed, self.name, self.folder)}")

    def mine(self, name: str) -> Any:
        """Your own class or function of an earlier week if it still passes its tests, else the course's; says which.

        Args:
            name: what was kept, such as ``"GPT"``.

        Raises:
            LookupError: there is neither.
        """
        from utils import own

        return own.mine(name, self.folder if is_attended() else None)

    @cached_property
    def folder(self) -> Path:
        """The student's own folder, outside the course. In an unattended run it is a fresh temporary folder."""
        if is_attended():
            return own_folder()
        self._temporary = tempfile.TemporaryDirectory(prefix="course-")  # gone when the notebook's kernel ends
        return Path(self._temporary.name)


def is_attended() -> bool:
    """Whether a person sits in front of the notebook, rather than `course run`, grading or CI."""
    return not (os.environ.get(UNATTENDED) or os.environ.get("CI"))


def own_folder() -> Path:
    """The student's own folder: progress and kept code. On Colab in Google Drive, where that is connected."""
    if "google.colab" not in sys.modules:
        return platformdirs.user_data_path("unified-ai-curriculum", ensure_exists=True)
    drive = COLAB / "drive" / "MyDrive"
    folder = drive / "unified-ai-curriculum" if drive.is_dir() else COLAB / "my-unified-ai-curriculum"
    folder.mkdir(exist_ok=True)
    return folder


def number(value: float) -> str:
    """A measured number as people write it: four significant digits, no trailing zeros."""
    return f"{value:.4g}"


def measured_and_target(row: dict) -> tuple[str, str]:
    """A checkpoint's value and its target, with their unit: ``("7.8 ×", "≥ 5 ×")``."""
    measured = "not a number" if row["value"] is None else f"{number(row['value'])} {row['unit']}".strip()
    return measured, f"{row['sign']} {number(row['target'])} {row['unit']}".strip()


def _show_checkpoint(row: dict, lab: Lab) -> None:
    stored = _stored(row, lab) | {"notebook": lab.name}
    mark = "✓" if row["passed"] else "✗"
    measured, target = measured_and_target(stored)
    text = f"{mark} {row['name']}: measured {measured}, target {target}"
    colour = "#00664b" if row["passed"] else "#a33d00"  # dark enough on white: contrast above 6
    markup = (
        f'<div style="background:#fff;color:{colour};border-left:4px solid {colour};padding:4px 10px;max-width:44em">'
        f"<b>{mark}</b> {html.escape(row['name'])}: measured <b>{measured}</b>, target {html.escape(target)}</div>"
    )
    display({"text/plain": text, "text/html": markup, CHECKPOINT_MIME: stored}, raw=True)


def _stored(row: dict, lab: Lab) -> dict:
    """A NaN is no JSON: stored as null, it still reads as missed."""
    return row | {"value": row["value"] if math.isfinite(row["value"]) else None, "profile": lab.profile}
