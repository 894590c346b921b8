"""From credits to pay: the position of every credit, what it earns there, and what gates, caps and holdbacks leave of it.

Whole cents throughout. A line pays the difference of two rounded sums, so the lines of a rep sum to the cent to the pay on all
credit. What the lines say of themselves (`explained`) is written only for those that are read.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.compute

from .. import money
from .plans import Cap, Component

ORDER = ["event_date", "deal", "line"]


def paid(
    component: Component, credits: pd.DataFrame, quotas: pd.Series, *, gates: Mapping[str, Fraction] | None = None
) -> pd.DataFrame:
    """What a component pays on credits, one row per credit, in the plan's order.

    `credits`: rep_id, window (the accumulation period), event_date, deal, line, kind, credit (cents that count towards quota)
    and base (cents that are paid on; nearly always the same). `quotas`: cents by rep_id and window. `gates`: what each rep has
    attained of the gate's measure; who has not is below it. Added columns: quota, before, after (cents of credit in the
    window), earned (cents before the gate), gated (whether the gate let it through), withheld (by the cap), held (until the
    holdback is released), pay. All are missing where tiers are shares of a quota that is not known.
    """
    rows = credits[credits["kind"].isin(component.kinds)]
    order, group, first = _placed(rows)
    rows = rows.iloc[order].reset_index(drop=True)
    is_share = component.basis == "quota"
    pairs = zip(rows["rep_id"].iloc[first], rows["window"].iloc[first], strict=True)
    own = [int(quotas.get(pair, 0)) if is_share else 1 for pair in pairs]
    quota = np.array(own, "int64")[group] if len(rows) else np.empty(0, "int64")
    credit, base = (rows[name].to_numpy("int64") for name in ("credit", "base"))
    after = _running(credit, group)
    before = after - credit
    if component.accumulation == "none":
        earned = np.sign(credit) * component.schedule.cents(np.abs(credit), quota)
    else:
        earned = _steps(component.schedule.cents(after, quota), group)
    earned = _on_base(earned, credit, base)
    gated = np.ones(len(rows), bool)
    if component.gate is not None:
        attained = gates or {}
        gated = np.array([attained.get(rep, Fraction(0)) >= component.gate.at_least for rep in rows["rep_id"]], bool)
    owed = np.where(gated, earned, 0)
    kept = owed if component.cap is None else _capped(owed, group, component.cap)
    held = _shared(kept, group, component.holdback)
    amounts = {"before": before, "after": after, "earned": earned, "withheld": owed - kept, "held": held, "pay": kept - held}
    unknown = (quota == 0) & is_share
    none = unknown if is_share else np.ones(len(rows), bool)
    return rows.assign(
        quota=pd.arrays.IntegerArray(quota, none), gated=gated,
        **{name: pd.arrays.IntegerArray(cents, unknown) for name, cents in amounts.items()},
    )  # fmt: skip


def _placed(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The plan's order of the rows by rep and window, then in it: the group of each row, and where each group begins."""
    if rows.empty:
        return np.empty(0, "int64"), np.empty(0, "int64"), np.empty(0, "int64")
    ranks = [_rank(rows[name]) for name in ("rep_id", "window", *ORDER)]
    sizes = [int(rank.max()) + 1 for rank in ranks]
    if prod(sizes) < 2**62:  # one number says it all, and sorts several times faster
        key = ranks[0]
        for rank, size in zip(ranks[1:], sizes[1:], strict=True):
            key = key * size + rank
        order = np.argsort(key, kind="stable")
    else:
        order = np.lexsort(ranks[::-1])
    rep, window = ranks[0][order], ranks[1][order]
    begins = (np.diff(rep, prepend=-1) != 0) | (np.diff(window, prepend=-1) != 0)
    return order, np.cumsum(begins) - 1, np.flatnonzero(begins)


def _rank(values: pd.Series) -> np.ndarray:
    """The place of each value among those that occur, in rising order."""
    array = pyarrow.array(values, from_pandas=True)
    whole = array.combine_chunks() if isinstance(array, pyarrow.ChunkedArray) else array
    encoded = pyarrow.compute.dictionary_encode(whole)
    place = np.empty(len(encoded.dictionary), "int64")
    place[np.asarray(pyarrow.compute.sort_indices(encoded.dictionary))] = np.arange(len(place))
    return place[np.asarray(encoded.indices)]


def explained(component: Component, line: Any) -> str:
    """How the credit of a line of `paid` falls into the tiers, in words."""
    if pd.isna(line.pay):
        return "no quota"
    tiers = component.schedule.scaled(int(line.quota)) if component.basis == "quota" else component.schedule
    before, after = (0, abs(line.credit)) if component.accumulation == "none" else (int(line.before), int(line.after))
    if component.schedule.application == "whole":
        now, then = (f"{place / 100:,.2f} at {float(tiers.value(place)):.2%}" for place in (after, before))
        return f"{now}, less {then}"
    sign = 1 if line.credit >= 0 else -1  # a credit note takes back what its amount had earned
    parts = tiers.parts(min(before, after), max(before, after))
    return " + ".join(f"{sign * float(part) / 100:,.2f} at {float(rate):.2%}" for part, rate in parts) or "0.00"


def _running(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Sum of each group up to and with each row; groups stand together."""
    total = np.cumsum(values)
    first = np.flatnonzero(np.diff(group, prepend=-1))
    size = np.diff(first, append=len(group))
    return total - np.repeat(total[first] - values[first], size) if len(values) else total


def _on_base(earned: np.ndarray, credit: np.ndarray, base: np.ndarray) -> np.ndarray:
    """Pay on what is paid on, where that is not what counts towards quota: at the rate that the credit has earned."""
    other = np.flatnonzero(base != credit)
    if not len(other):
        return earned
    result = earned.copy()
    result[other] = [
        money.round_half_up(Fraction(int(earned[i]) * int(base[i]), int(credit[i]))) if credit[i] else 0 for i in other
    ]
    return result


def _capped(owed: np.ndarray, group: np.ndarray, cap: Cap) -> np.ndarray:
    if cap.kind == "per_deal":
        return np.minimum(owed, cap.cents)
    total = _running(owed, group)
    above = np.maximum(total - cap.cents, 0)
    some = above * 0 if cap.kind == "hard" else money.part(above, cap.share_above)
    return _steps(total - above + some, group)


def _shared(kept: np.ndarray, group: np.ndarray, share: Fraction) -> np.ndarray:
    """A share of the pay, cut at rounded running sums so that no cent is lost."""
    return kept * 0 if share == 0 else _steps(money.part(_running(kept, group), share), group)


def _steps(running: np.ndarray, group: np.ndarray) -> np.ndarray:
    """What each row adds to the running value of its group."""
    before = np.concatenate([[0], running[:-1]])
    return running - np.where(np.diff(group, prepend=-1) != 0, 0, before)
