"""Pictures of a process: what they draw, what they say in words, and that an SVG holds nothing that runs."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import FancyArrowPatch

from revops_lib import allowlist, bottlenecks, charts, report
from revops_lib.charts import processes
from revops_lib.runs import publication, verdict
from revops_lib.site import active, patterns, reports, scan
from revops_lib.snapshot import Snapshot

SVG = "{http://www.w3.org/2000/svg}"


def flow(*steps):
    return pd.DataFrame(steps, columns=["activity", "next_activity", "n", "median"]).assign(mean=1.0, unit="days")


SALES = flow(
    ("Talk", "Offer", 80, 5.0), ("Offer", "Won", 40, 20.0), ("Talk", "Lost", 30, 12.0), ("Offer", "Lost", 20, 8.0),
    ("Offer", "Talk", 9, 3.0), ("Talk", "Talk", 4, 1.0), ("Lost", "Talk", 2, 40.0),
)  # fmt: skip


def saved(picture, tmp_path):
    path = tmp_path / f"picture{picture.suffix}"
    picture.save(path)
    return path.read_text(encoding="utf-8")


def test_a_map_draws_flow_as_width_and_time_as_colour_and_tells_both(tmp_path):
    picture = charts.process_map(SALES)
    assert picture.alt == (
        "Process map: Talk to Offer 80 times, median 5.0 days; Offer to Won 40 times, median 20 days; Talk to Lost 30 times, "
        "median 12 days; Offer to Lost 20 times, median 8.0 days; Offer to Talk 9 times, median 3.0 days; Talk to Talk 4 times, "
        "median 1.0 days; Lost to Talk 2 times, median 40 days."
    )
    arrows = [patch for patch in picture.figure.axes[0].patches if isinstance(patch, FancyArrowPatch)]
    steps = SALES[SALES["activity"] != SALES["next_activity"]][::-1]  # drawn in this order; a repeat is told in its box
    widths = [arrow.get_linewidth() for arrow in arrows]
    assert widths == sorted(widths) and len(widths) == len(steps)
    np.testing.assert_allclose(np.diff(widths), np.diff(steps["n"]) * (max(widths) - min(widths)) / (80 - 2))
    darkness = {median: -sum(arrow.get_edgecolor()[:3]) for arrow, median in zip(arrows, steps["median"], strict=True)}
    assert [darkness[median] for median in sorted(darkness)] == sorted(darkness.values())
    dashed = [arrow.get_linestyle() == "--" for arrow in arrows]
    back = {("Offer", "Talk"), ("Lost", "Talk")}
    assert dashed == [(step.activity, step.next_activity) in back for step in steps.itertuples()]
    said = ET.fromstring(saved(picture, tmp_path))
    texts = [text.text for text in said.iter(f"{SVG}text")]
    assert {"Offer", "Won", "Lost", "80 · 5.0 d", "40 · 20 d"} <= set(
        texts
    )  # letters, not outlines: they can be found and copied
    assert "repeated 4 times" in texts and said.find(f"{SVG}title").text == picture.alt


def test_boxes_stand_in_the_order_of_the_flow():
    order, ends = processes._order(SALES)
    assert (order, ends) == (["Talk", "Offer", "Won"], ["Lost"])
    sample = bottlenecks.directly_follows(Snapshot("data/sample", quarter="2026Q3"))
    order, ends = processes._order(sample)
    assert order == ["Discovery", "Qualification", "Proposal", "Negotiation", "Contracting", "Closed Won"]
    assert ends == ["Closed Lost"]


def test_a_map_has_the_same_bytes_each_time_whether_it_was_shown_or_not(tmp_path):
    first, second = charts.process_map(SALES), charts.process_map(SALES)
    first._repr_png_()
    assert saved(first, tmp_path) == saved(second, tmp_path) == saved(first, tmp_path)
    assert first._repr_png_().startswith(b"\x89PNG") and first._repr_png_() == second._repr_png_()


HOSTILE = [
    "<script>a()</script>",
    '"/><image href="https://tracker.example/x.png"/>',
    "Deal $5 & $6 <b>",
    "]]><!--",
    "&lol;",
    "é – ü",
]


def test_what_a_crm_wrote_stays_text_in_an_svg(tmp_path):
    steps = [(a, b, 10 + i, 1.0 + i) for i, (a, b) in enumerate(zip(HOSTILE, HOSTILE[1:], strict=False))]
    text = saved(charts.process_map(flow(*steps)), tmp_path)
    page = active.Page("map.svg", text)
    assert page.beyond(active.baseline()) == [] and not re.search(r"<!DOCTYPE|<!ENTITY|<script|<image|<a ", text)
    told = " ".join(piece.text or "" for piece in ET.fromstring(text).iter(f"{SVG}text"))
    assert "Deal $5 & $6 <b>" in told and "<script>a()</script>" in told
    assert scan(tmp_path) == []


@pytest.mark.parametrize("seed", range(1000, 1008))
def test_no_map_of_any_flow_looks_like_a_secret_or_a_phone_number(seed):
    """Long numbers beside each other in a drawing read like phone numbers, which would stop the site."""
    random = np.random.default_rng(seed)
    names = [f"Step {i}" for i in range(random.integers(2, 12))]
    pairs = sorted({(str(random.choice(names)), str(random.choice(names))) for _ in range(25)})
    steps = flow(*((a, b, int(random.integers(1, 99_999)), float(random.exponential(40))) for a, b in pairs))
    picture = charts.process_map(steps.sort_values("n", ascending=False, ignore_index=True))
    page = active.Page("map.svg", picture._svg())
    assert page.beyond(active.baseline()) == [] and patterns.matched(page.text) == set()


def test_nothing_to_draw_is_said():
    assert charts.process_map(report.Reason("No history.")).alt == "No history."
    assert charts.process_map(SALES.head(0)).alt == "No case has taken a step yet."
    lone = charts.process_map(flow(("Talk", "Talk", 3, 1.0)))
    assert lone.alt == "Process map: Talk to Talk 3 times, median 1.0 days." and lone._svg()


def test_a_long_flow_is_cut_and_says_so():
    steps = flow(*((f"s{i}", f"s{i + 1}", 100 - i, 1.0) for i in range(40)))
    assert "and 32 rarer steps" in charts.process_map(steps).alt


def funnel(**change):
    steps = pd.DataFrame(
        {"member": "company", "step": ["Created", "Offer", "Won"], "n": [100, 60, 20], "n_open": [0, 5, 0], "value": [1, 0.62, 0.25],
         "low": [1, 0.55, 0.18], "high": [1, 0.69, 0.34], "previous_share": [np.nan, 0.62, 0.4], "days": [np.nan, 10, 20], "unit": "share"}
    )  # fmt: skip
    return steps.assign(**change)


def test_a_funnel_draws_shares_with_intervals():
    picture = charts.funnel(pd.concat([funnel(), funnel(member="other", value=0.1)]))
    assert picture.alt == (
        "Share of created deals that come so far: Created 100% (100% to 100%, n 100); Offer 62% (55% to 69%, n 60); "
        "Won 25% (18% to 34%, n 20)."
    )
    axes = picture.figure.axes[0]
    assert [bar.get_width() for bar in axes.patches] == [1, 0.62, 0.25]
    assert [segment[:, 0].tolist() for segment in axes.collections[0].get_segments()] == [[1, 1], [0.55, 0.69], [0.18, 0.34]]
    unknown = charts.funnel(funnel(value=[1, np.nan, np.nan], low=np.nan, high=np.nan))
    assert "Won not known (not known to not known, n 20)" in unknown.alt and unknown._repr_png_()


def test_a_cohort_map_is_pale_where_immature_and_empty_where_unknown():
    frame = pd.DataFrame(
        {"cohort": ["2026Q1"] * 2 + ["2026Q2"] * 2, "month": [1, 2] * 2, "n": 50, "n_watched": 50, "value": [0.1, 0.4, 0.2, np.nan],
         "is_immature": [False, False, True, True], "unit": "share"}
    )  # fmt: skip
    picture = charts.cohorts(frame)
    assert (
        picture.alt
        == "Share won by quarter of creation, at the last month fully watched: 2026Q1 40% after 2 months; immature: 2026Q2."
    )
    axes = picture.figure.axes[0]
    texts = {text.get_text(): text for text in axes.texts}
    assert list(texts) == ["10%", "40%", "20%"]  # nothing where nothing is known
    assert texts["20%"].get_style() == "italic" and texts["40%"].get_style() == "normal"
    alphas = [cell.get_alpha() for cell in axes.collections]
    assert alphas[2] < alphas[0] < alphas[1]  # 20 % immature is paler than 10 % known
    assert charts.cohorts(frame.assign(value=np.nan))._repr_png_()


def test_cohorts_of_few_deals_are_blank_and_not_told():
    frame = pd.DataFrame(
        {"cohort": ["2026Q1", "2026Q2", "2026Q3"], "month": 1, "n": [4, 5, 4], "value": [0.25, 0.2, 0.5],
         "is_immature": [False, False, True]}
    )  # fmt: skip
    picture = charts.cohorts(frame)
    assert picture.alt.endswith("fully watched: 2026Q2 20% after 1 months; immature: none.")
    assert [text.get_text() for text in picture.figure.axes[0].texts] == ["20%"]


def test_survival_is_drawn_from_what_there_is(recwarn):
    frame = pd.DataFrame({"stage": ["Talk"], "time": [0.0], "value": [0.9]})
    picture = charts.survival(frame)
    assert picture.alt == "Share of deals still in each stage by days; half have left after: not known yet."
    assert picture.figure.axes[0].get_xlim() == (0, 1)
    assert charts.survival(frame.head(0)).alt == "No stay in a stage has ended yet." and not recwarn


def test_a_comparison_marks_what_differs():
    frame = pd.DataFrame(
        {"stage": ["Talk", "Talk", "Offer"], "measure": ["median days", "moves on", "median days"], "one": [10, 0.5, 20.0],
         "other": [14, 0.4, 21.0], "is_different": [True, False, False], "of_one": "before", "of_other": "after"}
    )  # fmt: skip
    picture = charts.comparison(frame)
    assert picture.alt == "Median days, before against after: Talk 10 against 14; Offer 20 against 21."
    other = picture.figure.axes[0].collections[2]
    assert other.get_offsets()[:, 0].tolist() == [14, 21]
    assert not np.array_equal(*other.get_facecolors())
    assert charts.comparison(frame.head(0)).alt == "Nothing can be compared."


def test_a_ranking_draws_the_flagged_rows_first_and_tells_every_number():
    frame = pd.DataFrame(
        {"stage": ["Talk", "Talk", "Offer"], "segment": ["all", "Small", "all"], "ratio": [0.9, np.nan, 0.5], "low": [0.8, np.nan, 0.4],
         "high": [1.0, np.nan, 0.6], "z": [-1.0, np.nan, -4.0], "is_alert": [False, False, True]}
    )  # fmt: skip
    picture = charts.ranking(frame)
    assert picture.alt == (
        "Pace against the past of 3 of 3 stages and segments, slowest first: Offer · all 50% (40% to 60%, flagged); "
        "Talk · all 90% (80% to 100%); Talk · Small not known (not known to not known)."
    )
    points = picture.figure.axes[0].collections[1]
    assert points.get_offsets()[:, 0].tolist()[:2] == [0.5, 0.9] and not np.array_equal(*points.get_facecolors()[:2])


def test_a_dollar_in_a_name_begins_no_formula():
    frame = pd.DataFrame(
        {"stage": ["a $5 and $6 deal", "$\\frac{"], "median": [1.0, 2.0], "low": [0.5, 1.0], "high": [2.0, 3.0]}
    )
    picture = charts.times(frame)
    assert picture._repr_png_().startswith(b"\x89PNG") and "$\\frac{ 2" in picture.alt


def test_pictures_of_the_sample_go_from_the_notebook_to_a_page_of_the_site(tmp_path, monkeypatch):
    """The map as SVG, the others as PNG; what is not listed stays behind; the scan of the site finds nothing."""
    snapshot = Snapshot("data/sample", quarter="2026Q3")
    made = {
        "flow": charts.process_map(bottlenecks.directly_follows(snapshot)),
        "funnel": charts.funnel(bottlenecks.funnel(snapshot)),
        "cohorts": charts.cohorts(bottlenecks.wins_by_cohort(snapshot)),
    }
    results, book = tmp_path / "results", tmp_path / "book"
    results.mkdir()
    monkeypatch.setenv("REVOPS_RESULTS", str(results))
    nothing = report.Reason("none")
    report.finish(snapshot.stamp, stem="topic", question="?", headline="!", notes=[], metrics=nothing, tables={}, figures=made,
                  recommendations=nothing)  # fmt: skip
    assert verdict._faulty_results("topic", results, snapshot.stamp) is None
    (tmp_path / "reports.yml").write_text("topic: {title: Topic, figures: [flow, cohorts], tables: [], recommendations: false}")
    allowed = allowlist.read(tmp_path / "reports.yml")
    about = {"quarter": "2026Q3", "as_of": "2026-09-30", "data": "sample", "known_until": "2026-11-15"}
    publication.publish(tmp_path, about, allowed, {"topic": "ok"}, {"topic": {}})
    reports.publish(book, "2026Q3", tmp_path / "public", allowed)
    pages = book / "reports" / "2026Q3"
    assert sorted(path.name for path in pages.glob("topic.*.*g")) == ["topic.cohorts.png", "topic.flow.svg"]
    page = (pages / "topic.md").read_text(encoding="utf-8")
    assert "](topic.flow.svg)" in page and "![Process map: Discovery to Qualification" in page
    site = tmp_path / "site"
    site.mkdir()
    (site / "topic.flow.svg").write_bytes((pages / "topic.flow.svg").read_bytes())
    assert scan(site) == []


def test_a_picture_that_was_told_and_not_written_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setenv("REVOPS_RESULTS", str(tmp_path))
    stamp = {"quarter": "2026Q3", "as_of": "2026-09-30"}
    nothing = report.Reason("none")
    report.finish(stamp, stem="topic", question="?", headline="!", notes=[], metrics=nothing, tables={},
                  figures={"flow": charts.process_map(SALES)}, recommendations=nothing)  # fmt: skip
    assert verdict._faulty_results("topic", tmp_path, stamp) is None
    (tmp_path / "topic.flow.svg").rename(tmp_path / "topic.flow.png")
    assert verdict._faulty_results("topic", tmp_path, stamp) == "topic.flow.svg was not written"
    told = (tmp_path / "topic.json").read_text(encoding="utf-8")
    (tmp_path / "topic.json").write_text(told.replace("topic.flow.svg", "../../elsewhere.html"), encoding="utf-8")
    assert "was not written" in verdict._faulty_results("topic", tmp_path, stamp)
