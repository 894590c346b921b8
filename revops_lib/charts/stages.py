"""How long deals stay, how they move on, and where they got slower."""

from __future__ import annotations

import pandas as pd

from .drawing import BLUE, GREY, ORANGE, PALE, Picture, intervals, new, number, sentence

FEW = 5  # deals; what is published of fewer would tell of single ones


def survival(frame: pd.DataFrame | str) -> Picture:
    """Share of deals still in each stage after so many days, as steps."""
    if isinstance(frame, str) or frame.empty:
        return sentence(frame if isinstance(frame, str) else "No stay in a stage has ended yet.")
    import seaborn

    figure, axes = new(3.2)
    start = frame.drop_duplicates("stage").assign(time=0.0, value=1.0)
    drawn = pd.concat([start, frame], ignore_index=True)
    seaborn.lineplot(drawn, x="time", y="value", hue="stage", drawstyle="steps-post", ax=axes, errorbar=None)
    axes.set(
        xlabel="days in the stage",
        ylabel="share still in the stage",
        ylim=(0, 1),
        xlim=(0, frame["time"].quantile(0.98) or 1),
    )
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.legend(frameon=False, fontsize=8)
    half = frame[frame["value"] <= 0.5].groupby("stage", sort=False)["time"].min()
    told = "; ".join(f"{stage} {time:.0f} days" for stage, time in half.items())
    return Picture(figure, f"Share of deals still in each stage by days; half have left after: {told or 'not known yet'}.")


def ranking(frame: pd.DataFrame | str) -> Picture:
    """Pace of each stage and segment against its past, with intervals; 100 % is the past pace."""
    if isinstance(frame, str) or frame.empty:
        return sentence(frame if isinstance(frame, str) else "No stage can be compared with its past yet.")
    shown = frame.sort_values(["is_alert", "z"], ascending=[False, True], kind="stable", ignore_index=True).head(10)
    shown = shown.assign(value=shown["ratio"])
    figure, axes = new(len(shown) * 0.35 + 0.9)
    labels = shown["stage"] + " · " + shown["segment"]
    intervals(axes, labels, shown, [ORANGE if alert else BLUE for alert in shown["is_alert"]])
    axes.axvline(1, color=GREY, linewidth=1)
    axes.xaxis.set_major_formatter("{x:.0%}")
    axes.set_xlabel("pace against the past (orange: beyond the usual spread)")
    told = "; ".join(
        f"{label} {_percent(r.ratio)} ({_percent(r.low)} to {_percent(r.high)}{', flagged' if r.is_alert else ''})"
        for label, r in zip(labels, shown.itertuples(), strict=True)
    )
    return Picture(figure, f"Pace against the past of {len(shown)} of {len(frame)} stages and segments, slowest first: {told}.")


def times(frame: pd.DataFrame | str, *, label: str = "stage") -> Picture:
    """Median days with their interval, one line per group."""
    if isinstance(frame, str):
        return sentence(frame)
    figure, axes = new(len(frame) * 0.4 + 0.9)
    intervals(axes, frame[label], frame.assign(value=frame["median"]), [BLUE] * len(frame))
    axes.set_xlabel("median days, open deals counted as open")
    axes.set_xlim(left=0)
    told = "; ".join(f"{getattr(r, label)} {number(r.median)}" for r in frame.itertuples())
    return Picture(figure, f"Median days: {told}.")


def funnel(frame: pd.DataFrame | str) -> Picture:
    """Share of created deals that reach each step, as bars with their interval; of the frame's first group."""
    if isinstance(frame, str) or frame.empty:
        return sentence(frame if isinstance(frame, str) else "No deal was created.")
    shown = frame[frame["member"] == frame["member"].iloc[0]]
    figure, axes = new(len(shown) * 0.42 + 0.6)
    position = range(len(shown))
    axes.barh(position, shown["value"], color=PALE, height=0.6)
    axes.hlines(position, shown["low"], shown["high"], color=BLUE, linewidth=3)
    axes.scatter(shown["value"], position, color=BLUE, zorder=3)
    axes.set_yticks(list(position), list(shown["step"]))
    axes.invert_yaxis()
    axes.set(xlim=(0, 1.12), xlabel="share of created deals, open ones counted as open")
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
    axes.xaxis.set_major_formatter("{x:.0%}")
    for place, row in zip(position, shown.itertuples(), strict=True):
        text = "" if pd.isna(row.high) else f"{row.value:.0%}"
        axes.text(max(row.high, row.value) + 0.015 if text else 0, place, text, va="center", fontsize=8)
    told = "; ".join(
        f"{r.step} {_percent(r.value)} ({_percent(r.low)} to {_percent(r.high)}, n {r.n:,})" for r in shown.itertuples()
    )
    return Picture(figure, f"Share of created deals that come so far: {told}.")


