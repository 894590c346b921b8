"""Pictures of result frames. A chart computes nothing: what it draws stands in the frame beside it.

Each function returns a `Picture` that a notebook shows and `report.finish` stores, with a text alternative that names the
numbers. A `Reason` instead of a frame gives a picture of that sentence.
"""

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


def outlook(frame: pd.DataFrame | str) -> Picture:
    """Parts of the forecast and the baselines, each as a point with its interval."""
    if isinstance(frame, str):
        return _sentence(frame)
    figure, axes = _figure(len(frame) * 0.42 + 1)
    own = frame["part"].tolist().index("total") + 1
    _intervals(axes, frame["part"], frame, [BLUE] * own + [GREY] * (len(frame) - own))
    axes.set_xlabel(f"{frame['unit'].iloc[0]}, {frame['quarter'].iloc[0]} (grey: baselines)")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlim(left=0)
    axes.locator_params(axis="x", nbins=5)
    told = "; ".join(f"{r.part} {_number(r.value)} ({_number(r.low)} to {_number(r.high)})" for r in frame.itertuples())
    return Picture(figure, f"Forecast of {frame['quarter'].iloc[0]} in {frame['unit'].iloc[0]}: {told}.")


def backtest(frame: pd.DataFrame | str) -> Picture:
    """Past quarters: interval and middle of the forecast, what came, and the baseline."""
    if isinstance(frame, str) or frame.empty:
        return _sentence(frame if isinstance(frame, str) else "No past quarter could be tested.")
    import seaborn

    figure, axes = _figure(3)
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


def survival(frame: pd.DataFrame | str) -> Picture:
    """Share of deals still in each stage after so many days, as steps."""
    if isinstance(frame, str):
        return _sentence(frame)
    import seaborn

    figure, axes = _figure(3.2)
    start = frame.drop_duplicates("stage").assign(time=0.0, value=1.0)
    drawn = pd.concat([start, frame], ignore_index=True)
    seaborn.lineplot(drawn, x="time", y="value", hue="stage", drawstyle="steps-post", ax=axes, errorbar=None)
    axes.set(
        xlabel="days in the stage",
        ylabel="share still in the stage",
        ylim=(0, 1),
        xlim=(0, frame["time"].quantile(0.98)),
    )
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.legend(frameon=False, fontsize=8)
    half = frame[frame["value"] <= 0.5].groupby("stage", sort=False)["time"].min()
    told = "; ".join(f"{stage} {time:.0f} days" for stage, time in half.items())
    return Picture(figure, f"Share of deals still in each stage by days; half have left after: {told}.")


def ranking(frame: pd.DataFrame | str) -> Picture:
    """Pace of each stage and segment against its past, with intervals; 100 % is the past pace."""
    if isinstance(frame, str) or frame.empty:
        return _sentence(frame if isinstance(frame, str) else "No stage can be compared with its past yet.")
    shown = frame.head(10).assign(value=lambda d: d["ratio"])
    figure, axes = _figure(len(shown) * 0.35 + 0.9)
    labels = shown["stage"] + " · " + shown["segment"]
    _intervals(axes, labels, shown, [ORANGE if alert else BLUE for alert in shown["is_alert"]])
    axes.axvline(1, color=GREY, linewidth=1)
    axes.xaxis.set_major_formatter("{x:.0%}")
    axes.set_xlabel("pace against the past (orange: beyond the usual spread)")
    worst = shown.iloc[0]
    told = f"{labels.iloc[0]} stands out most at {worst['ratio']:.0%} of its past pace"
    return Picture(figure, f"Pace of {len(shown)} of {len(frame)} cells of stage and segment: {told}.")


def times(frame: pd.DataFrame | str, *, label: str = "stage") -> Picture:
    """Median days with their interval, one line per group."""
    if isinstance(frame, str):
        return _sentence(frame)
    figure, axes = _figure(len(frame) * 0.4 + 0.9)
    _intervals(axes, frame[label], frame.assign(value=frame["median"]), [BLUE] * len(frame))
    axes.set_xlabel("median days, open deals counted as open")
    axes.set_xlim(left=0)
    told = "; ".join(f"{getattr(r, label)} {_number(r.median)}" for r in frame.itertuples())
    return Picture(figure, f"Median days: {told}.")


def attainment(frame: pd.DataFrame | str) -> Picture:
    """How many reps lie in each band of attainment."""
    return _bars(frame, "band", "n", "reps", "Reps by attainment")


def findings(frame: pd.DataFrame | str) -> Picture:
    """Rows that break each rule, the ten most frequent ones."""
    broken = frame if isinstance(frame, str) else frame[frame["n"] > 0].head(10)
    return _bars(broken, "rule", "n", "rows", "Rows breaking a rule")


