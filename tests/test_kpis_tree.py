"""The cascade of a KPI: branches add up to the one above, parts to what they are part of, to the cent, on any data."""

import datetime as dt
import itertools
import math
import tempfile
from fractions import Fraction
from pathlib import Path

import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from revops_lib import kpis, tables
from revops_lib.errors import DataRefused, UsageError
from revops_lib.kpis import tree
from revops_lib.snapshot import Snapshot

ROOT = Path(__file__).resolve().parent.parent
ROOM = tempfile.TemporaryDirectory(prefix="tree-")  # it goes when the process ends
IDS = ("bookings", "deals_won", "deals_lost", "win_rate", "average_deal", "open_pipeline")
REPS = [{"rep_id": f"r{i}", "name": f"r{i}", "team": f"t{i % 3}", "region": f"g{i % 2}", "start_date": dt.date(2020, 1, 1)}
        for i in range(5)]  # fmt: skip


@pytest.fixture(scope="module")
def sample() -> Snapshot:
    return Snapshot("data/sample", quarter="2026Q3")


def lay(folder: Path, deals: list[dict], trees: str = "", reps: list[dict] = REPS) -> Path:
    """A small company with a dictionary of the few KPIs that are asked for."""
    stages = [{"stage": status, "position": i, "status": status} for i, status in enumerate(("open", "won", "lost"), 1)]
    frames = {"stages": stages, "opportunities": deals, "reps": reps}
    dataset = {"name": "small", "known_until": "2026-12-31", "timezone": "UTC", "fiscal_year_end": "DEC", "currency": "EUR",
               "tracked": [], "files": [], "aliases": [], "quarantined": []}  # fmt: skip
    tables.write(folder, {name: tables.conform(name, pd.DataFrame(rows)) for name, rows in frames.items()}, dataset)
    entries = yaml.safe_load((ROOT / "data" / "kpis.yml").read_text(encoding="utf-8"))["kpis"]
    few = [{**entry, "not_to_be_confused_with": "none"} for entry in entries if entry["id"] in IDS]
    (folder / "kpis.yml").write_text(yaml.safe_dump({"kpis": few}), encoding="utf-8")
    (folder / "kpi_trees.yml").write_text(trees or TREES, encoding="utf-8")
    return folder


TREES = """trees:
  deals_closed: {is: sum, of: [deals_won, deals_lost]}
  bookings: {is: product, of: [deals_closed, win_rate, average_deal]}
"""


def deal(number: int, closed: dt.date, owner: int, status: str, cents: int | None) -> dict:
    amount = None if cents is None else Fraction(cents, 100)
    return {
        "opportunity_id": f"o{number}", "owner_id": f"r{owner}", "status": status, "stage": status, "currency": "EUR",
        "amount": None if amount is None else f"{cents // 100}.{cents % 100:02d}", "close_date": closed,
        "created_at": pd.Timestamp("2024-01-01"), "type": "new",
    }  # fmt: skip


def snapshot_of(deals: list[dict], **options) -> Snapshot:
    folder = tempfile.mkdtemp(dir=ROOM.name)
    return Snapshot(lay(Path(folder) / "data", deals, **options), quarter="2026Q3")


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    return lay(tmp_path_factory.mktemp("small") / "data", [deal(1, DAYS["now"], 0, "won", 1)])


def cents(values) -> list[int]:
    return [0 if math.isnan(value) else round(value * 100) for value in values]


def require_adds_up(found: pd.DataFrame, id: str) -> None:
    """Every branch is the sum of those below it, in value and part, what is missing adding nothing; parts sum to what they are
    part of."""
    branches = (
        found[found["of"] == ""].set_index("path").assign(moved=lambda rows: rows["value"].fillna(0) - rows["before"].fillna(0))
    )
    for path, branch in branches.iterrows():
        below = branches[
            [one.startswith(f"{path} / ") and " / " not in one.removeprefix(f"{path} / ") for one in branches.index]
        ]
        if len(below):
            for column in ("value", "before", "moved"):
                assert sum(cents(below[column].fillna(0))) == cents([branch[column]])[0], (path, column)
            assert below["part"].sum() == branch["part"], path
            assert below["n"].sum() == branch["n"]
        assert cents([branch["moved"]])[0] == branch["part"] * 100
        assert branch["change"] == pytest.approx(branch["value"] - branch["before"], nan_ok=True)
        parts = found[(found["path"] == path) & (found["of"] != "")]
        for whole, rows in parts.groupby("of"):
            total = branch["part"] if whole == id else parts.set_index("kpi").loc[whole, "part"]
            assert rows["part"].sum() == total, (path, whole)


