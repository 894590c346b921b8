"""A picture with its text alternative, and what all pictures share: size, colours, marks."""

from __future__ import annotations

import io
import re
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
    """A figure and its text alternative. Notebooks show it as PNG; stored it is what `suffix` says, .png or .svg."""

    def __init__(self, figure: Figure, alt: str, suffix: str = ".png") -> None:
        from matplotlib.text import Text

        self.figure, self.alt, self.suffix = figure, alt, suffix
        for text in figure.findobj(Text):
            text.set_parse_math(False)  # a dollar sign in a name begins no formula

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
        return buffer.getvalue()

    def save(self, path: Path) -> None:
        path.write_bytes(self._repr_png_() if self.suffix == ".png" else self._svg().encode())

    def _svg(self) -> str:
        """The same bytes for the same figure; letters stay letters, and nothing in it runs or is fetched."""
        from matplotlib import rc_context

        buffer = io.StringIO()
        about = {"Title": self.alt, **dict.fromkeys(["Date", "Creator", "Format", "Type"])}
        with rc_context({"svg.fonttype": "none", "svg.hashsalt": "picture"}):
            self.figure.savefig(buffer, format="svg", metadata=about)
        plain = re.sub(r"<!DOCTYPE[^>]*>\s*", "", buffer.getvalue(), count=1)
        # A tenth of a point is enough, and longer numbers beside each other read like phone numbers.
        return re.sub(r'(?<= )(?:d|x|y|transform)="[^"]*"', lambda place: _SHORT.sub(_rounded, place[0]), plain)

    def __repr__(self) -> str:
        return f"Picture: {self.alt}"


_SHORT = re.compile(r"-?\d+(?:\.\d+)?")


def _rounded(number: re.Match[str]) -> str:
    return f"{float(number[0]):.1f}"


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
    told = "; ".join(f"{name} {number(count)}" for name, count in zip(frame[label], frame[value], strict=True))
    return Picture(figure, f"{title}: {told}.")


def number(value: float) -> str:
    if pd.isna(value):
        return "not known"
    return f"{float(value):,.0f}"