def stakes(frame: pd.DataFrame | str, *, currency: str) -> Picture:
    """Money at stake per broken rule, coloured by dimension, the ten largest; the part still open is drawn inside."""
    if isinstance(frame, str):
        return _sentence(frame)
    worth = frame.assign(**{name: frame[name].astype("float64").fillna(0.0) for name in ("at_stake", "open_at_stake")})
    shown = worth[worth["at_stake"] > 0].sort_values("at_stake", ascending=False, kind="stable").head(10)
    if shown.empty:
        return _sentence("No money is at stake.")
    import seaborn

    figure, axes = _figure(len(shown) * 0.35 + 1.1)
    seaborn.barplot(shown, y="rule", x="at_stake", hue="dimension", dodge=False, ax=axes, palette="pastel", errorbar=None)
    axes.barh(shown["rule"], shown["open_at_stake"], height=0.3, color=ORANGE, label="still open")
    axes.set(xlabel=f"{currency} at stake", ylabel="")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.locator_params(axis="x", nbins=5)
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    told = "; ".join(f"{r.rule} {_number(r.at_stake)} ({_number(r.open_at_stake)} open)" for r in shown.itertuples())
    return Picture(figure, f"Money at stake in {currency}: {told}.")


def freshness(frame: pd.DataFrame | str) -> Picture:
    """Days since each table last changed; orange and red beyond the days from which it counts as old and stale."""
    judged = frame if isinstance(frame, str) else frame[frame["days"].notna() & frame["warn"].notna()]
    if isinstance(judged, str) or judged.empty:
        return _sentence(judged if isinstance(judged, str) else "No table dates its rows.")
    figure, axes = _figure(len(judged) * 0.35 + 0.8)
    colours = [{"fresh": BLUE, "old": ORANGE}.get(state, RED) for state in judged["state"]]
    position = range(len(judged))
    axes.barh(position, judged["days"].astype("float64"), color=colours, height=0.5)
    axes.scatter(judged["warn"].astype("float64"), position, marker="|", s=120, color=GREY, label="old from here on")
    axes.set_yticks(list(position), [name.replace("_", " ") for name in judged["table"]])
    axes.invert_yaxis()
    axes.set_xlabel("days since the newest change")
    axes.legend(frameon=False, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1))
    told = "; ".join(f"{r.table.replace('_', ' ')} {r.days} ({r.state})" for r in judged.itertuples())
    return Picture(figure, f"Days since the newest change: {told}.")


def coverage(frame: pd.DataFrame | str) -> Picture:
    """Deals created, won and lost per quarter, the last twenty; quarters that are not whole are grey."""
    if isinstance(frame, str) or frame.empty:
        return _sentence(frame if isinstance(frame, str) else "No deal carries a date.")
    shown = frame.tail(20).reset_index(drop=True)
    figure, axes = _figure(3)
    axes.bar(shown.index, shown["n_created"], color=PALE, label="created")
    axes.bar(shown.index, shown["n_created"].where(shown["is_partial"]), color=LIGHT)
    axes.plot(shown.index, shown["n_won"], color=BLUE, marker="o", markersize=3, label="won")
    axes.plot(shown.index, shown["n_lost"], color=ORANGE, marker="o", markersize=3, label="lost")
    axes.set_xticks(list(shown.index), shown["quarter"], rotation=45)
    axes.set_ylabel("deals (grey: quarter not whole)")
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.legend(frameon=False, fontsize=8, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1))
    last, partial = shown.iloc[-1], ", ".join(shown.loc[shown["is_partial"], "quarter"]) or "none"
    counts = ", ".join(f"{_number(last[f'n_{what}'])} {what}" for what in ("created", "won", "lost"))
    return Picture(figure, f"Deals per quarter: last {last['quarter']} with {counts}; not whole: {partial}.")


def bookings(frame: pd.DataFrame | str) -> Picture:
    """Won amount per group; the row of all groups is left out."""
    shown = frame if isinstance(frame, str) else frame.iloc[1:].assign(amount=lambda d: d["amount"].astype("float64"))
    return _bars(shown, "member", "amount", "amount won", "Amount won")


def curve(frame: pd.DataFrame | str) -> Picture:
    """Pay by attainment."""
    if isinstance(frame, str):
        return _sentence(frame)
    import seaborn

    figure, axes = _figure(2.8)
    seaborn.lineplot(frame, x="attainment", y="pay", ax=axes, color=BLUE)
    axes.axvline(1, color=GREY, linewidth=1, linestyle=":")
    axes.xaxis.set_major_formatter("{x:.0%}")
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.set(xlabel="share of quota reached", ylabel="pay for a quota of 100,000")
    at = frame.set_index(frame["attainment"].round(2))["pay"]
    return Picture(
        figure, f"Pay for a quota of 100,000: {at[0.5]:,.2f} at 50 %, {at[1.0]:,.2f} at 100 %, {at[1.5]:,.2f} at 150 %."
    )


