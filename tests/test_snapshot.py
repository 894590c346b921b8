"""The gate against a plain loop, and what it does where a source has no history."""

import datetime as dt
import shutil
from pathlib import Path

import pandas as pd
import pytest

from revops_lib import periods, tables
from revops_lib.errors import DataRefused, NoHistory, UsageError
from revops_lib.snapshot import Snapshot

ROOT = Path(__file__).resolve().parent.parent

DAY = dt.date


def change(number, deal, at, field, new, old=None):
    return {"change_no": number, "opportunity_id": deal, "changed_at": at, "field": field, "old_value": old, "new_value": new}


@pytest.fixture
def small(company):
    """A deal that moves, is won late, is re-opened; and one created and changed in the same second."""
    return company(
        tracked=list(tables.TRACKED),
        opportunities=[
            {"opportunity_id": "A", "status": "won", "stage": "Won", "amount": "120.50", "created_at": "2026-01-05 10:00", "close_date": "2026-03-30", "owner_id": "r2", "currency": "EUR"},
            {"opportunity_id": "B", "status": "open", "stage": "Offer", "amount": "70.00", "created_at": "2026-02-01 09:00", "close_date": "2026-06-30", "owner_id": "r1", "currency": "EUR"},
        ],
        opportunity_history=[
            change(1, "A", "2026-01-05 10:00", "stage", "Talk"),
            change(2, "A", "2026-01-05 10:00", "amount", "100.00"),
            change(3, "A", "2026-01-05 10:00", "owner_id", "r1"),
            change(4, "A", "2026-02-10 08:00", "stage", "Offer", "Talk"),
            change(5, "A", "2026-02-10 08:00", "amount", "120.50", "100.00"),
            change(6, "A", "2026-03-31 23:59:59", "close_date", "2026-03-30"),
            change(7, "A", "2026-04-01 00:00:00", "stage", "Won", "Offer"),
            change(8, "A", "2026-02-20 08:00", "owner_id", "r2", "r1"),
            change(9, "B", "2026-02-01 09:00", "stage", "Talk"),
            change(10, "B", "2026-02-01 09:00", "stage", "Offer", "Talk"),
            change(11, "B", "2026-02-01 09:00", "amount", "70.00"),
        ],
    )  # fmt: skip


def state(data, as_of, deal):
    deals = Snapshot(data, quarter="2026Q1", as_of=as_of).opportunities.set_index("opportunity_id")
    return deals.loc[deal]


def test_state_at_each_day(small):
    assert Snapshot(small, quarter="2026Q1").states([DAY(2026, 1, 4)]).empty
    assert (state(small, "2026-01-05", "A")["stage"], str(state(small, "2026-01-05", "A")["amount"])) == ("Talk", "100.00")
    assert (state(small, "2026-02-10", "A")["stage"], str(state(small, "2026-02-10", "A")["amount"])) == ("Offer", "120.50")
    assert (state(small, "2026-02-19", "A")["owner_id"], state(small, "2026-02-20", "A")["owner_id"]) == ("r1", "r2")


def test_what_is_recorded_at_midnight_belongs_to_the_next_day(small):
    assert state(small, "2026-03-31", "A")["status"] == "open"
    assert state(small, "2026-04-01", "A")["status"] == "won"


def test_changes_of_one_instant_keep_the_order_of_the_source(small):
    assert state(small, "2026-02-01", "B")["stage"] == "Offer"


def test_spells_end_where_the_next_begins_and_the_last_is_running(small):
    spells = Snapshot(small, quarter="2026Q1").spells("stage").set_index(["opportunity_id", "value"])
    assert spells.loc[("A", "Talk"), "to_at"] == spells.loc[("A", "Offer"), "from_at"] == pd.Timestamp("2026-02-10 08:00")
    assert pd.isna(spells.loc[("A", "Offer"), "to_at"]) and pd.isna(spells.loc[("A", "Offer"), "next_value"])


