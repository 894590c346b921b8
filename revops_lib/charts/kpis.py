"""The board's figures: their course, the movement of recurring revenue, and what a change is made of."""

from __future__ import annotations

import pandas as pd

from .drawing import BLUE, GREY, ORANGE, PALE, Picture, new, number, sentence

COLUMNS = 2
INDENT = "    "


def trend(frame: pd.DataFrame | str) -> Picture:
    """Each figure by quarter, a small picture each: the value with its interval as a band, the target as a dashed line; a
    hollow point where the quarter is not complete."""
    if isinstance(frame, str) or frame["value"].isna().all():
        return sentence(frame if isinstance(frame, str) else "No figure is known.")
    import seaborn
    from matplotlib.figure import Figure

    named = [
        (name, own.reset_index(drop=True)) for name, own in frame.groupby("name", sort=False) if own["value"].notna().any()
    ]
    rows, quarters = -(-len(named) // COLUMNS), sorted(frame["quarter"].unique())
    with seaborn.axes_style("whitegrid", {"axes.spines.right": False, "axes.spines.top": False}):
        figure = Figure(figsize=(6.2, 1.75 * rows + 0.2), layout="constrained")
        grid = figure.subplots(rows, COLUMNS, squeeze=False)
    for axes in grid.ravel()[len(named) :]:
        axes.axis("off")
    for axes, (name, own) in zip(grid.ravel(), named, strict=False):
        _course(axes, own.assign(at=[quarters.index(quarter) for quarter in own["quarter"]]))
        axes.set_title(f"{name} ({own['unit'].iloc[0]})", fontsize=8, loc="left")
        axes.set_xticks(range(len(quarters)), [str(quarter)[2:] for quarter in quarters], fontsize=6)
        axes.set_xlim(-0.4, len(quarters) - 0.6)
        axes.tick_params(axis="y", labelsize=7)
    told = "; ".join(_told(name, own) for name, own in named)
    return Picture(figure, f"Figures by quarter, {quarters[0]} to {quarters[-1]}: {told}.")


def bridge(frame: pd.DataFrame | str) -> Picture:
    """Recurring revenue of the last period of the frame, from opening to closing, a step per movement."""
    if isinstance(frame, str) or frame.empty:
        return sentence(frame if isinstance(frame, str) else "There is no recurring revenue.")
    last = frame.iloc[-1]
    parts = ["opening", "new", "expansion", "reactivation", "contraction", "churn", "closing"]
    figure, axes = new(len(parts) * 0.34 + 0.9)
    level = 0.0
    for place, part in enumerate(parts):
        value, is_total = float(last[part]), part in ("opening", "closing")
        start = 0.0 if is_total else level
        colour = GREY if is_total else BLUE if value >= 0 else ORANGE
        axes.barh(place, value, left=start, color=colour, edgecolor=colour, height=0.6)
        level = start + value
        text = f"{value:,.0f}" if is_total or not value else f"{value:+,.0f}".replace("-", "−")
        axes.annotate(text, (max(start, level), place), (5, 0), textcoords="offset points", va="center", fontsize=9)
    axes.set_yticks(range(len(parts)), parts)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    ends = [float(last["opening"]), float(last["closing"])]
    spread = sum(abs(float(last[part])) for part in parts[1:-1]) or max(ends) or 1.0
    left = max(0.0, min(ends) - 1.5 * spread)  # so near that the movements can be seen
    axes.set_xlim(left, max(ends) + 1.5 * spread)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel(f"recurring revenue a month, {last['period']}" + (" (the axis does not begin at 0)" if left else ""))
    told = "; ".join(f"{part} {number(last[part])}" for part in parts)
    return Picture(figure, f"Recurring revenue a month, {last['period']}: {told}.")


def tree(frame: pd.DataFrame | str, *, rows: int = 24) -> Picture:
    """What each branch, and each figure it is made of, adds to the change, as bars; what belongs below a row is indented."""
    if isinstance(frame, str) or frame.empty:
        return sentence(frame if isinstance(frame, str) else "There is nothing to take apart.")
    shown = frame.head(rows)
    figure, axes = new(len(shown) * 0.27 + 0.9)
    is_branch = shown["of"] == ""
    parent = dict(zip(zip(shown["path"], shown["kpi"], strict=True), shown["of"], strict=True))
    labels = [_label(row, parent) for row in shown.to_dict("records")]
    part, position = shown["part"].astype("float64"), range(len(shown))
    colours = [(BLUE if branch else PALE) if value >= 0 else ORANGE for branch, value in zip(is_branch, part, strict=True)]
    axes.barh(position, part, height=0.7, color=colours)
    axes.axvline(0, color=GREY, linewidth=1)
    axes.set_yticks(list(position), labels, fontsize=7, ha="left")
    axes.tick_params(axis="y", pad=105, length=0)
    axes.tick_params(axis="x", labelsize=8)
    axes.margins(y=0.01)
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.locator_params(axis="x", nbins=4)
    axes.set_xlabel(f"part of the change, {shown['unit'].iloc[0]} (orange: less)")
    told = "; ".join(f"{label.strip()} {number(value)}" for label, value in zip(labels, part, strict=True))
    more = f"; {len(frame) - rows} more rows" if len(frame) > rows else ""
    return Picture(figure, f"What the change of {shown['kpi'].iloc[0]} is made of, in {shown['unit'].iloc[0]}: {told}{more}.")


def _course(axes, own: pd.DataFrame) -> None:  # type: ignore[no-untyped-def]
    value, is_share = own["value"].astype("float64"), own["unit"].iloc[0] == "share"
    axes.fill_between(own["at"], own["low"].astype("float64"), own["high"].astype("float64"), color=PALE)
    axes.plot(own["at"], value, color=BLUE, linewidth=1.4)
    whole = own["is_complete"].astype(bool)
    axes.scatter(own["at"][whole], value[whole], color=BLUE, s=12, zorder=3)
    axes.scatter(own["at"][~whole], value[~whole], facecolor="white", edgecolor=BLUE, s=16, zorder=3)
    if own["target"].notna().any():
        axes.plot(own["at"], own["target"].astype("float64"), color=GREY, linestyle="--", linewidth=1)
    axes.set_ylim(bottom=0 if value.min() >= 0 and (not is_share or value.max() - value.min() > 0.1) else None)
    axes.yaxis.set_major_formatter("{x:.0%}" if is_share else "{x:,.1f}" if value.max() < 10 else _short)
    axes.locator_params(axis="y", nbins=4)


def _short(value: float, _: int) -> str:
    return f"{value / 1e6:,.1f} M" if abs(value) >= 1e6 else f"{value / 1e3:,.0f} k" if abs(value) >= 1e4 else f"{value:,.0f}"


def _told(name: str, own: pd.DataFrame) -> str:
    known = own[own["value"].notna()]
    first, last = known.iloc[0], known.iloc[-1]
    text = f"{name} {_value(first)} in {first['quarter']}, {_value(last)} in {last['quarter']}"
    interval = f" ({_value(last, 'low')} to {_value(last, 'high')})" if pd.notna(last["low"]) and pd.notna(last["high"]) else ""
    return text + interval + (f", target {_value(last, 'target')}" if pd.notna(last["target"]) else "")


def _value(row: pd.Series, column: str = "value") -> str:
    value = float(row[column])
    return f"{value:.1%}" if row["unit"] == "share" else f"{value:,.2f}" if row["unit"] == "ratio" else f"{value:,.0f}"


def _label(row: dict[str, str], parent: dict[tuple[str, str], str]) -> str:
    depth, of = row["path"].count(" / "), row["of"]
    if not of:
        return INDENT * depth + row["member"]
    while of:
        depth, of = depth + 1, parent.get((row["path"], of), "")
    return INDENT * depth + row["kpi"].replace("_", " ")
