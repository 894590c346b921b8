"""Closed quarters: what they would say now, what is laid down, what never changes, and what says so when it does."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import textwrap
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_faults import Fault
from test_runs import House

from revops_lib import cli, compensation, disk, money, site, tables
from revops_lib.closing import files, seals
from revops_lib.snapshot import Snapshot

ROOT = Path(__file__).resolve().parent.parent
AMOUNTS = ("credit", "quota", "earned", "withheld", "held", "pay")


def line(**given: Any) -> dict[str, Any]:
    usual = {
        "line_id": "", "quarter": "2026Q1", "rep_id": "ann", "plan": "ae", "version": "v1", "component": "bookings",
        "cause": "pay", "deal": "D-1", "event_date": pd.Timestamp("2026-02-03"), "kind": "split", "credit": "100.00",
        "quota": "1000.00", "before": 0.0, "after": 0.1, "tiers": "", "gate": "", "earned": "10.00", "withheld": "0.00",
        "held": "0.00", "pay": "10.00", "currency": "EUR", "rule": "a rate", "link": "", "for_quarter": "2026Q1",
    }  # fmt: skip
    row = {**usual, **given}
    row["line_id"] = row["line_id"] or "-".join(str(row[name]) for name in ("quarter", "rep_id", "cause", "deal", "kind"))
    return row


def entries(*rows: dict[str, Any]) -> pd.DataFrame:
    table = pd.DataFrame([*rows, line()])
    for name in AMOUNTS:
        table[name] = pd.Series([None if one is None else Decimal(one) for one in table[name]], dtype=money.DTYPE)
    return table.iloc[: len(rows)].reset_index(drop=True)


def changes(closed: list[dict[str, Any]], now: list[dict[str, Any]], quarter: str = "2026Q2") -> pd.DataFrame:
    return compensation.corrections(entries(*closed), entries(*now), quarter=quarter)


# --- corrections ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("closed", "now", "pays", "why"),
    [
        ([line()], [line()], [], ""),
        ([line()], [line(), line(deal="D-2", pay="5.00")], [("ann", "D-2", "5.00")], "won after the quarter was closed"),
        ([line()], [], [("ann", "D-1", "-10.00")], "the deal was won and is not any more"),
        ([], [line()], [("ann", "D-1", "10.00")], "known as won after the quarter was closed"),
        ([line()], [line(), line(plan="manager", rep_id="meg", pay="1.00")], [("meg", "D-1", "1.00")], "the plan is new"),
        ([line(), line(deal="D-2")], [line()], [("ann", "D-2", "-10.00")], "the deal was won and is not any more"),
        ([line(), line(rep_id="bo", deal="D-9")], [line(rep_id="bo"), line(rep_id="bo", deal="D-9")],
         [("ann", "D-1", "-10.00"), ("bo", "D-1", "10.00")], "credited to somebody else"),
        ([line()], [line(version="v2", pay="12.00", earned="12.00")], [("ann", "D-1", "2.00")], "the plan was changed"),
        ([line()], [line(credit="200.00", pay="20.00", earned="20.00")], [("ann", "D-1", "10.00")], "its amount or share changed"),
        ([line()], [line(quota="500.00", pay="11.00")], [("ann", "D-1", "1.00")], "the quota changed"),
        ([line()], [line(pay="11.00", before=0.5, after=0.6)], [("ann", "D-1", "1.00")], "other lines moved it"),
        ([line(cause="objective", pay="0.00")], [line(cause="objective")], [("ann", "D-1", "10.00")], "it was judged after"),
        ([line(pay=None)], [line()], [("ann", "D-1", "10.00")], "It had paid nothing"),
        ([line()], [line(pay=None)], [("ann", "D-1", "-10.00")], "now it pays nothing"),
        ([line()], [line(), line(cause="draw", deal="", pay="3.00")], [("ann", "", "3.00")], "not known when the quarter"),
    ],
)  # fmt: skip
def test_a_closed_line_that_differs_now_is_corrected_in_the_open_quarter_and_told_why(closed, now, pays, why):
    found = changes(closed, now)
    assert [(row.rep_id, row.deal, str(row.pay)) for row in found.itertuples()] == pays
    assert found["rule"].str.contains(why).all()
    assert {*found["quarter"]} <= {"2026Q2"} and {*found["for_quarter"]} <= {"2026Q1"} and {*found["cause"]} <= {"correction"}
    assert found.columns.tolist() == entries().columns.tolist() and found.dtypes.equals(entries(line()).dtypes)


def test_nobody_else_is_named_in_a_correction():
    rules = changes([line(), line(deal="D-9", rep_id="bo")], [line(rep_id="bo"), line(deal="D-9", rep_id="bo")]).set_index(
        "rep_id"
    )["rule"]
    assert "bo" not in rules["ann"].split() and "ann" not in rules["bo"].split()


def test_a_correction_refers_to_the_closed_line_and_the_next_one_starts_from_it():
    closed, now = [line()], [line(pay="12.00")]
    first = changes(closed, now)
    assert first["link"].tolist() == [line()["line_id"]]
    so_far = pd.concat([entries(*closed), first], ignore_index=True)
    assert compensation.corrections(so_far, entries(*now), quarter="2026Q3").empty
    second = compensation.corrections(so_far, entries(), quarter="2026Q3")
    assert second["pay"].tolist() == [Decimal("-12.00")] and second["link"].tolist() == first["link"].tolist()
    assert {*first["line_id"]}.isdisjoint(second["line_id"]) and second["for_quarter"].tolist() == ["2026Q1"]


def test_a_reason_is_told_against_the_latest_correction():
    first = changes([line()], [line(version="v2", pay="12.00")])
    so_far = pd.concat([entries(line()), first], ignore_index=True)
    second = compensation.corrections(so_far, entries(line(version="v2", credit="200.00", pay="20.00")), quarter="2026Q3")
    assert "its amount or share changed. It had paid 12.00" in second["rule"].iloc[0]


def test_a_deal_known_late_is_corrected_once_also_when_it_changes_again():
    late = compensation.corrections(entries(line()), entries(line(), line(deal="D-2", pay="5.00")), quarter="2026Q2")
    so_far = pd.concat([entries(line()), late], ignore_index=True)
    after = compensation.corrections(so_far, entries(line(), line(deal="D-2", pay="7.00")), quarter="2026Q3")
    assert after["pay"].tolist() == [Decimal("2.00")]
    assert after["link"].tolist() == late["link"].tolist() == [line(deal="D-2")["line_id"]]


LINES = st.lists(
    st.builds(
        lambda rep, deal, cause, quarter, cents, held: line(
            rep_id=rep, deal=deal, cause=cause, quarter=quarter, pay=None if cents is None else str(Decimal(cents).scaleb(-2)),
            held=str(Decimal(held).scaleb(-2))),
        st.sampled_from("abc"), st.sampled_from("xyz"), st.sampled_from(["pay", "true_up", "draw"]),
        st.sampled_from(["2026Q1", "2026Q2"]), st.none() | st.integers(-10**6, 10**6), st.integers(0, 100),
    ), max_size=8)  # fmt: skip


def per_person(lines: pd.DataFrame) -> dict[tuple[str, str], Decimal]:
    """A plain loop: what each person is paid for each quarter, corrections counted to the quarter they correct."""
    found: dict[tuple[str, str], Decimal] = {}
    for row in lines.itertuples():
        quarter = row.for_quarter if row.cause == "correction" else row.quarter
        found[row.rep_id, quarter] = found.get((row.rep_id, quarter), Decimal(0)) + (
            Decimal(0) if pd.isna(row.pay) else row.pay
        )
    return {key: amount for key, amount in found.items() if amount}


@settings(deadline=None, max_examples=15)
@given(LINES, LINES, LINES)
def test_closed_and_corrections_sum_to_what_is_known_now(closed, now, later):
    so_far = entries(*closed)
    for quarter, known in (("2026Q3", now), ("2026Q4", later)):
        found = compensation.corrections(so_far, entries(*known), quarter=quarter)
        so_far = pd.concat([so_far, found], ignore_index=True)
        assert per_person(so_far) == per_person(entries(*known))
        assert so_far["held"].sum() == entries(*known)["held"].sum() or so_far.empty
        assert found["line_id"].is_unique
    assert compensation.corrections(so_far, entries(*later), quarter="2027Q1").empty


def test_what_is_held_is_told_until_it_is_released_and_corrections_count():
    held = line(held="50.00", line_id="a")
    released = line(cause="released", quarter="2026Q2", link="a", pay="20.00", held="-20.00", line_id="b")
    less = line(cause="correction", kind="pay split", link="a", held="-10.00", pay="0.00", line_id="c", quarter="2026Q2")
    again = line(cause="correction", kind="released split", link="b", held="5.00", pay="-5.00", line_id="d", quarter="2026Q3")
    amounts = ["held", "gone", "left"]
    found = compensation.outstanding(entries(held, released, less, again))
    assert found["line_id"].tolist() == ["a"] and found[amounts].to_numpy().tolist() == [
        [Decimal(40), Decimal(15), Decimal(25)]
    ]
    assert compensation.outstanding(entries(held, line(cause="clawback", link="a", held="-50.00", line_id="b"))).empty
    assert compensation.outstanding(entries()).empty
    assert compensation.outstanding(entries(released)).empty  # held before the ledger began: not known to it


# --- a small company, closed ------------------------------------------------------------------------------------------

PLAN = (ROOT / "tests" / "account_executive.yml").read_text(encoding="utf-8")
REPS = {"ann": "Ann", "bo": "Bo", "Zoë/../É": "Zoë", "ANN": "Anna"}


class Firm:
    """Four people and their deals, laid on disk as they are known on a day; `out` is where runs go."""

    def __init__(self, root: Path) -> None:
        self.data, self.out, self.plan = root / "data", root / "out", PLAN
        self.deals = {
            "D-1": ("ann", "2026-01-10", "60000.00"), "D-2": ("ann", "2026-02-20", "70000.00"),
            "D-3": ("bo", "2026-03-05", "30000.00"), "D-4": ("Zoë/../É", "2026-03-31", "45000.01"),
            "D-5": ("bo", "2026-04-02", "20000.00"), "D-6": ("ann", "2026-05-06", "110000.00"),
            "D-7": ("ANN", "2026-07-08", "10000.00"),
        }  # fmt: skip
        self.more: dict[str, list[dict[str, Any]]] = {}
        self.others: dict[str, str] = {}  # further plans

    def lay(self, known_until: str, *, shuffled: int | None = None) -> Firm:
        deals = [
            {"opportunity_id": deal, "owner_id": rep, "name": f"Deal of {deal}", "amount": Decimal(amount), "currency": "EUR",
             "stage": "Won", "status": "won", "created_at": pd.Timestamp("2025-11-01"), "close_date": pd.Timestamp(day)}
            for deal, (rep, day, amount) in self.deals.items()
            if day <= known_until
        ]  # fmt: skip
        rows: dict[str, list[dict[str, Any]]] = {
            "stages": [{"stage": "Talk", "position": 1, "status": "open"}, {"stage": "Won", "position": 2, "status": "won"}],
            "reps": [self.rep(rep) for rep in REPS],
            "opportunities": deals,
            "credits": [self.credit(one["opportunity_id"], one["owner_id"]) for one in deals],
            "quotas": [self.quota(rep, n) for rep in REPS if rep != "ANN" for n in range(1, 5)],
            "contacts": [{"contact_id": "C-1", "name": "Somebody Private"}],
            **self.more,
        }  # fmt: skip
        frames = {name: tables.conform(name, pd.DataFrame(given)) for name, given in rows.items()}
        if shuffled is not None:
            frames = {
                name: frame.sample(frac=1, random_state=shuffled).reset_index(drop=True) for name, frame in frames.items()
            }
        dataset = {"name": "firm", "known_until": known_until, "timezone": "Europe/Paris", "fiscal_year_end": "DEC",
                   "currency": "EUR", "tracked": [], "files": [], "aliases": [], "quarantined": []}  # fmt: skip
        shutil.rmtree(self.data / "plans", ignore_errors=True)  # a new import would keep them
        tables.write(
            self.data,
            frames,
            dataset,
            {f"plans/{name}.yml": text for name, text in {"account_executive": self.plan, **self.others}.items()},
        )
        return self

    def rep(self, rep: str, **more: str) -> dict[str, Any]:
        row = {"rep_id": rep, "name": REPS.get(rep, rep), "role": "account_executive", "team": "North", **more}
        return {name: pd.Timestamp(value) if name.endswith("_date") else value for name, value in row.items()}

    def credit(self, deal: str, rep: str, share: float = 1.0) -> dict[str, Any]:
        return {"opportunity_id": deal, "rep_id": rep, "share": share, "kind": "split"}

    def quota(self, rep: str, n: int) -> dict[str, Any]:
        return {"rep_id": rep, "quarter": f"2026Q{n}", "measure": "bookings", "amount": Decimal("100000"), "currency": "EUR"}

    def run(self, verb: str, *given: str) -> int:
        data = [] if verb == "verify" else ["--data", str(self.data)]
        return cli.main([verb, *given, *data, "--out", str(self.out)])

    def lines(self, quarter: str, kind: str = "closed") -> pd.DataFrame:
        return pd.read_csv(self.out / kind / quarter / "lines.csv", dtype=str, keep_default_na=False)

    def pay(self, quarter: str, kind: str = "closed") -> Decimal:
        return sum((Decimal(text) for text in self.lines(quarter, kind)["pay"] if text), start=Decimal(0))

    def page(self, quarter: str, rep: str, kind: str = "statements") -> str:
        folder = self.out / kind / quarter
        listed = pd.read_csv(folder / "statements.csv", dtype=str).set_index("rep_id")
        return (folder / listed.loc[rep, "page"]).read_text(encoding="utf-8")


@pytest.fixture
def firm(tmp_path: Path) -> Firm:
    return Firm(tmp_path)


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Firm:
    """A firm with its first quarter closed; not to be changed."""
    made = Firm(tmp_path_factory.mktemp("firm")).lay("2026-03-31")
    assert made.run("close", "2026Q1") == 0
    return made


@pytest.fixture
def closed(once: Firm, tmp_path: Path) -> Firm:
    """A copy of it."""
    made = Firm(tmp_path)
    shutil.copytree(once.data, made.data)
    shutil.copytree(once.out, made.out)
    return made


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_closed_quarter_is_private_complete_and_sums(closed):
    folder = closed.out / "closed" / "2026Q1"
    assert {stat.S_IMODE(path.stat().st_mode) for path in (folder.parent, folder, *folder.rglob("*")) if path.is_dir()} == {
        0o700
    }
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.is_file()} == {0o600}
    assert {path.name for path in folder.iterdir()} == {
        "lines.csv",
        "statements.csv",
        "disputes.csv",
        "statements",
        "inputs",
        "manifest.json",
    }
    listed = pd.read_csv(folder / "statements.csv", dtype=str, keep_default_na=False)
    assert listed["rep_id"].tolist() == sorted(set(REPS) - {"ANN"})
    assert all((folder / name).is_file() for name in [*listed["page"], *listed["paper"]])
    # 6.5 % up to the quota, 9.75 % above: 130,000 of 100,000 pay 6,500 + 2,925.
    assert dict(zip(listed["rep_id"], listed["pay"], strict=True)) == {"Zoë/../É": "2925.00", "ann": "9425.00", "bo": "1950.00"}
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["totals"] == {"EUR": str(closed.pay("2026Q1"))} == {"EUR": "14300.00"} and manifest["previous"] is None
    assert not (folder / "inputs" / "contacts.parquet").exists()
    assert closed.run("verify", "--again") == 0


def test_lines_are_those_of_the_dataset_itself(closed):
    snapshot = Snapshot(closed.data, quarter="2026Q1")
    direct = pd.concat([compensation.entries(snapshot, plan) for plan in compensation.plans(snapshot)])
    found = closed.lines("2026Q1")
    assert found["line_id"].tolist() == direct["line_id"].tolist() and found["line_id"].is_unique
    assert found["pay"].tolist() == [f"{pay:.2f}" for pay in direct["pay"]]


def late_won(firm: Firm) -> None:
    firm.deals["D-8"] = ("bo", "2026-03-30", "80000.00")


def cancelled(firm: Firm) -> None:
    del firm.deals["D-2"]


def other_owner(firm: Firm) -> None:
    firm.deals["D-1"] = ("bo", *firm.deals["D-1"][1:])


def edited_plan(firm: Firm) -> None:
    firm.plan = firm.plan.replace('2025-01-01: "0.065"', '2025-01-01: "0.070"')


@pytest.mark.parametrize(
    ("happens", "corrected", "said"),
    [
        # Bo: 80,000 on top of 30,000, so 3,000 × 6.5 % … 10,000 above the quota at 9.75 %: 7,475 instead of 1,950.
        (late_won, {"bo": "5525.00"}, "known as won after the quarter was closed"),
        # Ann: 60,000 × 6.5 % = 3,900 instead of 9,425.
        (cancelled, {"ann": "-5525.00"}, "won and is not any more"),
        # Ann: 70,000 × 6.5 % = 4,550 instead of 9,425. Bo: 90,000 × 6.5 % = 5,850 instead of 1,950.
        (other_owner, {"ann": "-4875.00", "bo": "3900.00"}, "credited to somebody else"),
        # 0.5 % more of 100,000, 30,000 and 45,000.01.
        (edited_plan, {"ann": "500.00", "bo": "150.00", "Zoë/../É": "225.00"}, "the plan was changed"),
    ],
)  # fmt: skip
def test_what_happens_after_closing_is_carried_by_the_open_quarter(closed, capsys, happens, corrected, said):
    before = contents(closed.out / "closed")
    happens(closed)
    closed.lay("2026-06-30")
    assert closed.run("statements", "2026Q2") == 0
    edit = "warning: plan account_executive was edited for closed quarters and moves 2026Q1 by +875.00 EUR: date the change"
    assert (edit in (told := capsys.readouterr().out)) == (happens is edited_plan) == ("was edited" in told)
    found = closed.lines("2026Q2", "statements")
    corrections = found[found["cause"] == "correction"]
    pays = corrections.assign(pay=corrections["pay"].map(Decimal)).groupby("rep_id")["pay"].sum()
    assert pays.to_dict() == {rep: Decimal(amount) for rep, amount in corrected.items()}
    assert {*corrections["for_quarter"]} == {"2026Q1"} and said in " ".join(corrections["rule"])
    assert set(corrections["link"]) & set(closed.lines("2026Q1")["line_id"]) or happens is late_won
    for rep in corrected:
        assert said in closed.page("2026Q2", rep)
    assert contents(closed.out / "closed") == before and closed.run("verify") == 0


def test_quarter_after_quarter_closed_and_corrections_sum_to_what_is_known(closed, capsys):
    late_won(closed)
    assert closed.lay("2026-06-30").run("close", "2026Q2") == 0
    out = capsys.readouterr().out
    assert "2026Q2 is closed as known on 2026-06-30: 14,300.00 EUR to 2 people by account_executive\n" in out
    assert str(closed.out / "closed" / "2026Q2") in out
    first = contents(closed.out / "closed" / "2026Q1"), contents(closed.out / "closed" / "2026Q2")
    cancelled(closed)
    edited_plan(closed)
    closed.lay("2026-09-30")
    assert closed.run("close", "2026Q3") == 3  # Anna has no quota
    assert closed.run("close", "2026Q3", "--despite", "Anna begins in October") == 0
    assert "was edited for closed quarters and moves 2026Q1 by" in capsys.readouterr().out
    assert (contents(closed.out / "closed" / "2026Q1"), contents(closed.out / "closed" / "2026Q2")) == first
    now = Decimal(0)
    for quarter in ("2026Q1", "2026Q2", "2026Q3"):
        snapshot = Snapshot(closed.data, quarter=quarter, as_of="2026-09-30")
        now += sum(
            (compensation.entries(snapshot, plan)["pay"].dropna().sum() for plan in compensation.plans(snapshot)),
            start=Decimal(0),
        )
    assert sum(closed.pay(quarter) for quarter in ("2026Q1", "2026Q2", "2026Q3")) == now
    assert {*closed.lines("2026Q3")["for_quarter"]} == {"2026Q1", "2026Q2", "2026Q3"}
    assert closed.run("verify", "2026Q2", "--again") == 0


def test_a_quarter_is_closed_once_in_order_and_not_before_its_end(closed, capsys):
    closed.lay("2026-09-15")
    for quarter, code, said in (
        ("2026Q1", 2, "2026Q1 is closed"), ("2026Q3", 2, "2026Q3 has not ended"), ("2025Q4", 2, "lies before 2026Q1"),
        ("2026Q5", 2, "not a quarter"),
    ):  # fmt: skip
        assert closed.run("close", quarter) == code
        assert said in capsys.readouterr().err
    assert closed.run("close", "2026Q3", "--as-of", "2026-09-30") == 2
    closed.lay("2026-09-30")
    assert closed.run("close", "2026Q3") == 2
    assert "close 2026Q2 before 2026Q3" in capsys.readouterr().err
    assert closed.run("statements", "2026Q1") == 2 and closed.run("statements", "2026Q3") == 0
    assert "2026Q2 is not closed yet" in capsys.readouterr().out


def test_closing_with_less_knowledge_or_of_another_company_is_refused(closed, capsys):
    closed.lay("2026-12-31")
    assert closed.run("close", "2026Q2", "--as-of", "2026-11-30") == 0
    assert closed.run("close", "2026Q3") == 2
    assert "as known on 2026-11-30, which is later than 2026-09-30" in capsys.readouterr().err
    dataset = json.loads((closed.data / "dataset.json").read_text(encoding="utf-8"))
    (closed.data / "dataset.json").write_text(json.dumps({**dataset, "name": "other"}), encoding="utf-8")
    assert closed.run("close", "2026Q3", "--as-of", "2026-12-31") == 2
    assert "a dataset whose name is firm" in capsys.readouterr().err


# --- what must be settled first ---------------------------------------------------------------------------------------


def decision(**given: Any) -> list[dict[str, Any]]:
    return [{"adjustment_id": "A-1", "amount": Decimal("25.00"), "currency": "EUR", "author": "cfo", "reason": "agreed",
             "decided_date": pd.Timestamp("2026-05-02"), **given}]  # fmt: skip


def test_what_is_not_known_is_not_sealed_unless_somebody_says_why(firm, capsys):
    firm.deals["D-9"] = ("ANN", "2026-05-08", "10000.00")  # who has no quota
    shares = (("D-1", "ann", 1.0), ("D-6", "ann", 1.0), ("D-6", "bo", 0.5), ("D-9", "ANN", 1.0))  # and none of D-5
    two = [firm.rep("ann", start_date="2026-04-01", end_date="2026-05-31"), firm.rep("ann", start_date="2026-05-30")]
    firm.more = {
        "credits": [firm.credit(*one) for one in shares],
        "reps": [*two, firm.rep("bo", role="partner"), firm.rep("ANN"), firm.rep("Zoë/../É")],
        "adjustments": decision(rep_id="nobody"),
        "objectives": [{"rep_id": "ann", "quarter": "2026Q2", "objective": "O-1", "weight": 1.0, "achieved": 1.0}],
        "disputes": [{"dispute_id": "X-1", "line_id": "0" * 16, "rep_id": "bo", "raised_date": pd.Timestamp("2026-06-01")}],
    }
    failing = {
        "reps with a credit and no quota": ["ANN"], "credits that no plan pays": ["D-6"],
        "deals split over 100 %": ["D-6"], "people in two roles or teams on one day": ["ann"],
        "adjustments that no plan pays": ["A-1"], "objectives that no plan pays": ["ann: O-1"],
        "disputes of a line that does not exist": ["X-1"],
    }  # fmt: skip
    firm.lay("2026-06-30")
    assert firm.run("close", "2026Q2") == 3
    said = capsys.readouterr().err
    assert all(f"{check}: {one}" in said for check, [one] in failing.items()) and '--despite "why"' in said
    assert not (firm.out / "closed" / "2026Q2").exists()
    assert firm.run("statements", "2026Q2") == 0
    said = capsys.readouterr().out
    assert all(f"warning: {check}: {one}\n" in said for check, [one] in failing.items())
    assert firm.run("close", "2026Q2", "--despite", "agreed in July") == 0
    folder = firm.out / "closed" / "2026Q2"
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    also = {"people with a quota and no plan": ["bo"], "won deals without a credit": ["D-5"]}  # which do not hinder
    assert manifest["despite"] == "agreed in July" and manifest["checks"] == {**failing, **also}
    listed = pd.read_csv(folder / "statements.csv", dtype=str, keep_default_na=False).set_index("rep_id")["pay"]
    assert listed["ANN"] == "" and listed["ann"] == "7475.00"


def test_a_table_without_a_row_is_not_closed(firm, capsys):
    firm.more["quotas"] = []
    assert firm.lay("2026-03-31").run("close", "2026Q1") == 3
    assert "tables without a row: quotas" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("", 2, "plans/more.yml"), ("plan: [\n", 2, "more.yml, line 2"), ("title: More\n", 2, "is missing — plan more"),
        (PLAN, 2, "the file is called more, the plan in it account_executive — plan more, line 3"),
    ],
)  # fmt: skip
def test_a_plan_file_that_is_no_plan_is_not_left_out(firm, capsys, text, code, said):
    firm.others = {"more": text}
    firm.lay("2026-03-31")
    for verb in ("statements", "close"):
        assert firm.run(verb, "2026Q1") == code
        assert said in capsys.readouterr().err


def test_a_failure_while_closing_names_the_data_and_not_a_hidden_folder(firm, capsys):
    firm.plan = PLAN.replace("on: booking", "on: cash")
    firm.lay("2026-03-31")
    assert firm.run("close", "2026Q1") == 3
    said = capsys.readouterr().err
    assert f"data {firm.data}, table invoices" in said and "closed/" not in said


def test_a_decision_that_came_after_its_quarter_was_closed_is_paid_or_told(closed, capsys):
    late = {"decided_date": pd.Timestamp("2026-03-20")}
    closed.more["adjustments"] = [
        *decision(rep_id="bo", **late),
        *decision(rep_id="nobody", **{**late, "adjustment_id": "A-2"}),
    ]
    assert closed.lay("2026-06-30").run("statements", "2026Q2") == 0
    assert "warning: adjustments of closed quarters that no plan pays: A-2\n" in capsys.readouterr().out
    lines = closed.lines("2026Q2", "statements").set_index("cause")
    assert lines.loc["correction", ["deal", "pay"]].tolist() == ["A-1", "25.00"]


def test_a_new_id_for_a_person_is_told_as_such(closed, capsys):
    closed.deals = {deal: ("robert" if rep == "bo" else rep, *rest) for deal, (rep, *rest) in closed.deals.items()}
    closed.more["reps"] = [closed.rep("robert" if rep == "bo" else rep) for rep in REPS]
    closed.more["quotas"] = [closed.quota(rep, n) for rep in ("ann", "robert", "Zoë/../É") for n in range(1, 5)]
    closed.lay("2026-06-30")
    assert closed.run("statements", "2026Q2") == 0
    assert "warning: closed quarters paid bo, who are not in the table reps any more" in capsys.readouterr().out
    lines = closed.lines("2026Q2", "statements")
    rules = lines[lines["cause"] == "correction"].set_index("rep_id")["rule"]
    assert rules.str.contains(
        "credited to somebody else; nothing is credited to the earlier id any more: the same person"
    ).all()
    assert {*rules.index} == {"bo", "robert"}


# --- touched ----------------------------------------------------------------------------------------------------------


def change(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"5.00", b"6.00", 1))


def add_a_rep(folder: Path) -> None:
    (folder / "statements" / "new.html").write_text("x", encoding="utf-8")


def reformat(path: Path) -> None:
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8"))), encoding="utf-8")


def raise_total(path: Path) -> None:
    path.write_text(path.read_text(encoding="utf-8").replace('"14300.00"', '"24300.00"'), encoding="utf-8")


def link_instead(path: Path) -> None:
    copy = path.with_name("copy")
    shutil.move(path, path.parent.parent.parent / copy.name)
    path.symlink_to(path.parent.parent.parent / copy.name)


@pytest.mark.parametrize(
    ("touch", "what", "where"),
    [
        (lambda folder: change(folder / "lines.csv"), "a closed file was changed", "2026Q1/lines.csv"),
        (lambda folder: change(folder / "statements.csv"), "a closed file was changed", "2026Q1/statements.csv"),
        (lambda folder: (folder / "disputes.csv").unlink(), "a closed file is missing", "2026Q1/disputes.csv"),
        (lambda folder: (folder / "manifest.json").unlink(), "a closed file is missing", "2026Q1/manifest.json"),
        (add_a_rep, "a file was added", "2026Q1/statements/new.html"),
        (lambda folder: (folder / "inputs" / "quotas.parquet").write_bytes(b""), "was changed", "inputs/quotas.parquet"),
        (lambda folder: reformat(folder / "manifest.json"), "a closed manifest was changed", "2026Q1/manifest.json"),
        (lambda folder: raise_total(folder / "manifest.json"), "a closed manifest was changed", "2026Q1/manifest.json"),
        (lambda folder: (folder / "manifest.json").write_text("[]"), "a closed manifest was changed", "2026Q1/manifest.json"),
        (lambda folder: link_instead(folder / "lines.csv"), "a closed file was changed", "2026Q1/lines.csv"),
        (lambda folder: (folder.parent / "notes.txt").write_text("x"), "a file was added", "closed/notes.txt"),
        (lambda folder: folder.rename(folder.with_name("2025Q4")), "a closed manifest was changed", "2025Q4/manifest.json"),
    ],
)  # fmt: skip
def test_whatever_is_touched_ends_with_9_and_is_named(closed, capsys, touch, what, where):
    assert closed.run("verify") == 0
    touch(closed.out / "closed" / "2026Q1")
    capsys.readouterr()
    assert closed.run("verify") == 9
    said = capsys.readouterr().err
    assert what in said and where in said
    if "notes" not in where:
        assert closed.lay("2026-06-30").run("close", "2026Q2") == 9 and closed.run("statements", "2026Q2") == 9


def test_a_quarter_taken_out_of_the_chain_or_sealed_anew_is_seen(closed, capsys):
    assert closed.lay("2026-06-30").run("close", "2026Q2") == 0
    first = closed.out / "closed" / "2026Q1"
    kept = shutil.copytree(first, closed.out / "kept")
    manifest = json.loads((first / "manifest.json").read_text(encoding="utf-8"))
    change(first / "lines.csv")
    manifest["files"]["lines.csv"] = seals.sha256(first / "lines.csv")
    (first / "manifest.json").write_bytes(seals.sealed(manifest))
    assert closed.run("verify") == 9
    assert "2026Q1/manifest.json" in capsys.readouterr().err
    shutil.rmtree(first)
    assert closed.run("verify") == 9
    assert "a closed quarter is missing" in capsys.readouterr().err
    shutil.copytree(kept, first)
    assert closed.run("verify") == 0 and closed.run("verify", "2026Q2") == 0 and closed.run("verify", "2026Q3") == 2


def test_lines_that_cannot_be_made_again_are_told(closed, capsys, monkeypatch):
    real = compensation.entries
    monkeypatch.setattr(compensation, "entries", lambda *given: real(*given).assign(rule="another rule"))
    assert closed.run("verify") == 0 and closed.run("verify", "--again") == 9
    assert "cannot be made again; they were made by the same version" in capsys.readouterr().err


def test_old_quarters_may_be_emptied_down_to_their_manifest(closed, capsys):
    first = closed.out / "closed" / "2026Q1"

    def empty() -> None:
        for path in first.iterdir():
            if path.name != "manifest.json":
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    kept = shutil.copytree(first, closed.out / "kept")
    empty()
    assert closed.run("verify") == 9  # nothing follows it: it is not kept for too long
    shutil.rmtree(first)
    shutil.copytree(kept, first)
    assert closed.lay("2026-06-30").run("close", "2026Q2") == 0
    empty()
    capsys.readouterr()
    assert closed.run("verify", "--again") == 0
    assert "2026Q1: emptied, its manifest as it was" in capsys.readouterr().out
    edited_plan(closed)
    assert closed.lay("2026-09-30").run("statements", "2026Q3") == 0
    assert {*closed.lines("2026Q3", "statements")["for_quarter"]} == {"2026Q2", "2026Q3"}
    (first / "lines.csv").write_text("x", encoding="utf-8")
    assert closed.run("verify") == 9


def test_what_corrected_an_emptied_quarter_stands(closed):
    late_won(closed)
    assert closed.lay("2026-06-30").run("close", "2026Q2") == 0
    assert "2026Q1" in {*closed.lines("2026Q2")["for_quarter"]}
    for path in (closed.out / "closed" / "2026Q1").iterdir():
        if path.name != "manifest.json":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert closed.lay("2026-09-30").run("statements", "2026Q3") == 0
    assert {*closed.lines("2026Q3", "statements")["for_quarter"]} == {"2026Q3"}


# --- whatever fails ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("every", [43, pytest.param(1, marks=pytest.mark.truth)])
def test_the_nth_operation_of_a_close_fails(closed, monkeypatch, capsys, every):
    closed.lay("2026-06-30")
    before, kept = contents(closed.out), closed.out.with_name("kept")
    shutil.copytree(closed.out, kept)
    failed = 0
    for n in range(1, 500, every):
        shutil.rmtree(closed.out)
        shutil.copytree(kept, closed.out)
        with monkeypatch.context() as patch:
            fault = Fault(patch, n)
            code = closed.run("close", "2026Q2")
        if code == 0:
            break
        failed += 1
        assert code == 7 and "No space left" in capsys.readouterr().err
        now = contents(closed.out)
        if now != before:  # the quarter is in its place, and only waiting for the disk has failed
            assert {name: now.get(name) for name in before} == before and closed.run("verify", "2026Q2") == 0, f"operation {n}"
        assert not [path for path in closed.out.rglob(".*") if path.name != ".runs"], f"operation {n}"
    assert failed * every > 40 and fault.left > 0
    assert closed.run("verify") == 0


@pytest.mark.parametrize(
    "place", ["seals.sealed", *(pytest.param(place, marks=pytest.mark.truth) for place in ("disk.put", "files.write"))]
)
def test_a_kill_leaves_nothing_half_closed_and_closing_works_again(closed, place):
    closed.lay("2026-06-30")
    before = contents(closed.out / "closed" / "2026Q1")
    owner, name = place.split(".")
    script = f"""
        import os, signal
        from revops_lib import cli, disk
        from revops_lib.closing import files, seals
        {owner}.{name} = lambda *given, **named: os.kill(os.getpid(), signal.SIGKILL)
        cli.main(["close", "2026Q2", "--data", {str(closed.data)!r}, "--out", {str(closed.out)!r}])
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=False, capture_output=True)
    assert ended.returncode == -9 and not (closed.out / "closed" / "2026Q2").exists()
    assert closed.run("verify") == 0 and contents(closed.out / "closed" / "2026Q1") == before
    assert closed.run("close", "2026Q2") == 0 and closed.run("verify") == 0
    assert {path.name for path in (closed.out / "closed").iterdir()} == {"2026Q1", "2026Q2"}


