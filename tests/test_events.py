"""Events and stays of every process in one shape, imported or read off other tables."""

import pandas as pd
import pytest
from conftest import ROOT

from revops_lib import sources, tables
from revops_lib.bottlenecks.events import events
from revops_lib.bottlenecks.flow import directly_follows
from revops_lib.bottlenecks.spells import spells
from revops_lib.errors import DataRefused, UsageError
from revops_lib.snapshot import Snapshot
from revops_lib.worktime import Calendar

MAPPING = (ROOT / "data" / "mappings" / "eventlog.yml").read_text(encoding="utf-8")


def imported(tmp_path, text, mapping=MAPPING, **options):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "events.csv").write_text(text, encoding="utf-8")
    (tmp_path / "mapping.yml").write_text(mapping, encoding="utf-8")
    dataset = sources.import_export(tmp_path / "mapping.yml", tmp_path / "raw", tmp_path / "data", **options)
    return Snapshot(tmp_path / "data", quarter="2026Q1"), dataset


def rows(frame, *names):
    """Rows as lists; a time as it is written, without a fraction of none."""
    if "at" in frame:
        shown = frame.assign(at=frame["at"].astype("str").str.removesuffix(".000000"))
    else:
        shown = frame.assign(end=frame["end"].fillna("running"))
    return shown[list(names or ("case_id", "activity", "at"))].to_numpy().tolist()


# --- import ----------------------------------------------------------------------------------------------------------


def test_every_row_keeps_its_own_offset_and_ties_the_order_of_the_file(tmp_path):
    text = """case,activity,timestamp,resource
7,b,2026-03-01 12:00:00+02:00,ann
7,a,2026-03-01 10:00:00Z,bob
7,c,2026-03-01 05:00:00-05:00,ann
7,d,2026-03-01 11:30:00,bob
8,a,2026-02-28 23:30:00.123456-08:00,
"""
    snapshot, dataset = imported(tmp_path, text)
    found = events(snapshot, process="process")
    assert rows(found) == [
        ["7", "b", "2026-03-01 10:00:00"], ["7", "a", "2026-03-01 10:00:00"], ["7", "c", "2026-03-01 10:00:00"],
        ["7", "d", "2026-03-01 10:30:00"],  # local time of Paris
        ["8", "a", "2026-03-01 07:30:00.123456"]]  # fmt: skip
    assert found["lifecycle"].tolist() == ["complete"] * 5
    assert found["resource"].notna().tolist() == [True, True, True, True, False]
    assert found["resource"].nunique() == 2 and not set(found["resource"]) & {"ann", "bob"}  # pseudonyms
    assert directly_follows(snapshot, process="process")[["activity", "next_activity"]].to_numpy().tolist() == [
        ["a", "c"], ["b", "a"], ["c", "d"]]  # fmt: skip
    assert dataset["files"][0]["accepted"] == 5 and str(snapshot.known_until) == "2026-03-01"


def test_rows_are_numbered_in_the_order_of_the_source_over_several_files(tmp_path):
    mapping = (
        MAPPING.split("tables:\n")[0]
        + """tables:
  events:
    - {file: events, columns: {case_id: case, activity: activity, at: begun}, constants: {process: p, lifecycle: start}}
    - {file: events, columns: {case_id: case, activity: activity, at: done}, constants: {process: p, lifecycle: complete}}
"""
    )
    snapshot, _ = imported(
        tmp_path, "case,activity,begun,done\n1,x,2026-01-01,2026-01-02\n1,y,2026-01-02,2026-01-02\n", mapping
    )
    table = snapshot.table("events")
    assert table["event_no"].tolist() == [1, 2, 3, 4]
    assert rows(table, "activity", "lifecycle") == [["x", "start"], ["y", "start"], ["x", "complete"], ["y", "complete"]]


def test_bad_rows_of_a_log_are_set_aside_with_their_reason(tmp_path):
    text = "case,activity,timestamp,lifecycle\n1,a,2026-01-01,complete\n,b,2026-01-02,complete\n1,,2026-01-03,complete\n"
    text += "1,c,yesterday,complete\n1,d,2026-01-05,suspend\n1,e,2026-01-06,START\n1,a,2026-01-01,complete\n"
    snapshot, dataset = imported(tmp_path, text, max_rejected=1)
    assert rows(events(snapshot, process="process"), "activity", "lifecycle") == [["a", "complete"], ["e", "start"]]
    assert {(one["code"], one["n"]) for one in dataset["quarantined"]} == {
        ("E_REQUIRED_MISSING", 2), ("E_DATE_FORMAT", 1), ("E_VALUE_FORMAT", 1)}  # fmt: skip
    assert dataset["files"][0]["duplicates"] == 1


