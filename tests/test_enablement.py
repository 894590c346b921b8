"""Ramp and qualification: equal to plain loops, what is planted is found, what is written afterwards does not count."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import companies
import numpy as np
import pandas as pd
import playbooks
import pytest
from test_mappings import text_file

from revops_lib import charts, enablement, portfolio, report, runs, sample, sources
from revops_lib.errors import DataRefused, UsageError
from revops_lib.site import status
from revops_lib.snapshot import Snapshot

ROOT = Path(__file__).resolve().parent.parent
SPREADSHEET = ROOT / "data" / "mappings" / "spreadsheet.yml"
MONTH = 365.25 / 12


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    return Snapshot("data/sample", quarter="2026Q3")


def day(text: str) -> pd.Timestamp:
    return pd.Timestamp(text)


def rep(name: str, hired: str, *, left: str | None = None, role: str = "AE") -> dict:
    start, end = day(hired), None if left is None else day(left)
    return {"rep_id": name, "role": role, "hire_date": start, "start_date": start, "end_date": end}


def win(number: int, owner: str, closed: str, amount: str = "100.00") -> dict:
    return {"opportunity_id": f"D{number}", "owner_id": owner, "status": "won", "stage": "Won", "amount": amount,
            "currency": "EUR", "created_at": day(closed) - pd.Timedelta(days=20), "close_date": day(closed)}  # fmt: skip


# --- ramp --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def team(company) -> Path:
    """Three peers who win 100 a quarter since 2023; of four new people one wins at once, one small, one never, one leaves."""
    peers = [rep(f"peer {n}", "2022-01-01") for n in range(3)]
    quarters = [f"{year}-{month}-15" for year in (2023, 2024, 2025) for month in ("02", "05", "08", "11")]
    deals = [(f"peer {n}", closed, "100.00") for n in range(3) for closed in quarters]
    deals += [
        ("gone", "2025-09-10", "500.00"),
        ("gone", "2024-09-10", "500.00"),
        ("quick", "2025-02-10", "150.00"),
        ("small", "2025-03-01", "10.00"),
        ("small", "2025-07-30", "100.00"),
    ]
    new = [rep("quick", "2025-01-01"), rep("small", "2025-01-01"), rep("slow", "2025-07-01"),
           rep("gone", "2025-01-01", left="2025-08-31"), rep("boss", "2025-01-01")]  # fmt: skip
    rows = [win(number, *deal) for number, deal in enumerate(deals)]
    return company(opportunities=rows, reps=[{**one, "manager_id": "boss"} if one["rep_id"] != "boss" else one
                                             for one in [*peers, *new]])  # fmt: skip


def test_who_is_not_there_yet_is_on_the_way_and_who_left_is_gone(team):
    found = enablement.starters(Snapshot(team, quarter="2025Q4")).set_index(["milestone", "rep_id"])
    first, full = found.loc["first won deal"], found.loc["full productivity"]
    days = (first["months"] * MONTH).round().astype(int)
    assert days.to_dict() == {"gone": 242, "quick": 40, "slow": 183, "small": 59}
    assert first["outcome"].dropna().to_dict() == {"gone": "gone", "quick": "there", "small": "there"}
    assert (full["months"] * MONTH).round().astype(int).to_dict() == {"gone": 242, "quick": 89, "slow": 183, "small": 272}
    counts = enablement.ramp(Snapshot(team, quarter="2025Q4")).query("member == 'company'")
    assert counts[["n", "n_reached", "n_left", "n_waiting"]].to_numpy().tolist() == [[4, 2, 1, 1]] * 2
    # Two of four after 59 days. Full: one of four after 89, one gone after 242; of the two left one is on the way after 183.
    assert counts["median"].tolist() == [pytest.approx(59 / MONTH), pytest.approx(272 / MONTH)]


@pytest.fixture
def hiring(company):
    """A company with three peers who win 100 a quarter since 2022, and whoever begins beside them; deals as (owner, day)."""

    def build(people: list[dict], deals: list[tuple[str, str]]) -> Path:
        peers = [rep(f"peer {n}", "2020-01-01") for n in range(3)]
        mids = [f"{year}-{month}-15" for year in range(2022, 2026) for month in ("02", "05", "08", "11")]
        own = [(f"peer {n}", closed) for n in range(3) for closed in mids] + deals
        return company(opportunities=[win(number, *one) for number, one in enumerate(own)], reps=[*peers, *people])

    return build


def test_who_left_without_a_win_never_gets_there(hiring):
    """Ten begin, four leave after six weeks without a win, three of the other six win in months 2 to 4: three of ten are there.

    Taken for open cases the four would have won like the rest: 1 − 5/6 × 4/5 × 3/4 = half of them after four months.
    """
    people = [rep(f"stays {n}", "2025-01-01") for n in range(6)]
    people += [rep(f"leaves {n}", "2025-01-01", left="2025-02-15") for n in range(4)]
    folder = hiring(people, [(f"stays {n}", f"2025-0{3 + n}-10") for n in range(3)])
    snapshot = Snapshot(folder, quarter="2025Q4")
    row = enablement.ramp(snapshot).set_index(["milestone", "member"]).loc[("first won deal", "company")]
    assert row[["n", "n_reached", "n_left", "n_waiting"]].tolist() == [10, 3, 4, 3]
    assert row[["median", "high", "p75"]].isna().all()
    course = enablement.ramp_course(snapshot).query("milestone == 'first won deal'").set_index("month")
    assert course.loc[[3, 6, 9], "value"].tolist() == pytest.approx([0.1, 0.3, 0.3])
    assert course.loc[9, ["low", "high"]].tolist() == pytest.approx([0.1078, 0.6032], abs=5e-5)  # Wilson, 3 of 10: any textbook
    said = enablement.headline("unknown", enablement.ramp(snapshot), "unknown")
    assert "Of 10 who began to sell, fewer than half had a first won deal so far" in said


def test_nobody_there_yet_is_told_with_the_interval_of_so_many(hiring):
    snapshot = Snapshot(hiring([rep(f"new {n}", "2025-01-01") for n in range(17)], [("new 0", "2025-06-30")]), quarter="2025Q4")
    course = enablement.ramp_course(snapshot).query("milestone == 'first won deal'").set_index("month")
    assert course.loc[3, ["value", "low", "high"]].tolist() == pytest.approx([0, 0, 0.1843], abs=5e-5)  # Wilson, 0 of 17
    assert course.loc[6, ["value", "low", "high"]].tolist() == pytest.approx([1 / 17, 0.0105, 0.2698], abs=5e-5)


def test_the_clock_starts_with_the_first_role_that_sells(hiring):
    """Development rep in June 2023, seller since February 2025: a win in March came after one month, and no peer before 2026."""
    before = {**rep("P", "2023-06-01", left="2025-01-31", role="SDR")}
    after = {**rep("P", "2023-06-01"), "start_date": day("2025-02-01")}
    folder = hiring([before, after, rep("new", "2025-01-01")], [("P", "2025-03-01"), ("new", "2025-05-01")])
    found = enablement.starters(Snapshot(folder, quarter="2025Q4")).set_index(["milestone", "rep_id"])
    row = found.loc[("first won deal", "P")]
    assert row[["role", "cohort", "outcome"]].tolist() == ["AE", "2025", "there"]
    assert row["months"] * MONTH == pytest.approx(28)
    assert found.loc[("full productivity", "P"), "months"] * MONTH == pytest.approx(58)  # end of March, beside the three peers


def test_a_promoted_seller_is_no_peer_until_a_year_in_the_role(hiring):
    """With two of the three peers gone one would be left and P: three are needed, so nothing is told before P's year is over."""
    before = {**rep("P", "2020-06-01", left="2023-12-31", role="SDR")}
    after = {**rep("P", "2020-06-01"), "start_date": day("2024-01-01")}
    people, deals = [before, after, rep("new", "2024-01-01")], [("new", "2024-02-01"), ("P", "2024-02-01")]
    folder = hiring(people, deals)
    peers = pd.read_parquet(folder / "reps.parquet")
    peers.loc[peers["rep_id"] == "peer 0", "end_date"] = dt.date(2023, 12, 31)
    peers.to_parquet(folder / "reps.parquet", index=False)
    found = enablement.starters(Snapshot(folder, quarter="2024Q4")).query("milestone == 'full productivity'")
    assert found["outcome"].isna().all()


