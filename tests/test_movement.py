"""Pipeline movement, pushes and coverage against plain loops and a small company that has every case."""

import datetime as dt
import shutil
from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from revops_lib import forecast as topic
from revops_lib import statistics
from revops_lib.errors import DataRefused, NoHistory, UsageError
from revops_lib.forecast.movement import PARTS
from revops_lib.forecast.points import target_quarter
from revops_lib.snapshot import Snapshot

ROOT = Path(__file__).resolve().parent.parent
TRACKED = ["stage", "amount", "close_date", "owner_id"]
STATUS = {"Talk": "open", "Offer": "open", "Won": "won", "Lost": "lost"}


def parts(table, member="company", column="amount"):
    """Parts of one group that are not empty."""
    rows = table[(table["member"] == member) & (table["n"] > 0)]
    return rows.set_index("part")[column].to_dict()


def amounts(**given):
    return {part.replace("_", " "): Decimal(f"{amount}.00") for part, amount in given.items()}


def lay(company, deals, *, known_until="2026-12-31", tracked=TRACKED, **more):
    """A company of deals written as {id: [(day, stage, amount, close_date, owner), …]}: each entry is what holds from that day."""
    history, now = [], []
    for deal, steps in deals.items():
        previous = {}
        for day, *values in steps:
            for field, value in zip(TRACKED, values, strict=True):
                if value != previous.get(field) and field in tracked:
                    history.append(
                        {
                            "change_no": len(history) + 1,
                            "opportunity_id": deal,
                            "changed_at": f"{day} 10:00",
                            "field": field,
                            "old_value": previous.get(field),
                            "new_value": value,
                        }
                    )
                previous[field] = value
        now.append(
            {
                "opportunity_id": deal,
                "created_at": f"{steps[0][0]} 10:00",
                "currency": "EUR",
                "status": STATUS[previous["stage"]],
                **previous,
            }
        )
    return company(tracked=tracked, known_until=known_until, opportunities=now, opportunity_history=history, **more)  # fmt: skip


CASES = {
    # what was due in 2026Q3 at the end of June …
    "grows": [("2026-04-01", "Talk", "100.00", "2026-09-01", "r1"), ("2026-07-10", "Talk", "120.00", "2026-09-01", "r1")],
    "pushed": [("2026-04-01", "Talk", "1000.00", "2026-09-01", "r1"), ("2026-07-10", "Talk", "900.00", "2026-10-15", "r1")],
    "undated": [("2026-04-01", "Talk", "3.00", "2026-09-01", "r1"), ("2026-07-10", "Talk", "3.00", None, "r1")],
    "lost": [("2026-04-01", "Talk", "60.00", "2026-09-01", "r1"), ("2026-07-30", "Lost", "60.00", "2026-07-30", "r1")],
    "overdue": [("2026-04-01", "Talk", "30.00", "2026-06-15", "r1")],
    "unpriced": [("2026-04-01", "Talk", None, "2026-09-01", "r1"), ("2026-08-01", "Won", "15.00", "2026-08-01", "r1")],
    "handed over": [("2026-04-01", "Talk", "500.00", "2026-09-01", "r1"), ("2026-07-15", "Talk", "500.00", "2026-09-01", "r2")],
    "logged late": [("2026-04-01", "Talk", "10.00", "2026-06-29", "r1"), ("2026-07-03", "Won", "10.00", "2026-06-29", "r1")],
    # … what came into it since …
    "new": [("2026-07-02", "Talk", "50.00", "2026-09-20", "r1")],
    "new and won": [("2026-07-02", "Talk", "75.00", "2026-09-20", "r1"), ("2026-07-20", "Won", "70.00", "2026-07-20", "r1")],
    "new and lost": [("2026-07-02", "Talk", "8.00", "2026-11-20", "r1"), ("2026-07-20", "Lost", "8.00", "2026-07-20", "r1")],
    "new and overdue": [("2026-07-02", "Talk", "40.00", "2026-05-01", "r1")],
    "new and unpriced": [("2026-07-02", "Talk", None, "2026-09-20", "r1")],
    "pulled": [("2026-04-01", "Talk", "200.00", "2026-11-01", "r1"), ("2026-08-01", "Talk", "220.00", "2026-09-01", "r1")],
    "pulled and won": [("2026-04-01", "Talk", "300.00", "2026-11-01", "r1"), ("2026-08-10", "Won", "290.00", "2026-08-10", "r1")],
    "dated": [("2026-04-01", "Talk", "7.00", None, "r1"), ("2026-08-01", "Talk", "7.00", "2026-09-01", "r1")],
    "reopened": [("2026-02-01", "Lost", "80.00", "2026-05-10", "r1"), ("2026-07-15", "Talk", "85.00", "2026-09-30", "r1")],
    "win taken back": [("2026-02-01", "Won", "25.00", "2026-05-10", "r1"), ("2026-07-09", "Lost", "25.00", "2026-07-09", "r1")],
    # … and what has no part in it.
    "won in June, entered in July": [("2026-07-05", "Won", "11.00", "2026-06-20", "r1")],
    "won before": [("2026-02-01", "Won", "12.00", "2026-05-10", "r1")],
    "next quarter's": [("2026-02-01", "Talk", "13.00", "2026-12-10", "r1")],
}  # fmt: skip