def test_of_two_closes_at_once_one_closes_and_the_other_says_so(closed):
    closed.lay("2026-06-30")
    with disk.locked(closed.out / ".runs" / "closed.lock", {"command": "close"}):
        assert closed.run("close", "2026Q2") == 8 and closed.run("statements", "2026Q2") == 8
    argv = [sys.executable, "-m", "revops_lib", "close", "2026Q2", "--data", str(closed.data), "--out", str(closed.out)]
    both = [subprocess.Popen(argv, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd=ROOT) for _ in range(2)]
    said = [(one.communicate()[1].decode(), one.returncode) for one in both]
    codes = sorted(code for _, code in said)
    assert codes[0] == 0 and codes[1] in (2, 8), said
    assert closed.run("verify") == 0


def test_a_dataset_replaced_meanwhile_closes_nothing(closed, monkeypatch, capsys):
    closed.lay("2026-06-30")
    real = tables.write

    def replace(to: Path, *given: Any) -> None:
        real(to, *given)
        if to.name == "inputs":
            (closed.data / "quotas.parquet").unlink()

    monkeypatch.setattr(tables, "write", replace)
    assert closed.run("close", "2026Q2") == 3
    assert "replaced while it was read" in capsys.readouterr().err and not (closed.out / "closed" / "2026Q2").exists()


