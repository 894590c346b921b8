"""Verbs that run notebooks: run."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from ..errors import UsageError
from .verb import DATA, RUNS, path, verb


def add_run(verbs: Any) -> str:
    examples = "revops run 2026Q3\nrevops run 2026Q3 --only forecast --param level=0.9\n"
    examples += "revops run 2026Q3 --data data/company --as-of 2026-08-15 --out runs/company"
    parser = verb(verbs, "run", _run, "execute the notebooks of a quarter", examples)
    parser.add_argument("quarter", metavar="QUARTER", help="fiscal quarter, like 2026Q3")
    parser.add_argument("--data", type=path, default=DATA, metavar="DIR", help="dataset folder (default: data/sample)")
    parser.add_argument("--as-of", metavar="DATE", help="last day that counts (default: end of quarter, or of the data)")
    parser.add_argument("--only", metavar="A,B", help="these notebooks only")
    parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help="set a notebook parameter")
    parser.add_argument("--out", type=path, default=RUNS, metavar="DIR", help="where QUARTER/ is written (default: runs)")
    parser.add_argument("--replace", action="store_true", help="replace a run of other data or of another day")
    parser.add_argument("--jobs", type=int, metavar="N", help="notebooks at a time (default: one per core)")
    parser.add_argument("--timeout", type=float, default=900, metavar="S", help="seconds a cell may take (default: 900)")
    return "run"


def _run(arguments: argparse.Namespace) -> int:
    from .. import runs

    params: dict[str, str | int | float | bool | None] = {}
    for text in arguments.param:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--param {text!r} has no value", "revops run", "write it like level=0.9")
        if name in params:
            raise UsageError(f"--param {name} is given twice", "revops run", "give it once")
        params[name] = value
    only = None if arguments.only is None else [name.strip() for name in arguments.only.split(",") if name.strip()]
    manifest = runs.run(
        arguments.quarter,
        data=arguments.data,
        out=arguments.out,
        as_of=arguments.as_of,
        only=only,
        jobs=arguments.jobs,
        params=params,
        timeout=arguments.timeout,
        replace=arguments.replace,
    )
    folder = arguments.out / arguments.quarter
    for stem, entry in manifest["notebooks"].items():
        if only is not None and stem not in only:  # carried over from an earlier run
            continue
        if entry["state"] == "ok":
            print(f"{stem}: {runs.headline(folder, stem)}")
        else:
            print(entry["error"], file=sys.stderr)
    print(folder)
    return int(manifest["exit_code"])
