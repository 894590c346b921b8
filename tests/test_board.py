"""The board pack: figures of the quarter, groups without persons, and the pack as PDF and workbook."""

from __future__ import annotations

import datetime as dt
import re
import zlib
from decimal import Decimal

import openpyxl
import pandas as pd
import playbooks
import pytest
from kpi_dictionary import only

from revops_lib import boards, cli, portfolio, report, statistics
from revops_lib.errors import DataRefused, UsageError
from revops_lib.kpis import board, groups, kpi
from revops_lib.snapshot import Snapshot

IDS = ("bookings", "win_rate", "average_deal", "nrr")
DICTIONARY = only(
    "bookings", "win_rate", "average_deal", "cycle_time", "pipeline_created", "quota_attainment", "deals_won", "nrr"
)


@pytest.fixture
def small(company):
    """A snapshot of a small company: won and lost deals as (id, status, close date, more), and tables beside them."""

    def lay(*deals, quarter="2026Q3", as_of="", objectives="", **tables) -> Snapshot:
        rows = [
            {"opportunity_id": id, "amount": "10.00", "currency": "EUR", "type": "new", "stage": status.capitalize(), "status": status,
             "created_at": pd.Timestamp(day) - pd.Timedelta(days=20), "close_date": day, **more}
            for id, status, day, more in deals
        ]  # fmt: skip
        folder = company(opportunities=rows, **tables)
        (folder / "kpis.yml").write_text(DICTIONARY, encoding="utf-8")
        if objectives:
            (folder / "plans").mkdir()
            (folder / "plans" / "product_objectives.yml").write_text(objectives, encoding="utf-8")
        return Snapshot(folder, quarter=quarter, as_of=as_of)

    return lay


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    return Snapshot("data/sample", quarter="2026Q3")


@pytest.fixture(scope="module")
def tiles(snapshot):
    return board.tiles(snapshot, ids=IDS)


# --- figures ---------------------------------------------------------------------------------------------------------


def test_tiles_are_the_kpis_themselves(snapshot, tiles):
    assert tiles["kpi"].tolist() == [*IDS] and tiles["is_complete"].all()
    course = kpi(snapshot, "win_rate", n_quarters=5)["value"]
    row = tiles.iloc[1]
    deals = snapshot.opportunities
    closed = deals[deals["close_date"].dt.to_period("Q").eq("2026Q3") & deals["status"].isin(["won", "lost"])]
    assert row["value"] == (closed["status"] == "won").mean() == course.iloc[-1] and row["n"] == len(closed)
    assert [row["previous"], row["year_ago"]] == [course.iloc[-2], course.iloc[0]]
    assert row["change_year"] == row["value"] - row["year_ago"] and (row["target"], row["status"]) == (0.3, "red")


def test_a_quarter_that_runs_has_values_and_no_verdict(small):
    days = pd.date_range("2025-01-05", "2026-08-10", freq="7D")
    deals = [(f"d{i}", "won" if i % 3 else "lost", day.date(), {}) for i, day in enumerate(days)]
    early = small(*deals, as_of="2026-08-15")
    shown = board.tiles(early, ids=("bookings", "win_rate"))
    assert (
        shown[["value", "year_ago"]].notna().all(axis=None) and not shown["is_complete"].any() and shown["status"].eq("").all()
    )
    assert shown["change_year"].isna().all() and board.changes(early, ids=("bookings",)).empty
    assert board.headline(early, shown) == "2026Q3: 40 EUR booked so far."


def test_a_quarter_that_is_over_and_partly_known_is_not_still_running(small):
    late = small(*[(f"d{i}", "won", dt.date(2026, 8, 20 + i), {}) for i in range(5)])
    assert board.headline(late, board.tiles(late, ids=("bookings",))) == "2026Q3: 50 EUR booked, as far as the data go."


