"""How good the data are."""

from __future__ import annotations

import pandas as pd

from .drawing import BLUE, GREY, LIGHT, ORANGE, PALE, RED, Picture, bars, new, number, sentence


def findings(frame: pd.DataFrame | str) -> Picture:
    """Rows that break each rule, the ten most frequent ones."""
    broken = frame if isinstance(frame, str) else frame[frame["n"] > 0].head(10)
    return bars(broken, "rule", "n", "rows", "Rows breaking a rule")


def stakes(frame: pd.DataFrame | str, *, currency: str) -> Picture:
    """Money at stake per broken rule, coloured by dimension, the ten largest; the part still open is drawn inside."""
    if isinstance(frame, str):
        return sentence(frame)
    worth = frame.assign(**{name: frame[name].astype("float64").fillna(0.0) for name in ("at_stake", "open_at_stake")})
    shown = worth[worth["at_stake"] > 0].sort_values("at_stake", ascending=False, kind="stable").head(10)
    if shown.empty:
        return sentence("No money is at stake.")
    import seaborn

    figure, axes = new(len(shown) * 0.35 + 1.1)
    seaborn.barplot(shown, y="rule", x="at_stake", hue="dimension", dodge=False, ax=axes, palette="pastel", errorbar=None)
    axes.barh(shown["rule"], shown["open_at_stake"], height=0.3, color=ORANGE, label="still open")
    axes.set(xlabel=f"{currency} at stake", ylabel="")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.locator_params(axis="x", nbins=5)
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    told = "; ".join(f"{r.rule} {number(r.at_stake)} ({number(r.open_at_stake)} open)" for r in shown.itertuples())
    return Picture(figure, f"Money at stake in {currency}: {told}.")


def freshness(frame: pd.DataFrame | str) -> Picture:
    """Days since each table last changed; orange and red beyond the days from which it counts as old and stale."""
    judged = frame if isinstance(frame, str) else frame[frame["days"].notna() & frame["warn"].notna()]
    if isinstance(judged, str) or judged.empty:
        return sentence(judged if isinstance(judged, str) else "No table dates its rows.")
    figure, axes = new(len(judged) * 0.35 + 0.8)
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
        return sentence(frame if isinstance(frame, str) else "No deal carries a date.")
    shown = frame.tail(20).reset_index(drop=True)
    figure, axes = new(3)
    axes.bar(shown.index, shown["n_created"], color=PALE, label="created")
    axes.bar(shown.index, shown["n_created"].where(shown["is_partial"]), color=LIGHT)
    axes.plot(shown.index, shown["n_won"], color=BLUE, marker="o", markersize=3, label="won")
    axes.plot(shown.index, shown["n_lost"], color=ORANGE, marker="o", markersize=3, label="lost")
    axes.set_xticks(list(shown.index), shown["quarter"], rotation=45)
    axes.set_ylabel("deals (grey: quarter not whole)")
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.legend(frameon=False, fontsize=8, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1))
    last, partial = shown.iloc[-1], ", ".join(shown.loc[shown["is_partial"], "quarter"]) or "none"
    counts = ", ".join(f"{number(last[f'n_{what}'])} {what}" for what in ("created", "won", "lost"))
    return Picture(figure, f"Deals per quarter: last {last['quarter']} with {counts}; not whole: {partial}.")
