"""What breaks the rules: counted, weighed in money, by team and by rep, and as a list to fix.

A deal's money counts once in every sum, however many rules it breaks, in the company's currency: amounts in another one are
left out, a rule of their own counts them. At stake is what deals that are open or won are worth; the product's usual deal
stands in for an amount that is missing or not believable, so it is an estimate.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd

from .. import money, privacy
from ..errors import UsageError, nearest
from ..privacy import SMALLEST_GROUP
from ..snapshot import Snapshot
from . import changes, deals, others
from .deals import usual_deal
from .rows import is_in, read
from .rules import DIMENSIONS, RULES

OTHERS = "other teams"
MONEY = ["amount", "at_stake", "open_at_stake"]


class Found(NamedTuple):
    """A rule's answer for every row of its table: `ids` (their key), which rows break it, which it looks at."""

    ids: pd.Series
    broken: pd.Series
    checked: pd.Series


def findings(snapshot: Snapshot) -> pd.DataFrame:
    """Every rule with what breaks it, one row per rule, most frequent first.

    Columns: rule, dimension (completeness, validity, consistency, timeliness, uniqueness), table, n (rows that break it),
    n_checked, share (0–1), amount (sum over the opportunities concerned as far as it is known, missing for other tables),
    at_stake (what those open or won are worth, estimated where the amount is missing or not believable; 0 when none is open or
    won), open_at_stake (the part still open), examples (first ids), meaning, action. Money in the company's currency. Rules
    about changes are absent when there is no history, rules about a table when the source lacks it, rules about what open deals
    hold on days of which that is not known.

    >>> found = findings(Snapshot("data/sample", quarter="2026Q3"))
    >>> bool((found["n"] <= found["n_checked"]).all())
    True
    """
    rows = [_row(snapshot, rule, found) for rule, found in looked(snapshot).items()]
    names = ["rule", "dimension", "table", "n", "n_checked", "share", *MONEY, "examples", "meaning", "action"]
    table = pd.DataFrame(rows, columns=names).astype(dict.fromkeys(MONEY, money.DTYPE))
    return table.sort_values(["n", "rule"], ascending=[False, True], kind="stable", ignore_index=True)


def at_stake(snapshot: Snapshot) -> pd.DataFrame:
    """Money of the deals that break a rule, each deal once: one row per dimension, and one for all of them first.

    Columns: dimension ("all" first), n_rules (asked), n_broken (rules that a row of any table breaks), n (deals concerned),
    n_estimated (of these open or won, the product's usual deal stands in for the amount), amount, at_stake, open_at_stake (as
    in `findings`). Dimensions overlap: they need not add up.
    """
    held = snapshot.opportunities
    rows = []
    for dimension in ("all", *DIMENSIONS):
        asked = {r: f for r, f in looked(snapshot).items() if dimension in ("all", RULES[r].dimension)}
        concerned = pd.Series(False, index=held.index)
        for rule, found in asked.items():
            if RULES[rule].table == "opportunities":
                concerned |= found.broken
        broken = sum(bool(found.broken.any()) for found in asked.values())
        estimated = int((concerned & _doubtful(snapshot) & (held["status"] != "lost")).sum())
        rows.append([dimension, len(asked), broken, int(concerned.sum()), estimated, *_sums(snapshot, concerned)])
    table = pd.DataFrame(rows, columns=["dimension", "n_rules", "n_broken", "n", "n_estimated", *MONEY])
    return table.astype(dict.fromkeys(MONEY, money.DTYPE))


