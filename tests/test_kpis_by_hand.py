"""One company small enough to count on paper: every KPI of the dictionary against the value worked out by hand.

No two things that a population counts or sums are alike in the quarter, so that a KPI that took another one would be wrong.
Edges stand on purpose: the first and the last day of the quarter, ends on its last day and on its eve, windows of 30, 90 and
180 days met and missed by a day.
"""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest

from revops_lib import kpis, tables
from revops_lib.kpis.populations import POPULATIONS
from revops_lib.snapshot import Snapshot

T = pd.Timestamp
STAGES = [("Talk", "open", 0.2), ("Offer", "open", 0.5), ("Won", "won", 1.0), ("Lost", "lost", 0.0)]

# id, owner, type, created, first known, expected then, stage while open, amount, outcome, closed
DEALS = [
    ("w1", "r1", "new", "2026-06-10", "", "2026-07-15", "Talk", "500", "Won", "2026-07-10"),
    ("w2", "r2", "expansion", "2026-07-02", "", "2026-12-15", "Talk", "700", "Won", "2026-09-30"),
    ("w3", "r4", "renewal", "2026-05-02", "", "2026-07-20", "Talk", "320", "Won", "2026-07-01"),
    ("w4", "r1", "new", "2026-08-10", "", "2026-08-30", "Talk", None, "Won", "2026-08-20"),
    ("w5", "r3", None, None, "2026-07-15", "2026-08-30", "Talk", "90", "Won", "2026-08-05"),
    ("w6", "r2", "new", None, "2026-08-15", "2026-08-30", "Talk", "45", "Won", "2026-09-01"),
    ("l1", "r2", "new", "2026-01-05", "", "2026-05-01", "Talk", "1000", "Lost", "2026-07-31"),
    ("l2", "r8", "new", "2026-08-25", "", "2026-10-05", "Talk", "0", "Lost", "2026-09-15"),
    ("l3", "r9", "new", "2026-07-01", "", "2026-10-05", "Talk", "400", "Lost", "2026-08-01"),
    ("l4", "m1", "new", "2026-07-05", "", "2026-10-05", "Talk", None, "Lost", "2026-08-02"),
    ("l5", "r10", "new", "2026-07-25", "", "2026-10-05", "Talk", "50", "Lost", "2026-08-15"),
    ("l6", "r1", "new", "2026-06-15", "", "2026-07-30", "Talk", "130", "Lost", "2026-07-20"),
    ("l7", "r5", "new", "2026-05-20", "", "2026-12-01", "Talk", "60", "Lost", "2026-07-05"),
    ("o1", "r1", "new", "2026-06-01", "", "2026-09-20", "Offer", "2000", "", ""),
    ("o2", "r2", "new", "2026-09-01", "", "2026-12-01", "Talk", "600", "Won", "2027-02-28"),  # 180 days
    ("o3", "r8", "new", "2026-09-02", "", None, "Talk", None, "", ""),
    ("o4", "r9", "new", "2026-08-15", "", "2026-10-15", "Talk", "150", "Won", "2027-02-12"),  # 181 days
    ("o5", "r6", "new", "2026-03-01", "", "2027-03-01", "Talk", "10", "", ""),
    ("o6", "r7", "new", "2026-02-01", "", "2026-09-30", "Talk", "70", "", ""),
    ("o7", "r10", "new", "2026-08-20", "", "2026-09-29", "Offer", "5", "", ""),
    ("o8", "r1", "new", "2026-12-02", "", "2026-12-20", "Talk", "1", "Won", "2026-12-31"),
    ("o9", "r1", "new", "2026-12-03", "", "2026-12-20", "Talk", "1", "Lost", "2027-01-10"),
    ("x1", "r4", "new", "2026-04-01", "", "2026-06-30", "Talk", "800", "Won", "2026-06-30"),
    ("x2", "r1", "new", "2026-09-10", "", "2026-10-01", "Talk", "33", "Won", "2026-10-01"),
    ("p1", "r2", "new", "2025-07-01", "", "2025-08-01", "Talk", "80", "Won", "2025-08-01"),
    ("p2", "r2", "new", "2025-10-01", "", "2025-11-01", "Talk", "75", "Won", "2025-11-01"),
    ("p3", "r4", "new", "2025-10-01", "", "2025-11-01", "Talk", "75", "Won", "2025-11-02"),
    ("p4", "r4", "new", "2026-01-01", "", "2026-02-01", "Talk", "74", "Won", "2026-02-01"),
]
CREDITS = [
    ("w1", "r1", 0.5, "split"), ("w1", "r2", 0.5, "split"), ("w1", "r3", 0.2, "overlay"), ("w2", "r2", 1, "split"),
    ("w2", "m1", 1, "overlay"), ("w3", "r4", 1, "split"), ("w4", "r1", 1, "split"), ("w5", "r3", 1, "split"),
    ("w6", "r2", 1, "split"), ("o2", "r2", 1, "split"), ("o4", "r9", 1, "split"), ("o8", "r1", 1, "split"),
    ("x1", "r4", 1, "split"), ("x2", "r1", 1, "split"), ("p1", "r2", 1, "split"), ("p2", "r2", 1, "split"),
    ("p3", "r4", 1, "split"), ("p4", "r4", 1, "split"),
]  # fmt: skip
QUOTAS = [
    ("r1", "2026Q3", "bookings", "1000"), ("r2", "2026Q3", "bookings", "995"), ("r3", "2026Q3", "bookings", "300"),
    ("r4", "2026Q3", "bookings", "400"), ("m1", "2026Q3", "bookings", "5000"), ("r9", "2026Q3", "bookings", "0"),
    ("r8", "2026Q3", "new_customers", "7"), ("r8", "2026Q2", "bookings", "50"), ("r2", "2025Q3", "bookings", "100"), ("r2", "2025Q4", "bookings", "100"),
    ("r4", "2025Q4", "bookings", "100"), ("r4", "2026Q1", "bookings", "100"), ("r4", "2026Q2", "bookings", "1000"),
]  # fmt: skip
REPS = [  # id, hired, left
    ("m1", "2023-01-01", None), ("r1", "2023-01-01", None), ("r2", "2025-01-01", None), ("r3", "2026-06-01", None),
    ("r4", "2025-11-01", "2026-09-30"), ("r5", "2024-01-01", "2026-08-15"), ("r6", "2024-01-01", "2026-06-30"),
    ("r7", "2024-01-01", "2026-06-29"), ("r8", "2026-04-03", None), ("r9", "2026-04-04", None), ("r10", "2026-08-01", None),
]  # fmt: skip
SUBMITTED = [  # who, day, category, amount
    ("r1", "2026-07-20", "commit", "600"), ("r1", "2026-07-20", "best_case", "999"), ("r1", "2026-07-29", "commit", "100"),
    ("r2", "2026-07-05", "commit", "900"), ("r2", "2026-07-28", "commit", "1500"), ("r3", "2026-07-10", "pipeline", "250"),
    ("r3", "2026-07-10", "best_case", "70"), ("r4", "2026-08-10", "commit", "500"), ("m1", "2026-07-10", "commit", "7000"),
]  # fmt: skip
LEADS = [  # id, created, mql, sql, opportunity
    ("L1", "2026-07-01", "2026-07-31", "2026-12-28", None), ("L2", "2026-07-02", "2026-08-02", "2026-12-30", "o2"),
    ("L3", "2026-08-01", "2026-08-05", "2026-08-10", "w4"), ("L4", "2026-09-30", None, None, None),
    ("L5", "2026-09-15", "2026-09-14", None, None), ("L6", "2026-05-01", "2026-07-01", "2026-09-29", "w2"),
    ("L7", "2026-05-02", "2026-07-02", "2026-10-01", "x2"), ("L8", "2026-05-03", "2026-07-04", "2026-12-02", "o8"),
    ("L9", "2026-04-01", "2026-04-02", "2026-09-03", "o8"), ("L10", "2026-04-02", "2026-04-03", "2026-09-03", "o9"),
    ("L11", "2026-04-03", "2026-04-04", "2026-08-08", None), ("L12", "2026-04-03", "2026-04-04", "2026-08-09", None),
    ("L13", "2026-05-04", "2026-07-03", "2026-12-04", "o8"),
]  # fmt: skip
SPEND = [("2026-07-01", "marketing", "100"), ("2026-08-01", "marketing", "20"), ("2026-09-01", "marketing", "3"),
         ("2026-07-01", "sales", "1000"), ("2026-09-01", "sales", "377"), ("2026-04-01", "marketing", "50"),
         ("2026-06-01", "sales", "750"), ("2026-01-01", "sales", "6000"), ("2026-10-01", "marketing", "9999")]  # fmt: skip
