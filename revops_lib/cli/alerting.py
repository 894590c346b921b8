"""Verbs for those who decide: alerts, board."""

from __future__ import annotations

import argparse
from typing import Any

from ..errors import UsageError
from .verb import RUNS, path, verb


def add_alerts(verbs: Any) -> str:
    examples = "revops alerts\nrevops alerts 2026Q3 --to alerts.txt\nrevops alerts --json"
    help_ = "say which KPIs call for somebody in the last run, as one text to mail or post"
    parser = verb(verbs, "alerts", _alerts, help_, examples)
    parser.epilog = (
        f"{parser.epilog}\nexit code 0 whether or not there are alerts: the first line and `n` of --json say how many"
    )
    parser.add_argument("quarter", nargs="?", default="", metavar="QUARTER", help="of the run (default: the newest quarter)")
    parser.add_argument("--runs", type=path, default=RUNS, metavar="DIR", help="where the runs are (default: runs)")
    parser.add_argument("--to", type=path, metavar="FILE", help="write it there (default: print it)")
    parser.add_argument("--json", action="store_true", help="as JSON, for a program")
    return "alerts"


def add_board(verbs: Any) -> str:
    examples = "revops board 2026Q3 --to board.pdf\nrevops board 2026Q3 --to board.xlsx"
    help_ = "write the board pack of a run: a page to read and its tables, as PDF or as a workbook"
    parser = verb(verbs, "board", _board, help_, examples)
    parser.add_argument("quarter", metavar="QUARTER", help="fiscal quarter of the run, like 2026Q3")
    parser.add_argument("--to", type=path, required=True, metavar="FILE.pdf|FILE.xlsx", help="the file to write")
    parser.add_argument("--runs", type=path, default=RUNS, metavar="DIR", help="where the runs are (default: runs)")
    return "board"


def _alerts(arguments: argparse.Namespace) -> int:
    from .. import alerting, disk

    told = alerting.summary(arguments.runs, quarter=arguments.quarter)
    text = alerting.as_json(told) if arguments.json else alerting.text(told)
    if arguments.to is None:
        print(text, end="")
        return 0
    with disk.replacing(arguments.to) as new:
        new.write_text(text, encoding="utf-8")
    print(arguments.to)
    return 0


def _board(arguments: argparse.Namespace) -> int:
    import sys

    from .. import boards, disk, periods, portfolio, spreadsheets

    run, kind = arguments.runs / str(periods.quarter(arguments.quarter)), arguments.to.suffix.lower()
    if kind not in (".pdf", ".xlsx"):
        raise UsageError(f"{arguments.to.name} is neither a PDF nor a workbook", "--to", "name FILE.pdf or FILE.xlsx")
    if kind == ".pdf":
        page = boards.pdf(portfolio.board(run))
        with disk.replacing(arguments.to) as new:
            new.write_bytes(page)
    else:
        frames, currency = portfolio.sheets(run), portfolio.board(run).currency
        headings = {name: [boards.heading(frame, column, currency) for column in frame] for name, frame in frames.items()}
        formats = {name: boards.formats(frame) for name, frame in frames.items()}
        for sentence in spreadsheets.workbook(frames, arguments.to, headings=headings, formats=formats):
            print(sentence, file=sys.stderr)
    print(arguments.to)
    return 0
