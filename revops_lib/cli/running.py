"""Verbs that run notebooks: run, rerun."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from ..errors import IntegrityError, UsageError
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
    parser.add_argument("--resume", action="store_true", help="skip notebooks whose data, code and parameters are unchanged")
    parser.add_argument("--timeout", type=float, default=900, metavar="S", help="seconds a cell may take (default: 900)")
    limit = "seconds the whole run may take (default: 14400)"
    parser.add_argument("--run-timeout", type=float, default=14400, metavar="S", help=limit)
    parser.add_argument("--cold", action="store_true", help="start each kernel on its own, not from one that is warm")
    return "run"


def add_rerun(verbs: Any) -> str:
    help_ = "make a past run again from the inputs kept by hash and compare the results byte for byte"
    parser = verb(verbs, "rerun", _rerun, help_, "revops rerun runs/2026Q3/manifest.json")
    parser.add_argument("manifest", type=path, metavar="MANIFEST", help="manifest.json of the run")
    return "rerun"


def _run(arguments: argparse.Namespace) -> int:
    from .. import runs

    params: dict[str, str | int | float | bool | None] = {}
    for text in arguments.param:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--param {name[:40]!r} has no value", "revops run", "write it like level=0.9")
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
        run_timeout=arguments.run_timeout,
        replace=arguments.replace,
        resume=arguments.resume,
        warm=not arguments.cold,
    )
    if manifest["dropped"]:
        print(f"not shown any more, made from other data or code: {', '.join(manifest['dropped'])}", file=sys.stderr)
    if manifest["resumed"]:
        print(f"unchanged, not run again: {', '.join(manifest['resumed'])}", file=sys.stderr)
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


def _rerun(arguments: argparse.Namespace) -> int:
    from .. import runs

    found = runs.rerun(arguments.manifest)
    if found.changed:
        print(f"changed since the run: {', '.join(found.changed)}", file=sys.stderr)
    if found.differing:
        n = len(found.differing)
        what = f"{n} of {len(found.equal) + n} results differ: {', '.join(found.differing)}"
        raise IntegrityError(what, str(arguments.manifest), "look at what has changed since the run")
    print(f"{found.quarter}: {len(found.equal)} results made again, byte for byte")
    return 0