def test_every_case_of_a_small_company_stands_where_it_belongs(company):
    snapshot = Snapshot(lay(company, CASES), quarter="2026Q3", as_of="2026-08-31")
    table = topic.movement(snapshot, by="owner_id")
    assert (table["since"] == "2026-06-30").all() and (table["pipeline"] == "due in 2026Q3").all()
    assert parts(table) == amounts(
        opening=100 + 1000 + 3 + 60 + 30 + 0 + 500 + 10,
        new=50 + 70 + 8 + 40 + 0,
        pulled_in=200 + 300 + 7,
        reopened=80 + 25,
        increased=20 + 15 + 20 + 5,
        decreased=-100 - 10,
        pushed_out=-900 - 3,
        won=-15 - 10 - 70 - 290,
        lost=-60 - 8 - 25,
        closing=120 + 30 + 500 + 50 + 40 + 0 + 220 + 7 + 85,
    )
    assert parts(table, column="n") == {
        "opening": 8, "new": 5, "pulled in": 3, "reopened": 2, "increased": 4, "decreased": 2,
        "pushed out": 2, "won": 4, "lost": 3, "closing": 9,
    }  # fmt: skip
    assert {part: n for part, n in parts(table, column="n_unpriced").items() if n} == {
        "opening": 1, "new": 1, "increased": 1, "closing": 1,
    }  # fmt: skip
    assert parts(table, "r2") == amounts(opening=500, closing=500)  # a hand-over moves no money


def test_before_the_quarter_deals_slip_in_and_are_brought_forward(company):
    deals = {
        "slipped": [("2026-02-01", "Talk", "10.00", "2026-05-20", "r1"), ("2026-05-18", "Talk", "10.00", "2026-08-20", "r1")],
        "overdue": [("2026-02-01", "Talk", "20.00", "2026-05-20", "r1")],
        "brought forward": [("2026-02-01", "Talk", "40.00", "2026-08-20", "r1"), ("2026-05-18", "Talk", "41.00", "2026-06-20", "r1")],
        "won early": [("2026-02-01", "Talk", "80.00", "2026-08-20", "r1"), ("2026-05-18", "Won", "80.00", "2026-05-18", "r1")],
        "won as due": [("2026-02-01", "Talk", "160.00", "2026-05-20", "r1"), ("2026-05-18", "Won", "160.00", "2026-05-18", "r1")],
    }  # fmt: skip
    data = lay(company, deals)
    early = topic.movement(Snapshot(data, quarter="2026Q3", as_of="2026-05-31"))
    assert set(early["since"]) == {"2026-03-31"}
    assert parts(early) == amounts(
        opening=40 + 80, slipped_in=10, increased=1, brought_forward=-41, won=-80, closing=10
    )  # an overdue deal is still the running quarter's
    last = topic.movement(Snapshot(data, quarter="2026Q2"))
    assert set(last["quarter"]) == {"2026Q3"} and set(last["since"]) == {"2026-03-31"}
    # From tomorrow on what is overdue can only close in the next quarter, the deal brought forward to June included.
    assert parts(last) == amounts(opening=40 + 80, slipped_in=10 + 20, increased=1, won=-80, closing=10 + 20 + 41)


