"""Verbs that look back on what was said: ledger."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .verb import DATA, ROOT, RUNS, path, verb

if TYPE_CHECKING:
    import pandas as pd


def add_ledger(verbs: Any) -> str:
    help_ = "show every forecast that a run has frozen beside what its quarter brought, and how good they were"
    examples = "revops ledger\nrevops ledger --out runs/company --data data/company\nrevops ledger --as-of 2026-06-30"
    parser = verb(verbs, "ledger", _ledger, help_, examples)
    parser.add_argument("--out", type=path, default=RUNS, metavar="DIR", help="where the runs are (default: runs)")
    results = "dataset folder that tells the results (default: data/sample)"
    parser.add_argument("--data", type=path, default=DATA, metavar="DIR", help=results)
    parser.add_argument("--as-of", metavar="DATE", help="last day that counts (default: the last day of the data)")
    return "ledger"


def _ledger(arguments: argparse.Namespace) -> int:
    from .. import periods, sources
    from ..forecast import ledger as forecasts
    from ..runs import ledger
    from ..snapshot import Snapshot

    if arguments.out != RUNS and not arguments.out.is_dir():
        raise UsageError("there is no such folder", f"--out {arguments.out}", "name the --out folder of `revops run`")
    frozen = ledger.read(arguments.out)
    folder = arguments.data.resolve()
    label = folder.relative_to(ROOT).as_posix() if folder.is_relative_to(ROOT) else folder.as_posix()
    dataset = sources.read_dataset(folder)
    day = periods.day(arguments.as_of or dataset["known_until"])
    quarter = periods.quarter_of(day, dataset["fiscal_year_end"])
    snapshot = Snapshot(label, quarter=str(quarter), as_of=day)
    scored = forecasts.scored(snapshot, frozen)
    others = sorted(set(frozen["data"]) - {label})
    if others:
        print(f"left out, made from other data (name them with --data): {', '.join(others)}")
    if scored.empty:
        print(f"no forecast of {label} as of {day} or earlier is frozen in {arguments.out}: `revops run` freezes them")
        return 0
    accuracy = forecasts.ledger_accuracy(scored)
    print(f"forecasts frozen by runs, results as known on {day}:")
    _print(scored)
    _print_revisions(frozen[(frozen["data"] == label) & (frozen["as_of"] <= day.isoformat())])
    if (scored["state"] == "open").all():
        print("\nnone can be scored yet: their quarters have not ended")
        return 0
    print("\nhow good they were, scored by the first that was told:")
    _print(accuracy)
    if not scored["is_ahead"].all():
        print("not ahead: made after the quarter had ended, as of a past day; a backtest, no forecast")
    return 0


def _print_revisions(frozen: pd.DataFrame) -> None:
    revised = frozen[(frozen["revision"] > 0) & (frozen["member"] == "total")]
    if len(revised):
        print("\ntold later for the same quarter and day, not scored:")
        _print(revised[["quarter", "as_of", "revision", "low", "value", "high", "level", "unit", "frozen_at", "run"]])


def _print(frame: pd.DataFrame) -> None:
    import pandas as pd

    from .. import report

    print(pd.DataFrame(report.table(frame, rows=len(frame))).to_string(index=False))