@pytest.mark.parametrize(
    ("id", "levels", "against"),
    [
        ("bookings", ("region", "team"), "year"),
        ("bookings", ("segment", "source", "team"), "quarter"),
        ("arr", ("region", "segment"), "year"),
        ("open_pipeline", ("team",), "quarter"),
    ],
)
def test_the_sample_adds_up_and_says_what_the_kpi_says(sample, id, levels, against):
    found = tree(sample, id=id, levels=levels, against=against)
    require_adds_up(found, id)
    assert found.loc[0, ["path", "level", "member", "of"]].tolist() == ["company", "company", "company", ""]
    assert found.loc[0, "share_of_change"] == 1
    if id in kpis.definitions(sample):
        told = kpis.kpi(sample, id, n_quarters=5 if against == "year" else 2)["value"]
        assert found.loc[0, ["before", "value"]].tolist() == pytest.approx([told.iloc[0], told.iloc[-1]], rel=1e-12)


def test_a_branch_shows_the_kpi_of_its_group(sample):
    found = tree(sample, levels=["region"], against="quarter")
    for kpi in ("bookings", "win_rate", "average_deal"):
        told = kpis.kpi(sample, kpi, by="region").set_index("member")["value"]
        rows = found[(found["kpi"] == kpi) & (found["level"] == "region")].set_index("member")["value"]
        assert rows[told.index].tolist() == pytest.approx(told.tolist(), rel=1e-12)


DAYS = {"before": dt.date(2025, 8, 1), "now": dt.date(2026, 8, 1), "between": dt.date(2026, 2, 1)}
deals_ = st.lists(
    st.tuples(
        st.sampled_from(list(DAYS.values())), st.integers(0, 4), st.sampled_from(["won", "lost"]),
        st.one_of(st.none(), st.integers(0, 10**9)),
    ), min_size=10, max_size=60,
)  # fmt: skip


def exact_tree(rows: list[tuple]) -> dict[str, Fraction]:
    """Shapley values of closed × win rate × average deal × share of wins with an amount, every order by hand."""
    sides = []
    for day in (DAYS["before"], DAYS["now"]):
        own = [row for row in rows if row[0] == day]
        won = [row for row in own if row[2] == "won"]
        amounts = [Fraction(row[3], 100) for row in won if row[3] is not None]
        sides.append([
            Fraction(len(own)), Fraction(len(won), len(own)) if own else None,
            sum(amounts, Fraction(0)) / len(amounts) if amounts else None,
        ])  # fmt: skip
        value = [part if part is not None else None for part in sides[-1]]
        total, product = sum(amounts, Fraction(0)), None
        if None not in value:
            product = math.prod(value)
        sides[-1].append(total / product if product else Fraction(1) if not won or amounts else Fraction(0))
    filled = [[sides[i][k] if sides[i][k] is not None else sides[1 - i][k] or Fraction(0) for k in range(4)] for i in (0, 1)]
    parts, orders = [Fraction(0)] * 4, list(itertools.permutations(range(4)))
    for order in orders:
        now = list(filled[0])
        for k in order:
            was = math.prod(now)
            now[k] = filled[1][k]
            parts[k] += (math.prod(now) - was) / len(orders)
    return dict(zip(("deals_closed", "win_rate", "average_deal", "rest"), parts, strict=True))