def _bars(frame: pd.DataFrame | str, label: str, value: str, unit: str, title: str) -> Picture:
    if isinstance(frame, str) or frame.empty:
        return _sentence(frame if isinstance(frame, str) else "Nothing to draw.")
    import seaborn
    from matplotlib.ticker import MaxNLocator

    figure, axes = _figure(len(frame) * 0.35 + 0.8)
    seaborn.barplot(frame, y=label, x=value, ax=axes, color=BLUE, errorbar=None)
    axes.set(xlabel=unit, ylabel="")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    told = "; ".join(f"{name} {_number(number)}" for name, number in zip(frame[label], frame[value], strict=True))
    return Picture(figure, f"{title}: {told}.")


def _intervals(axes: Axes, labels: pd.Series, rows: pd.DataFrame, colours: list[str]) -> None:
    """A point with its interval per row, first row on top."""
    position = range(len(rows))
    axes.hlines(position, rows["low"], rows["high"], colors=colours, linewidth=5, alpha=0.35)
    axes.scatter(rows["value"], position, c=colours, zorder=3)
    axes.set_yticks(list(position), list(labels))
    axes.invert_yaxis()


def _figure(height: float) -> tuple[Figure, Axes]:
    """A figure as wide as a page, drawn without any window system."""
    import seaborn
    from matplotlib.figure import Figure

    with seaborn.axes_style("whitegrid", {"axes.spines.right": False, "axes.spines.top": False}):
        figure = Figure(figsize=(WIDTH, max(height, 1.6)), layout="constrained")
        axes = figure.subplots()
    return figure, axes


def _sentence(text: str) -> Picture:
    import textwrap

    figure, axes = _figure(1.6)
    axes.axis("off")
    axes.text(0.5, 0.5, "\n".join(textwrap.wrap(str(text), 80)), ha="center", va="center", color=GREY)
    return Picture(figure, str(text))


def _number(value: float) -> str:
    if pd.isna(value):
        return "not known"
    return f"{float(value):,.0f}"


def waterfall(frame: pd.DataFrame | str) -> Picture:
    """Movement of the pipeline from opening to closing, a step per part that has deals; of the frame's first group."""
    if isinstance(frame, str):
        return _sentence(frame)
    first, unit = frame.iloc[0], str(frame["unit"].iloc[0])
    rows = frame[(frame["by"] == first["by"]) & (frame["member"] == first["member"])]
    shown = rows[(rows["n"] > 0) | rows["part"].isin(["opening", "closing"])]
    step, is_total = shown["value"].astype("float64").to_numpy(), shown["part"].isin(["opening", "closing"]).to_numpy()
    end = step.cumsum() * ~is_total + step * is_total
    start = end - step
    figure, axes = _figure(len(shown) * 0.36 + 1.1)
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
    told = "; ".join(f"{r.part} {_number(r.value)} ({r.n:,} deal{'s' if r.n != 1 else ''})" for r in shown.itertuples())
    return Picture(figure, f"Pipeline in {unit}, {first['pipeline']}, from {first['since']} to {first['as_of']}: {told}.")


def fan(frame: pd.DataFrame | str) -> Picture:
    """The forecast as it stood through the quarter: interval as a band, middle as a line, won to date as steps, the target."""
    if isinstance(frame, str) or frame.empty:
        return _sentence(frame if isinstance(frame, str) else "No forecast was made in this quarter.")
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    shown = frame.assign(day=pd.to_datetime(frame["day"])).sort_values("day")
    unit = str(shown["unit"].iloc[0]) if "unit" in shown else ""
    figure, axes = _figure(3.2)
    low, middle, high, won = (shown[name].astype("float64") for name in ("low", "value", "high", "won"))
    axes.fill_between(shown["day"], low, high, color=PALE, label="interval of the forecast")
    axes.plot(shown["day"], middle, color=BLUE, marker="o", markersize=3, label="forecast")
    axes.step(shown["day"], won, where="post", color=ORANGE, label="won to date")
    target = shown["target"].astype("float64").iloc[-1] if "target" in shown else float("nan")
    if pd.notna(target):
        axes.axhline(target, color=GREY, linestyle="--", linewidth=1.2, label=f"target {_number(target)}")
    locator = AutoDateLocator(minticks=3, maxticks=6)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.set_ylabel(unit)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=8, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1))
    told = [
        f"{r.day.date()}: {_number(r.value)} ({_number(r.low)} to {_number(r.high)}), won {_number(r.won)}"
        for r in shown.iloc[[0, -1]].drop_duplicates("day").itertuples()
    ]
    goal = f"; target {_number(target)}" if pd.notna(target) else ""
    return Picture(figure, f"Forecast{f' in {unit}' if unit else ''} as it stood on {'; on '.join(told)}{goal}.")


def calibration(frame: pd.DataFrame | str) -> Picture:
    """Share of deals won, with its interval, against the probability they had been given; on the line where both agree."""
    if isinstance(frame, str) or frame.empty:
        return _sentence(frame if isinstance(frame, str) else "No past deal was given a probability.")
    figure, axes = _figure(4)
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
