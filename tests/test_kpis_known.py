"""KPIs against what others published, a public CRM export counted by hand, and laws that hold on any data."""

from __future__ import annotations

import datetime as dt
import json
import os
import tempfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import ROOT, SHARED
from hypothesis import given, settings
from hypothesis import strategies as st

from revops_lib import kpis, periods, quality, queues, report, sources, statistics, tables
from revops_lib.errors import DataRefused
from revops_lib.kpis import arithmetic
from revops_lib.shapley import shapley
from revops_lib.snapshot import Snapshot

FILE = Path(os.environ.get("REVOPS_CASES", SHARED / "cases")) / "kpis.json"
CASES = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else []
Inputs = dict[str, Any]


# --- published numbers ------------------------------------------------------------------------------------------------


def velocity_parts(inputs: Inputs) -> list[float]:
    names = ("opportunities", "value", "win rate", "cycle")
    old, new = (dict(zip(names, map(Fraction, map(str, inputs[side])), strict=True)) for side in ("base", "new"))
    return [float(part) for part in shapley(old, new, divisors=["cycle"]).values()]


KNOWN: dict[str, Callable[[Inputs], Any]] = {
    "sales_velocity": lambda i: arithmetic.sales_velocity(i["opps"], i["win"], i["value"], i["cycle"]),
    "grr": lambda i: arithmetic.retained(i["start"], i["churn"], i["contraction"]),
    "nrr": lambda i: arithmetic.retained(i["start"], i["churn"], i["contraction"], i["expansion"]),
    "coverage": lambda i: arithmetic.coverage(i["pipeline"], i["remaining"]),
    "required_coverage": lambda i: arithmetic.required_coverage(i["win"]),
    "cac_payback": lambda i: arithmetic.cac_payback(i["cac"], i["arpa"], i["gm"]),
    "ltv": lambda i: arithmetic.ltv(i["arpa"], i["gm"], i["churn"]),
    "magic_number": lambda i: arithmetic.magic_number(i["delta_rev"], i["sm_prev"]),
    "wape": lambda i: arithmetic.wape(i["actual"], i["forecast"]),
    "mape": lambda i: arithmetic.mape(i["actual"], i["forecast"]),
    "capacity": lambda i: arithmetic.capacity(**i),
    "erlang_c_pwait": lambda i: queues.share_waiting(i["calls_per_s"], i["aht"], i["agents"]),
    "erlang_c_sl": lambda i: queues.service_level(i["calls_per_s"], i["aht"], i["agents"], i["t"]),
    "erlang_c_agents": lambda i: queues.agents_needed(i["calls_per_s"], i["aht"], i["t"], i["target"]),
    "shapley_velocity": velocity_parts,
    "nps": lambda i: arithmetic.nps(i["promoters"], i["detractors"]),
    "csat": lambda i: arithmetic.ratio(i["positive"], i["n"]),
    "mrr_yearly": lambda i: arithmetic.monthly(i["billed"]),
}


def places(value: Any) -> int:
    """Decimals to which a published number is written."""
    return len(str(value).partition(".")[2])


@pytest.mark.skipif(
    not CASES, reason="no worked examples: put shared/ beside the checkout or name their folder in REVOPS_CASES"
)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["kpi"])
def test_a_published_number_is_reproduced(case):
    found, expected = KNOWN[case["kpi"]](case["inputs"]), case["expected"]
    for one, other in zip(np.ravel(found).tolist(), np.ravel(expected).tolist(), strict=True):
        assert one == pytest.approx(other, abs=0.5 * 10.0 ** -places(other) * (1 + 1e-9))