@settings(max_examples=3, deadline=None, print_blob=True)
@given(deals_, st.randoms(use_true_random=False))
def test_random_companies_recombine_whatever_the_order_of_rows(rows, random):
    deals = [deal(i, *row) for i, row in enumerate(rows)]
    found = tree(snapshot_of(deals))
    require_adds_up(found, "bookings")
    shuffled = random.sample(deals, len(deals))
    later = [deal(10_000 + i, dt.date(2026, 10, 1 + i), i, "won", 777) for i in range(3)]
    for one in later:
        one["created_at"] = pd.Timestamp("2026-10-01")
    pd.testing.assert_frame_equal(tree(snapshot_of(shuffled + later)), found)
    company = found[(found["level"] == "company") & (found["of"] == "bookings")].set_index("kpi")["part"]
    for name, part in exact_tree(rows).items():
        assert abs(Fraction(company.get(name, 0)) - part) <= Fraction(1, 100), name


def test_a_win_without_amount_is_told_apart_and_nothing_is_lost():
    now = [deal(i, DAYS["now"], 0, "won", 10_000 if i else None) for i in range(4)]
    before = [deal(10 + i, DAYS["before"], 0, "won", 10_000) for i in range(4)]
    found = tree(snapshot_of(now + before), levels=[]).set_index("kpi")
    assert found["part"].astype(float).to_dict() == {
        "bookings": -100.0, "deals_closed": 0.0, "deals_won": 0.0, "deals_lost": 0.0, "win_rate": 0.0, "average_deal": 0.0,
        "rest": -100.0,
    }  # fmt: skip
    assert found.loc["rest", ["before", "value"]].tolist() == [1.0, 0.75]


def test_a_quarter_without_deals_and_a_branch_with_one():
    found = tree(snapshot_of([deal(1, DAYS["now"], 0, "won", 5_000), deal(2, DAYS["between"], 1, "won", 9_900)]))
    require_adds_up(found, "bookings")
    company = found[found["level"] == "company"].set_index("kpi")
    assert company.loc["bookings", ["value", "before", "n", "n_before"]].tolist() == [50.0, 0.0, 1, 0]
    assert math.isnan(company.loc["win_rate", "before"]) and math.isnan(company.loc["win_rate", "change"])
    assert company.loc[["deals_closed", "win_rate", "average_deal"], "part"].astype(float).tolist() == [50.0, 0.0, 0.0]
    nothing = tree(snapshot_of([deal(1, DAYS["between"], 0, "won", 5_000)]), against="quarter")
    assert nothing["value"].fillna(0).eq(0).all() and nothing["share_of_change"].isna().all()


def test_recurring_revenue_is_its_opening_and_what_moved_since(sample):
    found = tree(sample, id="mrr", levels=["segment"], against="quarter")
    company = found[found["level"] == "company"].set_index("kpi")
    bridge = kpis.bridge(sample, every="quarter", n=1).iloc[0]
    for name, column in (("opening", "opening"), ("mrr", "closing"), ("new_mrr", "new"), ("reactivated_mrr", "reactivation")):
        assert round(company.loc[name, "value"] * 100) == bridge[column] * 100
    for name, column in (("contraction_mrr", "contraction"), ("churned_mrr", "churn"), ("expansion_mrr", "expansion")):
        assert company.loc[name, "part"] == bridge[column]
    assert company.loc["opening", "part"] == 0


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["deals_closed: {is: sum, of: [deals_won, bookings]}", "bookings: {is: product, of: [deals_closed]}"],
         "deals_closed is a part of itself: deals_closed → bookings → deals_closed"),
        (["bookings: {is: product, of: [bookings, win_rate]}"], "bookings is a part of itself: bookings → bookings"),
        (["bookings: {is: product, of: [deals_won, avrage_deal]}"], "did you mean average_deal"),
        (["bookings: {is: produkt, of: [deals_won]}"], "did you mean product"),
        (["bookings: {is: product, of: [deals_won], minus: [deals_lost]}"], "deals_lost cannot be taken here"),
        (["bookings: {is: sum, of: [deals_won, deals_won]}"], "deals_won cannot be taken here"),
        (["bookings: {is: sum, of: [deals_won], less: [deals_lost]}"], "unknown key 'less'"),
        (["bookings: {is: sum}"], "is missing"),
    ],
)  # fmt: skip
def test_a_faulty_tree_is_refused_with_its_line(small, lines, said):
    first = "  open_pipeline: {is: sum, of: [deals_lost]}\n"
    text = "trees:\n" + first + "".join(f"  {line}\n" for line in lines)
    (small / "kpi_trees.yml").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as failure:
        tree(Snapshot(small, quarter="2026Q3"))
    assert said in str(failure.value) and f"data/kpi_trees.yml, line {2 + len(lines)} " in str(failure.value)