def test_links_and_what_others_put_there_are_left_alone(closed, tmp_path, capsys):
    closed.lay("2026-06-30")
    assert closed.run("statements", "2026Q2") == 0
    note = closed.out / "statements" / "2026Q2" / "my notes.txt"
    note.write_text("x", encoding="utf-8")
    assert closed.run("statements", "2026Q2") == 7 and note.exists()
    (tmp_path / "elsewhere").mkdir()
    (closed.out / "statements").rename(tmp_path / "moved")
    (closed.out / "statements").symlink_to(tmp_path / "elsewhere")
    assert closed.run("statements", "2026Q2") == 2 and not any((tmp_path / "elsewhere").iterdir())


# --- the same bytes ---------------------------------------------------------------------------------------------------


CONDITIONS = [("UTC", "C.UTF-8", "0", "1"), ("Pacific/Kiritimati", "POSIX", "12345", "0")]
MORE = [("America/St_Johns", "C", "1", "0"), ("Asia/Kathmandu", "C.UTF-8", "77", "0")]


@pytest.mark.whole
@pytest.mark.parametrize(
    "conditions", [CONDITIONS, pytest.param([*CONDITIONS, *MORE], marks=pytest.mark.truth)], ids=["two", "four"]
)
def test_the_same_bytes_in_another_time_zone_locale_hash_seed_and_order_of_rows(tmp_path, conditions):
    found = []
    for n, (zone, locale, seed, coerced) in enumerate(conditions):
        made = Firm(tmp_path / str(n))
        late_won(made)
        made.lay("2026-06-30", shuffled=n)
        environment = {**os.environ, "TZ": zone, "LC_ALL": locale, "LANG": locale, "PYTHONHASHSEED": seed,
                       "PYTHONCOERCECLOCALE": coerced, "PYTHONUTF8": coerced}  # fmt: skip
        where = ["--data", str(made.data), "--out", str(made.out)]
        verbs = [["close", "2026Q1", *where], ["statements", "2026Q2", *where], ["verify", "--again", "--out", str(made.out)]]
        script = f"import sys; from revops_lib import cli; sys.exit(max(cli.main(verb) for verb in {verbs!r}))"
        ended = subprocess.run([sys.executable, "-c", script], env=environment, cwd=ROOT, capture_output=True, check=False)
        assert ended.returncode == 0, ended.stderr.decode()
        found.append({f"{part}/{name}": digest for part in ("closed", "statements") for name, digest in contents(made.out / part).items()
                      if not name.endswith("manifest.json")})  # fmt: skip
    assert all(one == found[0] for one in found) and len(found[0]) > 20