def test_who_leads_others_later_began_all_the_same(hiring):
    """F wins after 19 days; G has not won when N is hired under G. What happens in 2025 changes nothing in the answer of 2024."""
    people = [rep("F", "2023-06-01"), rep("G", "2023-06-01"), {**rep("N", "2025-06-01"), "manager_id": "F"},
              {**rep("M", "2025-06-01"), "manager_id": "G"}]  # fmt: skip
    folder = hiring(people, [("F", "2023-06-20"), ("G", "2025-08-01")])
    early, late = (enablement.starters(Snapshot(folder, quarter=q)).query("milestone == 'first won deal'").set_index("rep_id")
                   for q in ("2024Q4", "2025Q4"))  # fmt: skip
    assert sorted(early.index) == ["F", "G"] and early.loc["F"].equals(late.loc["F"])
    assert late.loc["G", "months"] * MONTH == pytest.approx((day("2025-05-31") - day("2023-06-01")).days)
    assert pd.isna(late.loc["G", "outcome"])  # followed until leading, neither there nor gone


def test_what_comes_later_is_not_known(team):
    early = enablement.starters(Snapshot(team, quarter="2025Q1", as_of="2025-02-28"))
    assert early.query("milestone == 'first won deal' and outcome == 'there'")["rep_id"].tolist() == ["quick"]
    assert early.query("milestone == 'full productivity'")["outcome"].isna().all()
    assert "gone" not in set(early["outcome"]) and "slow" not in set(early["rep_id"])