def test_published_numbers_that_contradict_themselves_are_computed_as_they_should_be():
    """Cost per SQL, NRR, CAC payback and LTV: what the page prints, and what its inputs give."""
    assert arithmetic.ratio(20, 0.20) == pytest.approx(100)  # cost per SQL; intentbench.com prints 150
    assert arithmetic.retained(83_333, 8_333, 833, 1_250) == pytest.approx(0.905, abs=5e-4)  # help.fincome.co: 88.5 %
    assert arithmetic.cac_payback(600, 120, 0.8) != 600 / 120 * 0.8  # help.finmark.com multiplies by the margin
    assert arithmetic.ltv(1200, 0.7, 0.06) == pytest.approx(14_000)  # 2nth-site.pages.dev answers 16,800


def test_a_zero_denominator_is_nothing_measured():
    for value in (arithmetic.ratio(0, 0), arithmetic.retained(0, 0, 0), arithmetic.coverage(100, 50, 50),
                  arithmetic.magic_number(1, 0), arithmetic.wape([0], [1]), arithmetic.sales_velocity(1, 1, 1, 0)):  # fmt: skip
        assert np.isnan(value)


def test_no_two_ids_share_a_formula():
    known = kpis.definitions(Snapshot("data/sample", quarter="2026Q3"))
    formulas = {(one.code, tuple(sorted(one.inputs.items()))) for one in known.values()}
    assert len(formulas) == len(known)


# --- a public export, counted by hand -----------------------------------------------------------------------------------

BY = {"product_id": "product", "region": "regional_office", "manager_id": "manager"}
QUARTERS = ["2017Q1", "2017Q2", "2017Q3", "2017Q4"]


def by_hand(folder: Path, column: str) -> dict[tuple[str, str], dict[str, float]]:
    """Quarter and group → closed, won, value, days, as a loop over the file counts them."""
    agents = {row["sales_agent"]: row for row in pd.read_csv(folder / "sales_teams.csv").to_dict("records")}
    found: dict = {}
    for row in pd.read_csv(folder / "sales_pipeline.csv").to_dict("records"):
        if row["deal_stage"] not in ("Won", "Lost"):
            continue
        close = pd.Timestamp(row["close_date"])
        member = {**row, **agents[row["sales_agent"]]}[column]
        key = (f"{close.year}Q{close.quarter}", "GTX Pro" if member == "GTXPro" else member)
        cell = found.setdefault(key, {"closed": 0, "won": 0, "value": 0, "days": 0})
        cell["closed"] += 1
        if row["deal_stage"] == "Won":
            cell["won"] += 1
            cell["value"] += row["close_value"]
            cell["days"] += (close - pd.Timestamp(row["engage_date"])).days
    return found


@pytest.mark.parametrize("by", BY)
def test_the_public_export_by_quarter_and_group(crm, crm_export, by):
    ids = ["bookings", "win_rate", "average_deal", "cycle_time", "deals_won", "sales_velocity"]
    snapshot = Snapshot(crm, quarter="2017Q4")
    found = kpis.table(snapshot, ids, by=by, n_quarters=4)
    if by == "manager_id":  # people are pseudonyms: whose they are, their deals tell
        raw = pd.read_csv(crm_export / "sales_pipeline.csv").merge(pd.read_csv(crm_export / "sales_teams.csv"))
        manager = snapshot.opportunities["opportunity_id"].map(raw.set_index("opportunity_id")["manager"])
        pairs = set(zip(snapshot.members(snapshot.opportunities, by), manager, strict=True))
        assert len(pairs) == len(dict(pairs)) == raw["manager"].nunique()
        found["member"] = found["member"].map(dict(pairs))
    hand = by_hand(crm_export, BY[by])
    for row in found.itertuples():
        cell = hand[str(row.quarter), row.member]
        average, cycle = cell["value"] / cell["won"], cell["days"] / cell["won"]
        expected = {
            "bookings": cell["value"], "win_rate": cell["won"] / cell["closed"], "average_deal": average, "cycle_time": cycle,
            "deals_won": cell["won"], "sales_velocity": cell["value"] / cycle,
        }[row.kpi]  # fmt: skip
        assert row.value == pytest.approx(expected, rel=1e-12), row
        assert row.n == (cell["closed"] if row.kpi == "win_rate" else cell["won"])  # what the value rests on
        assert row.is_complete == (str(row.quarter) != "2017Q1")
    rates = found[found["kpi"] == "win_rate"]
    low, high = statistics.wilson(rates["value"] * rates["n"], rates["n"])
    assert rates["low"].tolist() == pytest.approx(low.tolist()) and rates["high"].tolist() == pytest.approx(high.tolist())
    assert set(zip(rates["quarter"].astype(str), rates["member"], strict=True)) == set(hand)
    assert set(found["quarter"].astype(str)) == set(QUARTERS)