# --- people -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "one", ["a/b", "..", ".", "", "É", "é", "x" * 200, "CON", "A", "a", "a\x00b", "a b", "-", "p-1f0c33a9b2d4"]
)
def test_any_identifier_gives_a_plain_name_of_a_file_of_its_own(one):
    others = {
        files.file_name(other)
        for other in ("a/b", "..", ".", "", "É", "é", "x" * 200, "CON", "A", "a", "a\x00b", "a b", "-")
        if other != one
    }
    name = files.file_name(one)
    assert re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,59}", name) and name.lower() not in {other.lower() for other in others}


def test_a_statement_says_who_what_is_next_and_what_lacks_a_quota(closed):
    assert closed.lay("2026-09-30").run("statements", "2026Q3") == 0
    page = closed.page("2026Q3", "ANN")
    assert "Anna (ANN)" in page and "there is no quota" in page and "Deal of D-7" in page
    # Nothing won in the quarter: the next 10,000 pay 6.5 %.
    assert "The next 10,000 EUR would pay 650.00 EUR" in closed.page("2026Q3", "bo")
    assert "Draft" in page and "Closed: this is what was known on 2026-03-31" in closed.page("2026Q1", "bo", "closed")


def test_what_is_held_released_taken_back_topped_up_and_owed_stands_in_the_statement(firm):
    firm.plan = (
        PLAN.replace('payable: [{share: "1", on: booking}]', 'payable: [{share: "0.5", on: booking}, {share: "0.5", on: cash}]')
        .replace("clawback: none", 'clawback: {kind: share, within_months: "12", share: "1", steps: none}')
        .replace("draw: none", 'draw: {kind: recoverable, amount: "2000", period: quarter, first_recovery: "1", share: "1", limit: none, months: none}')
    )  # fmt: skip
    invoice = {"invoice_id": "I-1", "opportunity_id": "D-1", "amount": Decimal("60000.00"), "currency": "EUR",
               "invoiced_date": pd.Timestamp("2026-02-01")}  # fmt: skip
    firm.more = {"invoices": [invoice], "contracts": [{"opportunity_id": "D-2", "term_months": 12}]}
    assert firm.lay("2026-03-31").run("close", "2026Q1") == 0
    # Ann: 3,900 for D-1 and 5,525 for D-2, half of each on booking (2,762.50 and 1,950). Bo: 975 of 1,950, topped up to 2,000,
    # as the two others are.
    assert firm.pay("2026Q1") == Decimal("4712.50") + 3 * Decimal("2000.00")
    page = firm.page("2026Q1", "ann", "closed")
    assert "4,712.50 EUR are held until later" in page and "50 % when the customer has paid" in page
    assert "You owe 1,025.00 EUR of your draw" in firm.page("2026Q1", "bo", "closed")
    before = contents(firm.out / "closed")
    invoice["paid_date"] = pd.Timestamp("2026-05-10")
    firm.more["contracts"][0]["cancelled_date"] = pd.Timestamp("2026-04-15")
    assert firm.lay("2026-06-30").run("statements", "2026Q2") == 0
    lines = firm.lines("2026Q2", "statements")
    own = lines[(lines["rep_id"] == "ann") & lines["deal"].isin(["D-1", "D-2"])].set_index("cause")
    assert own.loc[["released", "clawback"], ["deal", "pay", "held"]].to_numpy().tolist() == [
        ["D-1", "1950.00", "-1950.00"], ["D-2", "-2762.50", "-2762.50"]]  # fmt: skip
    assert {*own["link"]} == {*firm.lines("2026Q1").set_index("deal").loc[["D-1", "D-2"], "line_id"]}
    assert "correction" not in {*lines["cause"]} and contents(firm.out / "closed") == before
    page = firm.page("2026Q2", "ann")
    for said in ("Taken back for cancelled deals", "Paid out of what was held", "What is held", "Deal of D-6"):
        assert said in page
    assert "Deal of D-1: bookings" in page and firm.run("verify") == 0


