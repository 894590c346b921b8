"""Below and along the forecast: groups that add up to it, the deals that decide it, and how it moved through its quarter."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd

from .. import money, periods
from ..snapshot import Snapshot
from .coverage import target_cents
from .outlook import tested
from .panel import WEEKS, panel, start_of_week
from .pushes import push_counts
from .rolling import can_learn, fitted, look_at, looks, now

PEOPLE = 5  # sellers below which a team or region is shown with others only
OF_PEOPLE = ("team", "role", "region")
STALE = 2.0  # times the usual stay in the stage after which a deal is called stale


def groups(snapshot: Snapshot, *, by: str = "segment", level: float = 0.8, seed: int = 1) -> pd.DataFrame:
    """The forecast by group, one row per member: by, member, won (to date), expected, low, value, high, level, n (open
    deals), unit.

    `by` is anything `snapshot.members` knows. Every simulated deal belongs to one group, so `expected`, the mean, adds up to
    the company's; medians and bounds need not. A deal that does
    not exist yet goes to a group as the last year's new deals of its segment did. Teams, roles and regions with fewer than
    five sellers stand together as "(others)". Raises DataRefused as `outlook`.
    """
    look, simulated = now(snapshot, level, seed)
    paths, seen, deals = simulated[-1], panel(snapshot), snapshot.opportunities
    member = _members(snapshot, deals, by)
    names = sorted(member.unique())
    of = member.set_axis(seen.ids.get_indexer(deals["opportunity_id"]))
    of = of[of.index >= 0]
    open_of = of.reindex(paths.deals["deal"]).to_numpy()
    is_recent = deals["created_at"] >= pd.Timestamp(snapshot.as_of - dt.timedelta(days=365))
    is_recent = is_recent if is_recent.any() else is_recent | True
    segment = snapshot.members(deals[["account_id"]], "segment")
    created_of = _assigned(paths.created, segment[is_recent], member[is_recent], seen.segments, seed)
    won = seen.won_on(look.day)
    won = won[won["quarter"] == look.quarter.ordinal]
    rows = []
    for name in names:
        created = paths.created[created_of == name]
        to_come = paths.open[:, open_of == name].sum(axis=1) + np.bincount(created["path"], created["amount"], len(paths.open))
        sure = float(won.loc[won["deal"].map(of).eq(name), "weight"].sum())
        values = sure + look.stretched(to_come)
        low, middle, high = np.quantile(values, [(1 - level) / 2, 0.5, (1 + level) / 2])
        rows.append(
            (by, name, sure, sure + float(to_come.mean()) * look.scale, low, middle, high, int((open_of == name).sum()))
        )
    table = pd.DataFrame(rows, columns=["by", "member", "won", "expected", "low", "value", "high", "n"])
    return table.assign(level=level, unit=seen.unit, quarter=str(look.quarter))


def deals(snapshot: Snapshot, *, seed: int = 1, level: float = 0.8) -> pd.DataFrame:
    """The open deals that decide the target quarter, most decisive first, one row per deal: opportunity_id, stage, amount,
    chance (to be won in the quarter), expected (amount × ratio × chance), swing, age, in_stage (days), pushes, close_date,
    next_chance, remark, unit.

    ratio = what past deals brought of their amount while open. swing = amount × ratio × √(chance × (1 − chance)): what the
    deal adds to the uncertainty of the sum, in money. next_chance: the chance once the deal is one stage further, with
    nothing else changed (missing in the last stage). `remark` says what stands in the way.
    """
    look, simulated = now(snapshot, level, seed)
    seen, fit = panel(snapshot), fitted(snapshot, panel(snapshot).running)
    rows = simulated[-1].deals
    further = rows.assign(stage=np.minimum(rows["stage"] + 1, len(seen.stages) - 1), in_stage=0.0)
    # The same step as in the odds, taken from the chance shown, so that both columns speak of one model.
    step = fit.odds.log_odds(further) - fit.odds.log_odds(rows)
    chance = np.clip(look.chance, 1e-6, 1 - 1e-6)
    following = 1 / (1 + np.exp(-(np.log(chance / (1 - chance)) + step)))
    amount = rows["weight"].to_numpy() * fit.odds.ratio
    ids = seen.ids[rows["deal"]]
    known = snapshot.opportunities.set_index("opportunity_id").reindex(ids)
    asked = rows["weight"].to_numpy() if seen.unit == "deals" else money.to_float(known["amount"]).to_numpy()
    pushes = push_counts(snapshot).reindex(ids).fillna(0).astype(int) if "close_date" in snapshot.tracked else 0
    table = pd.DataFrame({
        "opportunity_id": ids, "stage": known["stage"].to_numpy(), "amount": asked, "chance": look.chance,
        "expected": amount * look.chance, "swing": amount * np.sqrt(look.chance * (1 - look.chance)),
        "age": rows["age"].round().astype(int).to_numpy(), "in_stage": rows["in_stage"].round().astype(int).to_numpy(),
        "pushes": np.asarray(pushes), "close_date": known["close_date"].to_numpy(),
        "next_chance": np.where((rows["stage"] < len(seen.stages) - 1) & (len(seen.stages) > 1), following, np.nan),
    })  # fmt: skip
    usual = seen.deals[seen.deals["quarter"] < seen.running.ordinal].groupby("stage")["in_stage"].median()
    stays = (rows["in_stage"] / rows["stage"].map(usual)).to_numpy()
    end = pd.Timestamp(periods.last_day(look.quarter))
    table["remark"] = [
        _remark(one, stay, pd.Timestamp(snapshot.as_of), end) for one, stay in zip(table.itertuples(), stays, strict=True)
    ]
    return table.sort_values("swing", ascending=False, kind="stable", ignore_index=True).assign(unit=seen.unit)


def course(snapshot: Snapshot, *, level: float = 0.8, seed: int = 1) -> pd.DataFrame:
    """How the forecast of the snapshot's quarter moved, one row per day: quarter, day, low, value, high, won, target, actual,
    unit.

    While the quarter runs: the start of every week so far, and today. Of a finished quarter: the start of weeks 1, 4, 8 and
    12, and the last day with what came. Empty for a quarter that has not begun or could not be forecast.
    """
    seen, quarter = panel(snapshot), snapshot.quarter
    is_running = quarter == seen.running and seen.today >= periods.first_day(quarter)
    if is_running and can_learn(seen, quarter):
        days = [day for week in range(1, WEEKS + 1) if (day := start_of_week(quarter, week)) < seen.today]
        past = looks(snapshot, level, seed, 0)
        views = [look_at(fitted(snapshot, quarter), day, past, level, seed) for day in days] + [now(snapshot, level, seed)[0]]
        actual = np.nan
    else:
        views = [one for one, _ in tested(snapshot, level=level, seed=seed, ahead=0) if one.quarter == quarter]
        actual = seen.result(quarter, seen.today)
    rows = [(str(quarter), one.day, *one.interval(level), one.value, one.won_to_date) for one in views]
    if rows and np.isfinite(actual):
        rows.append((str(quarter), periods.last_day(quarter), actual, actual, actual, actual))
    table = pd.DataFrame(rows, columns=["quarter", "day", "low", "high", "value", "won"])
    cents = target_cents(snapshot, quarter) if seen.unit != "deals" else None
    table["day"] = pd.to_datetime(table["day"])
    table["target"] = np.nan if cents is None else cents / 100
    return table[["quarter", "day", "low", "value", "high", "won", "target"]].assign(actual=actual, unit=seen.unit)


def _members(snapshot: Snapshot, deals: pd.DataFrame, by: str) -> pd.Series:
    """The group of each deal; teams, roles and regions of few sellers stand together."""
    member = snapshot.members(deals, by)
    if by not in OF_PEOPLE:
        return member
    is_current = (deals["status"] == "open") | (deals["created_at"] >= pd.Timestamp(snapshot.as_of - dt.timedelta(days=365)))
    sellers = deals["owner_id"].where(is_current).groupby(member).nunique().sort_values(kind="stable")
    few = sellers.index[sellers < PEOPLE]
    if len(few) == 1:  # alone under the name of the others it would still be known
        few = sellers.index[:2]
    return member.mask(member.isin(few), "(others)")


def _assigned(created: pd.DataFrame, segment: pd.Series, member: pd.Series, segments: list[str], seed: int) -> np.ndarray:
    """A group for each deal that does not exist yet, drawn as the recent deals of its segment are spread."""
    random, found = np.random.default_rng([seed, len(created)]), np.full(len(created), "", dtype=object)
    for code, name in enumerate(segments):
        pool = member[segment == name].to_numpy() if (segment == name).any() else member.to_numpy()
        mine = (created["segment"] == code).to_numpy()
        found[mine] = random.choice(pool, mine.sum()) if len(pool) else ""
    return found


def _remark(deal: object, stay: float, today: pd.Timestamp, end: pd.Timestamp) -> str:
    said = []
    if pd.isna(deal.close_date):  # type: ignore[attr-defined]
        said.append("no close date")
    elif deal.close_date <= today:  # type: ignore[attr-defined]
        said.append("close date has passed")
    elif deal.close_date > end:  # type: ignore[attr-defined]
        said.append("due after the quarter")
    if deal.pushes:  # type: ignore[attr-defined]
        said.append(f"pushed {deal.pushes} time{'s' if deal.pushes > 1 else ''}")  # type: ignore[attr-defined]
    if stay > STALE:
        said.append(f"{stay:.0f} times the usual time in its stage")
    if not deal.amount > 0:  # type: ignore[attr-defined]
        said.append("no amount")
    return "; ".join(said) or "as usual"
