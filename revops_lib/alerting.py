"""The alerts of a run as one text for a scheduler to mail or post, or as JSON for a program."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from . import periods
from .errors import DataRefused, UsageError

STEM, TABLE = "kpis", "alerts"
COLUMNS = ["rule", "kpi", "member", "quarter", "sentence", "severity", "owner", "action"]


def summary(runs: Path, *, quarter: str = "") -> dict[str, Any]:
    """The alerts of the run of a quarter in the folder `runs`, of the newest quarter without one.

    Keys: quarter, as_of, data, n (alerts), alerts (the most severe first, each with rule, kpi, member, quarter, sentence,
    severity, owner, action), not_judged (sentences about rules that could not be). UsageError when there is no such run or its
    notebook `kpis` has not run, DataRefused for a damaged file or when alerts were not to be had.
    """
    run = runs / (str(periods.quarter(quarter)) if quarter else _newest(runs))
    told, alerts = _told(run), _read(run / "results" / f"{STEM}.{TABLE}.parquet")
    alerts = alerts.assign(quarter=alerts["quarter"].astype("str"))
    checked = run / "results" / f"{STEM}.checked.parquet"
    not_judged = _read(checked, "is_judged").query("not is_judged")["sentence"].tolist() if checked.exists() else []
    return {
        "quarter": run.name, "as_of": told["as_of"], "data": told["data"], "n": len(alerts),
        "alerts": alerts[COLUMNS].astype("object").to_dict("records"), "not_judged": not_judged,
    }  # fmt: skip


def text(told: dict[str, Any]) -> str:
    """The summary as plain text: the first line says it all, then each alert with what to do and who.

    >>> print(text({"quarter": "2026Q3", "as_of": "2026-09-30", "data": "data/sample", "n": 0, "alerts": [], "not_judged": []}))
    2026Q3: no alerts, as of 2026-09-30 (data/sample)
    <BLANKLINE>
    """
    n = told["n"]
    lines = [f"{told['quarter']}: {n or 'no'} alert{'' if n == 1 else 's'}, as of {told['as_of']} ({told['data']})"]
    for number, alert in enumerate(told["alerts"], start=1):
        lines += ["", f"{number}. {alert['severity']}: {alert['sentence']}", f"   {alert['owner']}: {alert['action']}."]
    if told["not_judged"]:
        lines += ["", "Not judged:", *(f"- {sentence}" for sentence in told["not_judged"])]
    return "".join(f"{_plain(line)}\n" for line in lines)


def as_json(told: dict[str, Any]) -> str:
    return json.dumps(told, indent=1, ensure_ascii=False) + "\n"


def _newest(runs: Path) -> str:
    """The newest quarter with results of the notebook."""
    found = [
        path.parent.parent.name for path in runs.glob(f"*/results/{STEM}.json") if not path.parent.parent.name.startswith(".")
    ]
    if not found:
        raise UsageError(f"no run has results of {STEM}", str(runs), f"`revops run` with {STEM}, or name its --out in --runs")
    return max(found)


def _told(run: Path) -> dict[str, str]:
    path = run / "results" / f"{STEM}.json"
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        reason = told["tables"].get(TABLE, {"columns": ["Not available"], "rows": [["the run has no alerts"]]})
        stamp = {name: str(told["stamp"][name]) for name in ("as_of", "data")}
        if reason["columns"] == ["Not available"] and not (path.parent / f"{STEM}.{TABLE}.parquet").exists():
            raise DataRefused(f"there are no alerts: {reason['rows'][0][0]}", str(path), "run the quarter again")
    except OSError as failure:
        raise UsageError(f"the run has no results of {STEM}", str(run), f"`revops run` with {STEM}") from failure
    except (ValueError, KeyError, TypeError, IndexError) as failure:
        raise DataRefused(f"the file is damaged: {failure}", str(path), "run the quarter again") from failure
    return stamp


def _read(path: Path, *needed: str) -> pd.DataFrame:
    import pyarrow

    try:
        found = pd.read_parquet(path)
    except (pyarrow.ArrowException, OSError) as failure:
        raise DataRefused(f"the table is damaged: {failure}", str(path), "run the quarter again") from failure
    if missing := [column for column in needed or COLUMNS if column not in found]:
        raise DataRefused(f"the table has no column {missing[0]!r}", str(path), "run the quarter again with this version")
    return found


def _plain(line: str) -> str:
    """A line of text that steers no terminal and begins no line of a mail's own."""
    return "".join(char if char.isprintable() else "�" for char in line)