def overseas(begins: str = "") -> str:
    """The plan once more, in dollars, with tiers of money; from a day on."""
    title = f"title: {{{begins}: Overseas}}" if begins else "title: Overseas"
    changes = {"plan: account_executive": "plan: overseas", "title: Account executive, bookings": title, "EUR": "USD",
               "basis: quota": "basis: amount", '{2016-01-01: "1"}': '"50000"', '{2016-01-01: "1.5"}': '"80000"'}  # fmt: skip
    plan = PLAN
    for old, new in changes.items():
        assert old in plan
        plan = plan.replace(old, new)
    return plan


def test_who_is_paid_in_two_currencies_has_a_statement_in_each(firm):
    firm.others = {"overseas": overseas()}
    firm.more = {"fx_rates": [{"currency": "USD", "month": pd.Timestamp("2026-01-01"), "rate": Decimal("0.8")}]}
    assert firm.lay("2026-03-31").run("close", "2026Q1") == 0
    listed = pd.read_csv(firm.out / "closed" / "2026Q1" / "statements.csv", dtype=str).set_index(["rep_id", "currency"])
    # 30,000 EUR are 37,500 USD: 6.5 % of each.
    assert listed.loc["bo", "pay"].to_dict() == {"EUR": "1950.00", "USD": "2437.50"} and listed["page"].is_unique
    assert "This quarter pays you 2,437.50 USD" in (
        firm.out / "closed" / "2026Q1" / listed.loc[("bo", "USD"), "page"]
    ).read_text("utf-8")


