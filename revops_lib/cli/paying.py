"""Verbs about pay: close, verify, statements."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from ..errors import UsageError
from .verb import DATA, RUNS, path, verb


def add_close(verbs: Any) -> str:
    help_ = "close a quarter: its lines and statements of pay, sealed; what comes later goes into the next one"
    examples = (
        "revops close 2026Q3\nrevops close 2026Q3 --data data/company --as-of 2026-10-10\n"
        'revops close 2026Q3 --despite "the quota of R12 is agreed in October"'
    )
    parser = verb(verbs, "close", _close, help_, examples)
    parser.add_argument("quarter", metavar="QUARTER", help="fiscal quarter, like 2026Q3; the next one after the last closed")
    _add_source(parser, "last day that counts (default: the quarter's last)")
    despite = "why to close although checks of the pay fail; kept in the manifest"
    parser.add_argument("--despite", default="", metavar="REASON", help=despite)
    return "close"


def add_statements(verbs: Any) -> str:
    help_ = "write everyone's statement of pay for a quarter that is not closed, with the corrections of closed ones"
    examples = "revops statements 2026Q4\nrevops statements 2026Q4 --data data/company --out runs/company"
    parser = verb(verbs, "statements", _statements, help_, examples)
    parser.add_argument("quarter", metavar="QUARTER", help="fiscal quarter, like 2026Q4")
    _add_source(parser, "last day that counts (default: end of quarter, or of the data)")
    return "statements"


def add_verify(verbs: Any) -> str:
    help_ = "say whether every file of the closed quarters is as it was closed"
    parser = verb(verbs, "verify", _verify, help_, "revops verify\nrevops verify 2026Q3 --again")
    parser.add_argument("quarter", nargs="?", default="", metavar="QUARTER", help="this quarter only (default: all)")
    parser.add_argument("--out", type=path, default=RUNS, metavar="DIR", help="where closed/ is (default: runs)")
    again = "compute the lines again, too, from what was kept with the quarter, and compare every byte"
    parser.add_argument("--again", action="store_true", help=again)
    return "verify"


def _add_source(parser: argparse.ArgumentParser, as_of: str) -> None:
    parser.add_argument("--data", type=path, default=DATA, metavar="DIR", help="dataset folder (default: data/sample)")
    parser.add_argument("--as-of", metavar="DATE", help=as_of)
    where = "where closed/ and statements/ are (default: runs)"
    parser.add_argument("--out", type=path, default=RUNS, metavar="DIR", help=where)


def _close(arguments: argparse.Namespace) -> int:
    from .. import closing

    asked = {"data": arguments.data, "out": arguments.out, "as_of": arguments.as_of, "despite": arguments.despite}
    done = closing.close(arguments.quarter, **asked)
    told = done.manifest
    _warn(told["warnings"], told["checks"], told["left_out"])
    print(f"{done.quarter} is closed as known on {told['as_of']}: {_paid(told['totals'], told['people'], told['plans'])}")
    print(f"seal, to be kept elsewhere: {done.seal}")
    print(done.folder)
    return 0


def _statements(arguments: argparse.Namespace) -> int:
    from .. import closing

    folder, ledger = closing.write_statements(arguments.quarter, data=arguments.data, out=arguments.out, as_of=arguments.as_of)
    corrected = ledger.totals("correction")
    said = f", of it corrections of closed quarters: {_told(corrected)}" if corrected else ""
    _warn([*ledger.warnings, *ledger.notes], {one.check: one.ids for one in ledger.problems}, ledger.left_out)
    paid = _paid(ledger.totals(), ledger.lines["rep_id"].nunique(), [plan.name for plan in ledger.plans])
    print(f"{arguments.quarter} as known on {ledger.snapshot.as_of}, a draft: {paid}{said}")
    print(folder)
    return 0


def _warn(warnings: Iterable[str], checks: Mapping[str, Sequence[str]], left_out: Iterable[str]) -> None:
    """What has to be looked at before anybody is paid, a line each."""
    from .. import closing

    warned = (f"warning: {said}" for said in (*warnings, *closing.told(checks)))
    for line in (*warned, *(f"left out: {said}" for said in left_out)):
        print("".join(one if one.isprintable() else "�" for one in line))  # what a table holds must not steer a terminal


def _paid(totals: Mapping[str, Decimal | str], people: int, plans: Iterable[str]) -> str:
    n = f"{people} {'person' if people == 1 else 'people'}"
    return f"{_told(totals)} to {n} by {', '.join(plans)}"


def _told(totals: Mapping[str, Decimal | str]) -> str:
    return " and ".join(f"{Decimal(amount):,.2f} {currency}" for currency, amount in totals.items()) or "nothing is paid"


def _verify(arguments: argparse.Namespace) -> int:
    from .. import closing

    _require(arguments.out)
    for one in closing.verify(arguments.out, arguments.quarter):
        n = len(one.manifest["files"])
        said = "emptied, its manifest as it was" if one.is_emptied else f"{n} files as they were closed"
        if arguments.again:
            made = closing.again(one)
            said += ", lines made again byte for byte" if made else ", lines not made again: earlier ones are deleted"
        print(f"{one.quarter}: {said}; seal {one.seal}")
    return 0


def _require(out: Path) -> None:
    if out != RUNS and not out.is_dir():
        raise UsageError("there is no such folder", f"--out {out}", "name the --out folder of `revops close`")