def test_a_processs_own_numbers_are_kept(tmp_path):
    mapping = MAPPING.replace("      case_id:", '      event_no: "no"\n      case_id:')
    snapshot, _ = imported(tmp_path, "no,case,activity,timestamp\n9,1,b,2026-01-01\n4,1,a,2026-01-01\n", mapping)
    assert events(snapshot, process="process")["activity"].tolist() == ["a", "b"]


# --- processes read off other tables ---------------------------------------------------------------------------------


DEALS = [{"opportunity_id": "won", "owner_id": "r2", "status": "won", "created_at": "2026-01-05", "close_date": "2026-02-01"},
         {"opportunity_id": "open", "owner_id": "r2", "status": "open", "created_at": "2026-01-06"}]  # fmt: skip


def test_leads_go_on_in_their_deals(company):
    leads = [
        {"lead_id": "1", "created_at": "2026-01-01", "mql_at": "2026-01-02", "sql_at": "2026-01-05", "opportunity_id": "won", "owner_id": "r1"},
        {"lead_id": "2", "created_at": "2026-01-01", "disqualified_at": "2026-01-09", "owner_id": "r1"},
        {"lead_id": "3", "created_at": "2026-01-03", "sql_at": "2026-01-06", "opportunity_id": "open", "owner_id": "r1"},
    ]  # fmt: skip
    folder = company(leads=leads, opportunities=DEALS)
    found = events(Snapshot(folder, quarter="2026Q1"), process="leads")
    assert rows(found, "case_id", "activity", "resource") == [
        ["1", "Created", "r1"], ["1", "MQL", "r1"], ["1", "SQL", "r1"], ["1", "Opportunity", "r2"], ["1", "Won", "r2"],
        ["2", "Created", "r1"], ["2", "Disqualified", "r1"], ["3", "Created", "r1"], ["3", "SQL", "r1"], ["3", "Opportunity", "r2"],
    ]  # fmt: skip
    assert str(found["at"].iloc[4]) == "2026-02-01 23:59:59.999999"  # a day of closing counts until its end
    early = events(Snapshot(folder, quarter="2026Q1", as_of="2026-01-31"), process="leads")
    assert "Won" not in set(early["activity"]) and len(early) == 9


def test_tickets_by_their_events_or_by_their_dates(company):
    tickets = [
        {
            "ticket_id": "t",
            "owner_id": "r1",
            "opened_at": "2026-01-01",
            "first_reply_at": "2026-01-02",
            "resolved_at": "2026-01-04",
        }
    ]
    dated = Snapshot(company(tickets=tickets), quarter="2026Q1")
    assert rows(events(dated, process="tickets"), "activity") == [["Opened"], ["First reply"], ["Resolved"]]
    logged = [{"ticket_id": "t", "at": "2026-01-01", "activity": "status", "value": "new"},
              {"ticket_id": "t", "at": "2026-01-02", "activity": "assignee_id", "value": "r1", "resource": "r1"},
              {"ticket_id": "t", "at": "2026-01-03", "activity": "status", "value": "solved"}]  # fmt: skip
    snapshot = Snapshot(company(tickets=tickets, ticket_events=logged), quarter="2026Q1")
    assert rows(events(snapshot, process="tickets"), "activity") == [["new"], ["assignee_id"], ["solved"]]


def test_subscriptions_begin_are_renewed_and_end(company):
    def period(name, begin, end, trial=False):
        return {
            "subscription_id": name,
            "account_id": "a",
            "mrr": "10.00",
            "start_date": begin,
            "end_date": end,
            "is_trial": trial,
        }

    table = [period("s", "2025-01-01", "2025-01-30", True), period("s", "2025-01-31", "2025-06-30"), period("s", "2025-07-01", "2026-01-31"),
             period("u", "2025-03-01", "2025-03-31"), period("u", "2025-09-01", None)]  # fmt: skip
    snapshot = Snapshot(company(subscriptions=table, timezone="Europe/Paris"), quarter="2026Q1")
    found = events(snapshot, process="subscriptions")
    assert rows(found) == [
        ["s", "Trial", "2024-12-31 23:00:00"], ["s", "Started", "2025-01-30 23:00:00"], ["s", "Renewed", "2025-06-30 22:00:00"],
        ["s", "Ended", "2026-01-31 23:00:00"], ["u", "Started", "2025-02-28 23:00:00"], ["u", "Ended", "2025-03-31 22:00:00"],
        ["u", "Started", "2025-08-31 22:00:00"]]  # fmt: skip
    stays = spells(snapshot, process="subscriptions")
    assert rows(stays, "case_id", "stage", "end") == [
        ["s", "Trial", "advanced"], ["s", "Started", "advanced"], ["s", "Renewed", "advanced"], ["u", "Started", "advanced"],
        ["u", "Ended", "back"], ["u", "Started", "running"]]  # fmt: skip


# --- what is not there -----------------------------------------------------------------------------------------------


def log(*names, **columns):
    table = [
        {"event_no": i, "process": name, "case_id": "1", "activity": "a", "at": "2026-01-01"} for i, name in enumerate(names)
    ]
    return [{**one, **columns} for one in table]


