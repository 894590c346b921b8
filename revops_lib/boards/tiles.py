"""The figures of the first page, drawn: name, value, interval, last year, target, status in a word, and eight quarters."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pandas as pd

from ..paper import BOLD, REGULAR
from .words import NOT_KNOWN, Pack, short, text, verdict

COLUMNS = 4
GAP, HEIGHT, INSIDE = 6.0, 96.0, 6.0  # points
QUIET, RULE, LINE = "#555555", "#bbbbbb", "#1f4e79"


def grid(pack: Pack, width: float) -> Any:
    """All tiles of a pack as one flowable of that width."""
    from reportlab.platypus import Flowable

    tiles = pack.tiles.to_dict("records")
    rows = -(-len(tiles) // COLUMNS)
    each = (width - (COLUMNS - 1) * GAP) / COLUMNS

    class Grid(Flowable):
        def wrap(self, *_: float) -> tuple[float, float]:
            return width, rows * (HEIGHT + GAP)

        def draw(self) -> None:
            for place, tile in enumerate(tiles):
                row, column = divmod(place, COLUMNS)
                left, bottom = column * (each + GAP), (rows - row) * (HEIGHT + GAP) - HEIGHT
                own = pack.trend[pack.trend["kpi"] == tile["kpi"]]
                _draw(self.canv, tile, own, _year_ago(pack.quarter), left, bottom, each)

    return Grid()


def _draw(
    canvas: Any, tile: dict[str, Any], trend: pd.DataFrame, year_ago: str, left: float, bottom: float, width: float
) -> None:
    from reportlab.lib.colors import HexColor

    mark, word, colour = verdict(tile["status"], tile["target"])
    canvas.setStrokeColor(HexColor(RULE))
    canvas.setLineWidth(0.6)
    canvas.roundRect(left, bottom, width, HEIGHT, 3)
    unit = str(tile["unit"])
    _write(canvas, str(tile["name"]), left + INSIDE, bottom + HEIGHT - 13, 7.5, BOLD, "#000000", width - 2 * INSIDE)
    _write(canvas, short(tile["value"], unit), left + INSIDE, bottom + HEIGHT - 29, 13, BOLD, "#000000", width - 2 * INSIDE)
    lines = [_interval(tile, unit), f"{year_ago}: {short(tile['year_ago'], unit)}", f"target: {_target(tile, unit)}"]
    for number, line in enumerate(lines):
        _write(canvas, line, left + INSIDE, bottom + HEIGHT - 40 - 9 * number, 6.5, REGULAR, QUIET, width - 2 * INSIDE)
    _write(canvas, f"{mark} {word}".strip(), left + INSIDE, bottom + HEIGHT - 69, 7.5, BOLD, colour, width - 2 * INSIDE)
    _line(canvas, trend["value"].astype("float64").tolist(), left + INSIDE, bottom + 5, width - 2 * INSIDE, 17)


def _interval(tile: dict[str, Any], unit: str) -> str:
    if pd.isna(tile["low"]) or pd.isna(tile["high"]):
        return "no interval" if pd.notna(tile["value"]) else ""
    low, high = short(tile["low"], unit), short(tile["high"], unit)
    if low == high and unit == "days":
        low, high = text(tile["low"], "days"), f"{text(tile['high'], 'days')} days"
    return f"{low.removesuffix(f' {unit}')} to {high.removesuffix(' per day')}"


def _target(tile: dict[str, Any], unit: str) -> str:
    return "none" if pd.isna(tile["target"]) else short(tile["target"], unit)


def _year_ago(quarter: str) -> str:
    """The same quarter last year.

    >>> _year_ago("2026Q3")
    '2025Q3'
    """
    year, _, number = quarter.partition("Q")
    return f"{int(year) - 1}Q{number}"


def _write(canvas: Any, line: str, x: float, y: float, size: float, font: str, colour: str, room: float) -> None:
    """A line of text, smaller where it would not fit, and cut where even that does not help."""
    from reportlab.lib.colors import HexColor

    line = "".join(char if char.isprintable() else "�" for char in line)
    size = max(min(size, size * room / max(canvas.stringWidth(line, font, size), 1)), 0.6 * size)
    while len(line) > 1 and canvas.stringWidth(line, font, size) > room + 0.01:  # what was made to fit is not cut
        line = line[:-2].rstrip() + "…"
    canvas.setFillColor(HexColor(colour))
    canvas.setFont(font, size)
    canvas.drawString(x, y, line)


def _line(canvas: Any, values: list[float], left: float, bottom: float, width: float, height: float) -> None:
    """The course of a figure, the newest with a dot; gaps stay gaps."""
    from reportlab.lib.colors import HexColor

    known = [value for value in values if not math.isnan(value)]
    if not known:
        _write(canvas, f"course {NOT_KNOWN}", left, bottom + 4, 6, REGULAR, QUIET, width)
        return
    low, span, step = min(known), (max(known) - min(known)) or 1.0, width / max(len(values) - 1, 1)
    points = [(left + at * step, bottom + (value - low) / span * height) for at, value in enumerate(values)]
    canvas.setStrokeColor(HexColor(LINE))
    canvas.setFillColor(HexColor(LINE))
    canvas.setLineWidth(1)
    for (x, y), (next_x, next_y) in pairwise(points):
        if not (math.isnan(y) or math.isnan(next_y)):
            canvas.line(x, y, next_x, next_y)
    if not math.isnan(points[-1][1]):
        canvas.circle(*points[-1], 1.6, stroke=0, fill=1)
