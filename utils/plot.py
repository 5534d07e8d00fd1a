"""One figure style for the course: at most 6 inches wide, colour-blind-safe, alt text that every front end keeps."""

from __future__ import annotations

import base64
import html
import io
from typing import Any

import matplotlib as mpl
import numpy as np
from IPython.display import HTML, display
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe and Ito, "Color Universal Design" (2008): told apart by readers with any common colour-vision deficiency.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MAX_WIDTH = 6.0  # inches
STYLE = {
    "axes.prop_cycle": mpl.cycler(color=COLOURS),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.grid": False,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "image.cmap": "viridis",
    "image.interpolation": "nearest",
    "font.size": 9,
}
mpl.rcParams.update(STYLE)  # for good: titles and ticks read it when they are set


def figure(rows: int = 1, columns: int = 1, *, width: float = MAX_WIDTH, height: float = 3.0, **subplots: Any):
    """Make a figure in the course's style.

    Args:
        rows, columns: how many axes.
        width, height: inches; the width is at most 6.
        subplots: passed to ``Figure.subplots``, such as ``sharey=True``.

    Returns:
        The figure, and its axes as ``Figure.subplots`` returns them: one, or an array (rows, columns), squeezed.

    Raises:
        ValueError: the figure is wider than a notebook column.
    """
    if width > MAX_WIDTH:
        raise ValueError(f"a figure is at most {MAX_WIDTH} inches wide, not {width}")
    fig = Figure(figsize=(width, height), layout="constrained")
    return fig, fig.subplots(rows, columns, **subplots)


def show(fig: Figure, *, alt: str) -> None:
    """Display a figure with its alt text.

    JupyterLab drops alt text that is only in an image's metadata, so the figure is emitted as HTML.

    Args:
        fig: the figure.
        alt: what a reader who cannot see the figure should know: what is plotted and what follows from it.
    """
    display(HTML(markup(fig, alt)))


def markup(fig: Figure, alt: str) -> str:
    """The figure as an HTML ``<img>`` on a white card, which also suits a dark theme; arguments as in :func:`show`.

    Raises:
        ValueError: the alt text is empty.
    """
    if not alt.strip():
        raise ValueError("a figure needs alt text: say what is plotted and what follows from it")
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=144, facecolor="white", metadata={"Software": None})
    image = base64.b64encode(buffer.getvalue()).decode("ascii")
    width = round(fig.get_figwidth() * 96)  # CSS pixels per inch
    style = "box-sizing:border-box;max-width:100%;height:auto;background:#fff;padding:4px;border-radius:4px"
    return f'<img alt="{html.escape(alt)}" width="{width}" style="{style}" src="data:image/png;base64,{image}">'


def label_ends(axis: Axes, gap: float = 10.0) -> None:
    """Write the label of each labelled line behind its last point, in its colour; labels that would touch move apart.

    Args:
        axis: with its lines drawn and its limits set, and room on the right.
        gap: the least distance of two labels, in points.
    """
    axis.figure.draw_without_rendering()  # the layout decides how far apart two values are
    lines = [line for line in axis.get_lines() if not line.get_label().startswith("_")]
    ends = {line: np.array([line.get_xdata()[-1], line.get_ydata()[-1]]) for line in lines}
    height = {line: axis.transData.transform(end)[1] * 72 / axis.figure.dpi for line, end in ends.items()}  # points
    lowest = -np.inf
    for line in sorted(lines, key=height.get):
        lowest = max(lowest, height[line])
        shift = (5, lowest - height[line] - 3)
        style = {"textcoords": "offset points", "color": line.get_color(), "fontsize": 8}
        axis.annotate(line.get_label(), tuple(ends[line]), xytext=shift, **style)
        lowest += gap


def tile(axis: Axes, images: np.ndarray, columns: int, *, gap: int = 1) -> None:
    """Draw a batch of images side by side.

    Args:
        axis: where to draw.
        images: uint8 or float in [0, 1], shape (N, 3, H, W), or (N, H, W) for grey images.
        columns: images in a row.
        gap: white pixels between them.
    """
    images = np.asarray(images)
    grey = images.ndim == 3
    images = images[..., None] if grey else images.transpose(0, 2, 3, 1)  # (N, H, W, C)
    white = 255 if images.dtype == np.uint8 else 1
    count, height, width, channels = images.shape
    rows = -(-count // columns)
    shape = (rows * (height + gap) - gap, columns * (width + gap) - gap, channels)
    canvas = np.full(shape, white, dtype=images.dtype)
    for i, image in enumerate(images):
        top, left = i // columns * (height + gap), i % columns * (width + gap)
        canvas[top : top + height, left : left + width] = image
    axis.imshow(canvas[..., 0] if grey else canvas, cmap="gray" if grey else None, vmin=0, vmax=white)
    axis.set_axis_off()
