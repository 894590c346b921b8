"""The voice: sentences, tables for people, results files for programs. Computes no number.

A question the source cannot answer becomes a `Reason`: the sentence that stands where the number would stand. Tables are plain
DataFrames of display text, which escape whatever the CRM wrote.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import pandas as pd

from .errors import RevopsError

RESULT_COLUMNS = ["quarter", "as_of", "metric", "by", "member", "value", "unit", "n", "low", "high", "level"]
ADVICE_COLUMNS = ["topic", "finding", "action", "expected_amount", "low", "high", "owner", "effort"]
EFFORTS = {"S": "days", "M": "weeks", "L": "a quarter or more"}  # what following an advice takes
UNKNOWN = "not known"
SHARES = {
    "share", "coverage", "wape", "bias", "attainment", "before", "after", "ratio", "marginal", "won_low", "won_high",
    "coverage_low", "coverage_high", "threshold", "care", "stop", "chance", "next_chance", "predicted", "observed",
    "weight", "skill", "pinball", "added", "against_best", "detectable", "straight_low", "straight_high", "week 1",
    "week 4", "week 8", "week 12", "all weeks", "win_rate", "effect", "mde", "placebo", "placebo_low", "placebo_high",
    "win_rate_low", "win_rate_high", "quota_attainment", "attainment_now", "share_of_change", "grr", "nrr",
}  # fmt: skip
PERCENT = ("share", "ratio")  # units shown in percent
# Columns that have the row's unit.
MEASURES = ("value", "low", "high", "one", "other", "difference", "best", "others", "previous", "year_ago", "change_year",
            "target", "bound", "usual", "usual_low", "usual_high")  # fmt: skip
BLANK = {"status": "no verdict", "behind": "–"}  # what an empty text reads
LABELS = {
    "n": "n",
    "wape": "WAPE",
    "grr": "GRR",
    "nrr": "NRR",
    "p10": "P10",
    "p50": "P50",
    "p90": "P90",
    "z": "z",
    "n_reps": "reps",
    "n_open": "open now",
    "mde": "smallest that would show",
    "p_equal": "p of one odds ratio",
    "n_running": "still there",
    "n_watched": "watched",
    "n_stalled": "stalled",
    "n_deals": "deals",
    "n_events": "steps",
    "n_waiting": "on the way",
    "n_alike": "deals alike",
    "n_trained": "trained",
    "n_controls": "beside them",
    "n_also": "with another training",
    "n_well": "known well",
    "n_reached": "there",
    "n_left": "gone before",
    "worth": "worth a quarter",
    "against_best": "against the best",
    "detectable": "would have shown",
    "of_one": "one is",
    "of_other": "other is",
}


class Sentence(str):
    """Text that a notebook shows as it reads, without quotes."""

    def __repr__(self) -> str:
        return str(self)


class Reason(Sentence):
    """Why a number is not there."""


class Picture(Protocol):
    alt: str
    suffix: str  # .png or .svg

    def save(self, path: Path) -> None: ...


def ask(question: Callable[..., Any], *values: Any, **options: Any) -> Any:
    """The answer of a topic's function, or the `Reason` why this source cannot give it.

    A Reason among the values is handed through: what rests on an unknown is unknown for the same reason.
    """
    for value in (*values, *options.values()):
        if isinstance(value, Reason):
            return value
    try:
        return question(*values, **options)
    except RevopsError as failure:
        if failure.exit_code != 3:  # wrong use is a mistake to mend, not a limit of the source
            raise
        return Reason(f"Not available: {failure.what}. To have it: {failure.do}.")


def table(frame: pd.DataFrame | Reason, *, rows: int = 20, empty: str = "None.") -> pd.DataFrame | Reason:
    """The frame as people read it, at most `rows` rows; an empty one says `empty`, a missing value reads "not known"."""
    if isinstance(frame, Reason):
        return frame
    if frame.empty:
        return Reason(empty)
    shown = frame.head(rows)
    units = shown["unit"] if "unit" in shown else pd.Series("", index=shown.index)
    if "kpi" in shown:  # where a ratio is a number of times, like coverage
        units = units.where(units != "ratio", "times")
    text = {
        _label(column): [_display(column, value, unit) for value, unit in zip(shown[column], units, strict=True)]
        for column in shown
    }
    if units.isin(PERCENT).all():  # the percent sign says it
        text.pop("unit")
    if "member" in shown and (shown["member"] == "company").all():
        text.pop("member")
    result = pd.DataFrame(text)
    if len(frame) > rows:
        result.loc[len(result)] = [f"… {len(frame) - rows:,} more"] + ["…"] * (len(result.columns) - 1)
    result.index = pd.Index([""] * len(result))
    return result


def lines(sentences: list[str] | Reason) -> Sentence:
    """Sentences one below the other."""
    if isinstance(sentences, Reason):
        return sentences
    return Sentence("\n".join(sentences) or "Nothing to say.")


def finish(
    stamp: Mapping[str, str],
    *,
    stem: str,
    question: str,
    headline: str,
    notes: list[str] | Reason,
    metrics: pd.DataFrame | Reason,
    tables: Mapping[str, tuple[pd.DataFrame | Reason, str]],
    figures: Mapping[str, Picture],
    recommendations: pd.DataFrame | Reason,
    people: int | Reason | None = None,
    private: Mapping[str, tuple[pd.DataFrame | Reason, str]] | None = None,
) -> Sentence:
    """Write the results of a notebook into the folder named by REVOPS_RESULTS; without it, write nothing and say so.

    `tables`: name -> (frame, caption). A `Reason` in place of a frame is told as such. `people`: how many persons stand behind
    the headline where it is about persons; a publication needs at least five. `private`: name -> (frame, column that names the
    person); they are no results: each person's rows go into a file of their own below the folder named by REVOPS_PRIVATE.
    Files: `<stem>.parquet` (one row per metric, group and member), `<stem>.<table>.parquet`, `<stem>.recommendations.parquet`
    (with what is expected of each and its effort: `EFFORTS`), `<stem>.<figure>.png` or `.svg` and `<stem>.json` with everything
    as display text.
    """
    folder = os.environ.get("REVOPS_RESULTS")
    if not folder:
        return Sentence("Results are not stored here; `revops run` stores them.")
    to = Path(folder)
    if isinstance(metrics, Reason):
        metrics = pd.DataFrame(columns=RESULT_COLUMNS)
    if isinstance(recommendations, Reason):
        recommendations = pd.DataFrame(columns=ADVICE_COLUMNS)
    told_for = metrics["quarter"].fillna(stamp["quarter"]) if "quarter" in metrics else stamp["quarter"]
    result = metrics.assign(quarter=told_for, as_of=stamp["as_of"])[RESULT_COLUMNS]
    _store(result, to / f"{stem}.parquet")
    for name, (frame, _) in tables.items():
        if not isinstance(frame, Reason):
            _store(frame, to / f"{stem}.{name}.parquet")
    for name, (frame, person) in (private or {}).items():
        if not isinstance(frame, Reason):
            _store_apart(frame, person, Path(os.environ["REVOPS_PRIVATE"]) / stem / name)
    advice = recommendations.assign(topic=stem).reindex(columns=ADVICE_COLUMNS)
    advice = advice.astype({"expected_amount": "float64", "low": "float64", "high": "float64"})
    _store(advice, to / f"{stem}.recommendations.parquet")
    for name, picture in figures.items():
        picture.save(to / f"{stem}.{name}{picture.suffix}")
    told = {
        "stem": stem,
        "question": question,
        "headline": headline,
        "people": None if isinstance(people, Reason) else people,
        "notes": [notes] if isinstance(notes, Reason) else notes,
        "stamp": dict(stamp),
        "tables": {name: _told(frame, caption) for name, (frame, caption) in tables.items()},
        "figures": {
            name: {"file": f"{stem}.{name}{picture.suffix}", "alt": picture.alt, "caption": picture.alt}
            for name, picture in figures.items()
        },
        "recommendations": [_advised(row, stamp.get("currency", "")) for row in advice.to_dict("records")],
    }
    (to / f"{stem}.json").write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return Sentence(f"Results stored: {len(result)} metrics, {len(tables)} tables, {len(advice)} recommendations.")


def _advised(row: Mapping[Any, Any], currency: str) -> dict[str, Any]:
    """An advice for the pages: amounts as numbers, by which it is ranked, and `expected` as it reads; what is not known is not
    there."""
    known = {name: row[name] for name in ADVICE_COLUMNS[1:] if not pd.isna(row[name])}
    if "expected_amount" in known:
        between = f" ({known['low']:,.0f} to {known['high']:,.0f})" if {"low", "high"} <= known.keys() else ""
        known["expected"] = f"{known['expected_amount']:,.0f} {currency}{between}".replace("-", "−")
    return known


def _told(frame: pd.DataFrame | Reason, caption: str) -> dict[str, Any]:
    shown = table(frame, rows=40)
    if isinstance(shown, Reason):
        return {"caption": caption, "columns": ["Not available"], "rows": [[str(shown)]]}
    return {"caption": caption, "columns": list(shown.columns), "rows": shown.to_numpy().tolist()}


def _store(frame: pd.DataFrame, path: Path) -> None:
    periods = {column: "str" for column in frame if isinstance(frame[column].dtype, pd.PeriodDtype)}
    frame.astype(periods).to_parquet(path, index=False)


def _store_apart(frame: pd.DataFrame, person: str, to: Path) -> None:
    """One file per person, which only its owner may read."""
    to.parent.mkdir(mode=0o700, exist_ok=True)
    to.mkdir(mode=0o700)
    for name, rows in frame.groupby(person, sort=True):
        path = to / f"{quote(str(name), safe='')}.parquet"
        path.touch(mode=0o600)
        _store(rows, path)


def _label(column: str) -> str:
    return LABELS.get(column, column.replace("_", " "))


def _display(column: str, value: Any, unit: str) -> str:
    """One value as people read it; the column's name decides between share and plain number."""
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and math.isnan(value)):
        return UNKNOWN
    if isinstance(value, str | pd.Period):
        return str(value) or BLANK.get(column, "")
    if isinstance(value, pd.Timestamp):
        return value.date().isoformat()
    if str(value) in ("True", "False"):
        return "yes" if str(value) == "True" else "no"
    if isinstance(value, Decimal):
        return f"{value:,.2f}"
    if column == "p":
        return "< 0.001" if value < 0.001 else f"{value:.3f}"
    if column == "rate":
        return f"{value:.2%}"
    if column == "level":
        return f"{value:.0%}"
    if column in SHARES or column.endswith("_share") or (unit in PERCENT and column in MEASURES):
        return f"{value:.1%}"
    if isinstance(value, int) or float(value).is_integer() or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:,.2f}"