def test_a_dispute_stands_in_the_statement_of_the_currency_of_its_line(firm):
    firm.others = {"overseas": overseas()}
    firm.more = {"fx_rates": [{"currency": "USD", "month": pd.Timestamp("2026-01-01"), "rate": Decimal("0.8")}]}
    assert firm.lay("2026-03-31").run("statements", "2026Q1") == 0
    lines = firm.lines("2026Q1", "statements").set_index(["rep_id", "currency"])["line_id"]
    firm.more["disputes"] = [
        {"dispute_id": "X-1", "line_id": lines["bo", "USD"], "rep_id": "bo", "raised_date": pd.Timestamp("2026-03-20")}
    ]
    assert firm.lay("2026-03-31").run("statements", "2026Q1") == 0
    folder = firm.out / "statements" / "2026Q1"
    pages = pd.read_csv(folder / "statements.csv", dtype=str).set_index(["rep_id", "currency"])["page"]
    assert [">Disputes<" in (folder / pages["bo", currency]).read_text("utf-8") for currency in ("EUR", "USD")] == [False, True]


def test_two_plans_of_one_role_and_currency_are_refused_by_name(firm, capsys):
    firm.others = {"twin": PLAN.replace("plan: account_executive", "plan: twin")}
    assert firm.lay("2026-03-31").run("statements", "2026Q1") == 3
    assert "the plans account_executive and twin would both pay the role account_executive in EUR" in capsys.readouterr().err