def test_no_change_is_no_percentage(snapshot, tiles):
    same = tiles.head(1).assign(change_year=1.0)
    assert "as much as a year before" in board.headline(snapshot, same)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("code: ratio", "code: _half", "unknown formula"),
        ("interval: wilson", "interval: order", "no interval of ratio"),
        ("inputs: {part: closed.won, whole: closed.all}", "inputs: [closed.won]", "inputs of ratio"),
        ("whole: closed.all}", "whole: [closed.all, closed.won, closed.lost]}", "3 sums where one or two"),
        ('gives: "', 'gives: "9', "the example gives"),
    ],
)
def test_a_wrong_definition_is_refused_with_its_line(small, old, new, message):
    one = small(("d", "won", dt.date(2026, 8, 1), {}))
    text = only("win_rate")
    assert old in text, text
    (one.directory / "kpis.yml").write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(UsageError, match=message) as refused:
        kpi(one, "win_rate")
    assert "line" in refused.value.where


def test_changes_say_noise_where_the_intervals_overlap(snapshot):
    rows = board.changes(snapshot, ids=("bookings", "win_rate")).set_index("kpi")
    one, other = (kpi(snapshot, "win_rate", n_quarters=5).iloc[at] for at in (0, -1))
    assert rows["is_noise"]["win_rate"] == (one["low"] <= other["high"] and other["low"] <= one["high"])
    assert f"{other['value']:.1%} ({other['low']:.1%} to {other['high']:.1%}) in 2026Q3" in rows["sentence"]["win_rate"]
    assert "its 11 quarters before let expect" in rows["sentence"]["bookings"]
    then, *_, now = kpi(snapshot, "deals_won", n_quarters=5)["value"]
    assert f"deals won {now:.0f} ({then:.0f})" in rows["behind"]["bookings"]


def test_the_headline_counts_targets_and_alerts(snapshot, tiles):
    alerts = pd.DataFrame({"severity": ["high", "low"], "sentence": ["a", "b"]})
    met, close, missed = (int((tiles["status"] == status).sum()) for status in ("green", "yellow", "red"))
    text = board.headline(snapshot, tiles, alerts)
    value, target, before = tiles[["value", "target", "year_ago"]].iloc[0]
    booked = f"{value:,.0f} EUR booked, {value / target:.0%} of the target, {1 - value / before:.0%} below a year before"
    assert text.startswith(f"2026Q3: {booked}; ")
    assert text.endswith(f"{met} of 4 targets met, {close} close, {missed} missed; 2 alerts (1 of high severity).")
    assert board.headline(snapshot, tiles, alerts.head(0)).endswith("; no alert.")


def test_what_the_source_lacks_leaves_its_tile_empty(small):
    one = small(("d", "won", dt.date(2026, 8, 1), {}))
    shown = board.tiles(one, ids=("nrr", "bookings")).set_index("kpi")
    assert shown["value"].isna().tolist() == [True, False] and shown["value"]["bookings"] == 10
    assert set(board.trend(one, ids=("nrr", "bookings"))["kpi"]) == {"bookings"}


def test_metrics_have_the_shape_of_results_files(snapshot):
    values = kpi(snapshot, "win_rate", by="region", n_quarters=2)
    rows = board.metrics(values)
    assert rows.columns.tolist() == ["quarter", *statistics.RESULT_COLUMNS] and len(rows) == len(values) == 6
    assert rows["quarter"].tolist() == ["2026Q2"] * 3 + ["2026Q3"] * 3 and rows["level"].eq(0.9).all()
    assert board.metrics(report.Reason("none")).empty


# --- groups ----------------------------------------------------------------------------------------------------------


def test_teams_add_up_and_carry_their_kpis(snapshot):
    rows = groups.teams(snapshot).set_index("team")
    assert rows["n_people"].ge(5).all() and rows["n"].sum() == kpi(snapshot, "win_rate")["n"].iloc[0]
    assert rows["bookings"].sum() == pytest.approx(kpi(snapshot, "bookings")["value"].iloc[0])
    by_team = kpi(snapshot, "win_rate", by="team").set_index("member")
    assert (
        rows["win_rate"].to_dict() == by_team["value"].to_dict() and rows["win_rate_low"].to_dict() == by_team["low"].to_dict()
    )