def test_a_tree_that_is_not_true_is_seen():
    text = "trees:\n  bookings: {is: product, of: [deals_lost, average_deal]}\n"
    with pytest.raises(UsageError, match="bookings is not the product of deals_lost, average_deal"):
        tree(snapshot_of([deal(1, DAYS["now"], 0, "won", 100), deal(2, DAYS["before"], 0, "won", 100)], trees=text))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"id": "win_rate"}, "not the sum of its branches"),
        ({"id": "bokings"}, "did you mean bookings"),
        ({"against": "month"}, "unknown comparison 'month'"),
    ],
)
def test_what_cannot_cascade_is_refused(sample, options, said):
    with pytest.raises(UsageError, match=said):
        tree(sample, **options)


def test_a_level_that_cases_do_not_have_is_refused(sample):
    with pytest.raises(DataRefused, match="cannot be told apart by team"):
        tree(sample, id="arr", levels=["team"])


def test_small_branches_and_teams_called_after_a_person_are_counted_together():
    """In the south six of Alder and two of Birch, in the north five of the team of Moreau and six of Cedar."""
    teams = [("Alder", "south", 6), ("Birch", "south", 2), ("Team Moreau", "north", 5), ("Cedar", "north", 6)]
    people = [(team, region, f"{team} {i}") for team, region, n in teams for i in range(n)]
    reps = [{"rep_id": f"r{i}", "name": "Ann Moreau" if i == 9 else f"Rep {i}", "team": team, "region": region,
             "start_date": dt.date(2020, 1, 1)} for i, (team, region, _) in enumerate(people)]  # fmt: skip
    deals = [deal(100 * i + k, day, i, "won", 1000) for i in range(len(people)) for k, day in enumerate(DAYS.values())]
    found = tree(snapshot_of(deals, reps=reps), levels=("region", "team"), pool=True)
    branches = found[found["of"] == ""].set_index("path")["value"].to_dict()
    assert branches == {
        "company": 190.0, "company / south": 80.0, "company / south / other teams": 80.0,  # two alone would be told
        "company / north": 110.0, "company / north / Cedar": 60.0, "company / north / other teams": 50.0,
    }  # fmt: skip
    require_adds_up(found, "bookings")
    assert kpis.branches(found).set_index("path")["value"].to_dict() == branches


def test_a_sum_that_no_case_tells_is_missing_and_not_zero():
    """Wins without an amount in the one region, told and untold ones in the other: as `kpi` has it."""
    rows = [(DAYS["before"], 0, "won", 100_00), (DAYS["before"], 1, "won", 50_00),
            (DAYS["now"], 0, "won", None), (DAYS["now"], 1, "won", 70_00), (DAYS["now"], 3, "won", None)]  # fmt: skip
    snapshot = snapshot_of([deal(i, day, owner, status, amount) for i, (day, owner, status, amount) in enumerate(rows)])
    found = tree(snapshot, levels=["region"])
    require_adds_up(found, "bookings")
    shown = found[found["kpi"] == "bookings"].set_index("member")[["value", "before"]]
    assert math.isnan(shown.loc["g0", "value"]) and shown.loc["g0", "before"] == 100
    told = kpis.kpi(snapshot, "bookings", by="region").set_index("member")["value"]
    assert shown["value"].drop("company").sort_index().equals(told.sort_index().rename_axis("member"))
    assert shown.loc["company"].tolist() == [70, 150]