def test_ramp_equals_a_plain_loop(snapshot):
    people = pd.read_parquet(ROOT / "data/sample/reps.parquet").groupby("rep_id")["hire_date"].min()
    deals = pd.read_parquet(ROOT / "data/sample/opportunities.parquet")
    won = deals[(deals["status"] == "won") & (deals["close_date"] <= dt.date(2026, 9, 30))]
    found = enablement.starters(snapshot)
    waits = []
    for one in found.query("milestone == 'first won deal'").itertuples():
        first = min(won.loc[won["owner_id"] == one.rep_id, "close_date"])
        waits.append((first - people[one.rep_id]).days)
        assert one.months * MONTH == pytest.approx(waits[-1])
    share, months = 1.0, None
    for wait in sorted(set(waits)):  # nobody is censored here
        share *= 1 - waits.count(wait) / sum(other >= wait for other in waits)
        months = wait / MONTH if months is None and share <= 0.5 + 1e-12 else months
    company = enablement.ramp(snapshot).query("member == 'company'").set_index("milestone")
    assert company.loc["first won deal", "median"] == pytest.approx(months)
    course = enablement.ramp_course(snapshot).query("milestone == 'first won deal'").set_index("month")
    for month in (3, 6, 9):
        assert course.loc[month, "value"] == pytest.approx(sum(w <= month * MONTH for w in waits) / len(waits))
        assert course.loc[month, "at_risk"] == sum(w > month * MONTH for w in waits)


def test_full_productivity_equals_a_plain_loop(snapshot):
    """Median of peers per quarter, role and main segment, written again with loops over plain rows."""
    reps = snapshot.table("reps")
    sellers = (
        reps[reps["role"] == "account_executive"]
        .groupby("rep_id")
        .agg(hired=("hire_date", "min"), left=("end_date", lambda days: pd.NaT if days.isna().any() else days.max()))
    )
    deals = snapshot.opportunities.merge(snapshot.table("accounts")[["account_id", "segment"]], on="account_id")
    segment = {owner: rows["segment"].value_counts().index[0] for owner, rows in deals.groupby("owner_id")}
    found = enablement.starters(snapshot).query("milestone == 'full productivity'").set_index("rep_id")
    for name, own in found.iterrows():
        hired, reached = sellers.loc[name, "hired"], None
        for quarter in pd.period_range("2020Q4", "2026Q3", freq="Q"):
            begin, end = quarter.start_time, quarter.end_time.normalize()
            booked = (
                deals[(deals["status"] == "won") & deals["close_date"].between(begin, end)].groupby("owner_id")["amount"].sum()
            )
            peers = [float(booked.get(other, 0)) for other, row in sellers.iterrows()
                     if segment[other] == segment[name] and (begin - row["hired"]).days >= 365
                     and not row["left"] < end]  # fmt: skip
            there = hired <= end and not sellers.loc[name, "left"] < end
            if there and len(peers) >= 3 and float(booked.get(name, 0)) >= np.median(peers) > 0:
                reached = (end - hired).days
                break
        assert (own["outcome"] == "there") == (reached is not None), name
        if reached is not None:
            assert own["months"] * MONTH == pytest.approx(reached), name