@pytest.mark.parametrize(
    ("sizes", "shown"),
    [
        ({"A": 6, "B": 5, "C": 2}, {"A": 6, "other teams": 7}),  # two people are told only together with the smallest team
        ({"A": 6, "B": 5, "C": 3, "D": 2}, {"A": 6, "B": 5, "other teams": 5}),
        ({"A": 6, "C": 2}, {"other teams": 8}),
        ({"A": 2, "C": 2}, {}),
        ({"A": 5, "B": 5}, {"A": 5, "B": 5}),
    ],
)
def test_teams_of_fewer_than_five_people_are_pooled(small, sizes, shown):
    people = [(f"{team}{i}", team) for team, n in sizes.items() for i in range(n)]
    deals = [(f"{rep}{end}", end, dt.date(2026, 8, 1), {"owner_id": rep}) for rep, _ in people for end in ("won", "lost")]
    reps = [{"rep_id": rep, "name": rep, "team": team, "start_date": dt.date(2020, 1, 1)} for rep, team in people]
    rows = groups.teams(small(*deals, reps=reps))
    assert rows.set_index("team")["n_people"].to_dict() == shown
    assert (rows["n"] == 2 * rows["n_people"]).all() and (rows["bookings"] == 10 * rows["n_people"]).all()
    assert (rows["win_rate"] == 0.5).all()


def test_a_person_in_several_groups_counts_once(small):
    """Three sell into the regions X and Y, six into Big: X and Y together are three people, not six."""
    accounts = [{"account_id": region, "name": region, "region": region} for region in ("X", "Y", "Big")]
    people = [(f"few{i}", region) for i in range(3) for region in ("X", "Y")] + [(f"big{i}", "Big") for i in range(6)]
    deals = [(f"{rep}{region}{end}", end, dt.date(2026, 8, 1), {"owner_id": rep, "account_id": region})
             for rep, region in people for end in ("won", "lost")]  # fmt: skip
    reps = [{"rep_id": rep, "name": rep, "team": "T", "start_date": dt.date(2020, 1, 1)} for rep in {rep for rep, _ in people}]
    rows = groups.regions(small(*deals, reps=reps, accounts=accounts))
    assert rows[["region", "n_people", "n"]].to_numpy().tolist() == [["other regions", 9, 24]]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"40"', "five", "'five' is not a quoted number"),
        ("products:", "product:", "did you mean products"),
        (
            "currency: EUR",
            "currency: USD",
            "amounts in 'USD' cannot be held against figures in EUR — plan product_objectives, line 5",
        ),
        ("currency: EUR\n", "", "key 'currency' is missing"),
    ],
)
def test_wrong_objectives_are_refused(small, old, new, message):
    products = [{"product_id": "old", "name": "old", "family": "f", "launch_date": dt.date(2020, 1, 1)}]
    deal = "d", "won", dt.date(2026, 8, 1), {"product_id": "old"}
    with pytest.raises(UsageError, match=message):
        groups.products(small(deal, products=products, objectives=OBJECTIVES.replace(old, new)))


def test_several_currencies_without_rates_leave_a_reason(small):
    """The page on KPIs says why it has no figures; it does not break."""
    deals = [
        (f"d{i}", "won", dt.date(2026, 8, 1 + i), {"currency": ("EUR", "USD")[i % 2], "owner_id": f"r{i}"}) for i in range(6)
    ]
    reps = [{"rep_id": f"r{i}", "name": f"r{i}", "team": "T", "start_date": dt.date(2020, 1, 1)} for i in range(6)]
    both = small(*deals, reps=reps)
    for ask in (groups.teams, groups.regions):
        with pytest.raises(DataRefused, match="currenc"):
            ask(both)


