"""How long deals stay, how they move on, and where they got slower."""

from __future__ import annotations

import pandas as pd

from .drawing import BLUE, GREY, ORANGE, Picture, intervals, new, number, sentence


def survival(frame: pd.DataFrame | str) -> Picture:
    """Share of deals still in each stage after so many days, as steps."""
    if isinstance(frame, str):
        return sentence(frame)
    import seaborn

    figure, axes = new(3.2)
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
        return sentence(frame if isinstance(frame, str) else "No stage can be compared with its past yet.")
    shown = frame.head(10).assign(value=lambda d: d["ratio"])
    figure, axes = new(len(shown) * 0.35 + 0.9)
    labels = shown["stage"] + " · " + shown["segment"]
    intervals(axes, labels, shown, [ORANGE if alert else BLUE for alert in shown["is_alert"]])
    axes.axvline(1, color=GREY, linewidth=1)
    axes.xaxis.set_major_formatter("{x:.0%}")
    axes.set_xlabel("pace against the past (orange: beyond the usual spread)")
    worst = shown.iloc[0]
    told = f"{labels.iloc[0]} stands out most at {worst['ratio']:.0%} of its past pace"
    return Picture(figure, f"Pace of {len(shown)} of {len(frame)} cells of stage and segment: {told}.")


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
