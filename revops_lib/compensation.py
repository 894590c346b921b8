"""What the quarter's deals pay: one tiered plan with accelerator, exact to the cent, a line per credit.

All arithmetic is in integer cents and fractions. The pay of a line is the rounded cumulative pay after it minus the one before
it, so the lines of a rep sum to the cent to the pay on the whole credit, whatever the order of rounding.

Credit (what counts towards quota), quota and pay are three amounts. Where the source lacks one of them nothing is estimated.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd

from . import money, periods, statistics
from .errors import DataRefused, UsageError, nearest
from .snapshot import Snapshot

LINE_COLUMNS = [
    "rep_id",
    "opportunity_id",
    "close_date",
    "kind",
    "share",
    "credited",
    "quota",
    "before",
    "after",
    "tiers",
    "pay",
]
_KEYS = [
    "plan",
    "title",
    "decided_by",
    "source",
    "applies_to",
    "measure",
    "accumulation",
    "tier_application",
    "credit_order",
    "rounding",
    "currency",
    "tiers",
]
SUPPORTED: dict[str, Any] = {
    "accumulation": "quarter",
    "tier_application": "marginal",
    "credit_order": ["close_date", "opportunity_id", "kind"],
    "rounding": {"mode": "half_up", "point": "line"},
}


@dataclass(frozen=True)
class Plan:
    """A tiered plan in force. `tiers`: (share of quota the tier starts at, rate), contiguous, the last one open."""

    name: str
    title: str
    role: str
    measure: str
    currency: str
    tiers: tuple[tuple[Fraction, Fraction], ...]

    def pay(self, credit: int, quota: int) -> int:
        """Pay in cents on `credit` cents against `quota` cents; negative credit pays nothing.

        >>> tiers = ((Fraction(0), Fraction(6, 100)), (Fraction(1), Fraction(12, 100)))
        >>> Plan("p", "p", "ae", "bookings", "EUR", tiers).pay(120_000_00, 100_000_00)
        840000
        """
        exact = sum((amount * rate for amount, rate in self.split(0, max(credit, 0), quota)), start=Fraction(0))
        return money.round_half_up(exact)

    def split(self, before: int, after: int, quota: int) -> list[tuple[Fraction, Fraction]]:
        """How much of the credit between two positions lies in each tier: (cents, rate), tiers without any left out."""
        starts = [share * quota for share, _ in self.tiers]
        ends: list[Fraction | None] = [*starts[1:], None]
        parts = []
        for start, end, (_, rate) in zip(starts, ends, self.tiers, strict=True):
            upper = Fraction(after) if end is None else min(Fraction(after), end)
            inside = upper - max(Fraction(before), start)
            if inside > 0:
                parts.append((inside, rate))
        return parts


def plan(snapshot: Snapshot, *, name: str = "account_executive") -> Plan:
    """The plan file `name` as in force when the quarter began.

    UsageError for an unknown or missing key, a value that is not supported, tiers out of order; DataRefused when no value is in
    force yet.
    """
    values = snapshot.plan(name)
    unknown = [key for key in values if key not in _KEYS]
    missing = [key for key in _KEYS if key not in values]
    where = f"plan {name}"
    if unknown:
        raise UsageError(f"unknown key {unknown[0]!r}", where, nearest(unknown[0], _KEYS))
    if missing:
        raise UsageError(f"key {missing[0]!r} is missing", where, "a plan states every key, there are no defaults")
    for key, value in SUPPORTED.items():
        if values[key] != value:
            raise UsageError(f"{key} {values[key]!r} is not supported", where, f"write {value}")
    for tier in values["tiers"]:
        if not isinstance(tier, dict) or not {"from", "rate"} <= set(tier) <= {"from", "to", "rate"}:
            raise UsageError(f"a tier is {tier!r}", where, "give each tier `from` and `rate`, and `to` if you like")
    tiers = tuple((_exact(tier["from"], where), _exact(tier["rate"], where)) for tier in values["tiers"])
    starts = [start for start, _ in tiers]
    if not starts or starts[0] != 0 or starts != sorted(set(starts)):
        raise UsageError("tiers must start at 0 and rise", where, "order the tiers by `from`, each once")
    for tier, following in zip(values["tiers"], starts[1:], strict=False):
        if "to" in tier and (end := _exact(tier["to"], where)) != following:
            what = "tiers overlap" if end > following else "there is a gap between tiers"
            tell = f"{what}: one ends at {float(end):g}, the next begins at {float(following):g}"
            raise UsageError(tell, where, "let each tier begin where the one before ends")
    if any(rate < 0 for _, rate in tiers):
        raise UsageError("a rate is negative", where, "correct the rate")
    return Plan(name, values["title"], values["applies_to"], values["measure"], values["currency"], tiers)


def lines(snapshot: Snapshot, plan: Plan) -> pd.DataFrame:
    """The quarter's pay, one row per credit, in the plan's order.

    Credits of deals known as won with a close date in the quarter. Columns: rep_id, opportunity_id, close_date, kind, share,
    credited (amount × share; shares of a deal sum to its amount), quota, before and after (position in the quota, 0–…), tiers
    (how the credit falls into them), pay; all amounts exact. A rep counts in the role held on the close date. A rep without
    quota, or with quota 0, keeps the line with pay missing. Raises DataRefused when the source has no credits or no quotas, or
    its deals are in another currency than the plan pays.
    """
    credited = _credited(snapshot)
    snapshot.require_one_currency()
    if snapshot.currency != plan.currency:
        raise DataRefused(
            f"deals are in {snapshot.currency}, the plan pays {plan.currency}",
            f"plan {plan.name}",
            "state a plan in the currency of the deals",
        )
    quotas = _quotas(snapshot, plan)
    rows: list[dict[str, Any]] = []
    for rep, group in credited[credited["role"] == plan.role].groupby("rep_id"):
        position = 0
        for line in group.itertuples():
            after = position + line.cents
            known = {"rep_id": rep, "opportunity_id": line.opportunity_id, "close_date": line.close_date, "kind": line.kind}
            rows.append({**known, "share": line.share, "credited": line.cents, **_paid(plan, position, after, quotas.get(rep))})
            position = after
    table = pd.DataFrame(rows, columns=LINE_COLUMNS)
    for column in ("credited", "quota", "pay"):
        table[column] = money.from_cents(table[column].astype("Int64"))
    return table


def _paid(plan: Plan, position: int, after: int, quota: int | None) -> dict[str, Any]:
    """What one credit pays and why: quota, position before and after it, tiers it falls into, pay (cents)."""
    if not quota:
        return {"quota": quota, "before": np.nan, "after": np.nan, "tiers": "no quota", "pay": None}
    sign = 1 if after >= position else -1  # a credit note takes back what its amount had earned
    parts = plan.split(min(position, after), max(position, after), quota)
    tiers = " + ".join(f"{sign * float(part) / 100:,.2f} at {float(rate):.2%}" for part, rate in parts) or "0.00"
    pay = plan.pay(after, quota) - plan.pay(position, quota)
    return {"quota": quota, "before": position / quota, "after": after / quota, "tiers": tiers, "pay": pay}


def statements(snapshot: Snapshot, plan: Plan) -> pd.DataFrame:
    """What each rep earned, one row per rep with a quota or a credit.

    Columns: rep_id, team, n (credits), credited, quota, attainment (credited ÷ quota; missing without quota), pay. A rep with a
    quota and no credit is there with pay 0.00.
    """
    found = lines(snapshot, plan)
    quotas = _quotas(snapshot, plan)
    assigned = _assignments(snapshot)
    reps = sorted({*found["rep_id"], *(rep for rep in quotas if assigned["role"].get(rep) == plan.role)})
    per_rep = found.groupby("rep_id").agg(n=("pay", "size"), credited=("credited", "sum"), pay=("pay", "sum")).reindex(reps)
    table = per_rep.reset_index(names="rep_id")
    table["n"] = table["n"].fillna(0).astype("int64")
    table["team"] = table["rep_id"].map(assigned["team"])
    if table.empty:
        raise DataRefused(
            f"no rep has the role {plan.role} in {snapshot.quarter}", f"data {snapshot.data}", "correct applies_to or the roles"
        )
    table["quota"] = money.from_cents(table["rep_id"].map(quotas).astype("Int64"))
    zero = money.from_cents(pd.Series(0, index=table.index, dtype="Int64"))
    table["credited"] = table["credited"].astype(money.DTYPE).fillna(zero)
    paid = table["pay"].astype(money.DTYPE).fillna(zero)
    table["pay"] = paid.where(table["quota"].notna())
    quota = money.to_float(table["quota"])
    table["attainment"] = money.to_float(table["credited"]) / quota.where(quota > 0)
    return table[["rep_id", "team", "n", "credited", "quota", "attainment", "pay"]]


def cost(statements: pd.DataFrame) -> pd.DataFrame:
    """What the plan costs, one row per team and one for all: member, n (reps), credited, quota, attainment, pay, cost_share.

    `attainment` = credited ÷ quota of the reps who have a quota, `cost_share` = pay ÷ credited; missing when the denominator is
    0. Sums are exact.
    """
    measured = money.to_float(statements["credited"]).where(statements["quota"].notna(), 0.0)
    statements = statements.assign(measured=measured)
    everyone = statements.assign(team="all teams")
    both = pd.concat([everyone, statements.assign(team=statements["team"].fillna("(unknown)"))])
    table = both.groupby("team", sort=False).agg(
        n=("rep_id", "size"),
        credited=("credited", "sum"),
        quota=("quota", "sum"),
        n_quota=("quota", "count"),
        pay=("pay", "sum"),
        n_paid=("pay", "count"),
        measured=("measured", "sum"),
    )
    table["pay"] = table["pay"].where(table["n_paid"] > 0)  # nobody's pay is known: not known, not 0
    table["quota"] = table["quota"].where(table["n_quota"] > 0)
    credited, quota = money.to_float(table["credited"]), money.to_float(table["quota"])
    table["attainment"] = table["measured"] / quota.where(quota > 0)
    table["cost_share"] = money.to_float(table["pay"]) / credited.where(credited > 0)
    order = [table.index[0], *sorted(table.index[1:])]
    return table.loc[order].reset_index(names="member")[["member", "n", "credited", "quota", "attainment", "pay", "cost_share"]]


def total(cost: pd.DataFrame) -> pd.DataFrame:
    """The row of `cost` for all teams: what may be published."""
    return cost.head(1)


def people(statements: pd.DataFrame) -> int:
    """How many reps stand behind the pay: those with a credit."""
    return int((statements["n"] > 0).sum())


def attainment(statements: pd.DataFrame) -> pd.DataFrame:
    """How many reps lie in each band of attainment, one row per band: band, n, share. Nobody is named."""
    bands = pd.cut(statements["attainment"], [-np.inf, 0.5, 0.8, 1.0, 1.5, np.inf], right=False,
                   labels=["under 50 %", "50–80 %", "80–100 %", "100–150 %", "150 % and more"])  # fmt: skip
    counts = bands.value_counts(sort=False)
    table = pd.DataFrame({"band": counts.index.astype("str"), "n": counts.to_numpy()})
    return table.assign(share=table["n"] / max(int(table["n"].sum()), 1))


def curve(plan: Plan, *, quota: int = 100_000) -> pd.DataFrame:
    """Pay at each attainment for a quota in whole units of currency, one row per step: attainment, pay, marginal (pay of the
    next unit sold)."""
    steps = [Fraction(i, 100) for i in range(0, 201, 5)]
    rows = []
    for step in steps:
        rate = next(rate for start, rate in reversed(plan.tiers) if step >= start)
        rows.append([float(step), plan.pay(int(step * quota * 100), quota * 100) / 100, float(rate)])
    return pd.DataFrame(rows, columns=["attainment", "pay", "marginal"])


def rules(plan: Plan) -> pd.DataFrame:
    """The plan's tiers in words, one row per tier: tier, rate, pays."""
    ends = [*(start for start, _ in plan.tiers[1:]), None]
    rows = [
        [
            f"{float(start):.0%} to {float(end):.0%} of quota" if end is not None else f"{float(start):.0%} of quota and more",
            float(rate),
        ]
        for (start, rate), end in zip(plan.tiers, ends, strict=True)
    ]
    table = pd.DataFrame(rows, columns=["tier", "rate"])
    return table.assign(pays=[f"{rate * 10_000:,.2f} {plan.currency} on 10,000 {plan.currency} sold" for rate in table["rate"]])