def test_ramp_says_what_is_missing(company, snapshot):
    with pytest.raises(UsageError, match="cannot group people by 'rank'"):
        enablement.ramp(snapshot, by="rank")
    without = company(opportunities=[win(n, "a", f"2026-02-{10 + n}") for n in range(3)])
    with pytest.raises(DataRefused, match="nobody began to sell"):
        enablement.ramp(Snapshot(without, quarter="2026Q1"))


# --- qualification -----------------------------------------------------------------------------------------------------


def deal(name: str, *, won: bool | None, scores: dict[str, tuple[str, str]], offered: str = "2026-02-01") -> dict[str, list]:
    """A deal created on 2026-01-10 that was offered on a day, decided on 2026-03-01 or open; letter -> (score, day)."""
    key, created = {"opportunity_id": name}, day("2026-01-10")
    outcome = {True: ("won", "Won"), False: ("lost", "Lost"), None: ("open", "Offer")}[won]
    closed = day("2026-03-01") if won is not None else day("2026-12-31")
    moves = [(created, None, "Talk"), (day(offered), "Talk", "Offer")] + (
        [(closed, "Offer", outcome[1])] if won is not None else []
    )
    return {
        "opportunities": [{**key, "status": outcome[0], "stage": outcome[1], "amount": "1.00", "currency": "EUR",
                           "created_at": created, "close_date": closed}],
        "opportunity_history": [{**key, "changed_at": at, "field": "stage", "old_value": old, "new_value": new}
                                for at, old, new in moves],
        "qualifications": [{**key, "letter": letter, "score": score, "scored_date": day(at)}
                           for letter, (score, at) in scores.items()],
    }  # fmt: skip


def laid(company, deals: list[dict[str, list]]) -> Snapshot:
    rows = {name: [row for one in deals for row in one[name]] for name in deals[0]}
    rows["opportunity_history"] = [{"change_no": n, **row} for n, row in enumerate(rows["opportunity_history"])]
    return Snapshot(company(**rows, tracked=["stage"]), quarter="2026Q4")


GOOD, BAD = {"metrics": ("3", "2026-01-10"), "champion": ("2", "2026-02-01")}, {"metrics": ("1", "2026-01-10")}


def test_scores_count_as_they_were_when_the_deal_moved_on(company):
    later = {"metrics": ("1", "2026-01-10"), "champion": ("3", "2026-02-02")}
    after = {"metrics": ("1", "2026-01-10"), "champion": ("3", "2026-03-01")}
    never: dict[str, tuple[str, str]] = {}
    deals = [deal("a", won=True, scores=GOOD), deal("b", won=None, scores=GOOD), deal("c", won=True, scores=later),
             deal("d", won=False, scores=after), deal("e", won=False, scores=never)]  # fmt: skip
    found = enablement.completeness(laid(company, deals)).set_index("known")
    assert found["n"].to_dict() == {"nothing scored": 1, "under a third": 2, "two thirds or more": 2}
    assert found.loc["two thirds or more", ["won", "lost", "n_open"]].tolist() == [1, 0, 1]
    assert found.loc["under a third", ["won", "lost", "value"]].tolist() == [1, 1, 0.5]


def test_a_score_of_the_closing_day_does_not_count(company):
    same_day = {"metrics": ("3", "2026-03-01"), "champion": ("1", "2026-01-10")}
    snapshot = laid(company, [deal("a", won=True, scores=same_day, offered="2026-03-01"), deal("b", won=False, scores=GOOD)])
    assert enablement.completeness(snapshot).set_index("known")["n"].to_dict() == {"under a third": 1, "two thirds or more": 1}


def test_the_last_score_of_a_letter_counts(company):
    worse = [{"opportunity_id": "a", "letter": "champion", "score": "1", "scored_date": day("2026-01-31")}]
    one = deal("a", won=True, scores={"champion": ("3", "2026-01-10")})
    one["qualifications"] += worse
    assert enablement.completeness(laid(company, [one]))["known"].tolist() == ["under a third"]