SUBSCRIPTIONS = [  # subscription, account, a month, first, last, trial
    ("s1", "a1", "100", "2025-01-01", None), ("s2", "a2", "50", "2025-01-01", "2026-06-30"),
    ("s3", "a3", "80", "2025-01-01", "2026-09-30"), ("s4", "a4", "60", "2025-01-01", "2026-08-14"),
    ("s4", "a4", "45", "2026-08-15", None), ("s5", "a5", "40", "2025-01-01", None), ("s5b", "a5", "25", "2026-08-01", None),
    ("s6", "a6", "30", "2026-07-01", None), ("s7", "a7", "35", "2026-09-30", None), ("s8", "a8", "15", "2025-01-01", "2025-12-31"),
    ("s8b", "a8", "20", "2026-09-01", None), ("s9", "a9", "7", "2025-01-01", None), ("s9b", "a9", "9", "2025-01-01", "2026-07-31"),
    ("s10", "a10", "99", "2026-08-01", None), ("s11", "a11", "12", "2026-07-05", "2026-08-31"),
    ("s12", "a12", "11", "2025-01-01", "2026-09-29"), ("s13", "a13", "5", "2026-08-08", None),
]  # fmt: skip
TARGETS = """\
targets: kpis
decided_by: nobody
source: the test
currency: EUR
assumptions:
  gross_margin: {2016-01-01: "0.8"}
kpis:
  bookings: {2016-01-01: "2000"}
"""


