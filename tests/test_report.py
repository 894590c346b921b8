"""Sentences, tables and results files."""

import json
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from revops_lib import charts, report
from revops_lib.errors import DataRefused, UsageError

STAMP = {"quarter": "2026Q3", "as_of": "2026-09-30", "data": "d", "fingerprint": "f", "library": "0", "currency": "EUR"}


def refuse():
    raise DataRefused("no amounts", "here", "export them")


def test_a_question_the_source_cannot_answer_becomes_a_sentence():
    reason = report.ask(refuse)
    assert reason == "Not available: no amounts. To have it: export them."
    assert report.ask(len, reason) is reason  # what rests on it is unknown for the same reason
    assert report.table(reason) is reason
    assert charts.outlook(reason).alt == reason


def test_a_mistake_is_not_hidden():
    def mistake():
        raise UsageError("wrong", "here", "mend")

    with pytest.raises(UsageError):
        report.ask(mistake)


def test_display_of_values():
    frame = pd.DataFrame(
        {"amount": [Decimal("1234.5"), None], "win_share": [0.1234, np.nan], "n": [1200, 3], "close_date": [pd.Timestamp("2026-09-30"), pd.NaT],
         "is_open": [True, False], "days": [12.345, 120.4], "rate": [0.0975, np.nan]}
    )  # fmt: skip
    shown = report.table(frame)
    assert shown.iloc[0].tolist() == ["1,234.50", "12.3%", "1,200", "2026-09-30", "yes", "12.35", "9.75%"]
    assert shown.iloc[1].tolist()[:2] == ["not known", "not known"]


def test_an_empty_table_says_so_and_a_long_one_says_how_much_more():
    assert report.table(pd.DataFrame({"a": []})) == "None."
    assert "… 5 more" in report.table(pd.DataFrame({"a": range(25)})).to_string()


def test_what_the_crm_wrote_is_escaped():
    shown = report.table(pd.DataFrame({"name": ["<script>alert(1)</script>"], "<b>": ["x"]}))
    html = shown._repr_html_()
    assert "<script>" not in html and "<b>" not in html and "&lt;script&gt;" in html


def finish(**change):
    given = {
        "stem": "topic", "question": "Why?", "headline": "So.", "notes": [],
        "metrics": pd.DataFrame({"metric": ["m"], "by": "company", "member": "company", "value": 1.0, "unit": "EUR", "n": 3.0, "low": 0.5, "high": 2.0, "level": 0.9}),
        "tables": {"known": (pd.DataFrame({"amount": [Decimal("1.50")]}), "Known"), "unknown": (report.Reason("Because."), "Unknown")},
        "figures": {"curve": charts.curve("No picture.")},
        "recommendations": pd.DataFrame({"finding": ["f", "g"], "action": ["a", "b"], "owner": ["o", "p"], "effort": ["S", "L"],
                                         "expected_amount": [38288.4, None], "low": [24968.0, None], "high": [51160.0, None]}),
    }  # fmt: skip
    return report.finish(STAMP, **{**given, **change})


def test_results_are_stored_as_other_programs_expect_them(tmp_path, monkeypatch):
    monkeypatch.setenv("REVOPS_RESULTS", str(tmp_path))
    finish(people=4)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "topic.curve.png", "topic.json", "topic.known.parquet", "topic.parquet", "topic.recommendations.parquet",
    ]  # fmt: skip
    metrics = pd.read_parquet(tmp_path / "topic.parquet")
    assert list(metrics.columns) == ["quarter", "as_of", "metric", "by", "member", "value", "unit", "n", "low", "high", "level"]
    advice = pd.read_parquet(tmp_path / "topic.recommendations.parquet")
    assert list(advice.columns) == ["topic", "finding", "action", "expected_amount", "low", "high", "owner", "effort"]
    assert pd.read_parquet(tmp_path / "topic.known.parquet")["amount"].tolist() == [Decimal("1.50")]
    told = json.loads((tmp_path / "topic.json").read_text(encoding="utf-8"))
    assert told["tables"]["unknown"]["rows"] == [["Because."]] and told["people"] == 4
    amounts = {"expected_amount": 38288.4, "low": 24968.0, "high": 51160.0, "expected": "38,288 EUR (24,968 to 51,160)"}
    first, second = told["recommendations"]
    assert first == {"finding": "f", "action": "a", "owner": "o", "effort": "S", **amounts}
    assert second == {"finding": "g", "action": "b", "owner": "p", "effort": "L"}  # what is not known is not there
    assert (tmp_path / "topic.curve.png").read_bytes().startswith(b"\x89PNG")


def test_without_a_folder_nothing_is_stored(tmp_path, monkeypatch):
    monkeypatch.delenv("REVOPS_RESULTS", raising=False)
    monkeypatch.chdir(tmp_path)
    assert "not stored" in finish()
    assert list(tmp_path.iterdir()) == []


def test_a_picture_tells_its_numbers_in_words():
    frame = pd.DataFrame(
        {"quarter": "2026Q4", "part": ["won to date", "open pipeline", "yet to be created", "total", "Last quarter again"],
         "low": 1.0, "value": [2.0, 2.0, 2.0, 6.0, 5.0], "high": 9.0, "unit": "EUR"}
    )  # fmt: skip
    picture = charts.outlook(frame)
    assert "total 6 (1 to 9)" in picture.alt and picture._repr_png_().startswith(b"\x89PNG")
    assert picture._repr_png_() == charts.outlook(frame)._repr_png_()