def test_states_of_the_sample_equal_a_plain_replay():
    snapshot = Snapshot("data/sample", quarter="2026Q3")
    days = [DAY(2020, 9, 30), DAY(2022, 2, 17), DAY(2024, 12, 31), DAY(2026, 9, 30)]
    states = snapshot.states(days)
    history = pd.read_parquet(ROOT / "data/sample/opportunity_history.parquet").sort_values("change_no")
    status = snapshot.table("stages").set_index("stage")["status"]
    for day in days:
        cutoff, replayed = periods.cutoff(day, "Europe/Paris"), {}
        for row in history.itertuples():
            if row.changed_at < cutoff:
                replayed.setdefault(row.opportunity_id, {})[row.field] = row.new_value
        mine = states[states["day"] == pd.Timestamp(day)].set_index("opportunity_id")
        assert set(mine.index) == set(replayed)
        for deal, fields in replayed.items():
            found = mine.loc[deal]
            assert found["stage"] == fields["stage"] and found["owner_id"] == fields["owner_id"]
            assert f"{found['amount']:.2f}" == fields["amount"]
            assert found["close_date"].date().isoformat() == fields["close_date"]
            assert found["forecast_category"] == fields["forecast_category"]
            assert found["status"] == status[fields["stage"]]


WEEKS = [DAY(2026, 9, 30) - dt.timedelta(weeks=back) for back in range(0, 200, 50)]


@pytest.fixture
def mixed(company):
    """Deals with and without a history, in two currencies with rates; a stage and an amount are taken away; a clock in London.

    On 2026-03-29 two days end within the same day of UTC: at 00:00, and, as summer time begins, at 23:00.
    """
    deal = {"status": "open", "stage": "Talk", "amount": "10.00", "created_at": "2026-01-10", "currency": "EUR"}
    return company(
        tracked=list(tables.TRACKED), timezone="Europe/London", known_until="2026-06-30",
        opportunities=[
            {**deal, "opportunity_id": "A", "type": "new", "owner_id": "r1"},
            {**deal, "opportunity_id": "B", "type": "renewal", "currency": "USD"},
            {**deal, "opportunity_id": "C", "status": "lost", "stage": "Lost", "close_date": "2026-04-02", "lost_reason": "price"},
            {**deal, "opportunity_id": "D", "created_at": None, "amount": None},
        ],
        opportunity_history=[
            change(1, "A", "2026-01-10 10:00", "stage", "Talk"), change(2, "A", "2026-01-10 10:00", "amount", "100.00"),
            change(3, "A", "2026-03-28 23:59:59", "stage", "Offer"), change(4, "A", "2026-03-29 00:00", "amount", "7.10"),
            change(5, "A", "2026-03-29 22:59:59", "owner_id", "r2"), change(6, "A", "2026-03-29 23:00", "amount", None),
            change(7, "A", "2026-05-01 10:00", "stage", None), change(8, "A", "2026-05-03 10:00", "stage", "Won"),
            change(9, "B", "2026-02-01 10:00", "stage", "Talk"), change(10, "B", "2026-02-01 10:00", "amount", "9.99"),
            change(11, "B", "2026-04-10 10:00", "stage", "Lost"),
        ],
        fx_rates=[{"currency": "USD", "month": "2026-01-01", "rate": "0.9"}, {"currency": "USD", "month": "2026-03-01", "rate": "0.8"}],
    )  # fmt: skip


MIXED_DAYS = [DAY(2026, 1, 9) + dt.timedelta(days=step) for step in range(173)]


def looks(crm, small, mixed):
    """Snapshots of a full history, of none, of a late re-opened deal, of half a history with rates; and days to ask them for."""
    yield Snapshot("data/sample", quarter="2026Q3"), WEEKS
    yield Snapshot(crm, quarter="2017Q4"), [DAY(2017, 3, 1), DAY(2017, 9, 30), DAY(2017, 12, 31)]
    yield Snapshot(small, quarter="2026Q4"), [DAY(2026, 2, 15), DAY(2026, 4, 1), DAY(2026, 2, 15), DAY(2026, 12, 31)]
    yield Snapshot(mixed, quarter="2026Q2"), MIXED_DAYS


