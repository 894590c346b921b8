"""Verbs that hand results on: export."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from .verb import RUNS, path, verb


def add_export(verbs: Any) -> str:
    examples = "revops export 2026Q3 --to 2026Q3.xlsx\nrevops export 2026Q3 --to tables --public"
    parser = verb(verbs, "export", _export, "write a run's tables as a workbook or as CSV files", examples)
    parser.add_argument("quarter", metavar="QUARTER", help="fiscal quarter of the run, like 2026Q3")
    where = "FILE.xlsx, or a folder for CSV files: a new one, or one that holds an earlier export"
    parser.add_argument("--to", type=path, required=True, metavar="FILE.xlsx|DIR", help=where)
    parser.add_argument("--runs", type=path, default=RUNS, metavar="DIR", help="where the runs are (default: runs)")
    public = "only what the site shows (default: internal tables, too; statements of pay are never exported)"
    parser.add_argument("--public", action="store_true", help=public)
    return "export"


def _export(arguments: argparse.Namespace) -> int:
    from .. import periods, spreadsheets

    quarter = str(periods.quarter(arguments.quarter))
    for sentence in spreadsheets.export(arguments.runs / quarter, arguments.to, public=arguments.public):
        print(sentence, file=sys.stderr)
    print(arguments.to)
    return 0