def test_another_spelling_counts_under_its_product_only_when_the_mapping_says_so(crm, crm_export, tmp_path):
    as_written = pd.read_csv(crm_export / "sales_pipeline.csv")["product"].value_counts()
    mapped = Snapshot(crm, quarter="2017Q4")
    told = quality.spellings(mapped).set_index("written").loc["GTXPro"]
    assert (told["counted_as"], told["n"]) == ("GTX Pro", as_written["GTXPro"])
    assert "GTXPro" not in set(kpis.kpi(mapped, "deals_won", by="product_id", n_quarters=4)["member"])

    mapping = (ROOT / "data" / "mappings" / "crm_opportunities.yml").read_text(encoding="utf-8")
    assert "      product_id: {GTXPro: GTX Pro}\n" in mapping
    (tmp_path / "plain.yml").write_text(
        mapping.replace("    values:\n      product_id: {GTXPro: GTX Pro}\n", ""), encoding="utf-8"
    )
    sources.import_export(tmp_path / "plain.yml", crm_export, tmp_path / "data")
    plain = Snapshot(tmp_path / "data", quarter="2017Q4")
    apart, together = (
        kpis.kpi(one, "deals_won", by="product_id", n_quarters=4).groupby("member")["value"].sum() for one in (plain, mapped)
    )
    assert "GTX Pro" not in apart and apart["GTXPro"] == together["GTX Pro"] > 0
    assert "(unknown)" in set(kpis.kpi(plain, "deals_won", by="family", n_quarters=4)["member"])
    findings = quality.findings(plain).set_index("rule")
    assert findings.loc["unknown product", "n"] == as_written["GTXPro"]


# --- recurring revenue ----------------------------------------------------------------------------------------------------

DEAL = {"opportunity_id": "o", "status": "open", "stage": "open", "currency": "EUR", "created_at": pd.Timestamp("2024-01-01")}
BEGIN = dt.date(2025, 1, 1)
ROOM = tempfile.TemporaryDirectory(prefix="revenue-")  # it goes when the process ends


def lay(subscriptions: list[dict], **more: list[dict]) -> Snapshot:
    """A company of subscriptions only, known until the end of 2026."""
    folder = Path(tempfile.mkdtemp(dir=ROOM.name)) / "data"
    frames = {"stages": [{"stage": "open", "position": 1, "status": "open"}], "opportunities": [DEAL],
              "subscriptions": subscriptions, **more}  # fmt: skip
    dataset = {"name": "small", "known_until": "2026-12-31", "timezone": "UTC", "fiscal_year_end": "DEC", "currency": "EUR",
               "tracked": [], "files": [], "aliases": [], "quarantined": []}  # fmt: skip
    tables.write(folder, {name: tables.conform(name, pd.DataFrame(rows)) for name, rows in frames.items()}, dataset)
    return Snapshot(folder, quarter="2026Q2")


def subscription(number: int, account: str, mrr: str, first: str, last: str | None = None, **more: Any) -> dict:
    return {"subscription_id": f"s{number}", "account_id": account, "mrr": mrr, "currency": "EUR",
            "start_date": pd.Timestamp(first), "end_date": pd.NaT if last is None else pd.Timestamp(last), **more}  # fmt: skip


def named(snapshot: Snapshot) -> list[tuple[str, str, int]]:
    moved = kpis.movements(snapshot)
    return list(zip(moved["period"].astype(str), moved["movement"], moved["change"].tolist(), strict=True))