def bookings(snapshot: Snapshot, *, by: str = "team") -> pd.DataFrame:
    """Won in the quarter, one row per group and one for all: member, n (deals), n_reps, amount. Needs no credits or quotas."""
    snapshot.require_one_currency()
    won = _won(snapshot, priced=False)
    team = won["owner_id"].map(_assignments(snapshot)["team"]).fillna("(unknown)")  # as `cost` has it: in the quarter
    member = team if by == "team" else snapshot.members(won, by)
    both = pd.concat([won.assign(member=f"all {by}s"), won.assign(member=member)])
    table = both.groupby("member", sort=False).agg(
        n=("amount", "size"), n_reps=("owner_id", "nunique"), amount=("amount", "sum")
    )
    return table.loc[[*table.index[:1], *sorted(table.index[1:])]].reset_index()


def headline(plan: Plan | str, cost: pd.DataFrame | str, bookings: pd.DataFrame | str, quarter: str, currency: str) -> str:
    """The answer in one sentence; the reason in its place when the plan cannot be applied."""
    if isinstance(bookings, str):
        return bookings
    n, amount = bookings[["n", "amount"]].iloc[0] if len(bookings) else (0, 0)
    won = f"{n:,} deal{'s' if n != 1 else ''} worth {amount:,.2f} {currency}" if n else "no deals"
    if isinstance(cost, str):
        return f"{quarter}: {won} won; what they pay is not known. {cost}"
    everyone = cost.iloc[0]
    if pd.isna(everyone["pay"]):
        return f"{quarter}: {won} won; what they pay is not known, because nobody has a quota."
    title = plan.title if isinstance(plan, Plan) else plan
    return (
        f"{quarter}: the plan “{title}” pays {everyone['pay']:,.2f} {currency} to {everyone['n']} reps "
        f"for {everyone['credited']:,.2f} {currency} credited ({_percent(everyone['cost_share'])}), "
        f"at {_percent(everyone['attainment'])} of quota; {won} won."
    )


