"""How quickly new people come along, what goes with well-known deals, and what a training changed."""

from __future__ import annotations

import pandas as pd

from .drawing import BLUE, GREY, LIGHT, ORANGE, Picture, new, sentence

# How much was known of a deal, in order, and its colour.
BANDS = {"nothing scored": LIGHT, "under a third": "#8fb3d9", "a third to two thirds": BLUE, "two thirds or more": "#0d2f57"}


def ramp(frame: pd.DataFrame | str) -> Picture:
    """Share of new people who are there after so many months, a line per milestone; below it how many were still watched."""
    if isinstance(frame, str) or frame.empty:
        return sentence(frame if isinstance(frame, str) else "Nobody began to sell while it was watched.")
    figure, axes = new(3.4)
    colours = dict(zip(frame["milestone"].unique(), (BLUE, ORANGE), strict=False))
    for milestone, rows in frame.groupby("milestone", sort=False):
        known, colour = rows.dropna(subset="value"), colours[milestone]
        axes.plot(known["month"], known["value"], color=colour, marker="o", label=milestone)
        axes.fill_between(known["month"], known["low"], known["high"], color=colour, alpha=0.15, linewidth=0)
    for number, (milestone, rows) in enumerate(frame.groupby("milestone", sort=False)):
        for row in rows.itertuples():
            axes.annotate(
                f"{row.at_risk}", (row.month, 0), (0, -24 - 12 * number), xycoords=("data", "axes fraction"),
                textcoords="offset points", ha="center", va="center", fontsize=8, color=colours[milestone],
            )  # fmt: skip
    months = sorted(frame["month"].unique())
    axes.set_xticks(months)
    axes.set(ylim=(0, 1.02), xlim=(0, max(months) + 1), ylabel="share who are there")
    axes.set_xlabel("months since the first day; coloured: people still on the way", labelpad=30)
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    told = "; ".join(
        f"{milestone} " + ", ".join(f"{row.value:.0%} after {row.month}" for row in rows.dropna(subset="value").itertuples())
        for milestone, rows in frame.groupby("milestone", sort=False)
    )
    return Picture(figure, f"Share of new people who are there, by months since the first day: {told}.")


def completeness(frame: pd.DataFrame | str) -> Picture:
    """Share won in the end by how much was known at the start of each stage, a point with its interval per band of at least
    five deals."""
    if isinstance(frame, str) or frame.empty:
        return sentence(frame if isinstance(frame, str) else "No deal was scored in time.")
    shown = frame[frame["n"] >= 5]
    if shown.empty:
        return sentence("Fewer than five deals stand behind every band.")
    stages, bands = list(dict.fromkeys(shown["stage"])), [band for band in BANDS if (shown["known"] == band).any()]
    figure, axes = new(len(stages) * 0.75 + 1.1)
    for number, band in enumerate(bands):
        rows = shown[shown["known"] == band]
        place = [stages.index(stage) + (number - (len(bands) - 1) / 2) * 0.17 for stage in rows["stage"]]
        axes.hlines(place, rows["low"], rows["high"], colors=BANDS[band], linewidth=4, alpha=0.5)
        axes.scatter(rows["value"], place, color=BANDS[band], edgecolors=GREY, linewidths=0.5, label=band, zorder=3)
    axes.set_yticks(range(len(stages)), stages)
    axes.invert_yaxis()
    axes.set(xlim=(0, 1.02), xlabel="share won in the end, open deals counted as open")
    axes.xaxis.set_major_formatter("{x:.0%}")
    axes.legend(frameon=False, fontsize=8, ncols=2, loc="lower center", bbox_to_anchor=(0.45, 1), title="letters with evidence",
                title_fontsize=8)  # fmt: skip
    told = "; ".join(f"{r.stage}, {r.known}: {r.value:.0%} of {r.n:,}" for r in shown.itertuples())
    return Picture(figure, f"Share won by how many letters had evidence when the deal entered the stage: {told}.")


def training(frame: pd.DataFrame | str) -> Picture:
    """Effect of a training quarter by quarter, before it in grey, where it should be 0, and after it in blue; an arrow where
    an interval goes on."""
    if isinstance(frame, str) or frame.empty:
        return sentence(frame if isinstance(frame, str) else "No effect can be told, so none is drawn.")
    figure, axes = new(2.8)
    colours = [GREY if row else BLUE for row in frame["pre"]]
    axes.vlines(frame["offset"], frame["low"], frame["high"], colors=colours, linewidth=5, alpha=0.35)
    axes.scatter(frame["offset"], frame["effect"], c=colours, zorder=3)
    bounds = _bounds(frame)
    for cut, edge, mark in ((frame["low"] < bounds[0], bounds[0], "v"), (frame["high"] > bounds[1], bounds[1], "^")):
        where = frame.loc[cut, "offset"]
        axes.scatter(where, [edge] * len(where), marker=mark, color=GREY, s=30, clip_on=False, zorder=4)
    axes.axhline(0, color=GREY, linewidth=1)
    axes.axvline(-0.5, color=ORANGE, linewidth=1, linestyle="--")
    axes.set_xticks(frame["offset"], [f"{quarter:+d}".replace("-", "−") if quarter else "0" for quarter in frame["offset"]])
    axes.set(
        xlabel="quarters since the training (grey: before it); read the average, not a quarter",
        ylabel="against those without it",
    )
    axes.set_ylim(*bounds)
    axes.yaxis.set_major_formatter("{x:+.0%}")
    told = "; ".join(f"{row.offset:+d} {row.effect:+.0%} ({row.low:+.0%} to {row.high:+.0%})" for row in frame.itertuples())
    return Picture(
        figure, f"{frame['training'].iloc[0]}, effect by quarters since the training, read the average, not a quarter: {told}."
    )


def _bounds(frame: pd.DataFrame) -> tuple[float, float]:
    """A few very wide intervals, of quarters with few people, are cut off so that the others can be read."""
    furthest = max(1.5 * frame["high"].quantile(0.75), frame["effect"].max() + 0.1, 0.1)
    return max(1.2 * frame["low"].min(), -1.0), furthest
