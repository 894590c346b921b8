"""What moved bookings, where, and since when."""

from __future__ import annotations

import pandas as pd

from .drawing import BLUE, GREY, LIGHT, ORANGE, Picture, new, number, sentence


def drivers(frame: pd.DataFrame | str) -> Picture:
    """Part of each driver in the change of bookings with its interval, on the grey band of what is usual."""
    if isinstance(frame, str) or frame.empty:
        return sentence(frame if isinstance(frame, str) else "Nothing has closed.")
    figure, axes = new(len(frame) * 0.45 + 1)
    position = range(len(frame))
    part = frame["part"].astype("float64")
    axes.hlines(position, frame["usual_low"], frame["usual_high"], color=LIGHT, linewidth=22, zorder=1)
    colours = [ORANGE if beyond else BLUE for beyond in frame["is_beyond"]]
    axes.barh(position, part, height=0.4, color=colours, zorder=2)
    axes.hlines(position, frame["low"], frame["high"], color="black", linewidth=1, zorder=3)
    axes.axvline(0, color=GREY, linewidth=1)
    axes.set_yticks(list(position), list(frame["driver"]))
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.locator_params(axis="x", nbins=6)
    axes.set_xlabel(f"{frame['unit'].iloc[0]} (grey: usual range; orange: beyond noise)")
    told = "; ".join(
        f"{r.driver} {number(r.part)} ({number(r.low)} to {number(r.high)}{', beyond noise' if r.is_beyond else ''})"
        for r in frame.itertuples()
    )
    return Picture(figure, f"Change of bookings in {frame['unit'].iloc[0]} and what each driver contributed: {told}.")


def drilldown(frame: pd.DataFrame | str) -> Picture:
    """How unusual the first ten drivers of groups are, in standard deviations; orange what is beyond noise."""
    known = frame if isinstance(frame, str) else frame[frame["z"].notna()]
    if isinstance(known, str) or known.empty:
        return sentence(known if isinstance(known, str) else "No past quarter can be compared with.")
    shown = known.head(10)
    figure, axes = new(len(shown) * 0.35 + 1)
    labels = [f"{r.driver} · {r.member} ({r.by})" for r in shown.itertuples()]
    position = range(len(shown))
    axes.barh(position, shown["z"], height=0.6, color=[ORANGE if beyond else BLUE for beyond in shown["is_beyond"]])
    axes.axvline(0, color=GREY, linewidth=1)
    axes.set_yticks(list(position), labels)
    axes.invert_yaxis()
    axes.set_xlabel("deviations from its past (orange: beyond noise)")
    told = "; ".join(
        f"{label} {r.z:.1f}{', beyond noise' if r.is_beyond else ''}"
        for label, r in zip(labels[:3], shown.itertuples(), strict=False)
    )
    return Picture(figure, f"What stands out most among {len(frame)} drivers of groups, in standard deviations: {told}.")


def timeline(frame: pd.DataFrame | str) -> Picture:
    """A driver by month, its usual course, and its level since the change began."""
    if isinstance(frame, str) or frame.empty:
        return sentence(frame if isinstance(frame, str) else "No month is whole.")
    figure, axes = new(3)
    first = frame.iloc[0]
    axes.scatter(frame["month"], frame["value"], color=BLUE, s=14, label="month")
    axes.plot(frame["month"], frame["usual"], color=GREY, linestyle="--", linewidth=1, label="usual course")
    after = frame[frame["is_after"]]
    axes.plot(after["month"], after["fitted"], color=ORANGE, label="since the change")
    axes.set_ylabel(first["measure"])
    axes.yaxis.set_major_formatter("{x:.0%}" if first["measure"].startswith("share") else "{x:,.0f}")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=8, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1))
    began = f"on another level since {first['began']:%Y-%m}" if pd.notna(first["began"]) else "no month begins another level"
    told = f"{first['driver']} of {first['member']} ({first['measure']}), {len(frame)} months: {began} (p {first['p']:.3f})"
    return Picture(figure, f"By month, {told}.")