def changes(row: tuple) -> list[dict[str, Any]]:
    """The history of one deal: what was written when it was first known, and what when it closed."""
    id, _, _, created, known, expected, stage, amount, outcome, closed = row
    first, was = created or known, "900" if id == "l1" else amount
    told = [("stage", stage, first), ("close_date", expected, first), ("amount", was, first)]
    if id == "l1":
        told.append(("amount", amount, "2026-07-10"))
    if outcome:
        told += [("close_date", closed, closed), ("stage", outcome, closed)]
    return [
        {"opportunity_id": id, "field": field, "new_value": value, "changed_at": T(day) + pd.Timedelta(hours=9), "change_no": no}
        for no, (field, value, day) in enumerate(told)
        if value is not None
    ]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    frames = {
        "stages": [{"stage": stage, "position": i, "status": status, "probability": share}
                   for i, (stage, status, share) in enumerate(STAGES)],
        "opportunities": [
            {"opportunity_id": id, "owner_id": owner, "type": kind, "created_at": T(created) if created else pd.NaT,
             "close_date": T(closed or expected) if closed or expected else pd.NaT, "stage": outcome or stage,
             "status": outcome.lower() or "open", "amount": amount, "currency": "EUR", "account_id": f"of {owner}"}
            for id, owner, kind, created, _, expected, stage, amount, outcome, closed in DEALS
        ],
        "opportunity_history": [change for row in DEALS for change in changes(row)],
        "credits": [dict(zip(("opportunity_id", "rep_id", "share", "kind"), row, strict=True)) for row in CREDITS],
        "quotas": [dict(zip(("rep_id", "quarter", "measure", "amount"), row, strict=True), currency="EUR") for row in QUOTAS],
        "reps": [{"rep_id": rep, "name": rep, "manager_id": None if rep == "m1" else "m1", "hire_date": T(hired),
                  "start_date": T(hired), "end_date": T(left) if left else pd.NaT} for rep, hired, left in REPS],
        "forecast_submissions": [
            {"quarter": "2026Q3", "rep_id": rep, "submitted_at": T(day) + pd.Timedelta(hours=9), "category": category,
             "amount": amount, "currency": "EUR"} for rep, day, category, amount in SUBMITTED
        ],
        "leads": [{"lead_id": id, "created_at": T(created), "mql_at": T(mql), "sql_at": T(sql), "opportunity_id": deal}
                  for id, created, mql, sql, deal in LEADS],
        "spend": [{"month": T(month), "kind": kind, "amount": amount, "currency": "EUR"} for month, kind, amount in SPEND],
        "subscriptions": [
            {"subscription_id": id, "account_id": account, "mrr": mrr, "currency": "EUR", "start_date": T(first),
             "end_date": T(last) if last else pd.NaT, "is_trial": id == "s10"} for id, account, mrr, first, last in SUBSCRIPTIONS
        ],
    }  # fmt: skip
    dataset = {"name": "by hand", "known_until": "2027-04-30", "timezone": "UTC", "fiscal_year_end": "DEC", "currency": "EUR",
               "tracked": ["stage", "close_date", "amount"], "files": [], "aliases": [], "quarantined": []}  # fmt: skip
    to = tmp_path_factory.mktemp("by-hand") / "data"
    tables.write(to, {name: tables.conform(name, pd.DataFrame(rows)) for name, rows in frames.items()}, dataset)
    (to / "plans").mkdir()
    (to / "plans" / "targets.yml").write_text(TARGETS, encoding="utf-8")
    return to


