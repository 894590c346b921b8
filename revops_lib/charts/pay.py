"""What was sold and what it pays."""

from __future__ import annotations

import pandas as pd

from .drawing import BLUE, GREY, ORANGE, RED, Picture, bars, intervals, new, number, sentence

COLOURS = [BLUE, ORANGE, GREY, RED]


def attainment(frame: pd.DataFrame | str) -> Picture:
    """How many people lie in each band of attainment, plan by plan."""
    if isinstance(frame, str) or frame.empty:
        return sentence(frame if isinstance(frame, str) else "Nobody has a quota.")
    import seaborn
    from matplotlib.ticker import MaxNLocator

    figure, axes = new(frame["band"].nunique() * 0.45 + 0.9)
    seaborn.barplot(frame, y="band", x="n", hue="plan", ax=axes, palette=COLOURS[: frame["plan"].nunique()], errorbar=None)
    axes.set(xlabel="people", ylabel="")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(title=None, frameon=False)
    told = "; ".join(f"{plan}: {_listed(own, 'band', 'n')}" for plan, own in frame.groupby("plan", sort=False))
    return Picture(figure, f"People by attainment. {told}.")


def bookings(frame: pd.DataFrame | str) -> Picture:
    """Won amount per group; the row of all groups is left out."""
    shown = frame if isinstance(frame, str) else frame.iloc[1:].assign(amount=lambda d: d["amount"].astype("float64"))
    return bars(shown, "member", "amount", "amount won", "Amount won")


def curve(frame: pd.DataFrame | str) -> Picture:
    """Pay by attainment, and what the next 100 sold pay, plan by plan."""
    if isinstance(frame, str) or frame.empty:
        return sentence(frame if isinstance(frame, str) else "No plan has a quota.")
    import seaborn

    plans = list(frame["plan"].unique())
    figure, first = new(2.2 * len(plans))
    first.remove()
    with seaborn.axes_style("whitegrid", {"axes.spines.right": False, "axes.spines.top": False}):
        grid = figure.subplots(len(plans), 2, squeeze=False)
    told = []
    for row, name in zip(grid, plans, strict=True):
        own = frame[frame["plan"] == name].assign(marginal=lambda one: one["marginal"] * 100)
        for axes, column, label in zip(row, ("pay", "marginal"), ("pay", "pay of the next 100 sold"), strict=True):
            style = "steps-post" if column == "marginal" else "default"
            seaborn.lineplot(own, x="attainment", y=column, ax=axes, color=BLUE, drawstyle=style)
            axes.axvline(1, color=GREY, linewidth=1, linestyle=":")
            axes.xaxis.set_major_formatter("{x:.0%}")
            axes.yaxis.set_major_formatter("{x:,.0f}" if column == "pay" else "{x:,.2f}")
            axes.set(xlabel="share of quota reached", ylabel=label, title=name if column == "pay" else "")
            axes.set_ylim(bottom=0)
        at = own.set_index(own["attainment"].round(2))
        points = ", ".join(f"{at['pay'][place]:,.2f} at {place:.0%}" for place in (0.5, 1.0, 1.5))
        steps = ", ".join(f"{at['marginal'][place]:,.2f} at {place:.0%}" for place in (0.5, 1.0, 1.5))
        told.append(f"{name}: pay {points} of quota; the next 100 sold pay {steps}")
    return Picture(figure, f"Pay by attainment. {'. '.join(told)}.")


def causes(frame: pd.DataFrame | str) -> Picture:
    """What is paid for each reason; what is taken back points to the left."""
    if isinstance(frame, str) or frame.empty:
        return sentence(frame if isinstance(frame, str) else "Nothing is paid.")
    import seaborn

    shown = frame.assign(pay=frame["pay"].astype("float64"))
    figure, axes = new(len(shown) * 0.35 + 0.8)
    seaborn.barplot(
        shown, y="cause", x="pay", ax=axes, errorbar=None, hue=shown["pay"] < 0, palette={False: BLUE, True: ORANGE}
    )
    axes.legend().remove()
    axes.set(xlabel="pay", ylabel="")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    return Picture(figure, f"Pay by cause: {_listed(shown, 'cause', 'pay')}.")


def costs(frame: pd.DataFrame | str) -> Picture:
    """What plans will cost: the middle of the drawn quarters, and where eight in ten lie."""
    known = frame if isinstance(frame, str) else frame.dropna(subset="p50").reset_index(drop=True)
    if isinstance(known, str) or known.empty:
        return sentence(known if isinstance(known, str) else "What the next quarter costs is not known.")
    figure, axes = new(len(known) * 0.5 + 0.8)
    rows = known.assign(low=known["p10"], value=known["p50"], high=known["p90"])
    intervals(axes, known["plan"], rows, [BLUE] * len(known))
    axes.set(xlabel="pay of the next quarter, P10 to P90", xlim=(0, None))
    axes.margins(y=0.4)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    told = "; ".join(
        f"{row.plan} {number(row.p50)}, between {number(row.p10)} and {number(row.p90)}" for row in known.itertuples()
    )
    return Picture(figure, f"Pay of the next quarter: {told}.")


def _listed(frame: pd.DataFrame, label: str, value: str) -> str:
    return ", ".join(f"{name} {number(amount)}" for name, amount in zip(frame[label], frame[value], strict=True))