def test_a_second_subscription_is_expansion_and_losing_one_of_two_contraction():
    rows = [subscription(1, "a", "100.00", "2026-01-10"), subscription(2, "a", "40.00", "2026-02-10", "2026-04-09")]
    assert named(lay(rows)) == [("2026-01", "new", 10_000), ("2026-02", "expansion", 4_000), ("2026-04", "contraction", -4_000)]


def test_the_published_movements_of_a_yearly_plan():
    """Help page 201244842 of ChartMogul: 2,000 a year is 166.67 new, + 60 expansion, − 60 contraction, churn at the end of the
    period, reactivation."""
    rows = [
        subscription(1, "a", "166.67", "2025-01-15", "2026-01-14"), subscription(2, "a", "60.00", "2025-03-15", "2025-06-14"),
        subscription(3, "a", "150.00", "2026-04-01"),
    ]  # fmt: skip
    assert named(lay(rows)) == [
        ("2025-01", "new", 16_667), ("2025-03", "expansion", 6_000), ("2025-06", "contraction", -6_000),
        ("2026-01", "churn", -16_667), ("2026-04", "reactivation", 15_000),
    ]  # fmt: skip


def test_a_trial_is_nothing_until_it_is_paid():
    rows = [
        subscription(1, "a", "80.00", "2026-01-10", "2026-02-09", is_trial=True),
        subscription(2, "a", "80.00", "2026-02-10"),
    ]
    assert named(lay(rows)) == [("2026-02", "new", 8_000)]
    assert kpis.kpi(lay(rows[:1]), "mrr")["value"].fillna(0).sum() == 0


def test_merged_accounts_do_not_churn():
    rows = [subscription(1, "old", "50.00", "2026-01-10", "2026-03-09"), subscription(2, "new", "70.00", "2026-03-10")]
    merged = lay(rows, account_merges=[{"old_id": "old", "new_id": "new", "merged_at": pd.Timestamp("2026-03-10")}])
    assert named(merged) == [("2026-01", "new", 5_000), ("2026-03", "expansion", 2_000)]
    assert sorted(movement for _, movement, _ in named(lay(rows))) == ["churn", "new", "new"]  # not merged: two customers


def test_rates_move_nothing():
    rows = [{**subscription(1, "a", "100.00", "2026-01-10"), "currency": "USD"}]
    rates = [{"currency": "USD", "month": pd.Timestamp(f"2026-0{m}-01"), "rate": f"0.9{m}"} for m in range(1, 7)]
    snapshot = lay(rows, fx_rates=rates)
    assert named(snapshot) == [("2026-01", "new", 9_600)]  # the latest rate known, for every month


history = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 700), st.one_of(st.none(), st.integers(0, 500)), st.integers(0, 10**7),
              st.booleans()), min_size=1, max_size=25,
)  # fmt: skip