def test_figures_say_when_few_people_stand_behind_them(small):
    """Forty deals of two owners are about two people; deals of nobody are counted as deals."""

    def lay(owners):
        deals = [(f"d{i}", ("won", "lost")[i % 2], dt.date(2026, 8, 1 + i % 20), {"owner_id": owners[i % len(owners)]})
                 for i in range(42)]  # fmt: skip
        return small(*deals)

    for owners, n in ((["a", "b", "a"], 2), ([None], 21)):
        snapshot = lay(owners)
        assert board.tiles(snapshot, ids=("bookings", "win_rate"))["n_least"].tolist() == [n, n]
        assert board.trend(snapshot, ids=("bookings",))["n_least"].iloc[-1] == n


OBJECTIVES = """
objectives: products
decided_by: x
source: x
currency: EUR
products:
  old: {2016-01-01: "40"}
  new: {2016-01-01: "0", 2026-07-01: "20"}
  idle: {2016-01-01: "5"}
"""


def test_products_stand_beside_their_objectives_with_their_launch(small):
    launched = {"old": "2020-01-01", "new": "2026-06-20", "idle": "2021-01-01", "later": "2026-12-01"}
    products = [{"product_id": one, "name": one, "family": "f", "launch_date": dt.date.fromisoformat(day)}
                for one, day in launched.items()]  # fmt: skip
    bought = [("old", "won", 5), ("old", "lost", 1), ("new", "won", 1), (None, "won", 8)]
    deals = [(f"{one}{end}", end, dt.date(2026, 8, day), {"product_id": one}) for one, end, day in bought]
    deals += [(f"{m}-{i}", "won", dt.date(2025, m, 1 + i), {"product_id": "old"}) for m in (5, 8) for i in range(3)]
    found = groups.products(small(*deals, products=products, objectives=OBJECTIVES))
    rows = found.set_index("product_id").astype({"launched": "str"})
    assert rows.index.tolist() == ["idle", "new", "old", "(unknown)"]
    assert rows["launched"].tolist()[:3] == ["2021Q1", "2026Q2", "2020Q1"] and rows["is_new"].tolist() == [
        False,
        True,
        False,
        False,
    ]
    assert rows["bookings"].tolist() == [0, 10, 10, 10] and rows["n"].tolist() == [0, 1, 2, 1] and rows["year_ago"]["old"] == 30
    assert rows["attainment"].fillna(-1).tolist() == [0, 0.5, 0.25, -1] and rows["win_rate"].fillna(-1).tolist() == [
        -1,
        1,
        0.5,
        1,
    ]
    before = groups.products(small(*deals, products=products, objectives=OBJECTIVES, quarter="2026Q2")).set_index("product_id")
    misspelt = groups.products(small(*deals, products=products, objectives=OBJECTIVES.replace("old:", "odl:")))
    names = misspelt.set_index("product_id")["name"]
    assert names[["odl", "(unknown)"]].tolist() == ["(not among the products)"] * 2 and names[["old", "new"]].tolist() == [
        "old",
        "new",
    ]
    assert pd.isna(before["objective"]["new"]) and pd.isna(before["attainment"]["new"])


def test_attainment_of_a_product_whose_wins_have_no_amount_is_not_known(small):
    products = [{"product_id": one, "name": one, "family": "f", "launch_date": dt.date(2020, 1, 1)} for one in ("old", "idle")]
    deals = [(f"d{i}", "won", dt.date(2026, 8, 1 + i), {"product_id": "old", "amount": None}) for i in range(3)]
    found = groups.products(small(*deals, products=products, objectives=OBJECTIVES)).set_index("product_id")
    assert found.loc["old", ["bookings", "attainment"]].isna().all() and found.loc["old", "n"] == 3
    assert found.loc["idle", ["bookings", "attainment"]].tolist() == [0, 0]


# --- the pack --------------------------------------------------------------------------------------------------------


