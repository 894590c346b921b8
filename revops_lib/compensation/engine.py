"""From credits to pay: the position of every credit, what it earns there, and what gates, caps and holdbacks leave of it.

Whole cents throughout. A line pays the difference of two rounded sums, so the lines of a rep sum to the cent to the pay on all
credit. What the lines say of themselves (`explained`) is written only for those that are read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
from pyarrow import compute

from .. import money
from .commissionable import on_base
from .plans import Cap, Component

ORDER = ["event_date", "deal", "line"]


def paid(
    component: Component,
    credits: pd.DataFrame,
    quotas: pd.Series,
    *,
    gates: Mapping[str, Fraction] | None = None,
    targets: pd.Series | None = None,
) -> pd.DataFrame:
    """What a component pays on credits, one row per credit, in the plan's order.

    `credits`: rep_id, window (the accumulation period), event_date, deal, line, kind, credit (cents that count towards quota)
    and base (cents that are paid on; nearly always the same). `quotas`: cents by rep_id and window. `targets`: cents of
    variable pay at the whole quota, by rep_id and window, where rates are multiples of it. `gates`: what each rep has attained
    of the gate's measure; who has not is below it. Added columns: quota, target (cents, where rates are multiples of it),
    before, after (cents of credit in the window), earned (cents before the gate), gated (whether the gate let it through),
    withheld (by the cap), held (what is not payable on booking), pay. All are missing where tiers are shares of a quota that is
    not known, or rates multiples of a target that is not.
    """
    rows, group = _earned(component, credits, quotas, targets)
    gate, known = component.gate, gates or {}
    is_open = True if gate is None else rows["rep_id"].map(lambda rep: known.get(rep, 0) >= gate.at_least).astype("bool")
    return _settled([component], rows.assign(gated=is_open), np.zeros(len(rows), "int64"), group)


def earned(component: Component, credits: pd.DataFrame, quotas: pd.Series, *, targets: pd.Series | None = None) -> pd.DataFrame:
    """The first half of `paid`, before gate, cap and holdback: the columns up to earned."""
    return _earned(component, credits, quotas, targets)[0]


def settled(parts: Sequence[Component], rows: pd.DataFrame) -> pd.DataFrame:
    """The second half: what caps and holdbacks leave of what the gate lets through, in the plan's order.

    `rows`: those of `earned`, with gated, and part, the place in `parts` of the terms in force on the credit's day. Caps and
    holdbacks look at all that was let through in the window before, by whatever terms.
    """
    order, group, _ = _placed(rows)
    rows = rows.iloc[order].reset_index(drop=True)
    return _settled(parts, rows, rows["part"].to_numpy("int64"), group)


def _earned(
    component: Component, credits: pd.DataFrame, quotas: pd.Series, targets: pd.Series | None
) -> tuple[pd.DataFrame, np.ndarray]:
    counts = credits["kind"].isin(component.kinds)
    order, group, first = _placed(rows := credits if counts.all() else credits[counts])
    rows = rows.iloc[order].reset_index(drop=True)
    whose = list(zip(rows["rep_id"].iloc[first], rows["window"].iloc[first], strict=True))
    is_share, is_target = component.basis != "amount", component.basis == "target"
    quota = _own(quotas, whose)[group] if is_share else np.ones(len(rows), "int64")
    target = _own(targets, whose)[group] if is_target else None
    unknown = (quota == 0) | (target == 0) if is_target else quota == 0
    credit, base = (rows[name].to_numpy("int64") for name in ("credit", "base"))
    after = _running(credit, group)
    if component.accumulation == "none":
        cents = np.sign(credit) * component.schedule.cents(np.abs(credit), quota, target)
    else:
        cents = _steps(component.schedule.cents(after, quota, target), group)
    if (credit != base).any():
        cents = on_base(component, cents, credit, base, after, group, quota, target)
    none = np.ones(len(rows), bool)
    amounts = {"before": after - credit, "after": after, "earned": cents}
    return rows.assign(
        quota=pd.arrays.IntegerArray(quota, unknown if is_share else none),
        target=pd.arrays.IntegerArray(quota if target is None else target, none if target is None else unknown),
        **{name: pd.arrays.IntegerArray(cents, unknown) for name, cents in amounts.items()},
    ), group  # fmt: skip


def _settled(parts: Sequence[Component], rows: pd.DataFrame, which: np.ndarray, group: np.ndarray) -> pd.DataFrame:
    unknown = rows["earned"].isna().to_numpy("bool")
    owed = np.where(rows["gated"].to_numpy("bool"), rows["earned"].to_numpy("int64", na_value=0), 0)
    kept, held = owed.copy(), owed * 0
    if any(part.cap for part in parts):
        total = _running(owed, group)
        for place, part in enumerate(parts):
            own = which == place
            kept[own] = owed[own] if part.cap is None else _capped(owed[own], total[own], part.cap)
        if len({part.cap for part in parts}) > 1 and not any(part.cap and part.cap.kind == "per_deal" for part in parts):
            kept = _between(kept, total, group, [parts[place].cap for place in which])
    if any(part.holdback for part in parts):
        total = _running(kept, group)
        for place, part in enumerate(parts):  # a share of rounded running sums, so that no cent is lost
            own = which == place
            held[own] = money.part(total[own], part.holdback) - money.part(total[own] - kept[own], part.holdback)
    amounts = {"withheld": owed - kept, "held": held, "pay": kept - held}
    return rows.assign(**{name: pd.arrays.IntegerArray(cents, unknown) for name, cents in amounts.items()})


def _own(cents: pd.Series | None, whose: list[tuple[str, str]]) -> np.ndarray:
    """Cents of each rep and window; 0: not known."""
    known = {} if cents is None else cents.to_dict()
    return np.array([int(known.get(pair, 0)) for pair in whose], "int64")


def _placed(rows: pd.DataFrame) -> tuple[np.ndarray | slice, np.ndarray, np.ndarray]:
    """The plan's order of the rows by rep and window, then in it: the group of each row, and where each group begins."""
    if rows.empty:
        return slice(None), np.empty(0, "int64"), np.empty(0, "int64")
    ranks = [_rank(rows[name]) for name in ("rep_id", "window", *ORDER)]
    order = _order(ranks)
    rep, window = ranks[0][order], ranks[1][order]
    begins = (np.diff(rep, prepend=-1) != 0) | (np.diff(window, prepend=-1) != 0)
    return order, np.cumsum(begins) - 1, np.flatnonzero(begins)