@settings(max_examples=4, deadline=None, print_blob=True)
@given(history, st.randoms(use_true_random=False))
def test_the_bridge_closes_on_any_history(rows, random):
    """Opening + movements = closing every month and quarter; Σ movements of a customer = what it pays; as a loop says."""
    subscriptions = []
    for i, (account, start, length, cents, is_trial) in enumerate(rows):
        first = BEGIN + dt.timedelta(days=start)
        last = None if length is None else first + dt.timedelta(days=length)
        amount = f"{cents // 100}.{cents % 100:02d}"
        row = subscription(i, f"a{account}", amount, first.isoformat(), last and last.isoformat(), is_trial=is_trial)
        subscriptions.append(row)
    snapshot = lay(random.sample(subscriptions, len(subscriptions)))

    def pays(account: str, day: dt.date) -> int:
        return sum(
            cents for (who, start, length, cents, is_trial) in rows
            if f"a{who}" == account and not is_trial and BEGIN + dt.timedelta(days=start) <= day
            and (length is None or day <= BEGIN + dt.timedelta(days=start + length))
        )  # fmt: skip

    accounts = [f"a{i}" for i in range(4)]
    for every, n in (("month", 18), ("quarter", 6)):
        bridge = kpis.bridge(snapshot, every=every, n=n)
        moved = kpis.movements(snapshot, every=every)
        for row in bridge.itertuples():
            assert row.opening + row.new + row.expansion + row.contraction + row.churn + row.reactivation == row.closing
            end = min(row.period.end_time.date(), snapshot.as_of)
            assert row.closing * 100 == sum(pays(account, end) for account in accounts)
            assert row.n_closing == sum(pays(account, end) > 0 for account in accounts)
        assert (bridge["closing"].iloc[:-1].to_numpy() == bridge["opening"].iloc[1:].to_numpy()).all()
        assert (moved["after"] - moved["before"] == moved["change"]).all()
        for account, own in moved.groupby("account_id"):
            assert own["change"].sum() == pays(account, snapshot.as_of)
            assert (own["before"].iloc[1:].to_numpy() == own["after"].iloc[:-1].to_numpy()).all()  # no gap between movements


def test_the_bridge_of_the_sample_closes_every_month():
    snapshot = Snapshot("data/sample", quarter="2026Q3")
    bridge = kpis.bridge(snapshot, n=60)
    for row in bridge.itertuples():
        assert row.opening + row.new + row.expansion + row.contraction + row.churn + row.reactivation == row.closing
    assert (bridge["opening"].iloc[1:].to_numpy() == bridge["closing"].iloc[:-1].to_numpy()).all()
    assert float(bridge["closing"].iloc[-1]) == pytest.approx(kpis.kpi(snapshot, "mrr")["value"].iloc[0], rel=1e-12)


# --- laws ---------------------------------------------------------------------------------------------------------------


def without_spend(snapshot: Snapshot) -> list[str]:
    known, others = kpis.definitions(snapshot), {"spend", "findings", "pages"}  # the last two no snapshot holds
    return [id for id, one in known.items() if not others & {ref[0] for own in one.inputs.values() for ref in own}]


def sample_with(folder: Path, change: Callable[[str, pd.DataFrame], pd.DataFrame]) -> Snapshot:
    """The sample company with every table changed."""
    frames = {path.stem: pd.read_parquet(path) for path in (ROOT / "data" / "sample").glob("*.parquet")}
    frames = {name: tables.conform(name, change(name, frame)) for name, frame in frames.items() if name in tables.TABLES}
    dataset = json.loads((ROOT / "data" / "sample" / "dataset.json").read_text(encoding="utf-8"))
    tables.write(folder, frames, dataset)
    return Snapshot(folder, quarter="2026Q2")


def test_rows_in_another_order_give_the_same_bits_and_later_rows_change_nothing(tmp_path):
    def changed(name: str, frame: pd.DataFrame) -> pd.DataFrame:
        mixed = frame.sample(frac=1, random_state=5)
        later = {"subscriptions": ("start_date", "subscription_id"), "leads": ("created_at", "lead_id")}
        if name in later:
            day, key = later[name]
            extra = frame.tail(5).copy()
            extra[day], extra[key] = pd.Timestamp("2026-07-02"), [f"late {i}" for i in range(5)]
            if name == "leads":
                extra[["mql_at", "sql_at", "disqualified_at"]] = pd.NaT
            mixed = pd.concat([mixed, extra])
        return mixed

    usual, other = Snapshot("data/sample", quarter="2026Q2"), sample_with(tmp_path / "data", changed)
    ids = without_spend(usual)
    pd.testing.assert_frame_equal(kpis.table(other, ids, n_quarters=1), kpis.table(usual, ids, n_quarters=1), check_exact=True)
    some = ["win_rate", "bookings", "cycle_time", "attainment_median", "sales_velocity", "quota_attainment"]
    one, two = (kpis.table(snapshot, some, by="team", n_quarters=1) for snapshot in (other, usual))
    pd.testing.assert_frame_equal(one, two, check_exact=True)