@pytest.mark.parametrize("status", [None, *tables.STATUSES])
def test_chosen_states_equal_the_full_answer_filtered(crm, small, mixed, status):
    for snapshot, days in looks(crm, small, mixed):
        full = snapshot.states(days)
        kept = (full if status is None else full[full["status"] == status]).reset_index(drop=True)
        pd.testing.assert_frame_equal(snapshot.states(days, status=status), kept)
        for columns in (
            [],
            ["stage", "amount"],
            ["owner_id", "status", "close_date"],
            ["lost_reason", "stage_since", "currency"],
        ):
            chosen = snapshot.states(days, status=status, columns=columns)
            pd.testing.assert_frame_equal(chosen, kept[["day", "opportunity_id", *columns]])


@pytest.mark.parametrize("by", ["stage", "owner_id", "type", "status", "lost_reason"])
def test_totals_equal_states_grouped(crm, small, mixed, by):
    told = 0
    for snapshot, days in looks(crm, small, mixed):
        for status in tables.STATUSES:
            states = snapshot.states(sorted(set(days)), status=status, columns=[by, "amount"])
            members = states[by].astype("object").where(states[by].notna(), "(unknown)").astype("str")
            groups = states.assign(member=members).groupby(["day", "member"])
            grouped = groups.agg(n=("day", "size"), n_priced=("amount", "count")).reset_index()
            amounts = [rows["amount"].dropna() for _, rows in groups]
            expected = [sum(amount) if len(amount) else None for amount in amounts]
            totals = snapshot.totals(days, status=status, by=by).sort_values(["day", "member"], ignore_index=True)
            pd.testing.assert_frame_equal(totals.drop(columns="amount"), grouped, check_dtype=False)
            assert [None if pd.isna(amount) else amount for amount in totals["amount"]] == expected
            told += len(totals)
    assert told > 100


def test_totals_without_rates_know_the_day_to_the_second(mixed):
    (mixed / "fx_rates.parquet").unlink()
    deals = pd.read_parquet(mixed / "opportunities.parquet").assign(currency="EUR")
    deals.to_parquet(mixed / "opportunities.parquet", index=False)
    snapshot = Snapshot(mixed, quarter="2026Q2")
    for by in ("stage", "owner_id", "type"):
        states = snapshot.states(MIXED_DAYS, status="open", columns=[by, "amount"])
        members = states[by].astype("object").where(states[by].notna(), "(unknown)").astype("str")
        expected = states.assign(member=members).groupby(["day", "member"]).agg(n=("day", "size"), n_priced=("amount", "count"))
        totals = snapshot.totals(MIXED_DAYS, by=by).sort_values(["day", "member"], ignore_index=True)
        pd.testing.assert_frame_equal(totals.drop(columns="amount"), expected.reset_index(), check_dtype=False)
    offers = snapshot.totals([DAY(2026, 3, 27), DAY(2026, 3, 28), DAY(2026, 3, 29), DAY(2026, 3, 30)], by="stage")
    offers = offers[offers["member"] == "Offer"]
    assert offers["day"].dt.day.tolist() == [28, 29, 30]
    assert [None if pd.isna(amount) else str(amount) for amount in offers["amount"]] == ["100.00", "7.10", None]


def test_totals_of_several_currencies_are_refused(mixed):
    (mixed / "fx_rates.parquet").unlink()
    snapshot = Snapshot(mixed, quarter="2026Q2")
    assert snapshot.totals([DAY(2026, 1, 31)])["n"].sum() == 2  # the one in dollars came the next day; another has no history
    with pytest.raises(DataRefused, match="several currencies cannot be summed"):
        snapshot.totals([DAY(2026, 1, 31), DAY(2026, 2, 1)])


