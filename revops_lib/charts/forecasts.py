"""What the quarter will bring, how it came about and how good past forecasts were."""

from __future__ import annotations

import pandas as pd

from .drawing import BLUE, GREY, ORANGE, PALE, Picture, intervals, new, number, sentence


def outlook(frame: pd.DataFrame | str) -> Picture:
    """Parts of the forecast and the baselines, each as a point with its interval."""
    if isinstance(frame, str):
        return sentence(frame)
    figure, axes = new(len(frame) * 0.42 + 1)
    own = frame["part"].tolist().index("total") + 1
    intervals(axes, frame["part"], frame, [BLUE] * own + [GREY] * (len(frame) - own))
    axes.set_xlabel(f"{frame['unit'].iloc[0]}, {frame['quarter'].iloc[0]} (grey: baselines)")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlim(left=0)
    axes.locator_params(axis="x", nbins=5)
    told = "; ".join(f"{r.part} {number(r.value)} ({number(r.low)} to {number(r.high)})" for r in frame.itertuples())
    return Picture(figure, f"Forecast of {frame['quarter'].iloc[0]} in {frame['unit'].iloc[0]}: {told}.")


def backtest(frame: pd.DataFrame | str) -> Picture:
    """Past quarters: interval and middle of the forecast, what came, and the baseline."""
    if isinstance(frame, str) or frame.empty:
        return sentence(frame if isinstance(frame, str) else "No past quarter could be tested.")
    import seaborn

    figure, axes = new(3)
    position = range(len(frame))
    axes.vlines(position, frame["low"], frame["high"], color=BLUE, alpha=0.35, linewidth=8, label="interval of the forecast")
    seaborn.scatterplot(x=position, y=frame["value"], ax=axes, color=BLUE, marker="_", s=120, label="forecast")
    seaborn.scatterplot(x=position, y=frame["last_quarter"], ax=axes, color=GREY, marker="x", label="last quarter again")
    seaborn.scatterplot(x=position, y=frame["actual"], ax=axes, color=ORANGE, label="came in")
    axes.set_xticks(list(position), frame["quarter"], rotation=45)
    axes.set_ylabel(str(frame["unit"].iloc[0]))
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=8, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1))
    inside = int(frame["is_inside"].sum())
    return Picture(figure, f"Forecasts of {len(frame)} past quarters: {inside} of {len(frame)} came in inside the interval.")


def waterfall(frame: pd.DataFrame | str) -> Picture:
    """Movement of the pipeline from opening to closing, a step per part that has deals; of the frame's first group."""
    if isinstance(frame, str):
        return sentence(frame)
    first, unit = frame.iloc[0], str(frame["unit"].iloc[0])
    rows = frame[(frame["by"] == first["by"]) & (frame["member"] == first["member"])]
    shown = rows[(rows["n"] > 0) | rows["part"].isin(["opening", "closing"])]
    step, is_total = shown["value"].astype("float64").to_numpy(), shown["part"].isin(["opening", "closing"]).to_numpy()
    end = step.cumsum() * ~is_total + step * is_total
    start = end - step
    figure, axes = new(len(shown) * 0.36 + 1.1)
    position = range(len(shown))
    colours = [GREY if total else BLUE if value >= 0 else ORANGE for total, value in zip(is_total, step, strict=True)]
    axes.barh(position, step, left=start, color=colours, edgecolor=colours, height=0.6)  # an edge shows the smallest step
    axes.vlines(end[:-1], [y + 0.3 for y in position[:-1]], [y + 0.7 for y in position[:-1]], color=GREY, linewidth=1)
    for y, value in enumerate(step):
        text = f"{value:,.0f}" if is_total[y] or not value else f"{value:+,.0f}".replace("-", "−")
        beside = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"}
        axes.annotate(
            text, (max(start[y], end[y]), y), (5, 0), textcoords="offset points", va="center", fontsize=9, bbox=beside
        )
    axes.set_yticks(list(position), [f"{part} ({n:,})" for part, n in zip(shown["part"], shown["n"], strict=True)])
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    left, right = min(0, *start, *end), max(0, *start, *end)
    axes.set_xlim(left, right + (right - left or 1) * 0.22)  # room for the last label
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel(f"{unit}, {first['pipeline']}\n{first['since']} to {first['as_of']} (in brackets: deals)")
    told = "; ".join(f"{r.part} {number(r.value)} ({r.n:,} deal{'s' if r.n != 1 else ''})" for r in shown.itertuples())
    return Picture(figure, f"Pipeline in {unit}, {first['pipeline']}, from {first['since']} to {first['as_of']}: {told}.")


def fan(frame: pd.DataFrame | str) -> Picture:
    """The forecast as it stood through the quarter: interval as a band, middle as a line, won to date as steps, the target."""
    if isinstance(frame, str) or frame.empty:
        return sentence(frame if isinstance(frame, str) else "No forecast was made in this quarter.")
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    shown = frame.assign(day=pd.to_datetime(frame["day"])).sort_values("day")
    unit = str(shown["unit"].iloc[0]) if "unit" in shown else ""
    figure, axes = new(3.2)
    low, middle, high, won = (shown[name].astype("float64") for name in ("low", "value", "high", "won"))
    axes.fill_between(shown["day"], low, high, color=PALE, label="interval of the forecast")
    axes.plot(shown["day"], middle, color=BLUE, marker="o", markersize=3, label="forecast")
    axes.step(shown["day"], won, where="post", color=ORANGE, label="won to date")
    target = shown["target"].astype("float64").iloc[-1] if "target" in shown else float("nan")
    if pd.notna(target):
        axes.axhline(target, color=GREY, linestyle="--", linewidth=1.2, label=f"target {number(target)}")
    locator = AutoDateLocator(minticks=3, maxticks=6)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.set_ylabel(unit)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=8, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1))
    told = [
        f"{r.day.date()}: {number(r.value)} ({number(r.low)} to {number(r.high)}), won {number(r.won)}"
        for r in shown.iloc[[0, -1]].drop_duplicates("day").itertuples()
    ]
    goal = f"; target {number(target)}" if pd.notna(target) else ""
    return Picture(figure, f"Forecast{f' in {unit}' if unit else ''} as it stood on {'; on '.join(told)}{goal}.")


def calibration(frame: pd.DataFrame | str) -> Picture:
    """Share of deals won, with its interval, against the probability they had been given; on the line where both agree."""
    if isinstance(frame, str) or frame.empty:
        return sentence(frame if isinstance(frame, str) else "No past deal was given a probability.")
    figure, axes = new(4)
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="as predicted")
    axes.vlines(frame["predicted"], frame["low"], frame["high"], color=BLUE, alpha=0.35, linewidth=5, label="interval")
    axes.scatter(frame["predicted"], frame["observed"], color=BLUE, zorder=3, label="share won")
    top = min(1.0, float(frame[["predicted", "high"]].max().max()) + 0.05)
    axes.set(xlabel="probability given", ylabel="share won", xlim=(-0.02 * top, top), ylim=(-0.02 * top, top))
    axes.xaxis.set_major_formatter("{x:.0%}")
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.legend(frameon=False, fontsize=8, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1))
    told = "; ".join(
        f"{r.predicted:.0%} given, {r.observed:.0%} won ({r.low:.0%} to {r.high:.0%}, n {r.n:,})" for r in frame.itertuples()
    )
    return Picture(figure, f"Reliability of deal probabilities: {told}.")