def _lay(folder, monkeypatch, *, tiles=None, advice=(), hostile=""):
    """A run whose notebook `kpis` has stored its results."""
    results = folder / "runs" / "2026Q3" / "results"
    results.mkdir(parents=True)
    monkeypatch.setenv("REVOPS_RESULTS", str(results))
    stamp = {
        "quarter": "2026Q3",
        "as_of": "2026-09-30",
        "data": "data/x",
        "fingerprint": "0123",
        "library": "1",
        "currency": "EUR",
    }
    columns = ["kpi", "name", "value", "unit", "low", "high", "year_ago", "target", "status"]
    shown = pd.DataFrame([
        ["bookings", "Bookings", 1487330.28, "EUR", None, None, 2989101.0, 3e6, "red"],
        ["win_rate", "Win rate", 0.2349, "share", 0.18, 0.3, 0.26, 0.3, "yellow"],
        ["nrr", "Net revenue retention", 1.02, "share", 1.0, 1.04, None, 1.02, "green"],
        ["cycle_time", "Sales cycle", 67.03, "days", 60.0, 75.0, 82.0, None, ""],
        *([f"k{i}", f"Figure {i}", float("nan"), "count", None, None, None, None, ""] for i in range(4)),
    ], columns=columns)  # fmt: skip
    trend = pd.DataFrame({"kpi": "win_rate", "quarter": [f"2025Q{i}" for i in range(1, 5)], "value": [0.2, None, 0.25, 0.235]})
    teams = pd.DataFrame({"team": [f"{hostile}Alder"], "n_people": [6], "bookings": [127883.74], "win_rate": [0.194]})
    bridge = pd.DataFrame({"period": pd.PeriodIndex(["2026Q3"], freq="Q"), "opening": [Decimal("10.25")]})
    alert = {"rule": "r", "kpi": "win_rate", "member": "company", "quarter": "2026Q3", "sentence": f"{hostile}Low", "severity": "high",
             "owner": "o", "action": "act"}  # fmt: skip
    told = pd.DataFrame({"name": ["Win rate"], "sentence": ["Win rate fell."], "behind": [""], "is_noise": [False]})
    report.finish(
        stamp, stem="kpis", question="q", headline=f"{hostile}The quarter in a sentence.", notes=["A note."],
        metrics=report.Reason("x"), figures={}, recommendations=pd.DataFrame(columns=["finding", "action", "owner"]),
        tables={"tiles": (shown if tiles is None else tiles, "t"), "trend": (trend, "t"), "changes": (told, "c"),
                "teams": (teams, "t"), "bridge": (bridge, "b"), "alerts": (pd.DataFrame([alert]), "a"),
                "products": (report.Reason("Not available: no products. To have it: map them."), "Products")},
    )  # fmt: skip
    for stem, rows in advice:
        frame = pd.DataFrame(rows).reindex(columns=report.ADVICE_COLUMNS)
        frame.assign(topic=stem).to_parquet(results / f"{stem}.recommendations.parquet")
    return folder / "runs"


ADVICE = [
    ("forecast", [{"finding": "f1", "action": "a1", "expected_amount": 300.0, "low": 1.0, "high": 2.0, "owner": "x"}]),
    ("bottlenecks", [{"finding": "f2", "action": "=2+3", "expected_amount": 450.0, "owner": "y", "effort": "M"},
                     {"finding": "f3", "action": "a3", "owner": "y", "effort": "L"}]),
    ("quality", [{"finding": "f0", "action": "a0", "owner": "z"}]),
]  # fmt: skip


def test_advice_of_all_topics_is_one_list_by_what_it_brings(tmp_path, monkeypatch):
    rows = portfolio.ranked(_lay(tmp_path, monkeypatch, advice=ADVICE) / "2026Q3")
    assert rows.columns.tolist() == portfolio.RANKED and rows["rank"].tolist() == [1, 2, 3, 4]
    assert rows["finding"].tolist() == [
        "f2",
        "f1",
        "f3",
        "f0",
    ]  # what nobody put a number on comes last, in the order of topics
    assert rows["expected_amount"].isna().tolist() == [False, False, True, True] and rows["effort"].tolist() == [
        "M",
        "",
        "L",
        "",
    ]


