"""What the source does not say is missing, never 0; what is there counts, and no case at all is 0."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import ROOT

from revops_lib import kpis, sources
from revops_lib.errors import DataRefused
from revops_lib.kpis.deals import gaps
from revops_lib.kpis.values import _status
from revops_lib.snapshot import Snapshot

T = pd.Timestamp


def deal(number: int, status: str, close: str | None, amount: str | None = "100.00", **more: Any) -> dict[str, Any]:
    stage = {"open": "Talk", "won": "Won", "lost": "Lost"}[status]
    return {"opportunity_id": f"o{number}", "status": status, "stage": stage, "currency": "EUR", "amount": amount, "type": "new",
            "created_at": T("2026-01-02"), "close_date": T(close) if close else pd.NaT, **more}  # fmt: skip


def value(snapshot: Snapshot, id: str, **options: Any) -> float:
    return float(kpis.kpi(snapshot, id, **options)["value"].iloc[-1])


def paid(number: int, account: str, mrr: str, first: str, last: str | None = None) -> dict[str, Any]:
    return {"subscription_id": f"s{number}", "account_id": account, "mrr": mrr, "currency": "EUR", "start_date": T(first),
            "end_date": T(last) if last else pd.NaT}  # fmt: skip


def test_what_was_expected_on_a_past_day_is_not_known_without_a_history(company):
    """Open deals of 500 with dates; the export says how they stand on its last day only."""
    rows = [deal(i, "open", "2026-12-20", "500.00") for i in range(30)] + [deal(99, "won", "2026-02-01")]
    folder = company(opportunities=rows, known_until="2026-11-22")
    then, now = Snapshot(folder, quarter="2026Q3"), Snapshot(folder, quarter="2026Q4")
    assert value(now, "open_pipeline") == 15_000 and value(now, "overdue_share") == 0
    for id in ("open_pipeline", "weighted_pipeline", "overdue_share"):
        past = kpis.kpi(now, id, n_quarters=2).iloc[0]
        assert np.isnan([past["value"], value(then, id)]).all() and past["status"] == "", id
    assert value(then, "open_opportunities") == 30  # they were open: creation and close dates say so
    with pytest.raises(DataRefused, match="no history of the field stage"):
        kpis.kpi(now, "slippage")


def test_deals_without_amount_leave_sums_of_money_and_are_told(company):
    rows = [deal(i, "won", "2026-08-01", "100.00" if i == 0 else None) for i in range(3)]
    rows += [deal(10 + i, "lost", "2026-08-02", "0") for i in range(2)]
    some = Snapshot(company(opportunities=rows), quarter="2026Q3")
    assert value(some, "bookings") == 100 and value(some, "average_deal") == 100
    assert gaps(some)[:2] == [
        "2 of 3 deals won in 2026Q3 have no amount: sums of money leave them out.",
        "2 of 2 deals lost in 2026Q3 have no amount: sums of money leave them out.",
    ]
    for id in ("lost_amount", "win_rate_value", "required_coverage"):
        assert np.isnan(value(some, id)), id
    none = Snapshot(company(opportunities=[row | {"amount": None, "type": None} for row in rows]), quarter="2026Q3")
    for id in ("bookings", "new_bookings", "average_deal", "sales_velocity"):
        assert np.isnan(value(none, id)), id
    assert kpis.kpi(none, "bookings")["status"].tolist() == [""] and value(none, "win_rate") == 0.6


def test_of_the_public_export_what_it_does_not_say_is_missing(crm):
    """It has no amount of open and lost deals, no expected dates and no kinds of deals."""
    snapshot = Snapshot(crm, quarter="2017Q4")
    found = kpis.table(snapshot, n_quarters=1).set_index("kpi")
    assert found.loc["open_opportunities", "value"] == 2_089
    missing = ["open_pipeline", "weighted_pipeline", "overdue_share", "win_rate_value", "required_coverage", "lost_amount",
               "new_bookings", "expansion_bookings"]  # fmt: skip
    assert found.loc[missing, "value"].isna().all() and (found.loc[missing, "status"] == "").all()
    assert found.loc["bookings", "value"] > 0


def test_closed_deals_without_a_date_are_told_and_nothing_is_complete(company):
    """Also on an earlier day, on which they still stand as open."""
    rows = [deal(i, "won", "2026-08-01") for i in range(10)] + [deal(10 + i, "lost", None) for i in range(10)]
    folder = company(opportunities=rows, known_until="2026-11-15")
    for snapshot in (Snapshot(folder, quarter="2026Q3"), Snapshot(folder, quarter="2026Q4")):
        assert (
            "10 of 20 closed deals have no close date and are in no quarter; above 5% no quarter counts as complete."
            in gaps(snapshot)
        )
        found = kpis.table(snapshot, ["win_rate", "open_opportunities"], quarter="2026Q3", n_quarters=1)
        assert found["value"].iloc[0] == 1.0 and not found["is_complete"].any()
    one = [*(deal(i, "won", "2026-05-01" if i % 2 else "2026-08-01") for i in range(30)), deal(30, "lost", None)]
    assert kpis.kpi(Snapshot(company(opportunities=one), quarter="2026Q3"), "win_rate")["is_complete"].all()  # 3 %: told only


def test_leads_of_a_source_that_keeps_no_date_of_qualification(company):
    rows = [
        {"lead_id": f"l{i}", "created_at": T("2026-04-02"), "sql_at": T("2026-04-20") if i < 5 else pd.NaT} for i in range(20)
    ]
    snapshot = Snapshot(company(opportunities=[deal(1, "won", "2026-05-01")], leads=rows), quarter="2026Q2", as_of="2026-12-31")
    assert np.isnan(value(snapshot, "lead_to_mql")) and value(snapshot, "lead_to_sql") == 0.25
    for ask in (lambda: kpis.kpi(snapshot, "mqls"), lambda: kpis.funnel(snapshot, goal="mql")):
        with pytest.raises(DataRefused, match="does not say when leads were qualified by marketing"):
            ask()


def test_a_cohort_is_judged_when_its_own_days_have_passed(company):
    rows = [{"lead_id": f"l{i}", "created_at": T("2026-01-02") + i * pd.Timedelta(days=1), "mql_at": T("2026-02-20"),
             "sql_at": T("2026-02-25")} for i in range(20)]  # fmt: skip
    folder = company(opportunities=[deal(1, "won", "2026-01-05")], leads=rows)
    for as_of, ripe in (("2026-04-29", []), ("2026-04-30", ["lead_to_mql"]), ("2026-06-29", ["lead_to_mql", "mql_to_sql"]),
                        ("2026-09-27", ["lead_to_mql", "mql_to_sql", "lead_to_sql", "mql_to_customer"])):  # fmt: skip
        found = kpis.table(Snapshot(folder, quarter="2026Q1", as_of=as_of),
                           ["lead_to_mql", "mql_to_sql", "lead_to_sql", "mql_to_customer"], n_quarters=1)  # fmt: skip
        assert found.loc[found["is_complete"], "kpi"].tolist() == ripe, as_of


def test_what_is_collected_over_a_running_quarter_is_not_final(company):
    """Two customers of a hundred gone on the third day; what is seen on one day is final."""
    rows = [paid(i, f"a{i}", "10.00", "2025-01-01", "2026-07-01" if i < 2 else None) for i in range(100)]
    people = [{"rep_id": f"r{i}", "hire_date": T("2025-01-01"), "start_date": T("2025-01-01")} for i in range(3)]
    deals = [deal(i, "won", "2026-01-05", owner_id=f"r{i}") for i in range(3)]
    third = Snapshot(company(opportunities=deals, subscriptions=rows, reps=people), quarter="2026Q3", as_of="2026-07-03")
    found = kpis.table(third, n_quarters=1).set_index("kpi")
    for id in (
        "nrr",
        "grr",
        "logo_churn",
        "subscription_churn",
        "seller_turnover",
        "new_mrr",
        "churned_mrr",
        "bookings",
    ):
        assert not found.loc[id, "is_complete"] and found.loc[id, "status"] == "", id
    assert found.loc[["mrr", "arr", "customers", "arpa", "sellers", "subscriptions", "open_pipeline"], "is_complete"].all()
    assert found.loc["nrr", ["value", "n"]].tolist() == [0.98, 100]


def test_a_table_that_begins_within_a_quarter_has_no_complete_one_before_the_next(company):
    rows = [{"lead_id": f"l{i}", "created_at": T("2026-05-15") + i * pd.Timedelta(days=3)} for i in range(40)]
    deals = [deal(i, "won", f"2025-{m:02d}-05") for i, m in enumerate(range(1, 13))]
    found = kpis.kpi(Snapshot(company(opportunities=deals, leads=rows), quarter="2026Q3"), "leads", n_quarters=3)
    assert found["quarter"].astype(str).tolist() == ["2026Q2", "2026Q3"] and found["is_complete"].tolist() == [False, True]


def test_subscriptions_that_end_before_they_start_are_told(company):
    rows = [paid(1, "a", "10.00", "2026-01-01"), paid(2, "b", "7.00", "2026-05-01", "2026-04-01"),
            paid(3, "c", "5.00", "2026-05-01", "2026-04-01") | {"is_trial": True}]  # fmt: skip
    snapshot = Snapshot(company(opportunities=[deal(1, "won", "2026-02-01")], subscriptions=rows), quarter="2026Q2")
    told = "1 of 2 paid subscriptions end before they start: recurring revenue leaves them out."
    assert told in kpis.notes(snapshot, "none", "none", "none") and value(snapshot, "mrr") == 10
    fine = Snapshot(company(opportunities=[deal(1, "won", "2026-02-01")], subscriptions=rows[:1]), quarter="2026Q2")
    assert not any("before they start" in note for note in kpis.notes(fine, "none", "none", "none"))


TEAMS = [{"rep_id": f"r{team}{i}", "team": team, "region": region, "start_date": T("2024-01-01"), "hire_date": T("2024-01-01")}
         for team, region in (("A", "North"), ("B", "South")) for i in range(2)]  # fmt: skip


def quota(rep: str, amount: str, **more: Any) -> dict[str, Any]:
    return {"rep_id": rep, "quarter": "2026Q3", "measure": "bookings", "amount": amount, "currency": "EUR", **more}


def test_groups_are_those_of_all_that_a_kpi_counts_and_add_up(company):
    """Only team A sells; both have quotas and sellers."""
    rows = [deal(i, "won", "2026-08-01", owner_id="rA0") for i in range(3)] + [
        deal(9 + i, "lost", "2026-05-01", owner_id="rB0") for i in range(3)
    ]
    folder = company(opportunities=rows, reps=TEAMS, quotas=[quota("rA0", "200.00"), quota("rB0", "400.00")])
    found = kpis.table(Snapshot(folder, quarter="2026Q3"), ["productivity", "capacity", "quota"], by="team", n_quarters=1)
    assert found["member"].tolist() == ["A", "B"] * 3
    wide = found.pivot(index="member", columns="kpi", values="value")
    assert wide["productivity"].tolist() == [300.0, 0.0] and wide["quota"].tolist() == [200.0, 400.0]
    bookings = kpis.kpi(Snapshot(folder, quarter="2026Q3"), "bookings", by="team", n_quarters=2)
    assert bookings["value"].tolist() == [0.0, 0.0, 300.0, 0.0] and bookings["n"].tolist() == [0, 0, 3, 0]


def test_numerator_and_denominator_are_of_the_same_region(company):
    """A seller of the North wins 500 in the South, one of the South 20 in the North: bookings go by account, productivity by
    the seller, whom deals and sellers both have."""
    accounts = [{"account_id": "south", "region": "South"}, {"account_id": "north", "region": "North"}]
    rows = [deal(1, "won", "2026-08-01", "500.00", owner_id="rA0", account_id="south"),
            deal(2, "won", "2026-08-01", "20.00", owner_id="rB0", account_id="north")]  # fmt: skip
    snapshot = Snapshot(company(opportunities=rows, reps=TEAMS, accounts=accounts), quarter="2026Q3")
    found = kpis.table(snapshot, ["bookings", "productivity"], by="region", n_quarters=1)
    assert found["value"].tolist() == [20.0, 500.0, 500.0, 20.0]
    with pytest.raises(DataRefused, match="cannot be told apart by segment"):
        kpis.kpi(snapshot, "productivity", by="segment")


def test_other_currencies_count_at_their_rate_or_are_refused(company):
    rates = [{"currency": "JPY", "month": T("2026-01-01"), "rate": "0.01"}]
    rows = [deal(1, "won", "2026-08-01", "500.00", owner_id="rA0")]
    tables = {
        "quotas": [quota("rA0", "150000.00", currency="JPY")],
        "spend": [{"month": T("2026-08-01"), "kind": "sales", "amount": "150000.00", "currency": "JPY"},
                  {"month": T("2026-08-01"), "kind": "marketing", "amount": "1000.00", "currency": "EUR"}],
    }  # fmt: skip
    found = Snapshot(company(opportunities=rows, reps=TEAMS, fx_rates=rates, **tables), quarter="2026Q3")
    assert value(found, "quota") == 1500 and value(found, "quota_attainment") == pytest.approx(1 / 3)
    assert value(found, "spend") == 2500
    without = Snapshot(company(opportunities=rows, reps=TEAMS, **tables), quarter="2026Q3")
    for id, what in (("quota", "quotas"), ("spend", "amounts spent")):
        with pytest.raises(DataRefused, match=f"{what} are in JPY, for which no rate is known"):
            kpis.kpi(without, id)


def test_a_credit_lowers_what_an_account_pays_and_a_contract_that_ends_before_it_begins_never_ran(company):
    rows = [paid(1, "a", "50.00", "2026-01-10"), paid(2, "a", "-20.00", "2026-02-10", "2026-03-15"),
            paid(3, "b", "-50.00", "2026-02-01", "2026-04-30"), paid(4, "c", "10.00", "2026-05-01", "2026-02-01")]  # fmt: skip
    snapshot = Snapshot(company(opportunities=[deal(1, "won", "2026-02-01")], subscriptions=rows), quarter="2026Q2")
    moved = kpis.movements(snapshot)
    told = list(zip(moved["account_id"], moved["period"].astype(str), moved["movement"], moved["change"].tolist(), strict=True))
    assert told == [("a", "2026-01", "new", 5000), ("a", "2026-02", "contraction", -2000), ("a", "2026-03", "expansion", 2000)]
    bridge = kpis.bridge(snapshot)
    assert bridge["n_closing"].tolist()[-4:] == [1, 1, 1, 1] and value(snapshot, "customers") == 1


def test_the_bridge_ends_with_the_quarter_looked_at_however_late_one_looks(company):
    rows = [paid(1, "a", "50.00", "2026-01-10"), paid(2, "b", "70.00", "2026-08-10")]
    folder = company(opportunities=[deal(1, "won", "2026-02-01")], subscriptions=rows)
    late = Snapshot(folder, quarter="2026Q2", as_of="2026-09-15")
    for every, last in (("quarter", "2026Q2"), ("month", "2026-06")):
        found = kpis.bridge(late, every=every, n=3)
        assert str(found["period"].iloc[-1]) == last and float(found["closing"].iloc[-1]) == value(late, "mrr") == 50


def test_what_a_cohort_of_customers_keeps(company):
    """Two begin in 2025Q1 at 100 each: a year later one pays 150, the other 60; one who began later pays nothing then."""
    rows = [paid(1, "a", "100.00", "2025-01-10"), paid(2, "a", "50.00", "2025-06-01"), paid(3, "b", "100.00", "2025-02-10", "2025-05-31"),
            paid(4, "b", "60.00", "2025-06-01"), paid(5, "c", "10.00", "2025-05-10", "2025-12-31")]  # fmt: skip
    folder = company(opportunities=[deal(1, "won", "2025-02-01")], subscriptions=rows)
    found = kpis.retention(Snapshot(folder, quarter="2026Q2"), at=(4, 5))
    told = found.assign(cohort=found["cohort"].astype(str)).astype({"start": float, "now": float}).to_numpy().tolist()
    assert told == [
        ["2025Q1", 4, 2, 200.0, 210.0, 0.8, 1.05],
        ["2025Q1", 5, 2, 200.0, 210.0, 0.8, 1.05],
        ["2025Q2", 4, 1, 10.0, 0.0, 0.0, 0.0],
    ]


@pytest.mark.parametrize(("found", "target"), [(0.72, 0.80), (9, 10), (18, 20), (36, 40), (72, 80), (0.36, 0.40), (0.27, 0.30)])
def test_exactly_ten_percent_below_the_target_is_near_it(found, target):
    one = kpis.definitions(Snapshot("data/sample", quarter="2026Q3"))["win_rate"]
    assert _status(one, found, target, True) == "yellow"
    assert _status(one, found * 0.999, target, True) == "red" and _status(one, target, target, True) == "green"


def test_a_lead_qualified_before_its_creation_counts_at_once_in_funnel_and_kpi(company):
    rows = [
        {"lead_id": f"l{i}", "created_at": T("2026-04-10"), "mql_at": T("2026-04-09") if i else T("2026-04-12")}
        for i in range(2)
    ]
    snapshot = Snapshot(company(opportunities=[deal(1, "won", "2026-02-01")], leads=rows), quarter="2026Q2")
    assert value(snapshot, "lead_to_mql") == 1.0 == kpis.funnel(snapshot, goal="mql", by=None, days=[30])["value"].iloc[0]


def test_deals_expected_after_the_quarter_do_not_cover_what_is_left_of_it(company):
    history = [{"opportunity_id": f"o{i}", "field": field, "new_value": told, "changed_at": T("2026-07-03"), "change_no": i}
               for i, day in ((1, "2026-09-20"), (2, "2027-06-30"))
               for field, told in (("stage", "Talk"), ("amount", "300.00"), ("close_date", day))]  # fmt: skip
    rows = [deal(1, "open", "2026-09-20", "300.00", owner_id="rA0"), deal(2, "open", "2027-06-30", "300.00", owner_id="rA0")]
    folder = company(opportunities=rows, opportunity_history=history, reps=TEAMS, quotas=[quota("rA0", "600.00")],
                     tracked=["stage", "amount", "close_date"])  # fmt: skip
    running = Snapshot(folder, quarter="2026Q3", as_of=dt.date(2026, 8, 15))
    assert value(running, "remaining_coverage") == 0.5
    assert np.isnan(value(Snapshot(folder, quarter="2026Q3"), "remaining_coverage"))


@pytest.mark.parametrize("mapping", ["spreadsheet", "pipedrive", "hubspot", "salesforce", "dynamics"])
def test_every_shipped_mapping_of_a_crm_takes_subscriptions_and_spend(mapping):
    told = yaml.safe_load((ROOT / "data" / "mappings" / f"{mapping}.yml").read_text(encoding="utf-8"))["tables"]
    assert {"subscription_id", "account_id", "mrr", "start_date"} <= {*told["subscriptions?"]["columns"]} and "spend?" in told


def test_recurring_revenue_of_a_list_kept_in_a_spreadsheet(tmp_path):
    files = {
        "deals.csv": "Deal ID,Customer,Amount,Stage,Created,Close date\n1,a,100,Won,2026-01-05,2026-02-01\n2,b,5,Lost,2026-01-06,2026-06-30\n",
        "abonnements.csv": "Abonnement,Client,Montant mensuel,Début,Fin\ns1,a,50,2026-01-10,\ns2,b,30,2026-01-10,2026-05-31\n",
        "spend.csv": "Month,Kind,Amount\n2026-05-01,Marketing,70\n2026-06-01,Ventes,50\n",
    }
    (tmp_path / "raw").mkdir()
    for name, text in files.items():
        (tmp_path / "raw" / name).write_text(text, encoding="utf-8")
    sources.import_export(ROOT / "data" / "mappings" / "spreadsheet.yml", tmp_path / "raw", tmp_path / "data")
    snapshot = Snapshot(tmp_path / "data", quarter="2026Q2")
    assert value(snapshot, "mrr") == 50 and value(snapshot, "logo_churn") == 0.5 and value(snapshot, "spend") == 120
