"""What was sold and what it pays."""

from __future__ import annotations

import pandas as pd

from .drawing import BLUE, GREY, Picture, bars, new, sentence


def attainment(frame: pd.DataFrame | str) -> Picture:
    """How many reps lie in each band of attainment."""
    return bars(frame, "band", "n", "reps", "Reps by attainment")


def bookings(frame: pd.DataFrame | str) -> Picture:
    """Won amount per group; the row of all groups is left out."""
    shown = frame if isinstance(frame, str) else frame.iloc[1:].assign(amount=lambda d: d["amount"].astype("float64"))
    return bars(shown, "member", "amount", "amount won", "Amount won")


def curve(frame: pd.DataFrame | str) -> Picture:
    """Pay by attainment."""
    if isinstance(frame, str):
        return sentence(frame)
    import seaborn

    figure, axes = new(2.8)
    seaborn.lineplot(frame, x="attainment", y="pay", ax=axes, color=BLUE)
    axes.axvline(1, color=GREY, linewidth=1, linestyle=":")
    axes.xaxis.set_major_formatter("{x:.0%}")
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.set(xlabel="share of quota reached", ylabel="pay for a quota of 100,000")
    at = frame.set_index(frame["attainment"].round(2))["pay"]
    return Picture(
        figure, f"Pay for a quota of 100,000: {at[0.5]:,.2f} at 50 %, {at[1.0]:,.2f} at 100 %, {at[1.5]:,.2f} at 150 %."
    )