def deals(*rows: tuple[str, str, str, str | None]) -> list[dict]:
    return [
        {"opportunity_id": f"o{i}", "account_id": account, "status": status, "stage": "Won" if status == "won" else "Lost",
         "close_date": pd.Timestamp(closed), "created_at": pd.Timestamp("2026-01-05"), "currency": "EUR", "amount": amount}
        for i, (account, status, closed, amount) in enumerate(rows)
    ]  # fmt: skip


def test_a_segment_with_one_deal_keeps_its_row_with_wide_bounds(company):
    accounts = [{"account_id": "a", "segment": "large"}, {"account_id": "b", "segment": "small"}]
    rows = deals(("a", "won", "2026-05-01", "10.00"), *[("b", "lost", f"2026-05-{d:02d}", None) for d in range(1, 21)])
    snapshot = Snapshot(company(opportunities=rows, accounts=accounts), quarter="2026Q2")
    found = kpis.kpi(snapshot, "win_rate", by="segment").set_index("member")
    assert found.loc["large", ["value", "n"]].tolist() == [1.0, 1.0] and found.loc["small", "value"] == 0.0
    assert found.loc["large", "low"] == pytest.approx(float(statistics.wilson(1, 1)[0])) and found.loc["large", "low"] < 0.3
    average = kpis.kpi(snapshot, "average_deal", by="segment").set_index("member")
    assert average.loc["large", "value"] == 10.0 and np.isnan(average.loc["large", "low"])
    assert np.isnan(average.loc["small", "value"])  # nothing won: nothing measured


def test_a_quarter_in_which_nothing_closed_is_0_won_and_no_rate(company):
    rows = deals(("a", "won", "2026-02-01", "10.00"), ("a", "won", "2026-08-01", "30.00"), ("a", "lost", "2026-08-02", None))
    snapshot = Snapshot(company(opportunities=rows), quarter="2026Q3")
    found = kpis.table(snapshot, ["bookings", "win_rate", "average_deal"], n_quarters=3)
    assert found["quarter"].astype(str).unique().tolist() == ["2026Q1", "2026Q2", "2026Q3"]
    empty = found[found["quarter"].astype(str) == "2026Q2"].set_index("kpi")
    assert empty["value"].fillna(-1).to_dict() == {"bookings": 0.0, "win_rate": -1, "average_deal": -1}
    assert (empty["n"] == 0).all() and empty["is_complete"].all()
    before = kpis.kpi(snapshot, "bookings", quarter="2025Q4")
    assert before.empty and list(before.columns) == list(found.columns)  # before the data begin nothing is known


def test_the_dictionary_has_no_formula_without_its_line():
    """Every entry states its example, and its inputs are those of the formula."""
    entries = yaml.safe_load((ROOT / "data" / "kpis.yml").read_text(encoding="utf-8"))["kpis"]
    for entry in entries:
        assert set(entry["inputs"]) == set(entry["example"]["inputs"]), entry["id"]
        assert set(entry["name"]) == {"en", "fr"} and entry["example"]["source"], entry["id"]


def test_the_day_after_the_quarter_is_not_in_it(company):
    rows = deals(("a", "won", "2026-03-31", "10.00"), ("a", "won", "2026-04-01", "30.00"))
    for quarter, value in (("2026Q1", 10.0), ("2026Q2", 30.0)):
        found = kpis.kpi(Snapshot(company(opportunities=rows), quarter=quarter), "bookings")
        assert found["value"].tolist() == [value] and found["quarter"].tolist() == [periods.quarter(quarter)]