def moved(**change):
    parts = ["opening", "new", "slipped in", "won", "closing"]
    frame = pd.DataFrame({"part": parts, "value": [100.0, 50.0, 0.0, -30.0, 120.0], "n": [2, 1, 0, 1, 2], "unit": "EUR"})
    frame = frame.assign(by="company", member="company", pipeline="due in 2026Q3", since="2026-06-30", as_of="2026-08-15")
    return frame.assign(**change)


def test_a_waterfall_draws_the_first_group_and_leaves_out_parts_without_deals():
    frame = pd.concat([moved(), moved(by="team", member="Alder", value=7.0)])
    picture = charts.waterfall(frame)
    assert picture.alt == (
        "Pipeline in EUR, due in 2026Q3, from 2026-06-30 to 2026-08-15: opening 100 (2 deals); new 50 (1 deal); won -30 (1 deal); "
        "closing 120 (2 deals)."
    )
    axes = picture.figure.axes[0]
    assert [(bar.get_x(), bar.get_width()) for bar in axes.patches] == [(0, 100), (100, 50), (150, -30), (0, 120)]
    assert [text.get_text() for text in axes.texts] == ["100", "+50", "−30", "120"]
    empty = charts.waterfall(moved(value=0.0, n=0))
    assert "opening 0 (0 deals); closing 0 (0 deals)" in empty.alt and empty._repr_png_().startswith(b"\x89PNG")


def test_a_fan_shows_how_the_forecast_stood():
    frame = pd.DataFrame(
        {"day": ["2026-07-01", "2026-08-01", "2026-09-01"], "low": [1.0, 2, 3], "value": [5.0, 5, 4], "high": [9.0, 8, 5],
         "won": [0.0, 2, 3], "target": 6.0, "unit": "EUR"}
    )  # fmt: skip
    picture = charts.fan(frame.iloc[::-1])
    assert picture.alt == (
        "Forecast in EUR as it stood on 2026-07-01: 5 (1 to 9), won 0; on 2026-09-01: 4 (3 to 5), won 3; target 6."
    )
    legend = [text.get_text() for text in picture.figure.axes[0].get_legend().get_texts()]
    assert legend == ["interval of the forecast", "forecast", "won to date", "target 6"]
    plain = charts.fan(frame.drop(columns=["target", "unit"]).assign(won=np.nan).head(1))
    assert plain.alt == "Forecast as it stood on 2026-07-01: 5 (1 to 9), won not known."
    assert plain._repr_png_() == charts.fan(frame.drop(columns=["target", "unit"]).assign(won=np.nan).head(1))._repr_png_()
    assert charts.fan(frame.head(0)).alt == "No forecast was made in this quarter."


def test_a_calibration_stands_beside_its_diagonal():
    frame = pd.DataFrame(
        {"predicted": [0.1, 0.6], "observed": [0.12, 0.5], "low": [0.08, 0.4], "high": [0.17, 0.6], "n": [1200, 80]}
    )
    picture = charts.calibration(frame)
    assert picture.alt == (
        "Reliability of deal probabilities: 10% given, 12% won (8% to 17%, n 1,200); 60% given, 50% won (40% to 60%, n 80)."
    )
    axes = picture.figure.axes[0]
    assert axes.collections[1].get_offsets().tolist() == [[0.1, 0.12], [0.6, 0.5]]
    assert axes.lines[0].get_xydata().tolist() == [[0, 0], [1, 1]]
    assert charts.calibration(frame.head(0)).alt == "No past deal was given a probability."


def test_values_of_a_row_are_shown_in_its_unit():
    frame = pd.DataFrame(
        {
            "measure": ["median days", "moves on"],
            "one": [12.0, 0.5],
            "difference": [-1.5, 0.25],
            "p": [0.0004, 0.25],
            "unit": ["days", "share"],
        }
    )
    shown = report.table(frame.assign(quarter=pd.Period("2026Q3", freq="Q-DEC"))).drop(columns="quarter")
    assert shown.iloc[0].tolist() == ["median days", "12", "-1.50", "< 0.001", "days"]
    assert shown.iloc[1].tolist() == ["moves on", "50.0%", "25.0%", "0.250", "share"]


def test_a_picture_that_is_a_drawing_is_stored_as_one(tmp_path, monkeypatch):
    monkeypatch.setenv("REVOPS_RESULTS", str(tmp_path))
    steps = pd.DataFrame(
        {"activity": ["Talk"], "next_activity": ["Won"], "n": [7], "mean": [2.0], "median": [2.0], "unit": ["days"]}
    )
    finish(figures={"flow": charts.process_map(steps), "curve": charts.curve("No picture.")})
    assert {"topic.flow.svg", "topic.curve.png"} <= {path.name for path in tmp_path.iterdir()}
    told = json.loads((tmp_path / "topic.json").read_text(encoding="utf-8"))["figures"]
    assert (
        told["flow"]["file"] == "topic.flow.svg" and told["flow"]["alt"] == "Process map: Talk to Won 7 times, median 2.0 days."
    )
    assert (tmp_path / "topic.flow.svg").read_text(encoding="utf-8").startswith("<?xml")