def _order(ranks: list[np.ndarray]) -> np.ndarray | slice:
    """The order by several ranks, the first one first; rows that are in order already stay as they are."""
    sizes = [int(rank.max()) + 1 for rank in ranks]
    if prod(sizes) >= 2**62:
        return np.lexsort(ranks[::-1])
    key = ranks[0]  # one number says it all, and sorts several times faster
    for rank, size in zip(ranks[1:], sizes[1:], strict=True):
        key = key * size + rank
    if (key[1:] >= key[:-1]).all():
        return slice(None)
    order = np.argsort(key)
    sorted_ = key[order]
    return np.argsort(key, kind="stable") if (sorted_[1:] == sorted_[:-1]).any() else order


def _rank(values: pd.Series) -> np.ndarray:
    """Whole numbers from 0 that are in the order of the values."""
    array = pyarrow.array(values, from_pandas=True)
    whole = array.combine_chunks() if isinstance(array, pyarrow.ChunkedArray) else array
    if pyarrow.types.is_string(whole.type) or pyarrow.types.is_large_string(whole.type):
        read = _read(whole)
        if read is not None:
            return read
    encoded = compute.dictionary_encode(whole)
    place = np.empty(len(encoded.dictionary), "int64")
    place[np.asarray(compute.sort_indices(encoded.dictionary))] = np.arange(len(place))
    return place[np.asarray(encoded.indices)]