def cohorts(frame: pd.DataFrame | str) -> Picture:
    """Share won of the deals created in each quarter after so many months, as coloured cells: pale where a cohort is immature,
    empty where nothing is known, or the cohort has fewer than five deals: it may be one customer's."""
    if isinstance(frame, str) or frame.empty:
        return sentence(frame if isinstance(frame, str) else "No deal was created.")
    frame = frame.assign(cohort=frame["cohort"].astype(str), value=frame["value"].where(frame["n"] >= FEW))
    names, months = list(dict.fromkeys(frame["cohort"])), sorted(frame["month"].unique())
    highest = frame["value"].max()
    figure, axes = new(len(names) * 0.32 + 1.0)
    axes.grid(False)
    for cell in frame.dropna(subset="value").itertuples():
        strength = cell.value / highest if highest else 0
        x, y = months.index(cell.month), names.index(cell.cohort)
        alpha = (0.08 + 0.82 * strength) * (0.35 if cell.is_immature else 1)
        axes.fill_between([x - 0.5, x + 0.5], y - 0.5, y + 0.5, color=BLUE, alpha=alpha, linewidth=0)
        colour = "white" if alpha > 0.62 else GREY if cell.is_immature else "black"
        style = "italic" if cell.is_immature else "normal"
        axes.text(x, y, f"{cell.value:.0%}", ha="center", va="center", fontsize=8, color=colour, style=style)
    axes.set(
        xlim=(-0.5, len(months) - 0.5),
        ylim=(len(names) - 0.5, -0.5),
        xlabel="months since creation (pale: not all watched so long)",
    )
    axes.set_xticks(range(len(months)), [str(month) for month in months])
    axes.set_yticks(range(len(names)), names)
    known = frame[frame["value"].notna() & ~frame["is_immature"]].groupby("cohort").tail(1)
    told = "; ".join(f"{r.cohort} {_percent(r.value)} after {r.month} months" for r in known.itertuples())
    young = ", ".join(dict.fromkeys(frame.loc[frame["is_immature"] & (frame["n"] >= FEW), "cohort"])) or "none"
    return Picture(
        figure, f"Share won by quarter of creation, at the last month fully watched: {told or 'none yet'}; immature: {young}."
    )


def comparison(frame: pd.DataFrame | str) -> Picture:
    """Median days of two processes, stage by stage, as two points each; orange where they differ beyond chance."""
    if isinstance(frame, str) or frame.empty:
        return sentence(frame if isinstance(frame, str) else "Nothing can be compared.")
    shown = frame[frame["measure"] == "median days"]
    one, other = shown["of_one"].iloc[0], shown["of_other"].iloc[0]
    figure, axes = new(len(shown) * 0.38 + 1.1)
    position = range(len(shown))
    axes.hlines(position, shown[["one", "other"]].min(axis=1), shown[["one", "other"]].max(axis=1), color=PALE, linewidth=3)
    axes.scatter(shown["one"], position, color=GREY, label=one, zorder=3)
    axes.scatter(shown["other"], position, c=[ORANGE if d else BLUE for d in shown["is_different"]], label=other, zorder=3)
    axes.set_yticks(list(position), list(shown["stage"]))
    axes.invert_yaxis()
    axes.set_xlabel("median days (orange: a difference beyond chance)")
    axes.set_xlim(left=0)
    axes.legend(frameon=False, fontsize=8, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1))
    told = "; ".join(f"{r.stage} {number(r.one)} against {number(r.other)}" for r in shown.itertuples())
    return Picture(figure, f"Median days, {one} against {other}: {told}.")


def _percent(value: float) -> str:
    return "not known" if pd.isna(value) else f"{value:.0%}"