def test_a_plan_on_some_deals_does_not_price_the_next_one(firm):
    firm.plan = PLAN.replace("measure: bookings", "measure: renewals")
    firm.more["quotas"] = [{**firm.quota("bo", 1), "measure": "renewals"}]
    assert firm.lay("2026-03-31").run("statements", "2026Q1") == 0
    page = firm.page("2026Q1", "bo")
    assert "the plan does not pay on every deal won" in page and "would pay 0.00" not in page


def test_a_plan_that_begins_later_does_not_hinder_and_one_that_begins_within_is_refused(closed, capsys):
    partners = PLAN.replace("plan: account_executive", "plan: partners").replace("to: account_executive", "to: partner")
    closed.others = {"overseas": overseas("2026-07-01"), "partners": partners}
    assert closed.lay("2026-06-30").run("statements", "2026Q2") == 0
    assert {*closed.lines("2026Q2", "statements")["plan"]} == {"account_executive"}
    said = capsys.readouterr().out
    assert "8,775.00 EUR to 2 people by account_executive\n" in said
    assert "left out: not yet in force: overseas from 2026-07-01\nleft out: nobody has the role partner: partners\n" in said
    closed.others = {"overseas": overseas("2026-05-01")}
    assert closed.lay("2026-06-30").run("statements", "2026Q2") == 3
    assert "no plan is in force on 2026-04-01" in capsys.readouterr().err


