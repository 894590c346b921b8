"""Verbs for a schedule: due."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
from typing import Any

from ..errors import DataRefused
from .verb import DATA, RUNS, path, verb


def add_due(verbs: Any) -> str:
    help_ = "run what is due today and nothing else; for a daily schedule"
    examples = "revops due --data data/company --out runs/company\nrevops due --data data/company --dry-run"
    parser = verb(verbs, "due", _due, help_, examples)
    parser.add_argument("--data", type=path, default=DATA, metavar="DIR", help="dataset folder (default: data/sample)")
    parser.add_argument("--out", type=path, default=RUNS, metavar="DIR", help="where the runs are (default: runs)")
    parser.add_argument("--dry-run", action="store_true", help="say what is due, run nothing")
    parser.add_argument("--json", action="store_true", help="say it as one line of JSON")
    return "due"


def _due(arguments: argparse.Namespace) -> int:
    from .. import runs, sources
    from ..runs import journal
    from ..runs.due import due
    from ..runs.freshness import staleness

    now = dt.datetime.now(dt.UTC)
    try:
        warning = staleness(now, sources.read_dataset(arguments.data))
    except DataRefused as refused:
        if not arguments.dry_run:  # the site says that the last attempt did not succeed
            ended = {"ended": now.isoformat(), "state": "refused", "exit_code": refused.exit_code}
            journal.beat(arguments.out, {"run": "due", "quarter": "", "as_of": "", **ended})
        raise
    if warning:
        print(warning, file=sys.stderr)
    told: list[dict[str, Any]] = []
    for one in due(now, data=arguments.data, out=arguments.out):
        told.append({"quarter": one.quarter, "as_of": one.as_of.isoformat(), "why": one.why})
        if not arguments.json:
            print(f"{one.quarter} as of {one.as_of}: {one.why}", flush=True)
        if arguments.dry_run:
            continue
        manifest = runs.run(one.quarter, data=arguments.data, as_of=one.as_of, out=arguments.out, replace=True, whole=True)
        told[-1]["exit_code"] = int(manifest["exit_code"])
        for entry in manifest["notebooks"].values():
            if entry["state"] != "ok":
                print(entry["error"], file=sys.stderr)
    if arguments.json:
        print(json.dumps({"warning": warning, "due": told}, ensure_ascii=False))
    elif not told:
        print("nothing is due")
    return max((one.get("exit_code", 0) for one in told), default=0)