@pytest.fixture(scope="module")
def known(folder):
    """The third quarter of 2026, looked at once its cohorts are ripe."""
    return Snapshot(folder, quarter="2026Q3", as_of="2027-04-30")


GRR, NRR = (357 - 61 - 24) / 357, (357 - 61 - 24 + 25) / 357
LTV = (387 / 9) * 0.8 / (2 / 3 / 7)
BY_HAND = {  # id: value, cases that it rests on
    "leads": (5, 5), "mqls": (8, 8), "sqls": (6, 6),
    "lead_to_mql": (3 / 5, 5),  # L1 on the 30th day, L3, L5 before its creation; L2 a day late
    "mql_to_sql": (2 / 8, 8),  # L3, L6 on the 90th day; L7 a day late
    "lead_to_sql": (2 / 5, 5),  # L1 on the 180th day, L3; L2 a day late
    "sql_to_opportunity": (3 / 6, 6),  # L3, L6, L9 on the 90th day; L10 a day late
    "mql_to_customer": (4 / 8, 8),  # L3, L6, L7, L8 on the 180th day; L13 a day late, L2 later
    "cost_per_lead": (123 / 5, 5), "cost_per_sql": (1500 / 6, 6), "spend": (1500, 5),
    "opportunities_created": (11, 11),  # w2 w4 l2 l3 l4 l5 o2 o3 o4 o7 x2
    "pipeline_created": (700 + 0 + 400 + 50 + 600 + 150 + 5 + 33, 7),
    "win_rate_cohort": (4 / 11, 11),  # w2 w4 x2 and o2 on the 180th day; o4 a day late
    "open_opportunities": (8, 8),  # o1 to o7, and x2, won on the next day
    "open_pipeline": (2000 + 600 + 150 + 10 + 70 + 5 + 33, 7),
    "weighted_pipeline": (0.5 * 2005 + 0.2 * (600 + 150 + 10 + 70 + 33), 7),
    "overdue_share": (2 / 7, 7),  # o1 o7; o6 is expected on the very day, o3 has no date
    "pipeline_coverage": (3920 / 2695, 6),  # w1 500, w3 320, l1 900 then, l6 130, o1 2000, o6 70
    "slippage": (2 / 6, 6),  # o1 o6
    "required_coverage": ((1655 + 1640) / 1655, 5),
    "remaining_coverage": (math.nan, None),  # the quarter is over
    "bookings": (1655, 6), "new_bookings": (545, 2), "expansion_bookings": (700, 1), "lost_amount": (1640, 5),
    "deals_closed": (13, 13), "deals_won": (6, 6), "deals_lost": (7, 7),
    "win_rate": (6 / 13, 13), "win_rate_value": (1655 / (1655 + 1640), 10),
    "average_deal": (1655 / 5, 5), "cycle_time": ((30 + 90 + 60 + 10) / 4, 4),
    "sales_velocity": (13 * (6 / 13) * (1655 / 5) / 47.5, 5), "expected_velocity": (8 * (6 / 13) * (1655 / 5) / 47.5, 5),
    "forecast_error": ((100 + 755 + 20) / 1335, 3), "forecast_bias": ((100 + 755 - 20) / 1335, 3),
    "quota": (1000 + 995 + 300 + 400, 4),
    "quota_attainment": ((250 + 995 + 190 + 320) / 2695, 4),  # r1 r2 r3 r4
    "attainment_median": ((190 / 300 + 320 / 400) / 2, 4), "share_at_quota": (1 / 4, 4),
    "sellers": (7, 7),  # r1 r2 r3 r4 (on the last day) r8 r9 r10
    "ramped_share": (4 / 7, 7),  # r1 r2 r4 and r8 on the 180th day
    "seller_turnover": (2 / 9, 9),  # r5, and r6 who was there on the eve; r7 was not
    "productivity": (1655 / 4, 4),
    "capacity": (2695 / 4 * (4 * 1755 / 2695 + 0.5 * 3), 7),
    "ramp_time": (241 / 30.4375, 4),  # r4: from 2025-11-01 to the end of 2026Q2; r2 takes longer, r3 and r8 are on the way
    "mrr": (387, 9), "arr": (12 * 387, 9), "new_mrr": (70, 3), "expansion_mrr": (25, 1), "contraction_mrr": (24, 2),
    "churned_mrr": (61, 2), "reactivated_mrr": (20, 1), "net_new_mrr": (30, 9), "grr": (GRR, 7), "nrr": (NRR, 7),
    "customers": (9, 9), "new_customers": (3, 3), "logo_churn": (2 / 7, 7), "arpa": (387 / 9, 9),
    "subscriptions": (8, 8), "subscription_churn": (3 / 8, 8),  # s2 ended on the eve, s9b, s12; s4 goes on, s3 ends on the last day
    "cac": (1500 / 3, 3), "cac_payback": (1500 / (70 * 0.8), 3), "ltv": (LTV, 7), "ltv_to_cac": (LTV / 500, 3),
    "magic_number": (4 * 3 * 30 / 800, 9),
}  # fmt: skip
ELSEWHERE = {"data_quality_score": (9_700, 10_000, 0.97), "playbook_freshness": (17, 20, 0.85)}