def by_team(snapshot: Snapshot, *, public: bool = False) -> pd.DataFrame:
    """What breaks the rules about opportunities, one row per rule and team.

    A number rests on at least five people: the owners of the deals a rule looks at. Teams with fewer are counted together as
    "other teams", with the smallest of the others where they are still too few, so that no hidden group can be had by
    subtraction; a rule with fewer than five people in all is absent. `public` names no team that is called after a person.
    Team: that of the owner's latest assignment, "(unknown)" without one. Columns: team, rule, dimension, n_people, n,
    n_checked, share (0–1), at_stake (as in `findings`).
    """
    held, stake = snapshot.opportunities, _stake(snapshot)
    is_due = held["status"] != "lost"
    team = snapshot.members(held, "team")
    if public:
        team = team.where(~_is_person(snapshot, team), OTHERS)
    rows = []
    for rule, found in looked(snapshot).items():
        if RULES[rule].table != "opportunities" or not found.checked.any():
            continue
        people = held.loc[found.checked, "owner_id"].groupby(team[found.checked]).nunique()
        pooled = privacy.pooled(people, OTHERS)
        table = pd.DataFrame({"team": team.map(pooled), "owner": held["owner_id"], "broken": found.broken})[found.checked]
        grouped = table.groupby("team").agg(n_people=("owner", "nunique"), n=("broken", "sum"), n_checked=("broken", "size"))
        grouped["at_stake"] = _sum_by(stake[found.broken & is_due], table["team"])
        grouped = grouped.reset_index()
        rows.append(grouped[grouped["n_people"] >= SMALLEST_GROUP].assign(rule=rule, dimension=RULES[rule].dimension))
    names = ["team", "rule", "dimension", "n_people", "n", "n_checked", "share", "at_stake"]
    whole = pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=names)
    whole = whole.assign(share=whole["n"] / whole["n_checked"])
    return whole.sort_values(["n", "rule", "team"], ascending=[False, True, True], ignore_index=True)[names]


def by_rep(snapshot: Snapshot, *, team: str) -> pd.DataFrame:
    """What the reps of one team have to put right, one row per owner of its deals, most open money first. Never published.

    Columns: rep_id, team, n_deals (all of the rep's), n (deals that break a rule), at_stake and open_at_stake (of these, as in
    `findings`), most_often (rule). Raises UsageError for an unknown team.
    """
    held = snapshot.opportunities
    members = snapshot.members(held, "team")
    listed = _listed(snapshot)
    faulty = is_in(held["opportunity_id"], listed["opportunity_id"])
    own = pd.DataFrame({"rep_id": held["owner_id"].fillna("(unknown)"), "faulty": faulty, "status": held["status"]})
    own, stake = own[members == _known("team", team, members)], _stake(snapshot)
    table = own.groupby("rep_id").agg(n_deals=("faulty", "size"), n=("faulty", "sum"))
    table["at_stake"] = _sum_by(stake[faulty & (held["status"] != "lost")], own["rep_id"])
    table["open_at_stake"] = _sum_by(stake[faulty & (held["status"] == "open")], own["rep_id"])
    table = table.reset_index()
    often = listed["rule"].groupby(listed["owner_id"].fillna("(unknown)")).agg(lambda rules: rules.value_counts().index[0])
    table = table.assign(team=team, most_often=table["rep_id"].map(often).fillna("nothing"))
    table = table.assign(order=money.to_float(table["open_at_stake"]).fillna(0))
    table = table.sort_values(["order", "n", "rep_id"], ascending=[False, False, True], ignore_index=True)
    return table[["rep_id", "team", "n_deals", "n", "at_stake", "open_at_stake", "most_often"]]


def to_fix(snapshot: Snapshot, *, team: str = "", rep: str = "") -> pd.DataFrame:
    """What one team or one rep has to put right, one row per deal and broken rule, open deals and most money first.

    Columns: opportunity_id, owner_id, team, name, stage, status, amount, at_stake (company's currency, as in `findings`;
    missing when not known), close_date, rule, meaning, action. For the team itself: it names persons and customers and is never
    published. Raises UsageError when neither team nor rep is given, or when it is not known.
    """
    if not (team or rep):
        raise UsageError("no team and no rep is named", "team, rep", "name your own team or one of its reps")
    table, held = _listed(snapshot), snapshot.opportunities
    if team:
        table = table[table["team"] == _known("team", team, snapshot.members(held, "team"))]
    if rep:
        table = table[table["owner_id"] == _known("rep", rep, held["owner_id"].dropna())]
    table = table.assign(is_open=table["status"] == "open", order=money.to_float(table["at_stake"]).fillna(0))
    table = table.sort_values(
        ["is_open", "order", "opportunity_id"], ascending=[False, False, True], kind="stable", ignore_index=True
    )
    return table.drop(columns=["is_open", "order"])