def test_disputes_and_the_line_that_settles_them(closed):
    line_id = closed.lines("2026Q1")["line_id"].iloc[0]
    raised = {"dispute_id": "X-1", "line_id": line_id, "rep_id": "ann", "raised_date": pd.Timestamp("2026-04-10"),
              "reason": "=cmd|'/c calc'!A1", "decision": "accepted", "decided_date": pd.Timestamp("2026-05-02"), "decided_by": "cfo"}  # fmt: skip
    open_ = {"dispute_id": "X-2", "line_id": line_id, "rep_id": "bo", "raised_date": pd.Timestamp("2026-06-01")}
    settles = {"adjustment_id": "A-1", "rep_id": "ann", "amount": Decimal("25.00"), "currency": "EUR", "author": "cfo",
               "reason": "the split was wrong", "decided_date": pd.Timestamp("2026-05-02"), "line_id": line_id, "dispute_id": "X-1"}  # fmt: skip
    closed.more = {"disputes": [raised, open_], "adjustments": [settles]}
    assert closed.lay("2026-06-30").run("statements", "2026Q2") == 0
    found = pd.read_csv(closed.out / "statements" / "2026Q2" / "disputes.csv", dtype=str, keep_default_na=False)
    assert found["dispute_id"].tolist() == ["X-1", "X-2"] and found["amount"].tolist() == ["25.00", ""]
    lines = closed.lines("2026Q2", "statements")
    [adjusting] = lines[lines["cause"] == "adjustment"].to_dict("records")
    assert found["adjusting_line"].tolist() == [adjusting["line_id"], ""] and adjusting["link"] == line_id
    assert found["decision"].tolist() == ["accepted", ""] and found["reason"].iloc[0] == "'=cmd|'/c calc'!A1"
    assert "Disputes" in closed.page("2026Q2", "ann") and "open" in closed.page("2026Q2", "bo")


def test_who_is_forgotten_after_a_close_brings_no_corrections(closed, capsys):
    closed.lay("2026-06-30")
    assert cli.main(["forget", "ann", "--kind", "reps", "--data", str(closed.data), "--runs", str(closed.out)]) == 0
    said = capsys.readouterr().out
    assert "closed/2026Q1" in said and "it is a record of pay and never changes" in said
    assert closed.run("statements", "2026Q2") == 0
    assert "correction" not in {*closed.lines("2026Q2", "statements")["cause"]}
    assert "ann" not in {*closed.lines("2026Q2", "statements")["rep_id"]} and closed.run("verify", "--again") == 0


def test_neither_site_nor_export_nor_a_later_run_touch_or_show_them(closed, tmp_path):
    assert closed.lay("2026-06-30").run("statements", "2026Q2") == 0
    before = contents(closed.out / "closed") | contents(closed.out / "statements")
    (tmp_path / "runs-house").mkdir()
    house = House(tmp_path / "runs-house")
    house.add("forecast", "1")
    house.allow("forecast")
    house.run(out=closed.out, warm=False)
    assert site.published(closed.out) == ["2026Q2"]
    assert cli.main(["export", "2026Q2", "--runs", str(closed.out), "--to", str(tmp_path / "csv")]) == 0
    assert not any("line_id" in path.read_text(encoding="utf-8") for path in (tmp_path / "csv").glob("*.csv"))
    public = (closed.out / "2026Q2" / "public").rglob("*")
    assert not any(path.suffix in (".html", ".pdf") for path in public)
    assert contents(closed.out / "closed") | contents(closed.out / "statements") == before
    assert closed.run("verify") == 0
