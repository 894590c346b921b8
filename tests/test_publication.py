"""What a run may publish about small groups: hidden, and not to be worked out from what is shown beside them."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from companies import recent
from hypothesis import given, settings
from hypothesis import strategies as st

from revops_lib import allowlist, bottlenecks, report, runs
from revops_lib.errors import UsageError
from revops_lib.runs.disclosure import SMALLEST_GROUP, TOTALS, Groups, hide
from revops_lib.runs.publication import publish
from revops_lib.snapshot import Snapshot

ROOT = Path(__file__).resolve().parent.parent
REPORTS = allowlist.read(ROOT / "playbook" / "reports.yml")


def groups(name: str, counts: dict[Any, int], keys: list[str]) -> Groups:
    """A table of groups: their names (a text, or one per key) and how many each holds."""
    names = [key if isinstance(key, tuple) else (key,) for key in counts]
    frame = pd.DataFrame(names, columns=keys).assign(n=list(counts.values()))
    return Groups(name, frame, list(counts.values()))


def shown(table: Groups) -> dict[str, int | None]:
    """Counts by name as a reader sees them; None is hidden."""
    return {
        "/".join(table.frame[table.keys].iloc[row]): None if row in table.hidden else n for row, n in enumerate(table.counts)
    }


def derivable(tables: list[Groups]) -> list[tuple[str, int]]:
    """The plain twin: hidden rows that a reader works out who knows every sum, by solving equations and by comparing tables."""
    found = {(table.name, row) for table in tables for row in _solved(table)}
    for table, other in itertools.permutations(tables, 2):
        for row in table.hidden if table.counts else ():
            about = [
                at for at, names in enumerate(other.names) if names and (names <= table.names[row] or names >= table.names[row])
            ]
            shown = other.frame.iloc[[at for at in about if at not in other.hidden]]
            if about and len(shown) == len(about) and table.counts[row] in shown.select_dtypes("integer").sum().tolist():
                found.add((table.name, row))
    return sorted(found)


def _solved(table: Groups) -> set[int]:
    """Of one table: one equation per name and one for all."""
    names = [tuple(table.frame[table.keys].astype(str).iloc[row]) for row in range(len(table.frame))]
    rows = [row for row, name in enumerate(names) if not set(name) & TOTALS]
    lines = [rows] + [
        [row for row in rows if names[row][at] == part]
        for at in range(len(table.keys))
        for part in {names[row][at] for row in rows}
    ]
    lines = [line for line in lines if len(line) > 1]
    hidden = [row for row in rows if row in table.hidden]
    if not lines or len(hidden) == len(rows):
        return set()
    equations = np.array([[float(row in line) for row in hidden] for line in lines]).reshape(len(lines), len(hidden))
    rank = np.linalg.matrix_rank(equations) if hidden else 0
    found = {
        row for at, row in enumerate(hidden) if np.linalg.matrix_rank(np.vstack([equations, np.eye(len(hidden))[at]])) == rank
    }
    for line in lines:
        unseen = [row for row in line if row in table.hidden]
        if table.counts and len(unseen) < len(line) and sum(table.counts[row] for row in unseen) < SMALLEST_GROUP:
            found |= set(unseen)
    return found


# --- which rows are hidden ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({"A": 40, "B": 30, "C": 20}, {"A": 40, "B": 30, "C": 20}),
        ({"A": 40, "B": 30, "C": 4}, {"A": 40, "B": None, "C": None}),  # total minus A minus B would give C
        ({"company": 74, "A": 40, "B": 30, "C": 4}, {"company": 74, "A": 40, "B": None, "C": None}),
        ({"A": 40, "B": 4, "C": 3}, {"A": 40, "B": None, "C": None}),  # seven together
        ({"A": 40, "B": 30, "C": 2, "D": 1}, {"A": 40, "B": None, "C": None, "D": None}),  # three together would be told
        ({"A": 40, "B": 30, "C": 0}, {"A": 40, "B": 30, "C": 0}),  # nobody is not a group
        ({"company": 4, "A": 4}, {"company": None, "A": None}),
        ({"A": 5, "B": 5}, {"A": 5, "B": 5}),
    ],
)
def test_fewer_than_five_are_hidden_with_the_next_smallest(counts: dict[str, int], expected: dict[str, int | None]) -> None:
    table = groups("wins", counts, ["member"])
    hide([table])
    assert shown(table) == expected
    assert derivable([table]) == []


def test_rows_without_a_name_are_hidden_too() -> None:
    table = Groups("t", pd.DataFrame({"n": [40, 30, 4]}), [40, 30, 4])
    hide([table])
    assert table.hidden == {1, 2} and derivable([table]) == []


def test_a_cell_of_two_names_cannot_be_had_from_the_sum_of_either() -> None:
    counts = {(stage, segment): 20 for stage in ("Talk", "Offer", "Sign") for segment in ("Small", "Large", "Public")}
    table = groups("ranking", {**counts, ("Offer", "Large"): 3}, ["stage", "segment"])
    table.hidden = {4}
    assert derivable([table]) == [("ranking", 4)]
    hide([table])
    hidden = [table.frame.loc[row, ["stage", "segment"]].tolist() for row in sorted(table.hidden)]
    assert len(hidden) == 4 and derivable([table]) == []  # a rectangle: two in each stage and each segment it touches
    assert all(sum(name in one for one in hidden) in (0, 2) for name in ("Talk", "Offer", "Sign", "Small", "Large", "Public"))


def test_a_hidden_count_is_not_shown_by_another_table() -> None:
    wins = groups("wins", {"Small": 40, "Large": 30, "Public": 4}, ["member"])
    counts = [
        ("Small", "x", 25),
        ("Small", "y", 16),
        ("Large", "x", 18),
        ("Large", "y", 12),
        ("Public", "x", 11),
        ("Public", "y", 9),
    ]
    fine = groups("detail", {(member, kind): n for member, kind, n in counts}, ["member", "kind"])
    other = Groups("other", pd.DataFrame({"member": ["Small", "Large", "Public"], "closed": [41, 31, 4]}))
    wins.hidden = {1, 2}
    assert derivable([wins, fine, other]) == [("wins", 1), ("wins", 2)]  # 18 + 12 in one table, 4 in another
    hide([wins, fine, other])
    assert derivable([wins, fine, other]) == []
    assert shown(wins) == {"Small": 40, "Large": None, "Public": None}
    assert 2 in other.hidden and fine.hidden == {2, 3, 4, 5}


one_name = st.lists(st.integers(0, 12), min_size=1, max_size=6).map(lambda found: {(f"g{i}",): n for i, n in enumerate(found)})
two_names = st.tuples(st.integers(1, 4), st.integers(1, 4)).flatmap(
    lambda size: st.lists(st.integers(0, 12), min_size=size[0] * size[1], max_size=size[0] * size[1]).map(
        lambda found: dict(zip(itertools.product("rstu"[: size[0]], "cdef"[: size[1]]), found, strict=True))
    )
)


@settings(deadline=None, max_examples=80)
@given(st.one_of(one_name, two_names))
def test_no_reader_who_knows_every_sum_works_out_a_hidden_count(counts: dict[tuple[str, ...], int]) -> None:
    table = groups("t", counts, [f"key{i}" for i in range(len(next(iter(counts))))])
    hide([table])
    assert {row for row, count in enumerate(counts.values()) if 0 < count < SMALLEST_GROUP} <= table.hidden
    assert derivable([table]) == []


@pytest.mark.parametrize(
    ("won", "n_open", "quarters", "expected"),
    [
        (40, 30, 8, set()),
        (40, 30, 3, set()),  # past quarters are not a group
        (1, 30, 8, {"won to date", "open pipeline", "yet to be created"}),  # one deal; the total minus the rest would give it
        (40, 3, 2, {"won to date", "open pipeline", "yet to be created"}),
        (0, 30, 2, set()),
    ],
)
def test_few_deals_of_a_forecast_are_hidden_and_few_quarters_are_not(
    won: int, n_open: int, quarters: int, expected: set[str]
) -> None:
    parts = {"won to date": won, "open pipeline": n_open, "yet to be created": quarters, "total": quarters}
    baselines = {"CRM stage probability": quarters, "Last quarter again": quarters}
    counts = {("2026Q3", part): n for part, n in {**parts, **baselines}.items()}
    table = groups("forecast.outlook", counts, ["quarter", "part"])
    hide([table])
    assert {part for row, (_, part) in enumerate(counts) if row in table.hidden} == expected
    assert derivable([table]) == []


def test_a_category_of_few_open_deals_is_hidden() -> None:
    counts = {"won to date": 40, "open, commit": 4, "open, pipeline": 30, "pulled in from later quarters": 9}
    table = groups("forecast.outlook", {("2026Q3", part): n for part, n in counts.items()}, ["quarter", "part"])
    hide([table])
    assert {part for row, part in enumerate(counts) if row in table.hidden} == {"open, commit", "pulled in from later quarters"}
    assert derivable([table]) == []


@pytest.mark.parametrize(
    ("quarter", "day"), [("2020Q3", "2020-07-20"), ("2020Q3", "2020-08-31"), ("2020Q4", "2020-10-15"), ("2026Q3", "2026-09-30")]
)
def test_the_tables_of_a_young_company_give_no_small_group_away(quarter: str, day: str) -> None:
    """Real tables of the sample: at first every group is small."""
    snapshot = Snapshot("data/sample", quarter=quarter, as_of=day)
    ranking = report.ask(bottlenecks.ranking, snapshot, level=0.9)
    worth, smallest = report.ask(bottlenecks.value, snapshot, level=0.9), report.ask(bottlenecks.detectable, snapshot)
    made = {
        "ranking": report.ask(bottlenecks.published, report.ask(bottlenecks.priced, ranking, worth, smallest)),
        "funnel": report.ask(bottlenecks.funnel, snapshot, level=0.9),
        "flow": report.ask(bottlenecks.common, report.ask(bottlenecks.directly_follows, snapshot)),
        "time_in_stage": report.ask(bottlenecks.time_in_stage, snapshot, level=0.9),
        "conversion": report.ask(bottlenecks.conversion, snapshot, level=0.9),
        "win_rate": report.ask(bottlenecks.win_rate, snapshot, by="segment", level=0.9),
    }
    counted = REPORTS["bottlenecks"]["counted"]
    there = {name: frame for name, frame in made.items() if isinstance(frame, pd.DataFrame)}
    tables = [Groups(name, frame, frame[counted[name]].astype(int).tolist()) for name, frame in there.items()]
    hide(tables)
    assert derivable(tables) == []
    few = {(t.name, row) for t in tables for row, n in enumerate(t.counts or []) if 0 < n < SMALLEST_GROUP}
    assert few <= {(t.name, row) for t in tables for row in t.hidden}
    assert bool(few) == (quarter < "2026")


# --- what is laid down in public/ -----------------------------------------------------------------------------------


def allow(tmp_path: Path, **topics: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """A list of what may be published, as it is read."""
    (tmp_path / "reports.yml").write_text(yaml.safe_dump(topics, sort_keys=False), encoding="utf-8")
    return allowlist.read(tmp_path / "reports.yml")


def published(tmp_path: Path, wins: pd.DataFrame, entry: dict[str, Any] | None = None, **content: Any) -> dict[str, Any]:
    """The topic in report.json of a run whose one notebook left `wins` and `pace`, with a picture of each and of `curve`."""
    results = tmp_path / "results"
    results.mkdir()
    wins.to_parquet(results / "deals.wins.parquet", index=False)
    pace = pd.DataFrame({"stage": ["Talk", "Sign"], "days": [10.5, 20.5]})
    pace.to_parquet(results / "deals.pace.parquet", index=False)
    told = {name: report.table(frame, rows=40) for name, frame in (("wins", wins), ("pace", pace))}
    tables = {n: {"caption": n, "columns": list(t.columns), "rows": t.to_numpy().tolist()} for n, t in told.items()}
    figures = {name: {"file": f"deals.{name}.png", "alt": name, "caption": name} for name in ("wins", "pace", "curve")}
    for figure in figures.values():
        (results / figure["file"]).write_bytes(b"\x89PNG")
    about = {"question": "?", "headline": "All is well.", "notes": [], "people": None, "stamp": {}, "recommendations": []}
    left = {**about, "tables": tables, "figures": figures, **content}
    (results / "deals.json").write_text(json.dumps(left), encoding="utf-8")
    allowed = {
        "title": "Deals",
        "tables": ["wins", "pace"],
        "figures": list(figures),
        "recommendations": True,
        "counted": {"wins": "n"},
    }
    listed = allow(tmp_path, deals={**allowed, **(entry or {})})
    publish(tmp_path, {"quarter": "2026Q3"}, listed, {"deals": "ok"}, {"deals": {}})
    text = (tmp_path / "public" / "report.json").read_text(encoding="utf-8")
    topic: dict[str, Any] = json.loads(text)["reports"][0]
    assert sorted(path.name for path in (tmp_path / "public").glob("*.png")) == sorted(f["file"] for f in topic["figures"])
    return topic


SMALL = pd.DataFrame({"member": ["company", "Small", "Large", "Public"], "n": [74, 40, 30, 4], "value": [0.25, 0.2, 0.3, 0.41]})


KPIS = pd.DataFrame({"kpi": ["bookings", "nrr", "win_rate"], "name": ["Bookings", "Net revenue retention", "Win rate"],
                     "value": [9.0, 0.5, 0.25], "n": [40, 3, 90]})  # fmt: skip


def test_a_kpi_is_no_part_of_another_and_sentences_call_it_by_its_name(tmp_path: Path) -> None:
    """A rate of three customers hides itself alone: bookings minus nothing gives it."""
    advice = [{"finding": "Net revenue retention: 50.0%", "action": "call", "owner": "x"},
              {"finding": "Win rate: 25.0%", "action": "read", "owner": "x"}]  # fmt: skip
    topic = published(tmp_path, KPIS, recommendations=advice, notes=["net revenue retention fell.", "All else is well."])
    rows = topic["tables"][0]["rows"]
    assert [row[2] for row in rows] == ["9", "fewer than five", "0.25"] and topic["headline"] == "All is well."
    assert [item["finding"] for item in topic["recommendations"]] == ["Win rate: 25.0%"]
    assert topic["notes"] == ["All else is well."]


def test_advice_about_fewer_than_five_people_is_not_published(tmp_path: Path) -> None:
    advice = [{"finding": "Win rate: 25.0%", "action": "read", "owner": "x"}]
    few = published(tmp_path, KPIS, recommendations=advice, people=4)
    assert not few["recommendations"] and few["headline"] == allowlist.TOO_FEW


def test_hidden_rows_keep_their_name_and_nothing_else(tmp_path: Path) -> None:
    topic = published(tmp_path, SMALL)
    wins, pace = topic["tables"]
    assert wins["rows"][2:] == [["Large", "not shown", "not shown"], ["Public", "fewer than five", "fewer than five"]]
    assert wins["rows"][1] == ["Small", "40", "0.20"] and "Groups of fewer than five are hidden" in wins["caption"]
    assert pace["rows"] == [["Talk", "10.50"], ["Sign", "20.50"]] and pace["caption"] == "pace"
    assert "0.41" not in json.dumps(topic)


def test_no_picture_and_no_sentence_tells_what_the_table_hides(tmp_path: Path) -> None:
    advice = [
        {"finding": f"{name} wins less", "action": "Ask", "owner": "manager"} for name in ("Public", "Small", "Publication")
    ]
    advice += [{"finding": "A segment wins less", "action": "Ask Public", "owner": "manager", "expected_amount": 4.0}]
    said = {"headline": "Public wins 41 %.", "notes": ["Large has 30.", "Small has 40."], "recommendations": advice}
    topic = published(tmp_path, SMALL, **said)
    assert [figure["file"] for figure in topic["figures"]] == ["deals.pace.png"]  # `curve` might show any group
    assert topic["headline"].startswith("Not published") and topic["notes"] == ["Small has 40."]
    assert [one["finding"] for one in topic["recommendations"]] == ["Small wins less", "Publication wins less"]


def test_of_an_advice_just_the_listed_keys_are_published(tmp_path: Path) -> None:
    known = {"finding": "f", "action": "a", "owner": "o", "effort": "S", "expected": "4 EUR", "expected_amount": 4.0, "low": 1.0,
             "high": 9.0}  # fmt: skip
    topic = published(tmp_path, SMALL, recommendations=[{**known, "rep": "R001", "account": "Acme"}])
    assert topic["recommendations"] == [known]


def test_a_sentence_tells_in_capitals_too(tmp_path: Path) -> None:
    assert published(tmp_path, SMALL, headline="PUBLIC wins 41 %.")["headline"].startswith("Not published")


@pytest.mark.parametrize(("wins", "is_told"), [(9, True), (4, False)])
def test_why_bookings_moved_is_not_told_where_few_wins_are_behind_it(tmp_path: Path, wins: int, is_told: bool) -> None:
    """The entry of the playbook; few wins in one quarter before are enough."""
    rows = ["bookings", "opportunities", "mix", "win rate", "deal value"]
    drivers = pd.DataFrame({"driver": rows, "n": [35, 149, 149, 149, 35], "n_least": [wins, 90, 90, 90, wins], "part": 1.5})
    advice = [{"finding": "Opportunities of partner (source) fell beyond noise", "action": "Ask", "owner": "leader"}]
    said = {"headline": "Bookings of 2026Q3 fell by 92,575 EUR.", "recommendations": advice}
    (tmp_path / "results").mkdir()
    drivers.to_parquet(tmp_path / "results" / "diagnosis.drivers.parquet", index=False)
    (tmp_path / "results" / "diagnosis.drivers.png").write_bytes(b"PNG")
    shown = report.table(drivers)
    left = {
        "question": "?", "notes": [], "stamp": {}, **said,
        "tables": {"drivers": {"caption": "x", "columns": list(shown.columns), "rows": shown.to_numpy().tolist()}},
        "figures": {"drivers": {"file": "diagnosis.drivers.png", "alt": "x", "caption": "x"}},
    }  # fmt: skip
    (tmp_path / "results" / "diagnosis.json").write_text(json.dumps(left), encoding="utf-8")
    publish(tmp_path, {}, {"diagnosis": REPORTS["diagnosis"]}, {"diagnosis": "ok"}, {})
    topic = json.loads((tmp_path / "public" / "report.json").read_text(encoding="utf-8"))["reports"][0]
    assert (topic["headline"] == said["headline"]) == is_told
    assert bool(topic["recommendations"]) == bool(topic["figures"]) == is_told
    assert (topic["tables"][0]["rows"][0][1] == "35") == is_told


def test_large_groups_are_published_whole(tmp_path: Path) -> None:
    topic = published(tmp_path, SMALL.assign(n=[80, 40, 30, 10]))
    assert topic["tables"][0]["rows"][3] == ["Public", "10", "0.41"] and topic["tables"][0]["caption"] == "wins"
    assert len(topic["figures"]) == 3


def test_a_table_that_cannot_be_counted_is_left_out_and_said(tmp_path: Path) -> None:
    topic = published(tmp_path, SMALL, {"counted": {"wins": "n_deals"}})
    assert [table["name"] for table in topic["tables"]] == ["pace"]
    assert topic["notes"] == ["wins is not published: its groups cannot be counted."]


def test_the_row_that_says_how_many_more_there_are_stays(tmp_path: Path) -> None:
    many = pd.DataFrame({"rule": [f"rule {i}" for i in range(45)], "n": [50] * 40 + [4, 3, 50, 50, 50]})
    rows = published(tmp_path, many)["tables"][0]["rows"]
    assert len(rows) == 41 and rows[40] == ["… 5 more", "…"] and rows[39] == ["rule 39", "50"]


def test_what_one_topic_hides_no_other_topic_shows(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    for stem, frame in {
        "deals": SMALL,
        "pay": pd.DataFrame({"team": ["Small", "Large", "Public"], "closed": [41, 31, 4]}),
    }.items():
        frame.to_parquet(tmp_path / "results" / f"{stem}.wins.parquet", index=False)
        shown = report.table(frame, rows=40)
        table = {"caption": "wins", "columns": list(shown.columns), "rows": shown.to_numpy().tolist()}
        left = {"question": "?", "headline": "Well.", "notes": [], "stamp": {}, "recommendations": [], "figures": {}}
        (tmp_path / "results" / f"{stem}.json").write_text(json.dumps({**left, "tables": {"wins": table}}), encoding="utf-8")
    deals, pay = {"title": "x", "tables": ["wins"], "counted": {"wins": "n"}}, {"title": "y", "tables": ["wins"]}
    allowed = allow(tmp_path, deals=deals, pay=pay)
    publish(tmp_path, {}, allowed, dict.fromkeys(allowed, "ok"), {})
    topics = json.loads((tmp_path / "public" / "report.json").read_text(encoding="utf-8"))["reports"]
    assert topics[1]["tables"][0]["rows"][2] == ["Public", "not shown"]


def test_the_playbook_counts_every_table_with_groups() -> None:
    """Which is left uncounted is about the company, a plan or a table, not about groups of persons or deals."""
    uncounted = {stem: set(entry["tables"]) - set(entry["counted"]) for stem, entry in REPORTS.items()}
    assert uncounted == {
        "quality": {"fitness", "freshness", "reconciliation"},
        "forecast": {"accuracy", "backtest", "horizons"},
        "bottlenecks": set(),
        "diagnosis": {"data"},
        "kpis": set(),
        "enablement": set(),
        "compensation": {"plan", "terms", "examples", "curve"},
    }


@pytest.mark.whole
def test_early_in_a_quarter_one_deal_and_one_persons_pay_are_not_published(tmp_path: Path) -> None:
    manifest = runs.run(
        "2026Q3", as_of="2026-07-13", only=["forecast", "compensation"], data=recent(tmp_path / "data"), out=tmp_path / "runs",
        progress=False,
    )  # fmt: skip
    assert manifest["exit_code"] == 0
    outlook = pd.read_parquet(tmp_path / "runs" / "2026Q3" / "results" / "forecast.outlook.parquet").set_index("part")
    assert outlook.loc["won to date", "n"] == 1
    public = tmp_path / "runs" / "2026Q3" / "public"
    text = (public / "report.json").read_text(encoding="utf-8")
    topics = {topic["stem"]: topic for topic in json.loads(text)["reports"]}
    assert set(topics) == {"forecast"}  # what a plan costs by today minus what it cost by yesterday is one person's pay
    assert f"{outlook.loc['won to date', 'value']:,.0f}" not in text and "expected, between" in topics["forecast"]["headline"]
    rows = {row[1]: row[2] for row in topics["forecast"]["tables"][0]["rows"]}
    assert rows["won to date"] == "fewer than five" and rows["total"] == f"{outlook.loc['total', 'low']:,.0f}"
    assert sorted(path.name for path in public.iterdir()) == [
        "forecast.backtest.png", "forecast.reliability.png", "report.json"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("day", "stems"), [("2026-09-29", ["quality"]), ("2026-09-30", ["quality", "compensation"]), ("2026-10-01", ["quality"])]
)
def test_what_needs_a_finished_quarter_is_published_as_of_its_last_day_only(tmp_path: Path, day: str, stems: list[str]) -> None:
    allow(tmp_path, quality={"title": "x"}, compensation={"title": "y", "finished": True})
    request = runs.resolve("2026Q3", data=Path("data/sample"), as_of=day, reports=tmp_path / "reports.yml")
    assert list(request.published) == stems and request.has_ended == ("compensation" in stems)


# --- the list of what may be published ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("[]", "has no title"),
        ("{tables: []}", "has no title"),
        ("{title: 1}", "title of deals is not a str"),
        ("{title: x, tabels: []}", "did you mean tables"),
        ("{title: x, tables: [1]}", "tables of deals is not a list"),
        ("{title: x, finished: 1}", "finished of deals is not a bool"),
        ("{title: x, audience: nobody}", "valid: everyone, internal"),
        ("{title: x, tables: [wins], counted: [wins]}", "counted of deals is not a dict"),
        ("{title: x, tables: [wins], counted: {wins: [n]}}", "a column per table"),
        ("{title: x, tables: [wins], counted: {wims: n}}", "did you mean wins"),
        ("{title: x, tables: [wins], personal: [wims]}", "did you mean wins"),
        ("{title: x, tables: [wins], grouped: {wims: [segment]}}", "did you mean wins"),
        ("{title: x, tables: [wins], grouped: {wins: segment}}", "groups per table"),
        ("{title: x, title: y}", "written twice"),
    ],
)
def test_a_faulty_entry_is_refused(tmp_path: Path, entry: str, said: str) -> None:
    (tmp_path / "reports.yml").write_text(f"deals: {entry}\n", encoding="utf-8")
    with pytest.raises(UsageError, match=said):
        allowlist.read(tmp_path / "reports.yml")


@pytest.mark.parametrize("stem", ["Deals", "1", "a-b", "../x"])
def test_a_topic_that_is_no_notebook_is_refused(tmp_path: Path, stem: str) -> None:
    (tmp_path / "reports.yml").write_text(f"{stem}: {{title: x}}\n", encoding="utf-8")
    with pytest.raises(UsageError, match="not a notebook's name"):
        allowlist.read(tmp_path / "reports.yml")