def test_what_no_snapshot_holds_is_counted_at_the_board(tmp_path, monkeypatch):
    run = _lay(tmp_path, monkeypatch) / "2026Q3"
    text = "# Page\n"
    seal = f"body: {playbooks.seal(text, owner='x')}"
    fronts = {"a.md": f"owner: x\nverified: 2026-07-02\n{seal}", "b.md": f"owner: x\nverified: 2026-07-01\n{seal}",
              "methods/c.md": "owner: x"}  # fmt: skip
    for name, front in fronts.items():
        (tmp_path / "pages" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "pages" / name).write_text(f"---\n{front}\n---\n{text}", encoding="utf-8")
    alone = portfolio.elsewhere(run, as_of="2026-09-30", playbook=tmp_path / "pages")  # 90 days before: 2026-07-02
    assert alone[["kpi", "value", "n"]].to_numpy().tolist() == [["playbook_freshness", pytest.approx(1 / 3), 3]]
    rules = pd.DataFrame(
        {"metric": ["rows_breaking_rule"] * 2 + ["at_stake"], "value": [200.0, 100.0, 9e9], "n": [4000.0, 6000.0, 5.0]}
    )
    rules.to_parquet(run / "results" / "quality.parquet")
    both = portfolio.elsewhere(run, as_of="2026-09-30", playbook=tmp_path / "pages").set_index("kpi")
    assert both.loc["data_quality_score", ["value", "n"]].tolist() == [0.97, 10_000]
    assert portfolio.board(run).tables["Data and playbook"]["name"].tolist() == ["Data quality score", "Playbook freshness"]


def test_a_run_without_advice_has_an_empty_list(tmp_path, monkeypatch):
    assert portfolio.ranked(_lay(tmp_path, monkeypatch) / "2026Q3").empty


def test_the_workbook_holds_numbers_with_formats_and_computes_nothing(tmp_path, monkeypatch, capsys):
    runs = _lay(tmp_path, monkeypatch, advice=ADVICE, hostile="=1+1 ")
    to = tmp_path / "board.xlsx"
    assert cli.main(["board", "2026Q3", "--runs", str(runs), "--to", str(to)]) == 0
    book = openpyxl.load_workbook(to)
    assert {"Summary", "The figures", "KPIs", "Teams", "Recurring revenue", "Alerts", "What to do"} <= {*book.sheetnames}
    figures = book["The figures"]
    place = {cell.value: at for at, cell in enumerate(figures[1])}
    bookings, rate, _, days = (row[place["value"]] for row in figures.iter_rows(min_row=2, max_row=5))
    assert (bookings.value, bookings.number_format) == (1487330.28, "#,##0") and (rate.value, rate.number_format) == (
        0.2349,
        "0.0%",
    )
    assert (days.value, days.number_format) == (67.03, "#,##0.0")
    opening = book["Recurring revenue"]["B"]
    assert [cell.value for cell in opening] == ["opening (EUR)", 10.25] and opening[1].number_format == "#,##0.00"
    for sheet in book:
        assert sheet.freeze_panes == "A2" and all(10 <= own.width <= 62 for own in sheet.column_dimensions.values())
        assert sheet.column_dimensions and all(cell.data_type != "f" for row in sheet.iter_rows() for cell in row)
    assert book["Teams"]["A2"].value == "'=1+1 Alder" and book["What to do"]["D2"].value == "'=2+3"
    notes = [str(cell.value) for cell in book["Summary"]["B"]]
    assert (
        any("no products" in note for note in notes)
        and "2 of 4 recommendations have no expected amount; they come last." in notes
    )
    assert capsys.readouterr().out.splitlines() == [str(to)]