def test_an_unknown_status_or_column_is_said(small):
    snapshot = Snapshot(small, quarter="2026Q1")
    with pytest.raises(UsageError, match=r"unknown status 'opn'.*did you mean open"):
        snapshot.states([DAY(2026, 3, 1)], status="opn")
    with pytest.raises(UsageError, match=r"unknown column 'amuont'.*did you mean amount"):
        snapshot.states([DAY(2026, 3, 1)], columns=["amuont"])
    with pytest.raises(UsageError, match=r"unknown column 'stge'.*did you mean stage"):
        snapshot.totals([DAY(2026, 3, 1)], by="stge")
    with pytest.raises(UsageError, match="2026-04-01 lies after"):
        snapshot.totals([DAY(2026, 4, 1)])
    assert snapshot.states([], status="open", columns=["stage"]).empty and snapshot.totals([]).empty


def test_a_later_day_is_not_known(small):
    snapshot = Snapshot(small, quarter="2026Q1")
    with pytest.raises(UsageError, match="2026-04-01 lies after"):
        snapshot.states([DAY(2026, 4, 1)])
    with pytest.raises(UsageError, match="cover nothing after 2026-12-31"):
        Snapshot(small, quarter="2027Q1", as_of="2027-03-31")


def test_tables_hide_rows_and_dates_of_later_days(company):
    data = company(
        reps=[
            {"rep_id": "r1", "team": "a", "start_date": "2025-01-01", "end_date": "2026-06-30"},
            {"rep_id": "r1", "team": "b", "start_date": "2026-07-01"},
            {"rep_id": "r2", "team": "a"},
        ],
        leads=[
            {
                "lead_id": "l1",
                "created_at": "2026-01-01",
                "mql_at": "2026-01-10",
                "sql_at": "2026-07-01",
                "opportunity_id": "A",
            },
            {"lead_id": "l2", "created_at": "2026-07-01"},
        ],
        quotas=[
            {"rep_id": "r1", "quarter": "2026Q2", "measure": "bookings", "amount": "10.00", "currency": "EUR"},
            {"rep_id": "r1", "quarter": "2026Q3", "measure": "bookings", "amount": "20.00", "currency": "EUR"},
            {"rep_id": "r1", "quarter": "2026Q4", "measure": "bookings", "amount": "30.00", "currency": "EUR"},
        ],
        opportunities=[],
    )
    then, later = (Snapshot(data, quarter="2026Q2", as_of=day) for day in ("2026-05-31", "2026-07-01"))
    assert then.table("reps")["team"].tolist() == ["a", "a"]
    assert then.table("reps")["end_date"].isna().all() and later.table("reps")["end_date"].notna().sum() == 1
    lead = then.table("leads").set_index("lead_id").loc["l1"]
    assert pd.notna(lead["mql_at"]) and pd.isna(lead["sql_at"]) and pd.isna(lead["opportunity_id"])
    assert later.table("leads").set_index("lead_id").loc["l1", "opportunity_id"] == "A"
    assert then.table("quotas")["quarter"].tolist() == ["2026Q2"]  # the next quarter's are known when it begins


