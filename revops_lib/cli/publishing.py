"""Verbs that publish: site, scan."""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from pathlib import Path
from typing import Any

from ..errors import UsageError
from .verb import PREVIEW, RUNS, SITE, path, verb


def add_site(verbs: Any) -> str:
    parser = verb(verbs, "site", _site, "build the site from the playbook and the runs", "revops site\nrevops site 2026Q3")
    parser.add_argument(
        "--preview", action="store_true", help="also with pages that changed since they were verified, into the folder preview"
    )
    parser.add_argument(
        "--despite-failed",
        action="store_true",
        help="also when pages ask for numbers that the run does not have: they read “not available”",
    )
    parser.add_argument("quarter", nargs="?", metavar="QUARTER", help="show this run only (default: every run)")
    parser.add_argument("--audience", default="everyone", metavar="WHO", help="everyone (default) or internal")
    parser.add_argument("--runs", type=path, default=RUNS, metavar="DIR", help="where the runs are (default: runs)")
    parser.add_argument("--to", type=path, metavar="DIR", help="folder of the site (default: site, or preview)")
    return "site"


def add_scan(verbs: Any) -> str:
    examples = "revops scan site\nrevops scan site --canaries private/canaries.txt"
    parser = verb(verbs, "scan", _scan, "look through a built site for what must not be published", examples)
    parser.add_argument("site", type=path, metavar="SITE", help="folder of the site")
    parser.add_argument("--canaries", type=path, metavar="FILE", help="values that must not be in it, one per line")
    return "scan"


def _site(arguments: argparse.Namespace) -> int:
    from .. import site

    if arguments.runs != RUNS and not arguments.runs.is_dir():
        raise UsageError("there is no such folder", f"--runs {arguments.runs}", "name the --out folder of `revops run`")
    to = arguments.to or (PREVIEW if arguments.preview else SITE)
    wanted = {"runs": arguments.runs, "to": to, "audience": arguments.audience, "preview": arguments.preview}
    wanted |= {"day": dt.datetime.now(dt.UTC).date(), "despite_failed": arguments.despite_failed}
    try:
        print(site.build(arguments.quarter, **wanted, say=lambda sentence: print(sentence, file=sys.stderr)))
    except site.SiteRefused as refused:
        print(*refused.findings, sep="\n", file=sys.stderr)
        raise
    if not site.published(arguments.runs):
        print(f"no report is in the site: there is no run in {arguments.runs}, `revops run` makes one", file=sys.stderr)
    return 0


def _scan(arguments: argparse.Namespace) -> int:
    from .. import masking, site

    canaries = _lines(arguments.canaries) if arguments.canaries else []
    findings = site.scan(arguments.site, canaries=canaries, secrets=masking.secrets())
    print(*findings, sep="\n") if findings else print("nothing found")
    if findings:
        raise site.SiteRefused(findings, "take it out and build again, or allow a harmless text in playbook/scan.yml")
    return 0


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as failure:
        raise UsageError(
            f"cannot read the list: {failure}", str(file), "give a text file in UTF-8, a value per line"
        ) from failure