def _percent(share: float) -> str:
    return "share not known" if pd.isna(share) else f"{share:.1%}"


def metrics(cost: pd.DataFrame | str, bookings: pd.DataFrame | str, currency: str) -> pd.DataFrame:
    """Rows of the results file: bookings and, where the plan applies, credit, pay, cost and attainment per team."""
    parts = [pd.DataFrame(columns=statistics.RESULT_COLUMNS)]
    if isinstance(bookings, pd.DataFrame):
        parts = [statistics.tidy(bookings, metric="bookings", by="team", member="member", value="amount", unit=currency)]
    if isinstance(cost, pd.DataFrame):
        for name, unit in (("credited", currency), ("pay", currency), ("attainment", "share"), ("cost_share", "share")):
            parts.append(statistics.tidy(cost, metric=name, by="team", member="member", value=name, unit=unit))
    return pd.concat(parts, ignore_index=True)


def checks(snapshot: Snapshot, plan: Plan) -> pd.DataFrame:
    """Whether nothing was lost on the way from deals to pay, one row per check: check, expected, found, holds."""
    paid, credited = statements(snapshot, plan), _credited(snapshot)
    known = paid[paid["pay"].notna()]
    credits, quotas = money.to_cents(known["credited"]), money.to_cents(known["quota"])
    whole = sum(plan.pay(int(credit), int(quota)) for credit, quota in zip(credits, quotas, strict=True))
    lined = int(money.to_cents(lines(snapshot, plan)["pay"]).sum())
    split = int(credited.loc[credited["kind"] == "split", "cents"].sum())
    won = _won(snapshot, priced=False)
    uncredited = won["amount"].notna() & ~won["opportunity_id"].isin(credited["opportunity_id"])
    rows = [
        _sums("lines sum to the pay on each rep's whole credit", whole, lined),
        _sums("split credits sum to what was won", int(money.to_cents(won["amount"]).sum()), split),
        _none("won deals without a credit", int(uncredited.sum())),
        _none("won deals without an amount", int(won["amount"].isna().sum())),
        _none("credits of reps without a role on the close date", int(credited["role"].isna().sum())),
        _none("reps with a credit and no quota", int((paid["quota"].isna() & (paid["n"] > 0)).sum())),
    ]
    return pd.DataFrame(rows, columns=["check", "expected", "found", "holds"])


