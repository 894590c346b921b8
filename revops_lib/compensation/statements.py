"""What each rep is paid: the sums of the ledger's lines."""

from __future__ import annotations

import pandas as pd

from .. import money
from ..errors import DataRefused
from ..snapshot import Snapshot
from .book import Book
from .booked import booked
from .credits import assignments
from .drawn import ledger
from .entries import of_booked
from .placing import placed
from .plans import Plan

COLUMNS = ["rep_id", "team", "n", "credited", "quota", "attainment", "pay", "held", "withheld", "owed"]


def statements(snapshot: Snapshot, plan: Plan) -> pd.DataFrame:
    """What each rep is paid, one row per rep with a line, or with a quota and the plan's role: the sums of `entries`.

    Columns: rep_id, team, n (credits of the quarter), credited, quota, attainment (credited in the window ÷ quota; missing
    without quota), all of the plan's first component; pay, held (what the quarter's lines hold, less what they release),
    withheld (by caps and budgets), owed (the draw's debt at the end of the quarter). A rep with a quota and no line is there
    with pay 0.00; pay is missing where that of a line is. Raises as `entries`, and DataRefused when nobody is in the role.
    """
    lines = booked(snapshot, plan)
    found = of_booked(lines)
    assigned, main = assignments(snapshot), _of_main(lines.book)
    reps = sorted(
        {*found["rep_id"], *(rep for rep in main.index[main["quota"].notna()] if assigned["role"].get(rep) == plan.role)}
    )
    if not reps:
        raise DataRefused(
            f"no rep has the role {plan.role} in {snapshot.quarter}", f"data {snapshot.data}", "correct applies_to or the roles"
        )
    table = main.reindex(reps).rename_axis("rep_id").reset_index()
    table["n"] = table["n"].fillna(0).astype("int64")
    table["credited"] = money.from_cents(table["credited"].fillna(0).astype("Int64"))
    quota = table["quota"].astype("Float64")
    table["attainment"] = (table["placed"].fillna(0).astype("Float64") / quota.where(quota > 0)).astype("float64")
    table["quota"] = money.from_cents(table["quota"].astype("Int64"))
    table["team"] = table["rep_id"].map(assigned["team"])
    sums = {name: money.to_cents(found[name]).groupby(found["rep_id"]).sum() for name in ("pay", "held", "withheld")}
    sums["pay"] = sums["pay"].where(found["pay"].notna().groupby(found["rep_id"]).all())
    debts = ledger(lines)
    sums["owed"] = debts.drop_duplicates("rep_id", keep="last").set_index("rep_id")["debt"]
    for name, cents in sums.items():
        own = table["rep_id"].map(cents).astype("Int64")
        table[name] = money.from_cents(own.where(own.notna() | table["rep_id"].isin(cents.index), 0))
    return table[COLUMNS]


def _of_main(book: Book) -> pd.DataFrame:
    """Of the plan's first component, by rep_id, in cents: n, credited (in the quarter), placed (in its window), quota."""
    plan, quarter = book.plan, book.snapshot.quarter
    if not plan.components:
        return pd.DataFrame(columns=["n", "credited", "placed", "quota"])
    main = plan.components[0]
    rows = placed(book, plan, main, quarter)
    own = rows[rows["quarter"] == str(quarter)].groupby("rep_id")["credit"].agg(n="size", credited="sum")
    quota = book.quotas.windows(main, quarter).groupby("rep_id").sum()
    return own.join(rows.groupby("rep_id")["credit"].sum().rename("placed"), how="outer").join(
        quota.rename("quota"), how="outer"
    )