def test_what_follows_a_win_is_known_from_its_own_day_on(company):
    bill = {"opportunity_id": "won", "amount": "5.00", "currency": "EUR"}
    data = company(
        opportunities=[
            {"opportunity_id": "won", "status": "won", "created_at": "2026-01-10", "close_date": "2026-05-01"},
            {"opportunity_id": "late", "status": "won", "created_at": "2026-01-10", "close_date": "2026-08-01"},
        ],
        contracts=[
            {"opportunity_id": "won", "term_months": 12, "cancelled_date": "2026-07-10", "cancelled_reason": "budget"},
            {"opportunity_id": "late", "term_months": 24},
        ],
        invoices=[
            {**bill, "invoice_id": "i1", "invoiced_date": "2026-05-10", "paid_date": "2026-07-02"},
            {**bill, "invoice_id": "i2", "invoiced_date": "2026-07-10"},
        ],
        objectives=[
            {"rep_id": "r", "quarter": "2026Q2", "objective": "a", "weight": 0.5, "achieved": 1.0, "decided_date": "2026-06-29"},
            {"rep_id": "r", "quarter": "2026Q2", "objective": "b", "weight": 0.5, "achieved": 1.0, "decided_date": "2026-07-03"},
            {"rep_id": "r", "quarter": "2026Q4", "objective": "a", "weight": 1.0},
        ],
        disputes=[
            {"dispute_id": "d", "line_id": "0" * 16, "rep_id": "r", "raised_date": "2026-06-01", "decision": "accepted",
             "decided_date": "2026-07-01", "decided_by": "CRO"},
        ],
        adjustments=[
            {"adjustment_id": "j", "rep_id": "r", "amount": "-1.00", "currency": "EUR", "author": "FINANCE", "reason": "x",
             "decided_date": "2026-07-01"},
        ],
    )  # fmt: skip
    then, later = (Snapshot(data, quarter="2026Q2", as_of=day) for day in ("2026-06-30", "2026-08-02"))
    assert then.table("contracts")["opportunity_id"].tolist() == ["won"] and len(later.table("contracts")) == 2
    signed = [snapshot.table("contracts").set_index("opportunity_id").loc["won"] for snapshot in (then, later)]
    assert [pd.notna(row[name]) for row in signed for name in ("cancelled_date", "cancelled_reason")] == [False] * 2 + [
        True
    ] * 2
    bills = [snapshot.table("invoices")["paid_date"].notna().tolist() for snapshot in (then, later)]
    assert bills == [[False], [True, False]]
    judged = [snapshot.table("objectives")["achieved"].notna().tolist() for snapshot in (then, later)]
    assert judged == [[True, False], [True, True]]  # the fourth quarter's are known when it begins
    decisions = [snapshot.table("disputes")["decision"].isna().item() for snapshot in (then, later)]
    assert decisions == [True, False]
    assert [len(snapshot.table("adjustments")) for snapshot in (then, later)] == [0, 1]


@pytest.fixture
def current_only(company):
    """A source that exports current values only: nothing says when a field changed."""
    return company(
        known_until="2026-06-30",
        opportunities=[
            {"opportunity_id": "won", "status": "won", "stage": "Won", "amount": "50.00", "created_at": "2026-01-10", "close_date": "2026-05-01", "currency": "EUR"},
            {"opportunity_id": "open", "status": "open", "stage": "Offer", "amount": "60.00", "created_at": "2026-01-10", "close_date": "2026-09-01", "currency": "EUR"},
            {"opportunity_id": "undated", "status": "open", "stage": "Talk"},
        ],
    )  # fmt: skip


def test_without_history_a_past_day_shows_only_what_carries_a_date(current_only):
    past = Snapshot(current_only, quarter="2026Q1", as_of="2026-03-31")
    deals = past.opportunities.set_index("opportunity_id")
    assert deals["status"].to_dict() == {"won": "open", "open": "open"}
    assert deals[["stage", "amount", "close_date"]].isna().all(axis=None)  # both alike: nothing tells who will win
    assert past.undated == 1
    assert any("no stage history" in limit for limit in past.limits)
    assert any("1 opportunities have no creation date" in limit for limit in past.limits)
    with pytest.raises(NoHistory, match="no history of the field stage"):
        past.spells("stage")


def test_without_history_the_last_day_shows_the_export(current_only):
    deals = Snapshot(current_only, quarter="2026Q2").opportunities.set_index("opportunity_id")
    assert deals["status"].to_dict() == {"won": "won", "open": "open", "undated": "open"}
    assert str(deals.loc["open", "amount"]) == "60.00"