def test_the_odds_ratio_is_that_of_mantel_and_haenszel(snapshot):
    """Their sum over strata, written out: ad/n over bc/n, from plain rows."""
    scores = pd.read_parquet(ROOT / "data/sample/qualifications.parquet")
    scores["scored_date"] = pd.to_datetime(scores["scored_date"])
    deals = snapshot.opportunities.merge(snapshot.table("accounts")[["account_id", "segment"]], on="account_id")
    spells = snapshot.spells("stage").query("value == 'Proposal'").sort_values("from_at").drop_duplicates("opportunity_id")
    firsts = scores.groupby("letter")["scored_date"].min()
    n, by_deal, strata = 0, dict(iter(scores.groupby("opportunity_id"))), {}
    for row in deals.merge(spells, on="opportunity_id").itertuples():
        entered = row.from_at.normalize()
        if row.opportunity_id not in by_deal or not day("2024-10-01") <= entered <= day("2026-09-30") - pd.Timedelta(days=180):
            continue
        known = by_deal[row.opportunity_id]
        known = known[(known["scored_date"] <= entered) & ~((row.status != "open") & (known["scored_date"] >= row.close_date))]
        if known.empty:
            continue
        last = known.sort_values("scored_date").groupby("letter")["score"].last().astype(int)
        n += 1
        is_won = row.status == "won" and (row.close_date - entered).days <= 180
        stratum = (row.segment, entered.year, entered.month > 6)
        begun = (firsts <= entered).sum()  # letters that anybody had scored by then
        strata.setdefault(stratum, np.zeros((2, 2)))[int((last >= 2).sum() / begun < 0.5), int(not is_won)] += 1
    strata = {key: t for key, t in strata.items() if t.sum(axis=0).all() and t.sum(axis=1).all()}
    above = sum(t[0, 0] * t[1, 1] / t.sum() for t in strata.values())
    below = sum(t[0, 1] * t[1, 0] / t.sum() for t in strata.values())
    found = enablement.association(snapshot).set_index("stage").loc["Proposal"]
    assert found["n"] == n > 400
    assert found["value"] == pytest.approx(above / below)


def test_a_planted_association_is_found_and_none_where_there_is_none(snapshot):
    planted = enablement.association(snapshot, level=0.95).set_index("stage")
    assert (planted.loc[["Qualification", "Proposal"], "low"] > 1).all() and (
        planted["with_hindsight"] > planted["value"]
    ).all()
    folder, truth = companies.invent(3, oracle_paths=0, qualification=False)
    assert truth["qualification"] is None
    none = enablement.association(Snapshot(folder, quarter="2026Q3"), level=0.99)
    assert (none["low"] < 1).all() and (none["high"] > 1).all() and not (none["p"] < 0.05).any()
    assert (none.set_index("stage").loc[["Qualification", "Proposal"], "with_hindsight"] > 2).all()  # what it would have said


@pytest.mark.truth
def test_scores_that_say_nothing_are_not_called_an_association(tmp_path):
    """Companies whose winners are filled in afterwards, at a level of 90 %: an interval holds 1 in about nine of ten."""
    holds: dict[str, list[bool]] = {"as it was known": [], "planted": []}
    for seed in range(2001, 2041):
        for name, qualification in (("as it was known", False), ("planted", True)):
            sample.write(tmp_path / "data", seed=seed, oracle_paths=0, qualification=qualification)
            rows = enablement.association(Snapshot(tmp_path / "data", quarter="2026Q3"), level=0.9)
            row = rows.set_index("stage").loc["Proposal"]
            holds[name].append(bool(row["low"] <= 1 <= row["high"]))
            assert qualification or row["with_hindsight"] > row["high"]
    print({name: f"{sum(found)} of {len(found)}" for name, found in holds.items()})
    assert 0.8 <= np.mean(holds["as it was known"]) <= 0.98 and np.mean(holds["planted"]) <= 0.05


def test_letters_that_nobody_could_score_yet_are_not_missing(company):
    """Two letters are in use, and both are known; six more that are scored first on a later day take nothing away."""
    later = dict.fromkeys(("economic_buyer", "decision_criteria", "decision_process", "paper_process", "identify_pain",
                           "competition"), ("1", "2026-02-20"))  # fmt: skip
    deals = [deal("a", won=True, scores=GOOD), deal("b", won=None, scores=later, offered="2026-02-25")]
    found = enablement.completeness(laid(company, deals)).set_index("known")["n"]
    assert found.to_dict() == {"under a third": 1, "two thirds or more": 1}