def _text(page: bytes) -> str:
    """The letters that a PDF of subset fonts shows, font by font as its own table maps them."""
    objects = dict(re.findall(rb"(?s)(\d+) 0 obj\r?\n(.*?)endobj", page))
    streams = {number: _stream(body) for number, body in objects.items() if b"stream" in body}
    maps = {}
    for body in objects.values():
        if b"/ToUnicode" in body:
            name = re.search(rb"/Name /(\S+)", body)
            table = streams[re.search(rb"/ToUnicode (\d+)", body).group(1)]
            maps[name.group(1)] = dict(re.findall(rb"<([0-9A-Fa-f]{2})> <([0-9A-Fa-f]+)>", table)) or {
                b"%02X" % (int(first, 16) + at): code
                for first, codes in re.findall(rb"(?s)<([0-9A-Fa-f]+)> <[0-9A-Fa-f]+> \[(.*?)\]", table)
                for at, code in enumerate(re.findall(rb"<([0-9A-Fa-f]+)>", codes))
            }
    shown = []
    for content in streams.values():
        for font, run in re.findall(rb"(?s)/(F\S+) [\d.]+ Tf|\(((?:\\.|[^\\()])*)\) Tj", content):
            if font:
                own = maps.get(font, {})
            else:
                raw = re.sub(rb"\\([0-7]{3})", lambda m: bytes([int(m[1], 8)]), run)
                raw = re.sub(rb"\\(.)", lambda m: m[1], raw)
                shown.append("".join(chr(int(own.get(b"%02X" % one, own.get(b"%02x" % one, b"3F")), 16)) for one in raw))
    return " ".join(shown)


def _stream(body: bytes) -> bytes:
    import base64

    raw = re.search(rb"(?s)stream\r?\n(.*?)endstream", body).group(1)
    raw = base64.a85decode(raw.strip().removesuffix(b"~>")) if b"ASCII85Decode" in body else raw
    return zlib.decompress(raw) if b"FlateDecode" in body else raw


def test_the_paper_says_it_on_one_page_and_in_words(tmp_path, monkeypatch):
    pack = portfolio.board(_lay(tmp_path, monkeypatch, advice=ADVICE, hostile="<b>& ") / "2026Q3")
    page = boards.pdf(pack)
    assert page == boards.pdf(pack) and page.startswith(b"%PDF") and b"FontFile2" in page
    shown = _text(page)
    for word in ("Board pack, 2026Q3", "1.49 M EUR", "23.5%", "18.0% to 30.0%", "2025Q3: 2.99 M EUR", "■ missed", "▲ close", "● met",
                 "no target", "not known", "<b>& The quarter in a sentence.", "1. =2+3", "no products"):  # fmt: skip
        assert word.replace(" ", "") in shown.replace(" ", ""), word
    assert shown.index("What to do first") < shown.index("page 1 of") < shown.index("The figures")


def test_a_long_first_page_stays_one_page(tmp_path, monkeypatch):
    long = [("quality", [{"finding": "w" * 900 + " " + "x" * 900, "action": "a " * 400, "owner": "z"} for _ in range(9)])]
    pack = portfolio.board(_lay(tmp_path, monkeypatch, advice=long) / "2026Q3")
    shown = _text(boards.pdf(pack))
    assert shown.index("… 4 more on the next pages.") < shown.index("page 1 of") < shown.index("The figures")


def test_a_wrong_name_or_run_is_one_line_with_its_code(tmp_path, monkeypatch, capsys):
    runs = _lay(tmp_path, monkeypatch)
    for target, folder, code in (("b.doc", runs, 2), ("b.pdf", tmp_path / "none", 2), ("b.pdf", runs, 0)):
        assert cli.main(["board", "2026Q3", "--runs", str(folder), "--to", str(tmp_path / target)]) == code
    (runs / "2026Q3" / "results" / "kpis.tiles.parquet").write_text("no table")
    for name in ("b.pdf", "b.xlsx"):
        assert cli.main(["board", "2026Q3", "--runs", str(runs), "--to", str(tmp_path / name)]) == 3
    pd.DataFrame({"kpi": ["x"]}).to_parquet(runs / "2026Q3" / "results" / "kpis.tiles.parquet")
    assert cli.main(["board", "2026Q3", "--runs", str(runs), "--to", str(tmp_path / "b.pdf")]) == 3
    assert [line.startswith("error: ") for line in capsys.readouterr().err.splitlines()] == [True] * 5
