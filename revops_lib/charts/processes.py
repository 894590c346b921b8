"""The map of a process: what follows what, how often and after how long."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import pandas as pd

from .drawing import GREY, PALE, WIDTH, Picture, sentence

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN, TOLD = 30, 8  # steps drawn at most, and told in the text alternative
BOX, TALL, GAP = 1.5, 0.42, 0.95  # inches: width and height of a box, distance from one to the next
COLUMN, ENDS = 2.2, 5.35  # where the boxes stand, and where the ends beside them do
SHORT, LONG = "#f2a54a", "#7f2704"


def process_map(frame: pd.DataFrame | str) -> Picture:
    """Activities as boxes in the order of the flow, steps as arrows: thicker is more often, darker takes longer (median).

    Reads activity, next_activity, n, median, unit. The thirty most frequent steps are drawn; steps back are dashed.
    """
    if isinstance(frame, str) or frame.empty:
        return sentence(frame if isinstance(frame, str) else "No case has taken a step yet.")
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    drawn = frame.head(SHOWN)
    order, ends = _order(drawn)
    places, height = _places(order, ends)
    figure = Figure(figsize=(WIDTH, height))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(0, height))
    axes.axis("off")
    for step in drawn[drawn["activity"] != drawn["next_activity"]][::-1].itertuples():  # the thick ones on top
        _arrow(axes, step, drawn, places, order)
    again = drawn[drawn["activity"] == drawn["next_activity"]].set_index("activity")["n"]
    for name, (x, y) in places.items():
        label = textwrap.shorten(name, 40, placeholder=" …")
        label = textwrap.fill(label, 22) + (f"\nrepeated {again[name]:,} times" if name in again else "")
        axes.add_patch(Rectangle((x - BOX / 2, y - TALL / 2), BOX, TALL, fc=PALE, ec=GREY, lw=0.8, zorder=4))
        axes.text(x, y, label, ha="center", va="center", fontsize=8, zorder=5)
    unit, low, high = drawn["unit"].iloc[0], drawn["median"].min(), drawn["median"].max()
    axes.text(0.1, 0.12, f"Thicker: more often. Darker: longer, median (d) {_time(low)} to {_time(high)} {unit}. Dashed: back.",
              fontsize=7, color=GREY)  # fmt: skip
    return Picture(figure, _told(frame, drawn), ".svg")


def _order(drawn: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Activities from first to last, and the ends beside them: what leads nowhere, but for the most frequent one.

    Steps are taken in, the most frequent first, unless they would close a circle; before others stands what leads to most.
    """
    names = list(dict.fromkeys([*drawn["activity"], *drawn["next_activity"]]))
    after: dict[str, set[str]] = {name: set() for name in names}
    for step in drawn.itertuples():
        if step.activity != step.next_activity and step.activity not in _reached(step.next_activity, after):
            after[step.activity].add(step.next_activity)
    order = sorted(names, key=lambda name: (-len(_reached(name, after)), names.index(name)))
    ends = [name for name in order if not after[name]]
    last = next((name for name in reversed(order) if after[name]), None)
    n = drawn.set_index(["activity", "next_activity"])["n"]
    main = max(ends, key=lambda name: n.get((last, name), 0))
    return [name for name in order if name not in ends or name == main], [name for name in ends if name != main]


def _reached(name: str, after: dict[str, set[str]]) -> set[str]:
    """The activities that one leads to, whatever the number of steps."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        new = after[waiting.pop()] - found
        found |= new
        waiting += new
    return found


def _places(order: list[str], ends: list[str]) -> tuple[dict[str, tuple[float, float]], float]:
    """Middle of every box, and the height of the picture, in inches."""
    height = max(GAP * len(order), (TALL + 0.1) * len(ends) + 0.6)
    top = height - TALL / 2 - 0.15
    places = {name: (COLUMN, top - GAP * number) for number, name in enumerate(order)}
    spread = (height - 0.6) / (len(ends) + 1)
    return places | {name: (ENDS, height - 0.1 - spread * (number + 1)) for number, name in enumerate(ends)}, height


def _arrow(axes: Axes, step: Any, drawn: pd.DataFrame, places: dict[str, tuple[float, float]], order: list[str]) -> None:
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.patches import FancyArrowPatch

    begin, end, bend, is_back, (x, y, side) = _way(places[step.activity], places[step.next_activity])
    span = drawn["median"].max() - drawn["median"].min()
    colour = LinearSegmentedColormap.from_list("time", [SHORT, LONG])(
        (step.median - drawn["median"].min()) / span if span else 0
    )
    width = 0.8 + 6.2 * step.n / drawn["n"].max()
    head = f"-|>,head_width={1.5 + width / 2},head_length={3 + width / 2}"
    look = {"lw": width, "color": colour, "linestyle": "--" if is_back else "-", "arrowstyle": head, "shrinkA": 0, "shrinkB": 0}
    axes.add_patch(FancyArrowPatch(begin, end, connectionstyle=f"arc3,rad={bend}", zorder=2, **look))
    blank = {"fc": "white", "ec": "none", "pad": 0.6, "alpha": 0.8}
    axes.text(x, y, f"{step.n:,} · {_time(step.median)} d", fontsize=7, ha=side, va="center", bbox=blank, zorder=3)


Point = tuple[float, float]


def _way(start: Point, goal: Point) -> tuple[Point, Point, float, bool, tuple[float, float, str]]:
    """Where an arrow begins and ends, how it bends, whether it leads back, where its numbers stand: straight down to the next
    box, round the left to another box of the column, across to an end and back from there."""
    (x0, y0), (x1, y1), half = start, goal, BOX / 2
    if x0 == x1:
        if abs(y0 - y1 - GAP) < 0.01:
            return (x0, y0 - TALL / 2), (x1, y1 + TALL / 2), 0.0, False, (x0 + 0.14, (y0 + y1) / 2, "left")
        is_back = y1 > y0
        aside = min(0.14 + 0.2 * abs(y1 - y0) / GAP + 0.12 * is_back, 0.72)
        bend = 2 * aside / (y1 - y0)
        shift = 0.08 if is_back else -0.08  # both ways between two boxes stay apart
        label = (x0 - half - aside - 0.04, (y0 + y1) / 2 + shift, "right")
        return (x0 - half, y0 + shift), (x1 - half, y1 - shift), -bend, is_back, label
    if x1 > x0:
        begin, end = (x0 + half, y0 + 0.08), (x1 - half, y1 + 0.3 * TALL * (1 if y0 > y1 else -1))
        return begin, end, 0.0, False, (begin[0] + 0.08, begin[1] + 0.13 * (end[1] - begin[1]), "left")
    begin, end = (x0, y0 + TALL / 2 * (1 if y1 > y0 else -1)), (x1 + half, y1 - 0.1)
    bend = 0.25 if y1 > y0 else -0.25
    return begin, end, bend, True, (end[0] + 0.35 * (x0 - end[0]), end[1] + 0.06 * (begin[1] - end[1]), "left")


def _time(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def _told(frame: pd.DataFrame, drawn: pd.DataFrame) -> str:
    unit = frame["unit"].iloc[0]
    steps = [
        f"{s.activity} to {s.next_activity} {s.n:,} times, median {_time(s.median)} {unit}"
        for s in drawn.head(TOLD).itertuples()
    ]
    more = [f"and {len(frame) - TOLD:,} rarer steps"] if len(frame) > TOLD else []
    return f"Process map: {'; '.join([*steps, *more])}."
