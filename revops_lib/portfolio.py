"""What a run found, put together for those who decide: the board pack, and the advice of all topics in one ranked list."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pandas as pd

from . import kpis, pages
from .boards import Pack
from .errors import DataRefused, UsageError

STEM = "kpis"
RANKED = ["rank", "topic", "finding", "action", "expected_amount", "low", "high", "owner", "effort"]
NEEDED = {
    "tiles": ["kpi", "name", "value", "unit", "low", "high", "year_ago", "target", "status"],
    "trend": ["kpi", "quarter", "value"],
    "changes": ["sentence"],
    "alerts": ["sentence", "severity", "owner", "action"],
}
# Tables behind the first page, in the order of the sheets; two are too long to be read on paper: the trend and `metrics`, the
# results file itself.
TITLES = {
    "tiles": "The figures", "metrics": "KPIs", "trend": "Eight quarters", "changes": "What changed against last year",
    "alerts": "Alerts", "teams": "Teams", "regions": "Regions", "products": "Products", "bridge": "Recurring revenue",
}  # fmt: skip
ADVICE, ELSEWHERE = "What to do", "Data and playbook"
# What of a table is read on paper, where that is not all of it.
PAPER = {
    "tiles": ["name", "value", "unit", "low", "high", "n", "previous", "year_ago", "change_year", "target", "status"],
    "changes": ["sentence", "behind"],
    "alerts": ["severity", "sentence", "owner", "action"],
}


def ranked(run: Path) -> pd.DataFrame:
    """The recommendations of all topics of a run in one list, those that are expected to bring most first: the start of the
    initiative portfolio. One row per recommendation.

    Columns: rank, topic, finding, action, expected_amount, low, high (company currency), owner, effort (S days, M weeks, L a
    quarter or more; empty where the topic does not say it). What nobody has put a number on comes last, in the order of topics;
    its amount is missing, not 0.
    UsageError when there is no such run, DataRefused for a damaged table.
    """
    parts = [_read(path) for path in sorted(_results(run).glob("*.recommendations.parquet"))]
    found = pd.concat([part for part in parts if len(part)], ignore_index=True) if any(map(len, parts)) else pd.DataFrame()
    found = found.reindex(columns=RANKED[1:]).astype({"expected_amount": "float64", "low": "float64", "high": "float64"})
    found = found.assign(effort=found["effort"].astype("object").fillna(""))
    found = found.sort_values("expected_amount", ascending=False, kind="stable", na_position="last", ignore_index=True)
    return found.assign(rank=range(1, len(found) + 1))[RANKED]


def elsewhere(run: Path, *, as_of: str, playbook: Path = pages.PLAYBOOK) -> pd.DataFrame:
    """The KPIs whose cases no snapshot holds, one row each: kpi, name, value, unit, n (cases).

    data_quality_score: from what the run's notebook `quality` counted, absent without it; playbook_freshness: pages
    verified in time (`pages.freshness`).
    """
    rows = []
    if (counted := _results(run) / "quality.parquet").exists():
        found = _read(counted)
        rules = found[found["metric"] == "rows_breaking_rule"]
        looked_at = float(rules["n"].sum())
        rows.append(kpis.counted_elsewhere("data_quality_score", part=looked_at - rules["value"].sum(), whole=looked_at))
    n_fresh, n = pages.freshness(playbook, as_of=dt.date.fromisoformat(as_of))
    rows.append(kpis.counted_elsewhere("playbook_freshness", part=n_fresh, whole=n))
    return pd.DataFrame(rows)


def board(run: Path) -> Pack:
    """The board pack of a run, from what its notebook `kpis` has stored.

    A table that the notebook could not give is told in the pack's notes, with its reason. UsageError when there is no such run
    or it has no results of the notebook, DataRefused for a damaged table.
    """
    told, tables, advice = _told(run), _tables(run), ranked(run)
    stamp = told["stamp"]
    shown = {
        TITLES[name]: frame[[column for column in PAPER.get(name, frame) if column in frame]]
        for name, frame in tables.items()
        if name != "trend" and len(frame)
    }
    return Pack(
        str(stamp["quarter"]), str(stamp["as_of"]), str(stamp.get("currency", "")), str(stamp.get("fingerprint", "")),
        str(told["headline"]), tables["tiles"], tables["trend"], tables["changes"], tables["alerts"], advice,
        {**shown, ELSEWHERE: elsewhere(run, as_of=str(stamp["as_of"])).drop(columns="kpi"), ADVICE: advice},
        [*map(str, told["notes"]), *_absent(told), *_unpriced(advice)],
    )  # fmt: skip


def sheets(run: Path) -> dict[str, pd.DataFrame]:
    """The tables of the board pack by the title of their sheet, the summary first, with every number as it was stored."""
    pack, tables = board(run), _tables(run) | {"metrics": _read(_results(run) / f"{STEM}.parquet")}
    about = {
        "Quarter": pack.quarter, "As of": pack.as_of, "Currency": pack.currency, "Data": pack.fingerprint,
        "Answer": pack.headline,
    }  # fmt: skip
    rows = [*about.items(), *(("Note", note) for note in pack.notes)]
    summary = pd.DataFrame(rows, columns=["what", "text"])
    given = {title: tables[name] for name, title in TITLES.items() if len(tables[name].columns)}
    return {"Summary": summary, **given, ELSEWHERE: elsewhere(run, as_of=pack.as_of), ADVICE: pack.advice}


def _tables(run: Path) -> dict[str, pd.DataFrame]:
    return {name: _table(run, name) for name in TITLES if name != "metrics"}


def _results(run: Path) -> Path:
    if not (run / "results").is_dir():
        raise UsageError("there is no run", str(run), "name its --out in --runs, or make it with `revops run`")
    return run / "results"


def _told(run: Path) -> dict[str, Any]:
    path = _results(run) / f"{STEM}.json"
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return {name: told[name] for name in ("headline", "notes", "stamp", "tables")}
    except OSError as failure:
        raise UsageError(f"the run has no results of {STEM}", str(run), f"`revops run` with {STEM}") from failure
    except (ValueError, KeyError, TypeError) as failure:
        raise DataRefused(f"the file is damaged: {failure}", str(path), "run the quarter again") from failure


def _absent(told: dict[str, Any]) -> list[str]:
    """Sentences for the tables that the notebook could not give."""
    return [
        f"{table['caption']}: {table['rows'][0][0]}"
        for table in told["tables"].values()
        if table["columns"] == ["Not available"] and table["rows"]
    ]


def _unpriced(advice: pd.DataFrame) -> list[str]:
    n = int(advice["expected_amount"].isna().sum())
    return [f"{n} of {len(advice)} recommendations have no expected amount; they come last."] if n else []


def _table(run: Path, name: str) -> pd.DataFrame:
    """A stored table of the notebook; empty where it has none."""
    path, needed = _results(run) / f"{STEM}.{name}.parquet", NEEDED.get(name, [])
    if not path.exists():
        return pd.DataFrame(columns=needed)
    found = _read(path)
    if missing := [column for column in needed if column not in found]:
        raise DataRefused(f"the table has no column {missing[0]!r}", str(path), "run the quarter again with this version")
    return found


def _read(path: Path) -> pd.DataFrame:
    import pyarrow

    try:
        return pd.read_parquet(path)
    except (pyarrow.ArrowException, OSError) as failure:
        raise DataRefused(f"the table is damaged: {failure}", str(path), "run the quarter again") from failure
