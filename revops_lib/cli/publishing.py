"""Verbs that publish: site."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from ..errors import UsageError
from .verb import RUNS, SITE, path, verb


def add_site(verbs: Any) -> str:
    parser = verb(verbs, "site", _site, "build the site from the playbook and the runs", "revops site\nrevops site 2026Q3")
    parser.add_argument("quarter", nargs="?", metavar="QUARTER", help="show this run only (default: every run)")
    parser.add_argument("--audience", default="everyone", metavar="WHO", help="everyone (default) or internal")
    parser.add_argument("--runs", type=path, default=RUNS, metavar="DIR", help="where the runs are (default: runs)")
    parser.add_argument("--to", type=path, default=SITE, metavar="DIR", help="folder of the site (default: site)")
    return "site"


def _site(arguments: argparse.Namespace) -> int:
    from .. import site

    if arguments.runs != RUNS and not arguments.runs.is_dir():
        raise UsageError("there is no such folder", f"--runs {arguments.runs}", "name the --out folder of `revops run`")
    print(site.build(arguments.quarter, runs=arguments.runs, to=arguments.to, audience=arguments.audience))
    if not site.published(arguments.runs):
        print(f"no report is in the site: there is no run in {arguments.runs}, `revops run` makes one", file=sys.stderr)
    return 0