def test_two_currencies_without_rates_are_refused_and_counts_of_people_and_leads_are_not(company):
    rows = deals(("a", "won", "2026-05-01", "10.00"), ("a", "lost", "2026-05-02", "20.00"))
    rows[1]["currency"] = "USD"
    lead = {"lead_id": "l", "created_at": pd.Timestamp("2026-05-03"), "source": "web"}
    snapshot = Snapshot(company(opportunities=rows, leads=[lead]), quarter="2026Q2")
    with pytest.raises(DataRefused, match=r"amounts in EUR and USD cannot be summed — .*declare `fx`"):
        kpis.kpi(snapshot, "bookings")
    found = kpis.table(snapshot, n_quarters=1)
    assert found.set_index("kpi").loc["leads", "value"] == 1.0 and "win_rate" not in set(found["kpi"])
    assert "cannot be summed" in report.ask(kpis.teams, snapshot)


def test_tables_without_a_row_give_no_row_and_no_zero(company):
    """Everything is mapped, nothing but two deals is in it."""
    rows = deals(("a", "won", "2026-05-01", "10.00"), ("a", "lost", "2026-05-02", None))
    empty = {name: [] for name in ("leads", "products", "reps", "quotas", "credits", "subscriptions", "spend", "accounts",
                                   "forecast_submissions", "account_merges")}  # fmt: skip
    snapshot = Snapshot(company(opportunities=rows, **empty), quarter="2026Q2")
    found = kpis.table(snapshot)
    counted = {"leads", "mqls", "cost_per_lead", "quota_attainment", "mrr", "nrr", "logo_churn", "ramp_time"}
    assert not counted & set(found["kpi"]) and {"bookings", "deals_lost"} <= set(found["kpi"])
    told = {name: report.ask(ask, snapshot) for name, ask in {
        "tiles": kpis.tiles, "trend": kpis.trend, "changes": kpis.changes, "alerts": kpis.checked, "tree": kpis.tree,
        "funnel": kpis.funnel, "steps": kpis.steps, "bridge": kpis.bridge, "staying": kpis.churn_survival, "teams": kpis.teams,
        "regions": kpis.regions, "products": kpis.products, "best": kpis.best,
    }.items()}  # fmt: skip
    reasons = {name for name, one in told.items() if isinstance(one, report.Reason)}
    assert reasons == {"funnel", "steps", "staying", "best"}, told
    assert kpis.headline(snapshot, told["tiles"], kpis.alerts(snapshot)).startswith("2026Q2: 10 EUR booked")


def test_who_ends_on_the_last_day_of_a_quarter_is_counted_once(company):
    """Ten subscriptions and ten sellers, of which five end on the last day of a quarter."""
    day, last = dt.date(2025, 1, 1), dt.date(2026, 6, 30)
    paid = [{"subscription_id": f"s{i}", "account_id": f"a{i}", "mrr": "10.00", "currency": "EUR", "start_date": day,
             "end_date": last if i < 5 else None} for i in range(10)]  # fmt: skip
    people = [{"rep_id": f"r{i}", "start_date": day, "hire_date": day, "end_date": last if i < 5 else None} for i in range(10)]
    rows = [{**deals(("a", "won", "2026-05-01", "1.00"))[0], "opportunity_id": f"o{i}", "owner_id": f"r{i}"} for i in range(10)]
    snapshot = Snapshot(company(opportunities=rows, subscriptions=paid, reps=people), quarter="2026Q3")
    churn = kpis.kpi(snapshot, "subscription_churn", n_quarters=2)
    assert churn[["value", "n"]].to_numpy().tolist() == [[0.0, 10.0], [0.5, 10.0]]  # as revenue and customers: in the next one
    assert kpis.kpi(snapshot, "logo_churn", n_quarters=2)["value"].tolist() == [0.0, 0.5]
    turnover = kpis.kpi(snapshot, "seller_turnover", n_quarters=2)
    assert turnover[["value", "n"]].to_numpy().tolist() == [[0.0, 10.0], [0.5, 10.0]]  # the same for people
    assert kpis.kpi(snapshot, "sellers", n_quarters=2)["value"].tolist() == [10.0, 5.0]