def _told(cents: int) -> str:
    return f"{cents / 100:,.2f}"


def _sums(check: str, expected: int, found: int) -> tuple[str, str, str, bool]:
    return check, _told(expected), _told(found), expected == found


def _none(check: str, found: int) -> tuple[str, str, str, bool]:
    return check, "0", f"{found:,}", found == 0


def recommendations(statements: pd.DataFrame | str, checks: pd.DataFrame | str) -> pd.DataFrame:
    """What to settle before paying, one row per failed check and advice; nobody is named."""
    rows = []
    if isinstance(checks, pd.DataFrame):
        for check in checks[~checks["holds"]].itertuples():
            rows.append((f"{check.check}: {check.found} instead of {check.expected}", "Settle it before paying", "RevOps"))
    if isinstance(statements, pd.DataFrame):
        low = int((statements["attainment"] < 0.5).sum())
        if low:
            finding = f"{low} of {len(statements)} reps are under half of their quota"
            rows.append((finding, "Look at pipeline and ramp before the quota", "sales managers"))
    else:
        rows.append(("The plan cannot be applied", "Export credits and quotas, or keep them in two spreadsheets", "RevOps"))
    return pd.DataFrame(rows, columns=["finding", "action", "owner"], dtype="str")


def _won(snapshot: Snapshot, *, priced: bool = True) -> pd.DataFrame:
    """Deals won in the quarter; `priced`: only those with an amount."""
    deals = snapshot.opportunities
    in_quarter = deals["close_date"].dt.to_period(snapshot.quarter.freqstr) == snapshot.quarter
    return deals[(deals["status"] == "won") & in_quarter & (deals["amount"].notna() | (not priced))]