def test_later_data_change_neither_states_nor_fingerprint(current_only, small):
    for data, day in ((current_only, "2026-03-31"), (small, "2026-03-15")):
        before = Snapshot(data, quarter="2026Q1", as_of=day)
        kept, mark = before.opportunities, before.fingerprint
        deals = pd.read_parquet(data / "opportunities.parquet")
        late = deals["close_date"].astype("str") > day
        deals.loc[late, ["amount", "stage"]] = [None, "Talk"]
        deals.to_parquet(data / "opportunities.parquet", index=False)
        if (data / "opportunity_history.parquet").exists():
            history = pd.read_parquet(data / "opportunity_history.parquet")
            history[history["changed_at"] < day].to_parquet(data / "opportunity_history.parquet", index=False)
        after = Snapshot(data, quarter="2026Q1", as_of=day)
        pd.testing.assert_frame_equal(after.opportunities, kept)
        assert after.fingerprint == mark


def test_fingerprint_notices_one_cent(small):
    before = Snapshot(small, quarter="2026Q1").fingerprint
    history = pd.read_parquet(small / "opportunity_history.parquet")
    history.loc[history["change_no"] == 5, "new_value"] = "120.51"
    history.to_parquet(small / "opportunity_history.parquet", index=False)
    assert Snapshot(small, quarter="2026Q1").fingerprint != before


def test_deals_without_history_rows_are_placed_by_their_dates_and_counted(company):
    """A field history that began late, or covers some deals only, must not make the others disappear."""
    deal = {"created_at": "2026-01-10", "currency": "EUR", "amount": "50.00"}
    data = company(
        tracked=["stage"], known_until="2026-06-30",
        opportunities=[
            {**deal, "opportunity_id": "logged", "status": "open", "stage": "Offer"},
            {**deal, "opportunity_id": "won", "status": "won", "stage": "Won", "close_date": "2026-02-01"},
            {**deal, "opportunity_id": "later", "status": "lost", "stage": "Lost", "close_date": "2026-05-01"},
            {**deal, "opportunity_id": "blank", "status": "won", "stage": "Won"},
        ],
        opportunity_history=[change(1, "logged", "2026-01-10", "stage", "Talk"), change(2, "logged", "2026-03-01", "stage", "Offer", "Talk")],
    )  # fmt: skip
    past, now = Snapshot(data, quarter="2026Q1"), Snapshot(data, quarter="2026Q2")
    then = past.opportunities.set_index("opportunity_id")
    assert then["status"].to_dict() == {"logged": "open", "won": "won", "later": "open", "blank": "open"}
    assert then["stage"].fillna("").to_dict() == {"logged": "Offer", "won": "Won", "later": "", "blank": ""}
    assert any("3 opportunities have no stage history" in limit for limit in past.limits)
    assert now.opportunities["status"].tolist() == ["won", "lost", "open", "won"]  # blank, later, logged, won


def test_history_and_export_that_disagree_are_told_on_the_last_day(small):
    deals = pd.read_parquet(small / "opportunities.parquet")
    deals.loc[deals["opportunity_id"] == "B", ["stage", "status"]] = ["Won", "won"]
    deals.loc[deals["opportunity_id"] == "B", "close_date"] = pd.Timestamp("2027-05-01").date()
    deals.to_parquet(small / "opportunities.parquet", index=False)
    wrong = Snapshot(small, quarter="2026Q4").contradictions
    assert sorted(zip(wrong["opportunity_id"], wrong["what"], strict=True)) == [("B", "future"), ("B", "stage")]
    assert Snapshot(small, quarter="2026Q1").contradictions.empty