def loop(snapshot, start, groups):
    """The movement by a plain loop over deals: {(group, part): [cents, deals]}."""
    states = snapshot.states([start, snapshot.as_of])
    then, now = (
        {d.opportunity_id: d for d in states[states["day"] == pd.Timestamp(day)].itertuples()}
        for day in (start, snapshot.as_of)
    )
    quarter, sums = target_quarter(snapshot), defaultdict(lambda: [Decimal(0), 0])

    def place(deal, day):
        if pd.isna(deal.close_date):
            return "later"
        date = deal.close_date.date()
        if deal.status == "open":
            date = max(date, day + dt.timedelta(days=1))
        return "earlier" if date < quarter.start_time.date() else "in" if date <= quarter.end_time.date() else "later"

    def add(group, part, amount):
        for member in ("company", group):
            sums[member, part][0] += amount
            sums[member, part][1] += 1

    for key, deal in now.items():
        before, group = then.get(key), groups[key]
        was_in = before is not None and before.status == "open" and place(before, start) == "in"
        is_in = deal.status == "open" and place(deal, snapshot.as_of) == "in"
        if was_in:
            add(group, "opening", before.amount)
        elif is_in or (
            deal.status != "open" and place(deal, None) == "in" and not (before is not None and before.status == deal.status)
        ):
            if before is None:
                add(group, "new", deal.amount)
            elif before.status != "open":
                add(group, "reopened", before.amount)
            else:
                add(group, "pulled in" if place(before, start) == "later" else "slipped in", before.amount)
        else:
            continue
        if before is not None and before.amount != deal.amount:
            add(group, "increased" if deal.amount > before.amount else "decreased", deal.amount - before.amount)
        if is_in:
            add(group, "closing", deal.amount)
        elif deal.status != "open":
            add(group, deal.status, -deal.amount)
        else:
            add(group, "pushed out" if place(deal, snapshot.as_of) == "later" else "brought forward", -deal.amount)
    return sums


@pytest.mark.parametrize(
    ("quarter", "as_of", "since", "by"),
    [
        ("2026Q3", "", "2026-06-30", "owner_id"),
        ("2026Q3", "2026-08-15", "2026-06-30", "team"),
        ("2025Q1", "2025-03-20", "2025-01-15", "segment"),
        ("2023Q2", "2022-11-10", "2022-02-01", "type"),
    ],
)
def test_movement_of_the_sample_equals_a_plain_loop(quarter, as_of, since, by):
    snapshot = Snapshot("data/sample", quarter=quarter, as_of=as_of)
    table = topic.movement(snapshot, since=since, by=by)
    deals = snapshot.opportunities
    groups = dict(zip(deals["opportunity_id"], snapshot.members(deals, by), strict=True))
    expected = loop(snapshot, dt.date.fromisoformat(since), groups)
    found = {(r.member, r.part): [r.amount, r.n] for r in table.itertuples() if r.n}
    assert found == dict(expected)
    for _, rows in table.groupby("member"):
        amount = rows.set_index("part")["amount"]
        assert amount["closing"] == amount.drop("closing").sum()
    groups_only = table[table["by"] == by]
    assert (
        groups_only.groupby("part")["amount"].sum().to_dict()
        == table[table["by"] == "company"].set_index("part")["amount"].to_dict()
    )
    assert table["part"].iloc[:12].tolist() == list(PARTS) and table["member"].iloc[0] == "company"