def test_an_unknown_process_names_those_that_are_there(company):
    snapshot = Snapshot(company(events=log("onboarding", "orders"), opportunities=DEALS), quarter="2026Q1")
    with pytest.raises(UsageError, match="did you mean orders\\? valid: opportunities, onboarding, orders"):
        events(snapshot, process="order")


def test_a_name_of_two_processes_is_refused(company):
    with pytest.raises(DataRefused, match="'leads' is read off other tables already"):
        events(Snapshot(company(events=log("leads", "orders")), quarter="2026Q1"), process="orders")


def test_a_process_that_has_not_begun_is_refused(company):
    snapshot = Snapshot(company(leads=[{"lead_id": "1", "created_at": "2026-06-01"}], opportunities=DEALS), quarter="2026Q1")
    with pytest.raises(DataRefused, match="the process 'leads' has no event"):
        events(snapshot, process="leads")
    with pytest.raises(UsageError, match="unknown process 'orders'"):
        events(
            Snapshot(company(events=log("orders", at="2026-06-01"), opportunities=DEALS), quarter="2026Q1"), process="orders"
        )


# --- stays -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def orders(company):
    steps = [("1", "ask", "01-01"), ("1", "check", "01-03"), ("1", "ask", "01-06"), ("1", "check", "01-07"), ("1", "paid", "01-10"),
             ("2", "ask", "01-05"), ("2", "check", "01-11"), ("3", "ask", "01-20"), ("4", "ask", "01-02"), ("4", "Lost", "01-04")]  # fmt: skip
    table = [{"event_no": i, "process": "orders", "case_id": case, "activity": name, "at": f"2026-{day}", "resource": f"r{case}"}
             for i, (case, name, day) in enumerate(steps)]  # fmt: skip
    return company(events=table)


def test_stays_of_any_process(orders):
    found = spells(Snapshot(orders, quarter="2026Q1", as_of="2026-01-31"), process="orders")
    assert found[["case_id", "stage", "days", "end"]].fillna("running").to_numpy().tolist() == [
        ["1", "ask", 2.0, "advanced"], ["1", "check", 3.0, "back"], ["1", "ask", 1.0, "back"], ["1", "check", 3.0, "advanced"],
        ["2", "ask", 6.0, "advanced"], ["2", "check", 21.0, "running"], ["3", "ask", 12.0, "running"], ["4", "ask", 2.0, "lost"],
    ]  # fmt: skip
    assert found["next_stage"].isna().sum() == found["to_at"].isna().sum() == 2
    assert found.groupby("stage")["position"].first().to_dict() == {"ask": 1.0, "check": 2.0}
    assert set(found["resource"]) == {"r1", "r2", "r3", "r4"} and set(found["entered"].astype(str)) == {"2026Q1"}


def test_stays_in_working_days(orders):
    office = Calendar("UTC", hours=(("08:00", "16:00"),))
    found = spells(Snapshot(orders, quarter="2026Q1", as_of="2026-01-31"), process="orders", calendar=office)
    assert found["days"].tolist() == [2.0, 1.0, 1.0, 3.0, 5.0, 15.0, 9.0, 1.0]  # 1 January 2026 is a Thursday


def test_stays_of_deals_keep_their_columns_and_gain_working_days():
    snapshot = Snapshot("data/sample", quarter="2026Q3")
    found, working = spells(snapshot), spells(snapshot, calendar=Calendar("Europe/Paris", country="FR"))
    assert (found["case_id"] == found["opportunity_id"]).all()
    assert {"stage", "from_at", "to_at", "next_stage", "days", "end", "entered", "segment", "position"} <= set(found)
    assert (working["days"] <= found["days"] + 1).all()
    assert working["days"].sum() / found["days"].sum() == pytest.approx(252 / 365, abs=0.02)  # French working days of a year


def test_stays_of_leads_end_as_they_are_dated():
    snapshot = Snapshot("data/sample", quarter="2026Q3")
    found, leads = spells(snapshot, process="leads"), snapshot.table("leads")
    assert not found["stage"].isin(["Won", "Lost", "Disqualified"]).any()
    created = found[found["stage"] == "Created"]
    assert (
        len(created) == len(leads)
        and created["to_at"].notna().sum() == leads[["mql_at", "disqualified_at"]].notna().any(axis=1).sum()
    )
    deals = snapshot.opportunities.set_index("opportunity_id")["status"]
    lost = leads["disqualified_at"].notna().sum() + (leads["opportunity_id"].map(deals) == "lost").sum()
    assert (found["end"] == "lost").sum() == lost


def test_the_table_says_what_it_is():
    spec = tables.table("events")
    assert spec.key == ("event_no",) and spec.known_at == "at"
    assert {column.name: column.personal for column in spec.columns}["resource"] == "id"
    assert pd.api.types.is_datetime64_any_dtype(tables.empty("events")["at"])