def test_every_kpi_of_the_dictionary_is_here(known):
    assert {*BY_HAND} | {*ELSEWHERE} == {*kpis.definitions(known)}


@pytest.fixture(scope="module")
def found(known):
    return kpis.table(known, n_quarters=1).set_index("kpi")


@pytest.mark.parametrize("id", BY_HAND)
def test_a_kpi_is_what_was_counted_by_hand(found, id):
    value, n = BY_HAND[id]
    assert found.loc[id, "value"] == pytest.approx(value, rel=1e-12, nan_ok=True)
    assert n is None or found.loc[id, "n"] == n
    assert found.loc[id, "is_complete"]


@pytest.mark.parametrize("id", ELSEWHERE)
def test_a_kpi_counted_elsewhere_is_what_was_counted_by_hand(id):
    part, whole, value = ELSEWHERE[id]
    assert kpis.counted_elsewhere(id, part=part, whole=whole)["value"] == value


def test_what_is_left_of_a_running_quarter(folder):
    """On 31 August o1, o6, o7 and w6 are expected by the end of September; 1,010 of 2,695 are credited."""
    running = Snapshot(folder, quarter="2026Q3", as_of="2026-08-31")
    row = kpis.kpi(running, "remaining_coverage").iloc[0]
    assert row["value"] == pytest.approx((2000 + 70 + 5 + 45) / (2695 - 1010)) and row["is_complete"]


def test_every_measure_of_a_population_is_one_that_a_kpi_takes(known):
    taken = {ref for one in kpis.definitions(known).values() for own in [*one.inputs.values(), (one.cases,)] for ref in own}
    for name, population in POPULATIONS.items():
        assert {measure for measure in population.measures if (name, measure) not in taken} <= {"all"}, name


def test_no_two_measures_of_a_population_are_alike(known):
    """Else a KPI that took the wrong one would not be noticed above."""
    counted = kpis.Counted(known, n_quarters=1)
    for name, population in POPULATIONS.items():
        if population.elsewhere or name == "ramps":  # of a median
            continue
        sums = {measure: float(counted.sums(name, measure, None).iloc[0]) for measure in population.measures}
        assert len({*sums.values()}) == len(sums), (name, sums)