def test_the_interval_always_ends_on_the_snapshots_day_and_is_never_empty():
    for quarter, as_of, since in [("2026Q3", "2026-07-01", "2026-06-30"), ("2026Q2", "2026-06-30", "2026-03-31"), ("2026Q4", "2026-02-10", "2025-12-31")]:  # fmt: skip
        table = topic.movement(Snapshot("data/sample", quarter=quarter, as_of=as_of))
        assert (set(table["since"]), set(table["as_of"])) == ({since}, {as_of})
    with pytest.raises(UsageError, match="2026-09-30 is not before the closing day"):
        topic.movement(Snapshot("data/sample", quarter="2026Q3"), since="2026-09-30")


def test_before_anything_was_known_everything_is_new(company):
    table = topic.movement(Snapshot(lay(company, CASES), quarter="2026Q3", as_of="2026-08-31"), since="2020-01-01")
    assert set(parts(table)) == {"new", "won", "lost", "closing"}
    assert parts(table)["closing"] == Decimal("1052.00")


def test_what_happens_later_changes_nothing(tmp_path):
    shutil.copytree(ROOT / "data/sample", tmp_path / "data")
    day = "2026-05-20"
    before = Snapshot(tmp_path / "data", quarter="2026Q2", as_of=day)
    answers = [topic.movement(before, by="team"), topic.pushes(before), topic.coverage(before)]
    path = tmp_path / "data/opportunity_history.parquet"
    history = pd.read_parquet(path)
    late = history["changed_at"] >= pd.Timestamp("2026-05-20 22:00")  # midnight in Paris
    assert late.sum() > 500
    altered = history[late].iloc[::2].assign(new_value=lambda h: h["new_value"].where(h["field"] != "amount", "999999.00"))
    pd.concat([history[~late], altered.sample(frac=1, random_state=1)]).to_parquet(path, index=False)
    deals = pd.read_parquet(tmp_path / "data/opportunities.parquet")
    deals.loc[pd.to_datetime(deals["close_date"]) > day, ["amount", "close_date"]] = [Decimal("1.00"), dt.date(2026, 6, 1)]
    deals.to_parquet(tmp_path / "data/opportunities.parquet", index=False)
    after = Snapshot(tmp_path / "data", quarter="2026Q2", as_of=day)
    for old, new in zip(answers, [topic.movement(after, by="team"), topic.pushes(after), topic.coverage(after)], strict=True):
        pd.testing.assert_frame_equal(old, new)


def test_without_histories_every_open_deal_is_counted(crm):
    past = Snapshot(crm, quarter="2017Q3")
    table = topic.movement(past, by="owner_id")
    assert set(table["unit"]) == {"deals"} and set(table["pipeline"]) == {"all open deals"} and table["amount"].isna().all()
    raw = pd.read_parquet(crm / "opportunities.parquet")
    created, closed = pd.to_datetime(raw["created_at"]), pd.to_datetime(raw["close_date"]).where(raw["status"] != "open")
    start, end = pd.Timestamp("2017-07-01"), pd.Timestamp("2017-10-01")  # midnights
    existed, exists = created < start, created < end
    was_open, is_open = existed & ~(closed < start), exists & ~(closed < end)
    between = exists & (closed >= start) & (closed < end)
    expected = {
        "opening": was_open.sum(), "new": (exists & ~existed).sum(), "won": (between & (raw["status"] == "won")).sum(),
        "lost": (between & (raw["status"] == "lost")).sum(), "closing": is_open.sum(),
    }  # fmt: skip
    assert parts(table, column="n") == expected
    assert expected["won"] == 1257 and expected["lost"] == 790  # counted in the CSV with a spreadsheet filter
    assert table[table["member"] == "company"].set_index("part")["value"].drop("closing").sum() == expected["closing"]
    for question in (topic.pushes, topic.coverage):
        with pytest.raises(NoHistory):
            question(past)
    with pytest.raises(DataRefused, match="no open deal carries a close date"):
        topic.coverage(Snapshot(crm, quarter="2017Q4"))