def test_half_years_are_compared_each_by_itself(company):
    """Odds of 2 in each half-year; taken together they would seem 13 × 8 ÷ (5 × 9) = 2.3, as most known deals came in the better
    one."""
    well, not_well = GOOD, {"metrics": ("1", "2026-01-10"), "champion": ("1", "2026-01-10")}
    cells = {"2026-02-01": (4, 2, 6, 6), "2025-09-01": (9, 3, 3, 2)}  # known won, known lost, others won, others lost
    deals = []
    for entered, (a, b, c, d) in cells.items():
        for n, is_well, is_won in ((a, True, True), (b, True, False), (c, False, True), (d, False, False)):
            shift = day("2026-02-01") - day(entered)
            for number in range(n):
                one = deal(f"{entered} {is_well} {is_won} {number}", won=is_won, scores=well if is_well else not_well)
                deals.append({name: [{key: value - shift if isinstance(value, pd.Timestamp) else value for key, value in row.items()}
                                     for row in rows] for name, rows in one.items()})  # fmt: skip
    row = enablement.association(laid(company, deals)).iloc[0]
    assert row["n"] == 35 and row[["value", "crude"]].tolist() == pytest.approx([2, 13 * 8 / (5 * 9)])


def test_a_share_of_few_has_the_interval_of_wilson(company):
    """29 of 32 without an open deal: 76 % to 97 %, not beyond 100 %."""
    deals = [deal(f"D{n}", won=n < 29, scores=GOOD) for n in range(32)]
    row = enablement.completeness(laid(company, deals)).iloc[0]
    assert row[["value", "low", "high"]].tolist() == pytest.approx([29 / 32, 0.7578, 0.9676], abs=5e-5)


def test_an_empty_side_is_not_known(company):
    found = enablement.association(laid(company, [deal("a", won=True, scores=GOOD), deal("b", won=False, scores=GOOD)]))
    assert found[["n", "n_well"]].to_numpy().tolist() == [[2, 2]] and found[["value", "low", "high", "p"]].isna().all(axis=None)


def test_without_scores_it_says_so(company):
    with pytest.raises(DataRefused, match="no qualifications"):
        enablement.completeness(Snapshot(company(opportunities=[win(1, "a", "2026-02-01")]), quarter="2026Q1"))


# --- what an export may hold -------------------------------------------------------------------------------------------


def test_bad_rows_are_set_aside(tmp_path):
    (tmp_path / "export").mkdir()
    sheets = {
        "Affaires": [{"N°": f"D{n}", "Commercial": "R1", "Montant": "1000", "Étape": "Gagnée", "Créée le": "2026-01-05",
                      "Date de clôture": "2026-02-01"} for n in range(2)],
        "Commerciaux": [{"ID": "R1", "Nom": "Ada"}, {"ID": "R2", "Nom": "Bo"}],
        "Formations": [{"Commercial": "R1", "Formation": "Découverte", "Terminée le": "2026-01-10"},
                       {"Commercial": "R9", "Formation": "Découverte", "Terminée le": "2026-01-10"},
                       {"Commercial": "R2", "Formation": "Découverte", "Terminée le": "2026-01-10"},
                       {"Commercial": "R2", "Formation": "Découverte", "Terminée le": "2026-01-11"}],
        "MEDDIC": [{"Affaire": "D0", "Lettre": letter, "Score": score, "Noté le": "2026-01-12"}
                   for letter, score in (("Champion", "3"), ("Mesures", "2"), ("Magie", "1"), ("Concurrence", "5"))],
    }  # fmt: skip
    for name, rows in sheets.items():
        text_file(tmp_path / "export" / name, rows)
    given = {"as_of": dt.date(2026, 3, 1), "named": True, "max_rejected": 0.8}
    dataset = sources.import_export(SPREADSHEET, tmp_path / "export", tmp_path / "to", **given)
    aside = {(entry["table"], entry["code"]): entry["n"] for entry in dataset["quarantined"]}
    assert aside == {("trainings", "E_OWNER_UNKNOWN"): 1, ("qualifications", "E_VALUE_FORMAT"): 2}
    assert sources.read_table(tmp_path / "to", "trainings")["rep_id"].tolist() == [
        "R1",
        "R2",
        "R2",
    ]  # a repetition is no conflict
    kept = sources.read_table(tmp_path / "to", "qualifications")[["letter", "score"]]
    assert sorted(kept.to_numpy().tolist()) == [["champion", "3"], ["metrics", "2"]]


# --- what is said ------------------------------------------------------------------------------------------------------

EFFECT = {"training": "Discovery", "measure": "pace", "mde": 0.44, "verdict": "too small to see", "effect": 0.165, "low": -0.03,
          "high": 0.4, "p": 0.09, "pre_trend_p": 0.2, "placebo": 0.03, "placebo_low": -0.2, "placebo_high": 0.3, "n_trained": 11,
          "n_controls": 8, "n_least": 8, "n_left_out": 13, "n_new": 13, "n_gone": 0, "n_alone": 0, "n_nobody": 0, "n_also": 0,
          "errors_by": "seller", "n_unexpected": 0}  # fmt: skip
