"""Leads on their way and customers who stay: shares against a plain loop, the missing kept, the young not judged."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from conftest import SHARED

from revops_lib import kpis, statistics
from revops_lib.errors import DataRefused, UsageError
from revops_lib.kpis import churn_survival, funnel, steps, survival_by
from revops_lib.snapshot import Snapshot

CHURN = SHARED / "data" / "pysurvival_churn" / "churn.csv"


@pytest.fixture(scope="module")
def sample() -> Snapshot:
    return Snapshot("data/sample", quarter="2026Q3")


def incidence(cases: list[tuple[float, str | None]], limit: float, goal: str) -> float:
    """Aalen & Johansen 1978, end by end: (time, cause or None while on the way)."""
    running, reached = 1.0, 0.0
    for time in sorted({time for time, cause in cases if cause and time <= limit}):
        at_risk = sum(other >= time for other, _ in cases)
        ends = [cause for other, cause in cases if cause and other == time]
        reached += running * ends.count(goal) / at_risk
        running *= 1 - len(ends) / at_risk
    return reached


def kaplan_meier(cases: list[tuple[float, bool, float]], limit: float) -> float:
    """Kaplan & Meier 1958 with delayed entry, end by end: (time, ended, entry)."""
    there = 1.0
    for time in sorted({time for time, ended, _ in cases if ended and time <= limit}):
        at_risk = sum(entry < time <= other for other, _, entry in cases)
        there *= 1 - sum(ended and other == time for other, ended, _ in cases) / at_risk
    return there


def loop_over_leads(snapshot: Snapshot, goal: str) -> dict[str, list[tuple[float, str | None, float]]]:
    """(time, end, watched) of each lead of the last two quarters by source, by hand."""
    deals = {deal["opportunity_id"]: deal for deal in snapshot.opportunities.to_dict("records")}
    found: dict = {}
    for lead in snapshot.table("leads").to_dict("records"):
        created = lead["created_at"]
        local = created.tz_localize("UTC").tz_convert("Europe/Paris").tz_localize(None).normalize()
        if not pd.Timestamp("2026-04-01") <= local <= pd.Timestamp("2026-09-30"):
            continue
        watched = (snapshot.cutoff - created).total_seconds() / 86_400
        deal = deals.get(lead["opportunity_id"])
        out = (lead["disqualified_at"] - created).total_seconds() / 86_400 if pd.notna(lead["disqualified_at"]) else None
        there = None
        if goal == "sql" and pd.notna(lead["sql_at"]):
            there = (lead["sql_at"] - created).total_seconds() / 86_400
        if goal == "won" and deal:
            days = (deal["close_date"] - local).days
            there, out = (days if deal["status"] == "won" else None), (days if deal["status"] == "lost" else None)
        end = (there, "reached") if there is not None else (out, "dropped") if out is not None else (watched, None)
        found.setdefault(lead["source"], []).append((max(end[0], 0), end[1], watched))
    return found


@pytest.mark.parametrize("goal", ["sql", "won"])
def test_shares_of_leads_equal_a_plain_loop(sample, goal):
    found = funnel(sample, goal=goal, days=[90, 30], n_quarters=2).set_index(["member", "days"])
    loop = loop_over_leads(sample, goal)
    assert {member for member, _ in found.index} == set(loop)
    for (member, days), row in found.iterrows():
        cases = loop[member]
        assert row["value"] == pytest.approx(incidence([case[:2] for case in cases], days, "reached"), abs=1e-12)
        known = sum(1 for time, end, watched in cases if watched >= days or (end and time <= days))
        assert (row["n"], row["n_known"]) == (len(cases), known)
        assert row["n_reached"] == sum(end == "reached" and time <= days for time, end, _ in cases)
        assert row["low"] < row["value"] < row["high"] or row["value"] == 0
        assert row["is_ripe"] == (known == len(cases))


def test_of_a_ripe_cohort_the_share_is_that_of_the_kpi(sample):
    found = funnel(sample, by=None, cohort="quarter", days=[180]).set_index("cohort")
    told = kpis.kpi(sample, "lead_to_sql", n_quarters=8).set_index("quarter")
    ripe = found[found["is_ripe"]]
    assert len(ripe) >= 5
    for quarter, row in ripe.iterrows():
        assert row["value"] == pytest.approx(told.loc[pd.Period(quarter, "Q-DEC"), "value"], abs=1e-12)


def test_the_median_of_the_converted_would_be_too_fast_and_the_share_too_low(sample):
    """The running cohort: of those converted by now all were fast; the share counts who is still on the way."""
    young = funnel(sample, by=None, goal="won", cohort="quarter", days=[90, 180]).query("cohort == '2026Q3'").set_index("days")
    assert not young["is_ripe"].any() and np.isnan(young.loc[180, "value"])
    assert young.loc[90, "value"] > young.loc[90, "n_reached"] / young.loc[90, "n"]


def leads(created: str, n: int, *, sql_after: int | None = None, **more) -> list[dict]:
    start = pd.Timestamp(created)
    rows = [{"lead_id": f"{created}-{more}-{i}", "created_at": start, **more} for i in range(n)]
    for i, row in enumerate(rows):
        if sql_after is not None:
            row["sql_at"] = start + pd.Timedelta(days=sql_after + i)
    return rows


DEALS = [
    {"opportunity_id": "o1", "status": "won", "stage": "Won", "created_at": pd.Timestamp("2026-02-01"),
     "close_date": dt.date(2026, 3, 1), "currency": "EUR", "amount": "1.00"},
    {"opportunity_id": "o2", "status": "lost", "stage": "Lost", "created_at": pd.Timestamp("2026-02-01"),
     "close_date": dt.date(2026, 3, 5), "currency": "EUR"},
]  # fmt: skip


def test_a_missing_source_is_a_group_and_one_lead_is_one(company):
    rows = leads("2026-01-10", 3, sql_after=5) + leads("2026-01-10", 1, source="web")
    found = funnel(Snapshot(company(opportunities=DEALS, leads=rows), quarter="2026Q3"), days=[30])
    assert found["member"].tolist() == ["(unknown)", "web"]
    assert found["value"].tolist() == [1.0, 0.0] and found["n"].tolist() == [3, 1]
    assert found.loc[1, "low"] == 0 and found.loc[1, "high"] > 0.6  # one lead tells little


def test_steps_count_who_skipped_one_and_multiply_to_the_share_won(company, sample):
    rows = [
        {"lead_id": "a", "created_at": pd.Timestamp("2026-01-01"), "sql_at": pd.Timestamp("2026-01-05"), "opportunity_id": "o1"},
        {"lead_id": "b", "created_at": pd.Timestamp("2026-01-01"), "mql_at": pd.Timestamp("2026-01-03"),
         "sql_at": pd.Timestamp("2026-01-05"), "opportunity_id": "o2"},
        {"lead_id": "c", "created_at": pd.Timestamp("2026-01-01"), "mql_at": pd.Timestamp("2026-01-03")},
        {"lead_id": "d", "created_at": pd.Timestamp("2026-01-01"), "disqualified_at": pd.Timestamp("2026-01-03")},
        {"lead_id": "young", "created_at": pd.Timestamp("2026-07-01"), "mql_at": pd.Timestamp("2026-07-03")},
    ]  # fmt: skip
    found = steps(Snapshot(company(opportunities=DEALS, leads=rows), quarter="2026Q3")).set_index("step")
    assert found[["n", "n_next", "n_open"]].values.tolist() == [[4, 3, 0], [3, 2, 1], [2, 2, 0], [2, 1, 0]]
    assert found.loc["MQL to SQL", "value"] == pytest.approx(2 / 3)
    assert found.loc["MQL to SQL", ["low", "high"]].tolist() == pytest.approx([float(b) for b in statistics.wilson(2, 3)])
    for _, group in steps(sample, by="source").groupby("member"):
        assert group["value"].prod() == pytest.approx(group["n_next"].iloc[-1] / group["n"].iloc[0])


def test_groups_that_only_converted_leads_have_are_refused(sample):
    with pytest.raises(DataRefused, match="before they are through"):
        funnel(sample, by="segment")
    with pytest.raises(UsageError, match="did you mean won"):
        funnel(sample, goal="win")


def test_what_comes_after_changes_nothing():
    early, late = (
        Snapshot("data/sample", quarter="2025Q4", as_of="2025-12-31"), Snapshot("data/sample", quarter="2026Q3")
    )  # fmt: skip
    then = funnel(early, by=None, cohort="quarter", days=[180], n_quarters=4).set_index("cohort")
    now = funnel(late, by=None, cohort="quarter", days=[180], n_quarters=7).set_index("cohort")
    ripe = then.index[then["is_ripe"]]
    assert len(ripe) and then.loc[ripe, "value"].tolist() == pytest.approx(now.loc[ripe, "value"].tolist())


# --- customers who stay ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("segment", ["company_size", "us_region", "product_accounting"])
def test_churn_of_the_public_data_equals_a_plain_loop(segment):
    if not CHURN.exists():
        pytest.skip("no public churn data: put shared/ beside the checkout or name it in REVOPS_SHARED")
    frame = pd.read_csv(CHURN)
    found = survival_by(frame, by=segment, duration="months_active", ended="churned", at=[3, 6, 9])
    assert set(found["member"]) == set(frame[segment].unique()) and found["n"].sum() == 3 * len(frame)
    for row in found.itertuples():
        group = frame[frame[segment] == row.member]
        cases = [(m, bool(c), -1.0) for m, c in zip(group["months_active"], group["churned"], strict=True)]
        assert row.value == pytest.approx(kaplan_meier(cases, row.at), abs=1e-12)
        assert row.low <= row.value <= row.high
        assert row.n_at_risk == sum(time >= row.at for time, _, _ in cases)


def stays_by_hand(snapshot: Snapshot) -> dict[str, tuple[dt.date, dt.date | None]]:
    """First day and first day without payment of every customer, subscription by subscription."""
    found: dict = {}
    rows = snapshot.table("subscriptions").sort_values(["start_date", "subscription_id"])
    for row in rows.to_dict("records"):
        if row["is_trial"] or not row["mrr"]:
            continue
        begin = row["start_date"]
        until = row["end_date"] + pd.Timedelta(days=1) if pd.notna(row["end_date"]) else pd.Timestamp.max
        first, gone = found.get(row["account_id"], (begin, begin))
        found[row["account_id"]] = (first, max(gone, until)) if begin <= gone else (first, gone)
    return found


def months(one: pd.Timestamp, other: pd.Timestamp) -> float:
    return (other.year - one.year) * 12 + other.month - one.month + (other.day - one.day) / 31


def test_customers_of_the_sample_stay_as_long_as_a_plain_loop_says(sample):
    segment = sample.table("accounts").set_index("account_id")["segment"]
    today, stays = pd.Timestamp(sample.as_of), stays_by_hand(sample)
    begun = min(gone for _, gone in stays.values() if gone <= today) - pd.Timedelta(days=1)
    cases: dict = {}
    for account, (first, gone) in stays.items():
        entry = months(first, begun) if first <= begun else -1.0
        cases.setdefault(segment[account], []).append((months(first, min(gone, today)), gone <= today, entry))
    found = churn_survival(sample)
    assert set(found["member"]) == set(cases)
    for row in found.itertuples():
        assert row.value == pytest.approx(kaplan_meier(cases[row.member], row.at), abs=1e-12)
        assert row.n == len(cases[row.member])


def subscription(number: int, start: str, end: str | None) -> dict:
    return {"subscription_id": f"s{number}", "account_id": f"a{number}", "mrr": "10.00", "currency": "EUR",
            "start_date": pd.Timestamp(start), "end_date": pd.NaT if end is None else pd.Timestamp(end)}  # fmt: skip


def test_customers_from_before_the_data_do_not_make_churn_look_rare(company):
    """Of ten who begin in January every year half leave on the anniversary; the export keeps who was there in 2024."""
    rows = []
    for year in range(2020, 2026):
        for i in range(32):
            left = next((age for age in range(1, 6) if i % 2**age >= 2 ** (age - 1)), 6)  # half of those left, every year
            end = year + left
            if end <= 2026:
                rows.append(subscription(len(rows), f"{year}-01-10", f"{end}-01-09"))
            else:
                rows.append(subscription(len(rows), f"{year}-01-10", None))
    kept = [row for row in rows if not row["end_date"] < pd.Timestamp("2024-01-01")]
    whole, part = (
        Snapshot(company(opportunities=DEALS, subscriptions=given), quarter="2026Q3", as_of="2026-09-30")
        for given in (rows, kept)
    )
    told = churn_survival(part, by=None, months=[12, 24], since=dt.date(2024, 1, 1))
    assert told["value"].tolist() == pytest.approx([0.5, 0.25])
    assert told["value"].tolist() == pytest.approx(churn_survival(whole, by=None, months=[12, 24])["value"].tolist())
    assert (
        churn_survival(part, by=None, months=[12, 24], since=dt.date(2000, 1, 1)).loc[0, "value"] > 0.6
    )  # as if all were seen


def test_a_customer_alone_and_one_nobody_left(company):
    rows = [subscription(1, "2026-01-01", None), subscription(2, "2025-01-01", None)]
    accounts = [{"account_id": "a1", "segment": "new"}, {"account_id": "a2", "segment": "old"}]
    found = churn_survival(
        Snapshot(company(opportunities=DEALS, subscriptions=rows, accounts=accounts), quarter="2026Q3"), months=[6, 12]
    )
    assert found["value"].fillna(-1).tolist() == [1.0, -1, 1.0, 1.0]
    assert found["low"].dropna().between(0.2, 0.3).all()  # Wilson of one of one


def test_a_source_without_subscriptions_or_leads_says_so(company):
    snapshot = Snapshot(company(opportunities=DEALS), quarter="2026Q3")
    with pytest.raises(DataRefused, match="no subscriptions"):
        churn_survival(snapshot)
    with pytest.raises(DataRefused, match="no leads"):
        funnel(snapshot)
    with pytest.raises(DataRefused, match="cannot be told apart by source"):
        churn_survival(Snapshot("data/sample", quarter="2026Q3"), by="source")
