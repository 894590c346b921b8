"""A picture with its text alternative, and what all pictures share: size, colours, marks."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, DPI = 6.2, 125  # inches and dots: letters stay readable on a phone
BLUE, ORANGE, GREY = "#1f5fa8", "#d2691e", "#7a7a7a"
RED, LIGHT, PALE = "#a32020", "#d9d9d9", "#c6d9ec"


class Picture:
    """A figure and its text alternative."""

    def __init__(self, figure: Figure, alt: str) -> None:
        self.figure, self.alt = figure, alt

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
        return buffer.getvalue()

    def save(self, path: Path) -> None:
        path.write_bytes(self._repr_png_())

    def __repr__(self) -> str:
        return f"Picture: {self.alt}"


def new(height: float) -> tuple[Figure, Axes]:
    """A figure as wide as a page, drawn without any window system."""
    import seaborn
    from matplotlib.figure import Figure

    with seaborn.axes_style("whitegrid", {"axes.spines.right": False, "axes.spines.top": False}):
        figure = Figure(figsize=(WIDTH, max(height, 1.6)), layout="constrained")
        axes = figure.subplots()
    return figure, axes


def sentence(text: str) -> Picture:
    import textwrap

    figure, axes = new(1.6)
    axes.axis("off")
    axes.text(0.5, 0.5, "\n".join(textwrap.wrap(str(text), 80)), ha="center", va="center", color=GREY)
    return Picture(figure, str(text))


def intervals(axes: Axes, labels: pd.Series, rows: pd.DataFrame, colours: list[str]) -> None:
    """A point with its interval per row, first row on top."""
    position = range(len(rows))
    axes.hlines(position, rows["low"], rows["high"], colors=colours, linewidth=5, alpha=0.35)
    axes.scatter(rows["value"], position, c=colours, zorder=3)
    axes.set_yticks(list(position), list(labels))
    axes.invert_yaxis()


def bars(frame: pd.DataFrame | str, label: str, value: str, unit: str, title: str) -> Picture:
    if isinstance(frame, str) or frame.empty:
        return sentence(frame if isinstance(frame, str) else "Nothing to draw.")
    import seaborn
    from matplotlib.ticker import MaxNLocator

    figure, axes = new(len(frame) * 0.35 + 0.8)
    seaborn.barplot(frame, y=label, x=value, ax=axes, color=BLUE, errorbar=None)
    axes.set(xlabel=unit, ylabel="")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    told = "; ".join(f"{name} {number(number)}" for name, number in zip(frame[label], frame[value], strict=True))
    return Picture(figure, f"{title}: {told}.")


def number(value: float) -> str:
    if pd.isna(value):
        return "not known"
    return f"{float(value):,.0f}"