NOT_THERE = "Not available: this source has no trainings."


def test_what_would_have_shown_is_said_before_what_was_seen():
    said = enablement.headline(pd.DataFrame([EFFECT]), "unknown", "unknown")
    assert said == ("Discovery: an effect of 44% on the pace of deals would have shown in most cases; seen +16% (-3% to +40%) "
                    "among 11 trained beside 8 others: too small to see; the same a year earlier: +3% (-20% to +30%).")  # fmt: skip
    wins = enablement.headline(pd.DataFrame([{**EFFECT, "measure": "won amount"}]), "unknown", "unknown")
    assert wins.startswith("Discovery: an effect of 44% on the amount won would have shown")
    apart = {**EFFECT, "verdict": "moved apart before", "effect": np.nan, "low": np.nan, "high": np.nan}
    said = enablement.headline(pd.DataFrame([apart]), "unknown", "unknown")
    assert "no effect can be told" in said and "seen" not in said and "nan" not in said


@pytest.mark.parametrize(
    "verdict",
    [
        "found",
        "worse than without it",
        "not found",
        "too small to see",
        "not tested before",
        "moved apart before",
        "too few people",
        "nobody to compare with",
    ],
)
def test_every_verdict_has_an_advice_without_an_amount(verdict):
    advice = enablement.recommendations(pd.DataFrame([{**EFFECT, "verdict": verdict}]), "unknown", "unknown")
    assert advice["finding"].tolist() == [f"Discovery: {verdict}"] and advice["expected_amount"].isna().all()


def test_a_headline_is_about_as_many_people_as_its_smallest_group(snapshot):
    ramps = enablement.ramp(snapshot)
    assert enablement.people(pd.DataFrame([EFFECT]), ramps) == 8
    tiny = {
        **EFFECT,
        "training": "Pricing",
        "verdict": "too few people",
        "n_trained": 1,
        "n_least": 1,
        "n_left_out": 1,
        "n_new": 1,
    }
    both = pd.DataFrame([EFFECT, tiny])
    assert enablement.people(both, ramps) == 8 and "Pricing" not in enablement.headline(both, ramps, "unknown")
    assert enablement.people(pd.DataFrame([tiny]), NOT_THERE) is None
    assert "No training can be judged" in enablement.headline(pd.DataFrame([tiny]), NOT_THERE, NOT_THERE)
    assert any("Fewer than five people completed Pricing" in note for note in enablement.notes(snapshot, both, NOT_THERE))
    assert enablement.people(NOT_THERE, NOT_THERE) is None
    assert not {"n_left", "n_waiting"} & set(enablement.published(ramps))


def test_the_headline_tells_chances_and_how_sure_the_months_are(snapshot):
    linked = pd.DataFrame([{"stage": "Proposal", "value": 5.0, "well_share": 0.71, "others_share": 0.334}])
    said = enablement.headline("unknown", "unknown", linked)
    assert "entered Proposal, 71 of 100 were won within 180 days, of the others 33 of 100: not because of the form" in said
    assert "odds" not in said
    ramps = enablement.ramp(snapshot)
    row = ramps.set_index(["milestone", "member"]).loc[("first won deal", "company")]
    assert f"within {row['median']:.0f} months ({row['low']:.0f} to {row['high']:.0f})" in enablement.headline("-", ramps, "-")
    advice = enablement.recommendations("unknown", ramps, "unknown")
    assert advice["finding"].str.contains("a quarter at the median of experienced colleagues within").tolist() == [True]
    assert enablement.recommendations("unknown", ramps.assign(n=4), "unknown").empty


# --- content trust -----------------------------------------------------------------------------------------------------


@pytest.fixture
def book(tmp_path) -> Path:
    """Three pages: one verified on the last day that counts on 2026-09-30, one a day before that, one never."""
    text, folder = "# Page\n", tmp_path / "playbook"
    seal = f"body: {playbooks.seal(text, owner='x')}"
    fronts = {"a": f"owner: x\nverified: 2026-07-02\n{seal}", "b": f"owner: x\nverified: 2026-07-01\n{seal}", "c": "owner: x"}
    folder.mkdir()
    for name, front in fronts.items():
        (folder / f"{name}.md").write_text(f"---\n{front}\n---\n{text}", encoding="utf-8")
    for name, given in (("reports", "{}"), ("_config", "title: Playbook"), ("_toc", "{format: jb-book, root: a}")):
        (folder / f"{name}.yml").write_text(f"{given}\n", encoding="utf-8")
    return folder