def test_groups_come_from_deals_accounts_products_and_owners(company):
    data = company(
        opportunities=[{"opportunity_id": "A", "status": "open", "account_id": "a", "owner_id": "r", "product_id": "p", "created_at": "2026-01-01", "colour": "red"}, {"opportunity_id": "B", "status": "open", "created_at": "2026-01-01"}],
        accounts=[{"account_id": "a", "segment": "SMB"}],
        products=[{"product_id": "p", "family": "Services"}],
        reps=[{"rep_id": "r", "team": "North", "region": "EU"}],
    )  # fmt: skip
    snapshot = Snapshot(data, quarter="2026Q4")
    deals = snapshot.opportunities
    found = {by: snapshot.members(deals, by).tolist() for by in ("segment", "family", "team", "region", "colour")}
    assert found == {
        "segment": ["SMB", "(unknown)"],
        "family": ["Services", "(unknown)"],
        "team": ["North", "(unknown)"],
        "region": ["EU", "(unknown)"],
        "colour": ["red", "(unknown)"],
    }
    with pytest.raises(UsageError, match="did you mean segment"):
        snapshot.members(deals, "segmnt")


def test_a_day_before_anything_was_known_is_said(small):
    with pytest.raises(DataRefused, match="no opportunity was known on 2025-12-31"):
        Snapshot(small, quarter="2025Q4").table("opportunities")


def test_a_folder_without_dataset_is_refused(tmp_path):
    with pytest.raises(DataRefused):
        Snapshot(tmp_path, quarter="2026Q1")


def test_plan_values_are_those_in_force(small):
    (small / "plans").mkdir()
    (small / "plans" / "p.yml").write_text('rate:\n  2026-01-01: "0.1"\n  2026-03-01: "0.2"\n', encoding="utf-8")
    looks = [("2026Q1", "2026-03-31"), ("2026Q1", "2026-05-15"), ("2026Q2", "2026-06-30")]
    values = [Snapshot(small, quarter=quarter, as_of=day).plan("p")["rate"] for quarter, day in looks]
    assert values == ["0.1", "0.1", "0.2"]  # a later look at the first quarter does not change its rate
    with pytest.raises(DataRefused, match="no plan is in force on 2025-10-01"):
        Snapshot(small, quarter="2025Q4").plan("p")
    with pytest.raises(UsageError, match="unknown plan"):
        Snapshot(small, quarter="2026Q1").plan("other")


def test_quarters_are_complete_from_the_first_that_began_after_the_first_outcome(crm):
    snapshot = Snapshot(crm, quarter="2017Q4")
    assert str(snapshot.first_complete_quarter) == "2017Q2"  # created since 2016-10, first closed 2017-03-01


def test_public_export_at_a_past_day(crm, tmp_path):
    past = Snapshot(crm, quarter="2017Q3")
    counts = past.opportunities["status"].value_counts()
    assert past.as_of == DAY(2017, 9, 30)
    # Won and lost with close_date up to 2017-09-30: counted in the CSV with a spreadsheet filter.
    assert (counts["won"], counts["lost"]) == (531 + 1254 + 1257, 116 + 778 + 790)
    shutil.copytree(crm, tmp_path / "copy")
    deals = pd.read_parquet(tmp_path / "copy" / "opportunities.parquet")
    late = pd.to_datetime(deals["close_date"]) > "2017-09-30"
    deals.loc[late, "amount"] = None
    deals.loc[late, "status"] = "lost"
    deals.to_parquet(tmp_path / "copy" / "opportunities.parquet", index=False)
    assert Snapshot(tmp_path / "copy", quarter="2017Q3").fingerprint == past.fingerprint


def test_the_same_day_is_looked_at_in_several_quarters():
    snapshot = Snapshot("data/sample", quarter="2026Q3")
    looks = [snapshot.looking_at(snapshot.quarter - back) for back in (1, 2)]
    for one in looks:
        fresh = Snapshot("data/sample", quarter=str(one.quarter), as_of=snapshot.as_of)
        assert one.stamp == fresh.stamp and one.table("reps").equals(fresh.table("reps"))
        assert one.opportunities.equals(fresh.opportunities)
