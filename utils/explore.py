"""Interactive figures that also render without a live front end (ipywidgets 7 and 8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets
from IPython.display import display
from matplotlib.figure import Figure

from utils import plot

WIDGET_MIME = "application/vnd.jupyter.widget-view+json"
SCRIPT_MIME = "application/javascript"
# What people without a mouse need, once the controls are drawn. JupyterLab would take the arrow keys for itself, and
# ipywidgets gives a slider no name that a screen reader could say: it gets that of the label beside it.
FOR_KEYBOARD = """for (const wait of [0, 500, 2000, 5000]) setTimeout(() => {
  for (const control of document.querySelectorAll(".explorer :is(select, input, button, [role=slider])")) {
    control.setAttribute("data-lm-suppress-shortcuts", "true");
    const label = control.closest(".widget-slider")?.querySelector(".widget-label");
    if (label) control.setAttribute("aria-label", label.textContent);
  }
}, wait);"""


def explore(draw: Callable[..., tuple[Figure, str]], **controls: Any) -> ipywidgets.VBox:
    """Show a figure with controls that redraw it.

    The output holds the first figure as HTML beside the widget, so that a printed, exported or offline notebook shows a
    picture where no widget can run.

    Args:
        draw: takes one keyword argument a control, returns the figure and its alt text.
        controls: an ipywidgets widget, or its abbreviation: ``(0, 8)`` or ``(0.0, 1.0, 0.1)`` a slider, ``True`` a
            checkbox, a list or dict a drop-down. The control's label is the argument's name.

    Returns:
        The widget, with the picture as its last child; a notebook ends the line with ``;`` or assigns it.
    """
    widgets = ipywidgets.interactive(lambda **values: None, **controls).kwargs_widgets
    names = list(controls)
    for name, widget in zip(names, widgets, strict=True):
        widget.description = name.replace("_", " ")
        widget.style.description_width = "initial"
    picture = ipywidgets.HTML()

    def redraw(_change: Any = None) -> None:
        picture.value = plot.markup(*draw(**{name: w.value for name, w in zip(names, widgets, strict=True)}))

    for widget in widgets:
        widget.observe(redraw, names="value")
    redraw()
    panel = ipywidgets.VBox([*widgets, picture])
    panel.add_class("explorer")
    view = {"version_major": 2, "version_minor": 0, "model_id": panel.model_id}
    display({WIDGET_MIME: view, "text/html": picture.value, "text/plain": "(interactive figure)"}, raw=True)
    display({SCRIPT_MIME: FOR_KEYBOARD, "text/plain": ""}, raw=True)
    return panel