def asked(book: Path, **options) -> dict:
    given = {"data": Path("data/sample"), "only": ["enablement"], "reports": book / "reports.yml", **options}
    return dict(runs.resolve("2026Q3", **given).parameters["enablement"])


def test_run_board_pack_status_page_and_notebook_count_the_same_pages(book, tmp_path):
    (tmp_path / "run" / "results").mkdir(parents=True)
    board = portfolio.elsewhere(tmp_path / "run", as_of="2026-09-30", playbook=book).iloc[0]
    counted = {name: asked(book)[name] for name in ("pages_in_time", "pages")}
    assert tuple(counted.values()) == status.status(book, day=dt.date(2026, 9, 30)).in_time == (1, 3)
    trust = enablement.content_trust(**counted)
    assert trust["value"].tolist() == [pytest.approx(board["value"])] and board["n"] == 3
    row = enablement.metrics("-", "-", "-", "-", trust, by="role", level=0.95).iloc[0]
    assert row[["metric", "value", "n"]].tolist() == ["content_trust", pytest.approx(1 / 3), 3]
    assert row[["low", "high", "level"]].isna().all()  # all pages are counted: no interval


def test_without_pages_nothing_is_counted(book):
    for page in book.glob("*.md"):
        page.unlink()
    counted = {name: asked(book)[name] for name in ("pages_in_time", "pages")}
    assert counted == {"pages_in_time": -1, "pages": -1}
    said = report.ask(enablement.content_trust, **counted)
    assert said == ("Not available: the pages of the playbook were not counted here. To have it: "
                    "`revops run` and `revops playbook status` count them.")  # fmt: skip


def test_nobody_types_how_many_pages_there_are(book):
    with pytest.raises(UsageError, match="pages is not a --param"):
        asked(book, params={"pages": "100"})


def test_pictures_name_their_numbers(snapshot):
    assert "Qualification, nothing scored: 43% of 64" in charts.completeness(enablement.completeness(snapshot)).alt
    assert "first won deal 22% after 3" in charts.ramp(enablement.ramp_course(snapshot)).alt
    for draw in (charts.completeness, charts.ramp, charts.training):
        assert draw(NOT_THERE).alt == NOT_THERE


def test_a_band_keeps_place_and_colour_whatever_the_first_stage_lacks():
    bands = ["two thirds or more", "under a third", "nothing scored"]
    frame = pd.DataFrame({"stage": ["Talk", "Talk", "Offer"], "known": bands, "n": 9, "value": 0.5, "low": 0.3, "high": 0.7})
    shown = charts.completeness(frame).figure.axes[0].get_legend()
    assert [text.get_text() for text in shown.get_texts()] == bands[::-1]
    assert charts.completeness(frame.assign(n=3)).alt == "Fewer than five deals stand behind every band."


@pytest.fixture
def told(company, tmp_path, monkeypatch) -> dict:
    """What the notebook stores for a company that has deals, and nothing about people and scores."""
    folder = company(opportunities=[win(n, "a", f"2026-02-{10 + n}") for n in range(3)])
    (tmp_path / "results").mkdir()
    monkeypatch.setenv("REVOPS_RESULTS", str(tmp_path / "results"))
    notebook = json.loads((ROOT / "notebooks" / "enablement.ipynb").read_text(encoding="utf-8"))
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    names: dict = {}
    for number, source in enumerate(cells):
        exec(source, names)
        if number == 0:
            names.update(data=str(folder), quarter="2026Q1")
    return json.loads((tmp_path / "results" / "enablement.json").read_text(encoding="utf-8"))


def test_without_trainings_and_scores_the_notebook_says_what_is_missing(told):
    assert {tuple(table["columns"]) for table in told["tables"].values()} == {("Not available",)}
    assert told["headline"].startswith("Not available: nobody is known to have completed a training. To have it: import who")
    assert "This source has no trainings." in told["notes"] and "This source has no qualifications." in told["notes"]
    assert told["recommendations"] == [] and told["people"] is None
    assert not any("influenced" in json.dumps(told[part]) for part in ("tables", "headline", "recommendations"))