def _read(texts: pyarrow.Array) -> np.ndarray | None:
    """Short texts such as D0000042 as numbers whose digits are their letters, each place with as many digits as letters occur
    there: many times faster than ranking the texts, and in the same order. None where the numbers would be too large."""
    lengths = compute.binary_length(texts)
    longest = compute.max(lengths).as_py()
    if texts.null_count or not longest or longest > 20:
        return None
    padded = compute.ascii_rpad(texts, longest, "\0").cast(pyarrow.large_binary()).cast(pyarrow.binary(longest))
    letters = np.ascontiguousarray(np.frombuffer(padded.buffers()[1], "u1").reshape(-1, longest).T)
    if np.count_nonzero(letters) != compute.sum(lengths).as_py():  # a letter 0 would be taken for the end of its text
        return None
    lowest, highest = letters.min(1).tolist(), letters.max(1).tolist()
    if prod(high - low + 1 for low, high in zip(lowest, highest, strict=True)) >= 2**40:
        return None
    number = np.zeros(len(texts), "int64")
    for place, low, high in zip(letters, lowest, highest, strict=True):
        if high > low:
            number = number * (high - low + 1) + (place - low)
    return number


def explained(component: Component, line: Any) -> str:
    """How the credit of a line of `paid` falls into the tiers, in words."""
    if pd.isna(line.pay):
        return "no quota" if component.basis != "target" or pd.isna(line.quota) else "no target pay"
    before, after = (0, abs(line.credit)) if component.accumulation == "none" else (int(line.before), int(line.after))
    if component.basis == "target":  # shares of the quota, at multiples of the target pay
        size, tiers = Fraction(1, int(line.quota)), component.schedule
    else:
        size, tiers = (
            Fraction(1),
            component.schedule.scaled(int(line.quota)) if component.basis == "quota" else component.schedule,
        )
    if component.schedule.application == "whole":
        now, then = (_part_told(component, line, place * size, tiers.value(place * size)) for place in (after, before))
        return f"{now}, less {then}"
    sign = 1 if line.credit >= 0 else -1  # a credit note takes back what its amount had earned
    parts = tiers.parts(min(before, after) * size, max(before, after) * size)
    return " + ".join(_part_told(component, line, sign * part, rate) for part, rate in parts) or "0.00"


def _part_told(component: Component, line: Any, part: Fraction, rate: Fraction) -> str:
    if component.basis == "target":
        return f"{float(part):.2%} of quota at {float(rate):g} × {line.target / 100:,.2f}"
    return f"{float(part) / 100:,.2f} at {float(rate):.2%}"


def _running(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Sum of each group up to and with each row; groups stand together."""
    total = np.cumsum(values)
    first = np.flatnonzero(np.diff(group, prepend=-1))
    size = np.diff(first, append=len(group))
    return total - np.repeat(total[first] - values[first], size) if len(values) else total


def _capped(owed: np.ndarray, total: np.ndarray, cap: Cap) -> np.ndarray:
    """What a cap leaves of each row; `total`: the running sum of what was owed, with the row."""
    if cap.kind == "per_deal":
        return np.clip(owed, -cap.cents, cap.cents)
    return _left(total, cap) - _left(total - owed, cap)


def _left(total: np.ndarray, cap: Cap | None) -> np.ndarray:
    """What a cap of the whole leaves of sums."""
    if cap is None:
        return total
    return np.minimum(total, cap.cents) + money.part(np.maximum(total - cap.cents, 0), cap.share_above)


def _between(kept: np.ndarray, total: np.ndarray, group: np.ndarray, caps: Sequence[Cap | None]) -> np.ndarray:
    """Where the cap changes within a window: all that is kept stays between what the lowest and the highest cap so far leave of
    all that was owed, so that a credit note takes back what no cap would have paid, and no more."""
    limits = {cap: _left(total, cap).tolist() for cap in dict.fromkeys(caps)}
    result, so_far = kept.copy(), 0
    seen: list[Cap | None] = []
    for row, cap in enumerate(caps):
        if row == 0 or group[row] != group[row - 1]:
            so_far, seen = 0, []
        seen = [*seen, cap] if cap not in seen else seen
        upto = [limits[one][row] for one in seen]
        now = min(max(so_far + int(kept[row]), min(upto)), max(upto))
        result[row], so_far = now - so_far, now
    return result


def _steps(running: np.ndarray, group: np.ndarray) -> np.ndarray:
    """What each row adds to the running value of its group."""
    before = np.concatenate([[0], running[:-1]])
    return running - np.where(np.diff(group, prepend=-1) != 0, 0, before)
