"""KPIs: every value against a plain loop over the rows it counts, and what the dictionary's reader refuses."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from revops_lib import kpis
from revops_lib.errors import DataRefused, UsageError
from revops_lib.snapshot import Snapshot

ROOT = Path(__file__).resolve().parent.parent
FIRST, LAST = pd.Timestamp("2026-04-01"), pd.Timestamp("2026-06-30")
DAY = pd.Timedelta(days=1)


@pytest.fixture(scope="module")
def snapshot():
    return Snapshot("data/sample", quarter="2026Q2")


@pytest.fixture(scope="module")
def closed(snapshot):
    """Opportunities that closed in the quarter, as plain dictionaries."""
    deals = snapshot.opportunities.to_dict("records")
    return [deal for deal in deals if deal["status"] != "open" and FIRST <= deal["close_date"] <= LAST]


def value(snapshot, id, **options):
    found = kpis.kpi(snapshot, id, **options)
    assert list(found["kpi"].unique()) == [id]
    return found["value"].iloc[-1]


def won(deals):
    return [deal for deal in deals if deal["status"] == "won"]


def amount(deals):
    return sum(deal["amount"] for deal in deals if not pd.isna(deal["amount"]))


def local(instant):
    return instant.tz_localize("UTC").tz_convert("Europe/Paris").tz_localize(None).normalize()


def days(deal):
    return (deal["close_date"] - local(deal["created_at"])).days


def test_deals_that_closed(snapshot, closed):
    n, n_won = len(closed), len(won(closed))
    priced = [deal for deal in won(closed) if not pd.isna(deal["amount"])]
    cycle = np.mean([max(days(deal), 0) for deal in won(closed)])
    average = float(amount(priced)) / len(priced)
    assert value(snapshot, "deals_won") == n_won and value(snapshot, "deals_lost") == n - n_won
    assert value(snapshot, "bookings") == float(amount(won(closed)))
    assert value(snapshot, "win_rate") == n_won / n
    assert value(snapshot, "win_rate_value") == pytest.approx(float(amount(won(closed)) / amount(closed)))
    assert value(snapshot, "average_deal") == pytest.approx(average)
    assert value(snapshot, "cycle_time") == pytest.approx(cycle)
    assert value(snapshot, "sales_velocity") == pytest.approx(n * (n_won / n) * average / cycle)
    assert value(snapshot, "required_coverage") == pytest.approx(float(amount(closed) / amount(won(closed))))
    new = [deal for deal in won(closed) if deal["type"] == "new"]
    assert value(snapshot, "new_bookings") == float(amount(new))


def test_velocity_times_cycle_is_what_was_booked(snapshot):
    """The identity that holds because all four factors count the same deals."""
    velocity, cycle = value(snapshot, "sales_velocity"), value(snapshot, "cycle_time")
    assert velocity * cycle == pytest.approx(value(snapshot, "bookings"))


def test_a_cohort_counts_its_own_deals_and_says_when_it_is_not_ripe(snapshot):
    later = Snapshot("data/sample", quarter="2026Q3", as_of="2026-11-15")
    for quarter, is_ripe in (("2026Q1", True), ("2026Q3", False)):
        found = kpis.kpi(later, "win_rate_cohort", quarter=quarter).iloc[0]
        first, last = pd.Period(quarter).start_time, pd.Period(quarter).end_time
        own = [deal for deal in later.opportunities.to_dict("records") if first <= local(deal["created_at"]) <= last]
        in_time = [deal for deal in own if deal["status"] == "won" and days(deal) <= 180]
        assert (found["value"], found["n"]) == (len(in_time) / len(own), len(own))
        assert bool(found["is_complete"]) is is_ripe


def test_pipeline_as_it_stood(snapshot):
    eve, end = dt.date(2026, 3, 31), dt.date(2026, 6, 30)
    before = snapshot.states([eve], status="open").to_dict("records")
    due = [deal for deal in before if deal["close_date"] <= LAST]
    after = snapshot.states([end]).set_index("opportunity_id")["status"]
    slipped = [deal for deal in due if after[deal["opportunity_id"]] == "open"]
    assert value(snapshot, "slippage") == len(slipped) / len(due)
    now = snapshot.states([end], status="open").to_dict("records")
    assert value(snapshot, "open_pipeline") == float(amount(now))
    chance = snapshot.table("stages").set_index("stage")["probability"]
    weighted = sum(float(deal["amount"]) * chance[deal["stage"]] for deal in now if not pd.isna(deal["amount"]))
    assert value(snapshot, "weighted_pipeline") == pytest.approx(weighted, abs=0.01 * len(now))
    quotas = snapshot.table("quotas")
    managers = {*snapshot.table("reps")["manager_id"].dropna()}
    own = quotas[(quotas["quarter"] == "2026Q2") & ~quotas["rep_id"].isin(managers)]
    assert value(snapshot, "pipeline_coverage") == pytest.approx(float(amount(due)) / float(own["amount"].sum()))


def test_leads(snapshot):
    rows = snapshot.table("leads").to_dict("records")
    created = [lead for lead in rows if FIRST <= local(lead["created_at"]) <= LAST]
    quick = [lead for lead in created if lead["mql_at"] - lead["created_at"] <= pd.Timedelta(days=30)]
    assert value(snapshot, "leads") == len(created)
    assert value(snapshot, "lead_to_mql") == len(quick) / len(created)
    mqls = [lead for lead in rows if not pd.isna(lead["mql_at"]) and FIRST <= local(lead["mql_at"]) <= LAST]
    accepted = [lead for lead in mqls if lead["sql_at"] - lead["mql_at"] <= pd.Timedelta(days=90)]
    assert value(snapshot, "mql_to_sql") == len(accepted) / len(mqls)
    assert not kpis.kpi(snapshot, "mql_to_sql")["is_complete"].iloc[0]  # accepted within 90 days: too early to say


def test_people(snapshot):
    quotas = snapshot.table("quotas")
    managers = {*snapshot.table("reps")["manager_id"].dropna()}
    own = quotas[(quotas["quarter"] == "2026Q2") & ~quotas["rep_id"].isin(managers)].set_index("rep_id")["amount"]
    deals = snapshot.opportunities
    amounts = deals[(deals["status"] == "won") & deals["close_date"].between(FIRST, LAST)].set_index("opportunity_id")["amount"]
    credited = dict.fromkeys(own.index, 0.0)
    for credit in snapshot.table("credits").to_dict("records"):
        paid = amounts.get(credit["opportunity_id"])
        if credit["rep_id"] in credited and paid is not None and not pd.isna(paid):
            credited[credit["rep_id"]] += float(paid) * credit["share"]
    attained = [credited[rep] / float(own[rep]) for rep in own.index]
    assert value(snapshot, "quota_attainment") == pytest.approx(sum(credited.values()) / float(own.sum()))
    assert value(snapshot, "attainment_median") == pytest.approx(np.median(attained))
    assert value(snapshot, "share_at_quota") == np.mean(np.array(attained) >= 1)


def test_recurring_revenue(snapshot):
    rows = [row for row in snapshot.table("subscriptions").to_dict("records") if not row["is_trial"]]

    def paid(day):
        found: dict[str, float] = {}
        for row in rows:
            if row["start_date"] <= day and not row["end_date"] < day:
                found[row["account_id"]] = found.get(row["account_id"], 0) + row["mrr"]
        return found

    start, end = paid(FIRST - pd.Timedelta(days=1)), paid(LAST)
    kept = sum(min(was, end.get(account, 0)) for account, was in start.items())
    net = sum(end.get(account, 0) for account in start)
    assert value(snapshot, "mrr") == float(sum(end.values())) and value(snapshot, "arr") == 12 * float(sum(end.values()))
    assert value(snapshot, "grr") == pytest.approx(float(kept / sum(start.values())))
    assert value(snapshot, "nrr") == pytest.approx(float(net / sum(start.values())))
    assert value(snapshot, "logo_churn") == sum(account not in end for account in start) / len(start)
    assert value(snapshot, "customers") == len(end)


def test_groups_add_up_and_keep_the_unknown(snapshot):
    company = kpis.kpi(snapshot, "bookings", n_quarters=8).set_index("quarter")["value"]
    for by in ("team", "segment", "region", "family", "source", "type", "manager_id"):
        found = kpis.kpi(snapshot, "bookings", by=by, n_quarters=8)
        assert (found.groupby("quarter")["value"].sum() * 100).round().equals((company * 100).round())
    with pytest.raises(DataRefused, match="cannot be told apart by stage_colour"):
        kpis.kpi(snapshot, "bookings", by="stage_colour")


def test_an_interval_narrows_with_the_number_of_cases_and_holds_the_value(snapshot):
    for id in ("win_rate", "average_deal", "cycle_time", "nrr", "attainment_median", "win_rate_value"):
        found = kpis.kpi(snapshot, id, n_quarters=8)
        assert (found["low"] <= found["value"]).all() and (found["value"] <= found["high"]).all(), id
    company, teams = kpis.kpi(snapshot, "average_deal"), kpis.kpi(snapshot, "average_deal", by="team")
    assert (teams["high"] - teams["low"] > (company["high"] - company["low"]).iloc[0]).mean() > 0.5


def test_the_bootstrap_of_many_equals_the_draws_one_by_one():
    """Above 100 cases the sums are drawn as normal: the interval of a mean is that of its standard error (Efron 1979)."""
    from revops_lib.kpis import intervals

    rng = np.random.default_rng(1)
    cells = np.column_stack([rng.lognormal(0, 1, 90), np.ones(90)])
    few = intervals._drawn(cells)
    more = np.repeat(cells, 4, axis=0)
    both, group = np.concatenate([more, 2 * more]), np.repeat([0, 1], len(more))
    many, doubled = intervals._normal(both, group, np.bincount(group), np.arange(2))
    np.testing.assert_allclose(doubled, 2 * many)
    spread = cells[:, 0].std() / np.sqrt(90)
    assert (few[:, 0] / few[:, 1]).std() == pytest.approx(spread, rel=0.12)
    assert (many[:, 0] / many[:, 1]).std() == pytest.approx(spread / 2, rel=0.12)


def test_an_interval_of_few_wins_among_many_deals_is_possible_and_of_fewer_than_five_is_not_known(company):
    """203 deals closed, six of them won, then four: as sums of all deals together the draws would go below 0."""
    worth = ["1000.00", "5000.00", "40000.00", "1000.00", "2000.00", "3000.00"]
    for n_won, is_known in ((6, True), (4, False)):
        rows = [{"opportunity_id": f"o{i}", "status": "won" if i < n_won else "lost", "stage": "Won" if i < n_won else "Lost",
                 "close_date": pd.Timestamp("2026-05-01"), "created_at": pd.Timestamp("2026-04-01") + i % 7 * DAY,
                 "currency": "EUR", "amount": worth[i] if i < n_won else "1000.00"} for i in range(203)]  # fmt: skip
        small = Snapshot(company(opportunities=rows), quarter="2026Q2")
        average, velocity = (kpis.kpi(small, id).iloc[0] for id in ("average_deal", "sales_velocity"))
        assert average["n"] == velocity["n"] == n_won
        for found in (average, velocity):
            assert (
                (0 < found["low"] < found["value"] < found["high"])
                if is_known
                else np.isnan([found["low"], found["high"]]).all()
            )
        share = kpis.kpi(small, "win_rate_value").iloc[0]
        assert 0 <= share["low"] < share["value"] < share["high"] <= 1


def test_an_interval_of_no_width_is_not_known(company):
    """Ten customers, none of whom moved: retention is 100 %, and nothing says how sure that is."""
    rows = [{"opportunity_id": "o", "status": "open", "stage": "Talk", "currency": "EUR",
             "created_at": pd.Timestamp("2024-01-01")}]  # fmt: skip
    paid = [{"subscription_id": f"s{i}", "account_id": f"a{i}", "mrr": "10.00", "currency": "EUR",
             "start_date": pd.Timestamp("2025-01-01")} for i in range(10)]  # fmt: skip
    found = kpis.kpi(Snapshot(company(opportunities=rows, subscriptions=paid), quarter="2026Q2"), "grr").iloc[0]
    assert found["value"] == 1.0 and np.isnan([found["low"], found["high"]]).all()


def test_same_numbers_however_many_quarters_are_asked_and_whatever_comes_after(snapshot):
    long = kpis.table(snapshot, ["win_rate", "nrr", "slippage", "mql_to_sql"], n_quarters=6)
    short = kpis.table(snapshot, ["win_rate", "nrr", "slippage", "mql_to_sql"], n_quarters=1)
    same = long[long["quarter"] == snapshot.quarter].reset_index(drop=True)
    pd.testing.assert_frame_equal(same, short)


def test_target_and_status(snapshot):
    found = kpis.kpi(snapshot, "win_rate").iloc[0]
    assert (found["target"], found["status"]) == (0.30, "green") and found["value"] >= 0.30
    cycle = kpis.kpi(snapshot, "cycle_time").iloc[0]
    assert cycle["value"] < cycle["target"] and cycle["status"] == "green"  # fewer days are better
    assert kpis.kpi(snapshot, "lost_amount")["status"].iloc[0] == ""
    arr = kpis.kpi(snapshot, "arr", n_quarters=4)
    assert arr["target"].tolist() == [20_000_000, 20_000_000, 30_000_000, 30_000_000]  # as in force in each quarter


def test_a_running_quarter_is_not_complete():
    running = Snapshot("data/sample", quarter="2026Q4")
    found = kpis.table(running, ["bookings", "mrr"], n_quarters=2)
    assert found["is_complete"].tolist() == [True, False, True, True]  # what is collected, what is seen on a day


def test_every_worked_example_runs(snapshot):
    found = kpis.examples(snapshot)
    assert len(found) == len(kpis.definitions(snapshot)) > 60
    assert found["holds"].all(), found[~found["holds"]]


def test_the_dictionary_tells_all_of_every_kpi(snapshot):
    told = kpis.dictionary(snapshot)
    assert told.notna().all(axis=None) and not (told.drop(columns="not_to_be_confused_with") == "").any(axis=None)
    assert told["id"].is_unique and told["name"].is_unique and told["name_fr"].is_unique


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda one: one.update(inputs={"part": "closed.wno", "whole": "closed.all"}), "closed have no column 'wno'"),
        (lambda one: one.update(inputs={"part": "clsed.won", "whole": "closed.all"}), "unknown population 'clsed'"),
        (lambda one: one.update(colour="red"), "unknown key 'colour'"),
        (lambda one: one.pop("owner"), "key 'owner' is missing"),
        (lambda one: one.update(code="rtio"), "unknown formula 'rtio'"),
        (lambda one: one.update(inputs=["closed.won"]), "inputs of ratio"),
        (lambda one: one.update(inputs={"part": "closed.won", "hole": "closed.all"}), "inputs of ratio: missing a required"),
        (lambda one: one.update(name="Win rate"), "'Win rate' stands where en, fr should"),
        (lambda one: one.update(anchor="creation date"), "dated by the close date"),
        (lambda one: one.update(zero="0"), "zero '0' is not known"),
        (lambda one: one.update(not_to_be_confused_with=["win_rte"]), "unknown KPI 'win_rte'"),
        (lambda one: one.update(id="bookings"), "two KPIs are called 'bookings'"),
        (lambda one: one.update(code="won_of_closed", inputs={"won": "closed.won_amount", "lost": "closed.lost_amount"},
                                interval="none", example={"inputs": {"won": "1", "lost": "3"}, "gives": "0.25", "source": "x"}),
         "is what win_rate"),
        (lambda one: one.update(ripe_after="banana"), "'banana' is no number of days"),
        (lambda one: one.update(period="month"), "period 'month' is not known"),
        (lambda one: one.update(cases="leads.all"), "leads are not counted in it"),
    ],
)  # fmt: skip
def test_a_faulty_dictionary_is_refused_with_its_line(change, said, tmp_path):
    own = _with_dictionary(tmp_path, change)
    with pytest.raises(UsageError, match=said) as refused:
        kpis.definitions(own)
    line = int(str(refused.value).split("line ")[1].split()[0])
    text = (own.directory / "kpis.yml").read_text(encoding="utf-8").splitlines()
    begins = [i for i, row in enumerate(text, 1) if row.startswith("- ")]
    place = list(kpis.definitions(Snapshot("data/sample", quarter="2026Q2"))).index("win_rate")
    assert begins[place] <= line < begins[place + 2]  # of two with one formula the second is told


def _with_dictionary(folder, change):
    """The sample company with a dictionary of its own, in which `change` altered the win rate."""
    shutil.copytree(ROOT / "data" / "sample", folder / "data")
    told = yaml.safe_load((ROOT / "data" / "kpis.yml").read_text(encoding="utf-8"))
    change(next(one for one in told["kpis"] if one["id"] == "win_rate"))
    text = yaml.safe_dump(told, sort_keys=False, allow_unicode=True)
    (folder / "data" / "kpis.yml").write_text(text, encoding="utf-8")
    return Snapshot(folder / "data", quarter="2026Q2")


def test_an_unknown_kpi_is_told_with_the_nearest(snapshot):
    with pytest.raises(UsageError, match="win_rate"):
        kpis.kpi(snapshot, "winrate")


def test_the_glossary_has_every_kpi_with_the_numbers_of_its_example(snapshot):
    page, told = kpis.glossary(), kpis.examples(snapshot)
    assert page.count("\n## ") == len(told) and all(f"id: `{id}`;" in page for id in told["id"])
    for entry, row in zip(page.split("\n## ")[1:], told.itertuples(), strict=True):
        given = entry.split(" gives ")[1].split(" ")[0].replace(",", "")
        assert float(given) == pytest.approx(float(row.expected)) and row.holds
