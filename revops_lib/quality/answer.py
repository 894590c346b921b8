"""The answer in a sentence, whether the counting is sound, the results file, and what to do."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from .. import money, statistics
from ..privacy import SMALLEST_GROUP
from ..snapshot import Snapshot
from .duplicates import not_compared
from .imported import reconciliation
from .rules import RULES
from .verdicts import CARE, LACKING, STOP

FIRST = 5  # rules and inputs that are recommended first


def headline(snapshot: Snapshot, found: pd.DataFrame, stake: pd.DataFrame, fit: pd.DataFrame) -> str:
    """The answer in one sentence: findings, the money they touch, analyses that are not fit, rows the import set aside."""
    n_deals, n, rules = len(snapshot.opportunities), int(found["n"].sum()), found[found["n"] > 0]
    if rules.empty:
        text = f"{n_deals:,} opportunities checked: all {len(found)} rules hold"
    else:
        whole, many = stake.iloc[0], "s" if n != 1 else ""
        text = (
            f"{n_deals:,} opportunities checked: {n:,} finding{many}, {len(rules)} of {len(found)} rules broken, "
            f"{_amount(whole['at_stake'])} {snapshot.currency} at stake, {_amount(whole['open_at_stake'])} of it still open"
        )
    for verdict in (STOP, CARE):
        names = fit.loc[fit["verdict"] == verdict, "analysis"]
        text += f"; {verdict}: {', '.join(names)}" if len(names) else ""
    if (fit["verdict"] == "good").all():
        text += "; good enough for every analysis"
    read = reconciliation(snapshot)
    aside = int(read["quarantined"].sum())
    return f"{text}; the import set aside {aside:,} of {int(read['read'].sum()):,} rows." if aside else f"{text}."


def notes(snapshot: Snapshot) -> list[str]:
    """What this source cannot tell, and what was not looked at, in sentences."""
    shared = [
        f"Duplicates of {table}: up to {group['n'].max():,} records share a {block}; where so many do, only neighbours in the "
        "alphabet were compared."
        for (table, block), group in not_compared(snapshot).groupby(["table", "block"], sort=False)
    ]
    return [*snapshot.limits, *snapshot.lacking(), *snapshot.lacking("contacts"), *shared]


def checks(snapshot: Snapshot, found: pd.DataFrame, stake: pd.DataFrame, teams: pd.DataFrame) -> pd.DataFrame:
    """Whether the counting is sound, one row per check: check, expected, found, holds."""
    read = reconciliation(snapshot)
    total, parts = int(read["read"].sum()), int(read[["accepted", "quarantined", "duplicates"]].to_numpy().sum())
    over = int((found["n"] > found["n_checked"]).sum())
    imported = [("read = accepted + quarantined + duplicates", f"{total:,}", f"{parts:,}", total == parts)] if len(read) else []
    shown = found[found["rule"].isin(teams["rule"])]
    whole, by_team = int(shown["n"].sum()), int(teams["n"].sum())
    deals = snapshot.opportunities
    there = money.to_float(deals.loc[deals["currency"] == snapshot.currency, "amount"]).clip(lower=0).sum()
    once, often = (money.to_float(column).sum() for column in (stake["amount"].head(1), found["amount"]))
    few = int((teams["n_people"] < SMALLEST_GROUP).sum())
    rows = [
        *imported,
        ("no rule is broken by more rows than it looks at", "0", str(over), over == 0),
        ("teams sum to the findings of their rules", f"{whole:,}", f"{by_team:,}", whole == by_team),
        (f"numbers of a team that rest on fewer than {SMALLEST_GROUP} people", "0", str(few), few == 0),
        (
            "a deal's money counts once: at most what there is, and what the rules count",
            f"at most {min(there, often):,.2f}",
            f"{once:,.2f}",
            once <= min(there, often) + 0.005,
        ),
        (
            "nothing later than the snapshot's day",
            f"before {snapshot.cutoff}",
            str(snapshot.newest),
            snapshot.newest < snapshot.cutoff,
        ),
    ]
    return pd.DataFrame(rows, columns=["check", "expected", "found", "holds"])


def metrics(
    found: pd.DataFrame,
    stake: pd.DataFrame | None = None,
    fit: pd.DataFrame | None = None,
    fresh: pd.DataFrame | None = None,
    *,
    currency: str = "",
) -> pd.DataFrame:
    """Rows of the results file: rows that break each rule and their share; where given, money at stake by dimension, the
    deciding share of each analysis, and the age of each table."""
    parts = [
        statistics.tidy(found, metric="rows_breaking_rule", by="rule", member="rule", value="n", n="n_checked", unit="rows"),
        statistics.tidy(
            found, metric="share_breaking_rule", by="rule", member="rule", value="share", n="n_checked", unit="share"
        ),
    ]
    if stake is not None:
        for name in ("at_stake", "open_at_stake"):
            parts.append(statistics.tidy(stake, metric=name, by="dimension", member="dimension", value=name, unit=currency))
    if fit is not None:
        parts.append(statistics.tidy(fit, metric="share_unfit", by="analysis", member="analysis", value="share", unit="share"))
    if fresh is not None:
        parts.append(statistics.tidy(fresh, metric="days_since_change", by="table", member="table", value="days", unit="days"))
    return pd.concat(parts, ignore_index=True)


def recommendations(snapshot: Snapshot, found: pd.DataFrame, measured: pd.DataFrame) -> pd.DataFrame:
    """What to correct first, one row per advice (finding, action, owner, effort): inputs that make an analysis unusable, then
    rules by open money and number.

    `measured` is what `inputs` returns. What the source does not have at all is told in the notes, not advised.
    """
    unfit = measured[(measured["verdict"] == STOP) & (measured["input"] != LACKING)].drop_duplicates("input")
    rows = [
        (f"{row.analysis} not usable: {row.told}", _action(row.input), "data owner of the CRM", "M")
        for row in unfit.head(FIRST).itertuples()
    ]
    broken = found[(found["n"] > 0) & ~found["rule"].isin(unfit["input"].head(FIRST))]
    worth = money.to_float(broken["open_at_stake"]).fillna(0)
    broken = broken.assign(worth=worth).sort_values(["worth", "n"], ascending=False, kind="stable")
    for row in broken.head(FIRST).itertuples():
        table = row.table.replace("_", " ")
        held = f", {row.worth:,.0f} {snapshot.currency} of open deals at stake" if row.worth else ""
        rows.append((f"{row.rule}: {row.n:,} of {row.n_checked:,} {table}{held}", row.action, "data owner of the CRM", "S"))
    return pd.DataFrame(rows, columns=["finding", "action", "owner", "effort"], dtype="str")


OTHER_ACTIONS: Mapping[str, str] = {
    "past quarters": "Import an export that reaches further back; keep every export.",
    "closed deals": "Look at a longer period or a larger group.",
    "quarter not whole": "Run the quarter again when it is over.",
    "past amounts": "Export the history of the amount too, or keep dated copies of the export.",
    "no lost deals": "Export lost deals too.",
    "freshness": "Export again.",
    "rows gone": "Find out why the new export holds fewer rows before using it.",
    "duplicate accounts": "Look through the proposed groups and merge in the CRM.",
}


def _action(name: str) -> str:
    return RULES[name].action if name in RULES else OTHER_ACTIONS[name]


def _amount(value: object) -> str:
    return "0" if pd.isna(value) else f"{value:,.0f}"