def test_without_a_history_of_amounts_the_pipeline_is_counted_in_deals(company):
    data = lay(company, CASES, tracked=["stage", "close_date"])
    table = topic.movement(Snapshot(data, quarter="2026Q3", as_of="2026-08-31"))
    assert table["amount"].isna().all() and (table["n_unpriced"] == table["n"]).all()
    assert parts(table, column="value") == {
        "opening": 8, "new": 5, "pulled in": 3, "reopened": 2, "pushed out": -2, "won": -4, "lost": -3, "closing": 9,
    }  # fmt: skip


def test_pushes_of_a_small_company(company):
    deals = {
        "never": [("2026-01-01", "Talk", "1.00", "2026-03-01", "r1"), ("2026-02-01", "Won", "1.00", "2026-02-01", "r1")],
        "late win": [("2026-01-01", "Talk", "1.00", "2026-03-01", "r1"), ("2026-04-20", "Won", "1.00", "2026-04-20", "r1")],
        "within": [("2026-01-01", "Talk", "1.00", "2026-02-01", "r1"), ("2026-01-20", "Talk", "1.00", "2026-03-01", "r1"), ("2026-02-20", "Lost", "1.00", "2026-02-20", "r1")],
        "once": [("2026-01-01", "Talk", "1.00", "2026-03-01", "r1"), ("2026-02-01", "Talk", "1.00", "2026-05-01", "r1"), ("2026-04-01", "Won", "1.00", "2026-04-01", "r1")],
        "twice": [("2026-01-01", "Talk", "1.00", "2026-03-01", "r1"), ("2026-02-01", "Talk", "1.00", "2026-05-01", "r1"), ("2026-04-20", "Talk", "1.00", "2026-07-10", "r1")],
        "there and back": [("2026-01-01", "Talk", "1.00", "2026-05-01", "r1"), ("2026-02-01", "Talk", "1.00", "2026-03-01", "r1"), ("2026-02-20", "Talk", "1.00", "2026-06-01", "r1")],
    }  # fmt: skip
    snapshot = Snapshot(lay(company, deals), quarter="2026Q2", as_of="2026-05-31")
    counts = {"never": 0, "late win": 0, "within": 0, "once": 1, "twice": 2, "there and back": 1}
    assert topic.push_counts(snapshot).to_dict() == counts
    assert topic.push_counts(snapshot, across_quarters=False).to_dict() == counts | {"within": 1}
    table = topic.pushes(snapshot).set_index(["kind", "pushes"])
    columns = ["n", "n_again", "n_won", "n_lost", "n_open"]
    assert table.loc["quarter", columns].to_numpy().tolist() == [[6, 3, 2, 1, 0], [3, 1, 1, 0, 1], [1, 0, 0, 0, 1]]
    assert table.loc[("quarter", 1), "share"] == 0.5  # the open one may yet be pushed again
    assert np.isnan(table.loc[("quarter", 2), "share"])