def _credited(snapshot: Snapshot) -> pd.DataFrame:
    """Credits of the quarter's won deals in the plan's order, with `cents` and the rep's `role`."""
    if not snapshot.has("credits"):
        raise DataRefused(
            "this source has no credits: who is paid for a deal is not known",
            f"data {snapshot.data}",
            "map a table of credits",
        )
    won = _won(snapshot)
    found = snapshot.table("credits").merge(won[["opportunity_id", "close_date", "amount"]], on="opportunity_id")
    found = found.sort_values(["opportunity_id", "kind", "rep_id"], kind="stable")
    cents = money.to_cents(found["amount"])
    # Shares of one deal are cut at rounded cumulative shares, so that they sum to its amount without a cent missing.
    millionths = (found["share"] * 1_000_000).round().astype("int64")
    deal = [found["opportunity_id"], found["kind"]]
    upto = millionths.groupby(deal).cumsum()
    begin = upto - millionths
    shares = millionths.groupby(deal)
    whole = (shares.transform("sum") - 1_000_000).abs() <= 100 * shares.transform("size")  # thirds written as 0.3333
    upto = upto.mask(whole & ~found.duplicated(["opportunity_id", "kind"], keep="last"), 1_000_000)
    found["cents"] = [
        _part(int(amount), end) - _part(int(amount), start) for amount, start, end in zip(cents, begin, upto, strict=True)
    ]
    found["cents"] = found["cents"].astype("Int64")
    found["role"] = _roles(snapshot, found)
    return found.sort_values(["close_date", "opportunity_id", "kind", "rep_id"], kind="stable", ignore_index=True)


def _part(cents: int, millionths: int) -> int:
    return money.round_half_up(Fraction(cents * int(millionths), 1_000_000))


def _quotas(snapshot: Snapshot, plan: Plan) -> dict[str, int]:
    """Quota of the quarter in cents per rep."""
    if not snapshot.has("quotas"):
        raise DataRefused(
            "this source has no quotas: attainment and its tiers are not known",
            f"data {snapshot.data}",
            "map a table of quotas",
        )
    quotas = snapshot.table("quotas")
    quotas = quotas[(quotas["quarter"] == str(snapshot.quarter)) & (quotas["measure"] == plan.measure)]
    others = sorted({*quotas["currency"].dropna()} - {plan.currency})
    if others:
        raise DataRefused(
            f"quotas are in {others[0]}, the plan pays {plan.currency}",
            "table quotas",
            "state quotas in the currency of the plan",
        )
    quotas = quotas[money.to_cents(quotas["amount"]) > 0]  # a quota of 0 is no quota: nothing can be attained against it
    return {rep: int(cents) for rep, cents in zip(quotas["rep_id"], money.to_cents(quotas["amount"]), strict=True)}


def _roles(snapshot: Snapshot, credits: pd.DataFrame) -> pd.Series:
    """The role each credited rep held on the deal's close date, aligned with `credits`."""
    reps = snapshot.table("reps")[["rep_id", "role", "start_date"]].copy()
    reps["start_date"] = reps["start_date"].fillna(pd.Timestamp.min.as_unit("us"))
    dated = credits[["rep_id", "close_date"]].reset_index().sort_values("close_date", kind="stable")
    found = pd.merge_asof(dated, reps.sort_values("start_date"), by="rep_id", left_on="close_date", right_on="start_date")
    return found.set_index("index")["role"].reindex(credits.index)


def _assignments(snapshot: Snapshot) -> pd.DataFrame:
    """Role and team of each rep in the quarter: the assignment that started last by its end."""
    reps = snapshot.table("reps")
    reps = reps[reps["start_date"].isna() | (reps["start_date"] <= pd.Timestamp(periods.last_day(snapshot.quarter)))]
    return reps.sort_values("start_date", na_position="first").drop_duplicates("rep_id", keep="last").set_index("rep_id")


def _exact(text: Any, where: str) -> Fraction:
    """A share or rate written as quoted text; a bare YAML number has already lost its exactness."""
    if not isinstance(text, str):
        raise UsageError(f"{text!r} is a bare number", where, f'quote it: "{text}"')
    try:
        return Fraction(text)
    except ValueError:
        raise UsageError(f"{text!r} is not a number", where, 'write it like "0.065"') from None
