"""Which drivers moved bookings, by how much, and whether that is more than usual."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pandas as pd

from .. import money
from ..shapley import whole_cents
from ..snapshot import Snapshot
from . import noise
from .compared import Comparison, closed, compare, counted, smallest, span
from .drilldown import members
from .factors import DEAL_VALUE, DRIVERS, MIX, OPPORTUNITIES, WIN_RATE, added, exact, money_change, split

RESAMPLES = 500


def drivers(snapshot: Snapshot, *, against: str = "", by: str = "segment", level: float = 0.9, seed: int = 1) -> pd.DataFrame:
    """The change of bookings and what each driver contributed, one row for bookings and one per driver.

    Bookings = opportunities (deals closed) × mix (how they spread over members of `by`) × win rate (won ÷ closed, within
    members) × deal value (won amount ÷ wins, within members), split by Shapley values: parts sum to the change to the cent.
    Open deals are not in it, and are no failures. Columns: driver, n (deals closed, or wins, now), n_was (the smallest such
    number of one quarter before), n_least (the smaller of both, for publication; quarters without any do not count), was, now
    (of the whole company, in what `measure` says; missing for mix), measure, part (exact money), low, high (bootstrap over
    accounts), usual (what the same comparison brought on average in past quarters), usual_low, usual_high (where a new one lies
    in `level` of cases), t, n_past, p, is_beyond (at most 2 % of those named are false), unit. With fewer than six past
    quarters usual_low to p are missing. A driver stands out by |t|. Against the mean of several quarters, a mean is rounded to
    the cent first. DataRefused when nothing has closed in the periods compared.
    """
    comparison = compare(snapshot, against)
    deals = closed(snapshot, comparison)
    member = members(snapshot, deals, by, comparison)
    past = noise.past_comparisons(snapshot, comparison)
    quarters = span(min([*comparison.before, *(one.before[0] for one in past)]), comparison.after)
    table = counted(deals, member, quarters)
    pair = table[[quarters.index(one) for one in (*comparison.before, comparison.after)]]
    before, after = exact(pair)
    cells = split(before, after)
    total = money_change(before, after)
    parts = whole_cents([added(cells[driver]) for driver in DRIVERS], total)
    base = float(added(before[2]) + added(after[2])) / 2
    usual = noise.past_parts(table, quarters, past)
    resampled = _resampled(deals, member, comparison, seed)
    rows = []
    for driver, cents in zip(["bookings", *DRIVERS], [total, *parts], strict=True):
        was, now, measure = _company(driver, before, after, snapshot.currency)
        low, high = np.quantile(resampled[driver], [0.5 - level / 2, 0.5 + level / 2]) / 100
        n = pair[:, 1 if driver in ("bookings", DEAL_VALUE) else 0].sum(axis=-1)
        seen = noise.against_past(cents / base if base else 0.0, usual[driver], level)
        in_money = {name: seen[name] * base / 100 for name in ("usual", "usual_low", "usual_high")}
        rows.append(
            {"driver": driver, "n": int(n[-1]), "n_was": int(smallest(n[:-1])), "n_least": int(smallest(n))}
            | {"was": was, "now": now, "measure": measure, "part": cents, "low": low, "high": high, **seen, **in_money}
        )
    found = pd.DataFrame(rows)
    found["part"] = money.from_cents(found["part"].astype("Int64"))
    found["p"] = noise.two_sided(found["t"], found["n_past"] - 1)
    found["is_beyond"] = noise.beyond(found["p"].iloc[1:]).reindex(found.index, fill_value=False)
    found.loc[0, "is_beyond"] = bool(found.loc[0, "p"] <= noise.ALPHA)
    return found.assign(unit=snapshot.currency)


def _company(driver: str, before: np.ndarray, after: np.ndarray, currency: str) -> tuple[float, float, str]:
    """A driver's value before and after, of the whole company, and what it is measured in."""
    if driver == MIX:
        return np.nan, np.nan, "spread of deals closed"
    over, under, scale, measure = {
        "bookings": (2, None, 100, currency),
        OPPORTUNITIES: (0, None, 1, "deals closed"),
        WIN_RATE: (1, 0, 1, "share of deals closed"),
        DEAL_VALUE: (2, 1, 100, f"{currency} a win"),
    }[driver]
    was, now = (_ratio(added(counts[over]), added(counts[under]) if under is not None else Fraction(1)) / scale
                for counts in (before, after))  # fmt: skip
    return was, now, measure


def _ratio(over: Fraction, under: Fraction) -> float:
    return float(over / under) if under else np.nan


def _resampled(deals: pd.DataFrame, member: pd.Series, comparison: Comparison, seed: int) -> dict[str, np.ndarray]:
    """Parts in resampled companies: accounts are drawn with all their deals of the periods compared."""
    rng = np.random.default_rng(seed)
    inside = deals["quarter"].isin([*comparison.before, comparison.after])
    chosen, group = deals[inside], member[inside]
    cluster, names = pd.factorize(chosen["cluster"])
    column, groups = pd.factorize(group)
    is_after = (chosen["quarter"] == comparison.after).to_numpy("int64")
    each = np.zeros((len(names), 2, 3, len(groups)))
    weight = np.where(is_after, 1.0, 1 / len(comparison.before))
    for i, value in enumerate((np.ones(len(chosen)), chosen["is_won"], chosen["cents"])):
        np.add.at(each[:, :, i], (cluster, is_after, column), np.asarray(value, float) * weight)
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), RESAMPLES)
    periods = (drawn @ each.reshape(len(names), -1)).reshape(RESAMPLES, 2, 3, len(groups))
    parts = {driver: part.sum(axis=-1) for driver, part in split(periods[:, 0], periods[:, 1]).items()}
    return {"bookings": sum(parts.values()), **parts}