def test_pushes_of_the_sample_equal_a_plain_loop():
    snapshot = Snapshot("data/sample", quarter="2026Q2", as_of="2026-05-20")
    history = snapshot.history[snapshot.history["field"] == "close_date"]
    dates, pushed = {}, Counter()
    for row in history.sort_values("change_no").itertuples():
        new = dt.date.fromisoformat(row.new_value)
        old = dates.get(row.opportunity_id)
        local = row.changed_at.tz_localize("UTC").tz_convert("Europe/Paris").date()
        quarters = [d and (d.year, (d.month - 1) // 3) for d in (old, new)]
        pushed[row.opportunity_id] += old is not None and quarters[1] > quarters[0] and new > local
        dates[row.opportunity_id] = new
    assert topic.push_counts(snapshot).to_dict() == dict(pushed)
    table = topic.pushes(snapshot)
    status = snapshot.opportunities.set_index("opportunity_id")["status"]
    for row in table[table["kind"] == "quarter"].itertuples():
        here = Counter(status[deal] for deal, n in pushed.items() if n == row.pushes)
        more = sum(n > row.pushes for n in pushed.values())
        assert [row.n_again, row.n_won, row.n_lost, row.n_open] == [more, here["won"], here["lost"], here["open"]]
        assert row.n == row.n_again + row.n_won + row.n_lost + row.n_open
        if decided := row.n - row.n_open:
            low, high = statistics.wilson(more, decided, 0.9)
            assert (row.share, row.low, row.high) == (more / decided, low, high)
    assert table[table["kind"] == "quarter"]["n_again"].iloc[1] > 0


@pytest.mark.parametrize(("quarter", "as_of"), [("2026Q3", "2026-08-15"), ("2026Q3", "")])
def test_coverage_of_the_sample_equals_a_plain_loop(quarter, as_of):
    snapshot = Snapshot("data/sample", quarter=quarter, as_of=as_of)
    target = target_quarter(snapshot)

    def point(quarter):
        if snapshot.as_of < target.start_time.date():
            return quarter.start_time.date() - dt.timedelta(days=1)  # asked on the last day before the quarter
        return quarter.end_time.date() - (target.end_time.date() - snapshot.as_of)

    past = [target - back for back in range(1, 9)]
    days = {snapshot.as_of, *(point(q) for q in past), *(q.end_time.date() for q in past)}
    states = snapshot.states(sorted(days))
    states = states.loc[states["status"] != "lost", ["day", "opportunity_id", "status", "amount", "close_date"]]
    states = {day.date(): rows for day, rows in states.groupby("day")}

    def due_and_won(quarter, point, end):
        first, last = quarter.start_time.date(), quarter.end_time.date()
        due, won = {}, {}
        for deal in states[point].itertuples():
            if deal.status == "open" and first <= max(deal.close_date.date(), point + dt.timedelta(days=1)) <= last:
                due[deal.opportunity_id] = deal.amount
        for deal in states[end].itertuples():
            if deal.status == "won" and first <= deal.close_date.date() <= last:
                won[deal.opportunity_id] = deal.amount
        return due, won

    shares = []
    for quarter in past:
        due, won = due_and_won(quarter, point(quarter), quarter.end_time.date())
        shares.append(float(sum(won[deal] for deal in won if deal in due) / sum(due.values())))
    assert len(shares) == 8
    due, won = due_and_won(target, snapshot.as_of, snapshot.as_of)
    reps = snapshot.table("reps")
    sellers = set(reps.loc[reps["role"] == "account_executive", "rep_id"])
    quotas = snapshot.table("quotas")
    quota = sum(q.amount for q in quotas.itertuples() if q.quarter == str(target) and q.rep_id in sellers)

    row = topic.coverage(snapshot).iloc[0]
    assert [row["target"], row["won"], row["due"]] == [quota, sum(won.values()), sum(due.values())]
    assert (row["remaining"], row["n_due"], row["n_past"]) == (quota - sum(won.values()), len(due), 8)
    assert row["pipeline_coverage"] == pytest.approx(float(sum(due.values()) / (quota - sum(won.values()))))
    assert row["needed_coverage"] == pytest.approx(1 / np.median(shares))
    assert [row["needed_low"], row["needed_high"]] == pytest.approx(
        [1 / np.quantile(shares, 0.9), 1 / np.quantile(shares, 0.1)]
    )
    moved = topic.movement(snapshot).set_index("part")["amount"]
    assert row["due"] == moved["closing"]


def covered(company, *, quota, due="100.00", past=range(8), **more):
    """Coverage on 2026-07-31 of a company where each past quarter had 100 due on its 31st day and won 10, 20, … of it."""
    deals = {}
    for back in past:
        quarter = pd.Period("2026Q2") - back
        first, point = quarter.start_time.date(), quarter.end_time.date() - dt.timedelta(days=40)
        for name, amount, stage in (("won", 10 * (back + 1), "Won"), ("lost", 100 - 10 * (back + 1), "Lost")):
            deals[f"{quarter}{name}"] = [
                (first, "Talk", f"{amount}.00", str(point), "r1"),
                (point, stage, f"{amount}.00", str(point), "r1"),
            ]
    deals |= {"due": [("2026-07-02", "Talk", due, "2026-09-01", "r1")]}
    deals |= {"won": [("2026-07-02", "Won", "5.00", "2026-07-02", "r1")]}
    # The first quarter is never whole: it only shows that outcomes were kept before the ones that count.
    deals |= {f"old{i}": [("2023-11-01", "Lost", "1.00", f"2023-11-0{i + 1}", "r1")] for i in range(3)}
    reps = [{"rep_id": "r1", "role": "account_executive"}, {"rep_id": "m1", "role": "manager"}]
    quotas = [{"rep_id": "m1", "quarter": "2026Q3", "measure": "bookings", "amount": "999.00", "currency": "EUR"}]
    if quota:
        quotas.append({**quotas[0], "rep_id": "r1", "amount": quota, "currency": more.pop("currency", "EUR")})
    data = lay(company, deals, reps=reps, quotas=quotas, **more)
    return topic.coverage(Snapshot(data, quarter="2026Q3", as_of="2026-07-31"))


def test_coverage_says_whether_it_suffices(company):
    # Shares won .1 to .8: median .45, middle 80 % from .17 to .73. Remaining target 5 less than the quota.
    table = covered(company, quota="30.00")
    row = table.iloc[0]
    assert [row["needed_low"], row["needed_coverage"], row["needed_high"]] == pytest.approx([1 / 0.73, 1 / 0.45, 1 / 0.17])
    assert row["pipeline_coverage"] == 100 / 25
    said = topic.coverage_headline(table)
    assert "100 EUR are due in the pipeline, 4.0 times the 25 EUR that the target still needs" in said
    assert "needed 2.2 times" in said and "(1.4 to 5.9 in 80% of them)" in said and "suffices at the usual rate" in said
    for have, verdict in [
        (6, "even after a weak quarter's rate"),
        (2, "falls short at the usual rate"),
        (1, "does not suffice"),
    ]:
        assert verdict in topic.coverage_headline(table.assign(pipeline_coverage=float(have)))
    assert "(1.4 or more in" in topic.coverage_headline(table.assign(needed_high=np.nan))  # some quarters won nothing


def test_coverage_without_a_target_says_so(company):
    met = covered(company, quota="5.00")
    assert met["pipeline_coverage"].isna().all() and met["due"].tolist() == [Decimal("100.00")]
    assert "the target of 5 EUR is met (5 won)" in topic.coverage_headline(met)
    zero = covered(company, quota="0.00", past=[0])
    assert zero["pipeline_coverage"].isna().all() and "the target is zero" in topic.coverage_headline(zero)
    unknown = covered(company, quota=None, past=[0])
    assert unknown["target"].isna().all() and "no quota of an account executive is known" in topic.coverage_headline(unknown)
    with pytest.raises(DataRefused, match="quotas in USD cannot be set against deals in EUR"):
        covered(company, quota="50.00", past=[0], currency="USD")


def test_coverage_without_a_past_says_so(company):
    young = covered(company, quota="50.00", past=[])
    assert young["n_past"].tolist() == [0] and young[["needed_coverage", "needed_low"]].isna().all(axis=None)
    assert "no past quarter can be looked at" in topic.coverage_headline(young)
    few = covered(company, quota="50.00", past=[0, 1], due=None)
    assert few["needed_coverage"].notna().all() and few[["needed_low", "needed_high"]].isna().all(axis=None)
    assert few["pipeline_coverage"].tolist() == [0] and few["n_unpriced"].tolist() == [1]
    assert "(1 of 1 deals carry no amount)" in topic.coverage_headline(few)
    assert "too few quarters for a verdict" in topic.coverage_headline(few)