@lru_cache(maxsize=4)
def looked(snapshot: Snapshot) -> dict[str, Found]:
    """The answer of every rule that can be asked of this source. Kept, because every function of the topic starts from it."""
    ids = {"opportunities": snapshot.opportunities["opportunity_id"], "opportunity_history": snapshot.history["opportunity_id"]}
    keys = {"reps": "rep_id", "accounts": "account_id", "leads": "lead_id", "subscriptions": "subscription_id"}
    found = {}
    for part in (deals, changes, others):
        for rule, broken, checked in part.looked(snapshot):
            table = RULES[rule].table
            if table not in ids:
                ids[table] = read(snapshot, table)[keys[table]]
            found[rule] = Found(ids[table], broken.fillna(False).astype(bool), checked.astype(bool))
    return found


def _row(snapshot: Snapshot, rule: str, found: Found) -> list[object]:
    told = RULES[rule]
    n, checked = int(found.broken.sum()), int(found.checked.sum())
    sums = _sums(snapshot, found.broken) if told.table == "opportunities" else [None] * len(MONEY)
    examples = ", ".join(found.ids[found.broken].drop_duplicates().sort_values().astype("str").head(3))
    share = n / checked if checked else np.nan
    return [rule, told.dimension, told.table, n, checked, share, *sums, examples, told.meaning, told.action]


def _sums(snapshot: Snapshot, concerned: pd.Series) -> list[object]:
    """Amount, money at stake and its open part of the opportunities concerned."""
    stake, status = _stake(snapshot), snapshot.opportunities["status"]
    known = _worth(snapshot)[concerned].sum(min_count=1)
    return [known, *(_sum(stake[concerned & due]) for due in (status != "lost", status == "open"))]


def _worth(snapshot: Snapshot) -> pd.Series:
    """Amount of every opportunity in the company's currency; missing in another one, or when not known."""
    held = snapshot.opportunities
    return held["amount"].where(held["currency"] == snapshot.currency)


def _doubtful(snapshot: Snapshot) -> pd.Series:
    """Which opportunities carry no amount, or none to be believed."""
    found, held = looked(snapshot), snapshot.opportunities
    return held["amount"].isna() | found["placeholder amount"].broken | found["amount a hundred times the usual"].broken


@lru_cache(maxsize=4)
def _stake(snapshot: Snapshot) -> pd.Series:
    """What every opportunity open or won is worth, the usual deal in place of a doubtful amount; missing for lost ones."""
    held, cents = snapshot.opportunities, (usual_deal(snapshot) * 100).round()
    usual = money.from_cents(cents.astype("Int64"))
    worth = _worth(snapshot).where(~_doubtful(snapshot), usual)
    return worth.where(held["status"] != "lost")


def _sum(stake: pd.Series) -> object:
    """The exact sum of what deals are worth: 0 without a deal, missing when of no deal it is known."""
    return stake.sum(min_count=1) if len(stake) else Decimal(0)


def _sum_by(stake: pd.Series, group: pd.Series) -> pd.Series:
    """`_sum` per group, indexed by it."""
    sums = stake.groupby(group.reindex(stake.index)).agg(_sum)
    return sums.reindex(group.drop_duplicates(), fill_value=Decimal(0)).astype(money.DTYPE)


def _listed(snapshot: Snapshot) -> pd.DataFrame:
    """Every deal with every rule it breaks."""
    held = snapshot.opportunities
    known = held.assign(team=snapshot.members(held, "team"), amount=_worth(snapshot), at_stake=_stake(snapshot))
    columns = ["opportunity_id", "owner_id", "team", "name", "stage", "status", "amount", "at_stake", "close_date"]
    parts = [
        known.loc[found.broken, columns].assign(rule=rule, meaning=RULES[rule].meaning, action=RULES[rule].action)
        for rule, found in looked(snapshot).items()
        if RULES[rule].table == "opportunities"
    ]
    return pd.concat(parts, ignore_index=True)


def _is_person(snapshot: Snapshot, team: pd.Series) -> pd.Series:
    """Whether a team is called after somebody among the reps or their managers."""
    reps = read(snapshot, "reps")
    persons = pd.concat([reps["rep_id"], reps["name"], reps["manager_id"]]).dropna().unique()
    return team.isin(privacy.after_people(team.unique(), persons))


def _known(what: str, asked: str, names: pd.Series) -> str:
    if not (names == asked).any():
        raise UsageError(f"unknown {what} {asked!r}", what, nearest(asked, sorted(set(names))))
    return asked
