"""The same change seen in other ways: by type of deal, as velocity, as volume, mix and price, and what stands behind the
number of deals."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pandas as pd

from .. import money, periods
from ..errors import DataRefused
from ..shapley import shapley, whole_cents
from ..snapshot import Snapshot
from .compared import Comparison, closed, compare, counted, is_early, quarter_closed
from .drilldown import CELLS, UNKNOWN, members
from .factors import exact, money_change, within

VOLUME, PRODUCT_MIX, LIST_PRICE, PRICE = "volume", "product mix", "list price", "price against list"
LAGS = 8  # quarters from creation to close that are told apart


def tree(snapshot: Snapshot, *, against: str = "") -> pd.DataFrame:
    """New business, expansion, renewal: the change of bookings by type of deal and driver, one row per type and driver.

    Shapley values of deals closed × win rate × deal value within each type; all parts sum to the change to the cent. Columns:
    type, driver, was, now (bookings of the type, money), part (exact money), unit. Deals without a type read "(unknown)".
    """
    comparison = compare(snapshot, against)
    deals = closed(snapshot, comparison)
    kind = snapshot.members(deals, "type")
    before, after = exact(counted(deals, kind, [*comparison.before, comparison.after]))
    parts = within(before, after)
    names = sorted(kind.unique())
    whole = whole_cents([parts[driver][i] for i in range(len(names)) for driver in CELLS], money_change(before, after))
    rows = [
        [name, driver, float(before[2][i]) / 100, float(after[2][i]) / 100] for i, name in enumerate(names) for driver in CELLS
    ]
    found = pd.DataFrame(rows, columns=["type", "driver", "was", "now"])
    found["part"] = money.from_cents(pd.Series(whole, dtype="Int64"))
    return found.assign(unit=snapshot.currency)


def velocity(snapshot: Snapshot, *, against: str = "") -> pd.DataFrame:
    """Money per day that passes the pipeline, and what changed it, one row for the velocity and one per factor.

    Velocity = deals closed × deal value × win rate ÷ cycle (mean days from creation to close of won deals); Shapley values.
    Columns: driver, was, now, part (money per day), unit. DataRefused when one of the periods has no dated win or a cycle
    of no day.
    """
    comparison = compare(snapshot, against)
    deals = closed(snapshot, comparison)
    created = periods.local_day(deals["created_at"], snapshot.timezone)
    deals["days"] = (deals["close_date"] - created).dt.days.clip(lower=0).where(deals["is_won"])
    old, new = (_velocity_factors(deals, quarters, snapshot) for quarters in (comparison.before, [comparison.after]))
    parts = shapley(old, new, divisors=["cycle"])
    was, now = (one["opportunities"] * one["deal value"] * one["win rate"] / one["cycle"] for one in (old, new))
    rows = [["velocity", was, now, now - was], *([name, old[name], new[name], part] for name, part in parts.items())]
    return pd.DataFrame(rows, columns=["driver", "was", "now", "part"]).assign(unit=f"{snapshot.currency} a day")


def _velocity_factors(deals: pd.DataFrame, quarters: Sequence[pd.Period], snapshot: Snapshot) -> dict[str, float]:
    chosen = deals[deals["quarter"].isin(list(quarters))]
    won = chosen[chosen["is_won"]]
    cycle = won["days"].mean()
    if not cycle > 0:
        raise DataRefused(
            f"no win with a creation date and a cycle of a day or more in {', '.join(map(str, quarters))}",
            f"data {snapshot.data}",
            "compare other quarters",
        )
    n = len(chosen)
    return {"opportunities": n / len(quarters), "deal value": won["cents"].sum() / 100 / len(won), "win rate": len(won) / n,
            "cycle": float(cycle)}  # fmt: skip


def prices(snapshot: Snapshot, *, against: str = "") -> pd.DataFrame:
    """Volume, mix and price: the change of bookings by what was sold, one row per product and driver.

    Bookings of a product = wins × its share of the wins × list price × what was paid of it; Shapley values, so all parts sum
    to the change to the cent. The list price is the one in force now, so a changed list shows as price against it. Columns:
    product, family, driver (volume, product mix, price against list), was, now (wins of the company, share of wins, share of
    the list price that was paid, or the mean amount where there is no list price), part (exact money), unit. Raises
    DataRefused without products.
    """
    comparison = compare(snapshot, against)
    deals = closed(snapshot, comparison)
    if not snapshot.has("products") or deals["product_id"].isna().all():
        raise DataRefused("no deal names its product", f"data {snapshot.data}", "map the product of each deal")
    product = snapshot.members(deals, "product_id")
    names = sorted(product.unique())
    before, after = exact(counted(deals, product, [*comparison.before, comparison.after]))
    catalogue = snapshot.table("products").set_index("product_id")
    listed = money.to_cents(catalogue["list_price"]).reindex(names)
    listed = np.array(
        [Fraction(int(cents)) if pd.notna(cents) and cents > 0 else Fraction(100) for cents in listed], dtype=object
    )
    old, new = _price_factors(before, after, listed)
    parts = shapley(old, new)
    drivers = [VOLUME, PRODUCT_MIX, PRICE]
    whole = whole_cents([parts[driver][i] for i in range(len(names)) for driver in drivers], money_change(before, after))
    label = catalogue["name"].reindex(names).fillna(pd.Series(names, index=names))
    family = catalogue["family"].reindex(names).fillna(UNKNOWN)
    rows = [
        [label[name], family[name], driver, float(old[driver][i]), float(new[driver][i])]
        for i, name in enumerate(names)
        for driver in drivers
    ]
    found = pd.DataFrame(rows, columns=["product", "family", "driver", "was", "now"])
    found["part"] = money.from_cents(pd.Series(whole, dtype="Int64"))
    return found.assign(unit=snapshot.currency)


def _price_factors(before: np.ndarray, after: np.ndarray, listed: np.ndarray) -> list[dict[str, np.ndarray]]:
    """Factors of both periods by product; what one cannot say is taken from the other. The list price is the same in both, so
    it multiplies and has no part of its own."""
    wins = np.stack([before[1], after[1]])
    total = wins.sum(axis=1, keepdims=True)
    share = wins / np.where(total > 0, total, 1)
    share = np.where(total > 0, share, share[::-1])
    paid = np.stack([before[2], after[2]]) / np.where(wins > 0, wins, 1) / listed
    paid = np.where(wins > 0, paid, paid[::-1])
    whole = np.broadcast_to(total, wins.shape)
    return [{VOLUME: whole[i], PRODUCT_MIX: share[i], PRICE: paid[i], LIST_PRICE: listed} for i in (0, 1)]


def behind(snapshot: Snapshot, *, against: str = "", by: str = "segment") -> pd.DataFrame:
    """Why fewer or more deals closed: fewer were created before, or they close at another pace; a row per member of `by`, and
    one for the company.

    Deals closed = Σ over quarters of creation: deals created × share of them that closed in the quarter looked at. Its change
    is split by Shapley values into what new deals and what the pace contributed; deals created more than eight quarters
    before, or without a creation date, count as pace. Of a running quarter only as many days count, of every quarter, for
    deals closed and for those created in the same quarter. Columns: member, was, now (deals closed), created (part of deals
    created), pace (part of the closing pace), unit.
    """
    comparison = compare(snapshot, against)
    deals = snapshot.opportunities
    member = members(snapshot, deals, by, comparison)
    day = periods.local_day(deals["created_at"], snapshot.timezone)
    created, early = day.dt.to_period(comparison.after.freqstr), is_early(day, comparison)
    ended = quarter_closed(deals, comparison)
    rows = []
    for name, group in [("company", deals), *deals.groupby(member)]:
        old, new = _cohorts(created[group.index], early[group.index], ended[group.index], comparison)
        parts = shapley({"created": old[0], "pace": old[1]}, {"created": new[0], "pace": new[1]})
        other = new[2] - old[2]
        rows.append([name, old[3], new[3], parts["created"].sum(), parts["pace"].sum() + other])
    return pd.DataFrame(rows, columns=["member", "was", "now", "created", "pace"]).assign(unit="deals")


def _cohorts(created: pd.Series, early: pd.Series, ended: pd.Series, comparison: Comparison) -> tuple[tuple, tuple]:
    """Before and after: deals created by lag, share of them closed in the quarter, deals closed of no known lag, and all."""
    sides = []
    for quarters in (comparison.before, (comparison.after,)):
        born, gone, whole = np.zeros(LAGS + 1), np.zeros(LAGS + 1), 0.0
        for quarter in quarters:
            closing = ended == quarter
            for lag in range(LAGS + 1):
                cohort = (created == quarter - lag) & (early if lag == 0 else True)
                born[lag] += cohort.sum() / len(quarters)
                gone[lag] += (cohort & closing).sum() / len(quarters)
            whole += closing.sum() / len(quarters)
        sides.append((born, gone, whole))
    (b0, g0, w0), (b1, g1, w1) = sides
    share = np.stack([g0, g1]) / np.where(np.stack([b0, b1]) > 0, np.stack([b0, b1]), 1)
    share = np.where(np.stack([b0, b1]) > 0, share, share[::-1])
    return (b0, share[0], w0 - g0.sum(), w0), (b1, share[1], w1 - g1.sum(), w1)


def recurring(snapshot: Snapshot, *, against: str = "") -> pd.DataFrame:
    """How recurring revenue moved from the end of the earlier period to the end of the quarter, one row per movement.

    By account, trials left out, contracts without a price as 0: new (nothing before), expansion (more), contraction (less),
    churn (nothing now); opening + parts = closing to the cent. Columns: part (opening, new, expansion, contraction, churn,
    closing), n (accounts), value (exact money per month), unit. DataRefused without subscriptions or in several currencies.
    Against several quarters: from the end of the last.
    """
    if not snapshot.has("subscriptions"):
        raise DataRefused("this source has no subscriptions", f"data {snapshot.data}", "export the recurring contracts")
    comparison = compare(snapshot, against)
    contracts = snapshot.table("subscriptions")
    contracts = contracts[~contracts["is_trial"].fillna(False).astype(bool)]
    currencies = sorted({*contracts["currency"].dropna(), snapshot.currency})
    if len(currencies) > 1:
        raise DataRefused(f"recurring revenue in {' and '.join(currencies)} cannot be summed", f"data {snapshot.data}",
                          "bring it to one currency")  # fmt: skip
    cents = money.to_cents(contracts["mrr"]).fillna(0).astype("int64")
    end = min(snapshot.as_of, periods.last_day(comparison.after))
    days = [pd.Timestamp(periods.last_day(comparison.before[-1])), pd.Timestamp(end)]
    runs = [(contracts["start_date"] <= day) & ~(contracts["end_date"] < day) for day in days]
    old, new = (cents[live].groupby(contracts.loc[live, "account_id"]).sum() for live in runs)
    old, new = old.align(new, fill_value=0)
    moved = new - old
    kinds = {
        "new": (old == 0) & (new > 0),
        "expansion": (old > 0) & (moved > 0),
        "contraction": (new > 0) & (moved < 0),
        "churn": (old > 0) & (new == 0),
    }
    rows = [["opening", int((old > 0).sum()), int(old.sum())]]
    rows += [[kind, int(chosen.sum()), int(moved[chosen].sum())] for kind, chosen in kinds.items()]
    rows += [["closing", int((new > 0).sum()), int(new.sum())]]
    found = pd.DataFrame(rows, columns=["part", "n", "value"])
    found["value"] = money.from_cents(found["value"].astype("Int64"))
    return found.assign(unit=f"{snapshot.currency} a month")
