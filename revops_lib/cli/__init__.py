"""The door: `revops` and its verbs. Reads what the user typed, calls one function, says how it ended.

Paths a user gives count from where the user stands; defaults count from the repository root. Every failure is one line
on stderr, `error: <what> — <where> — <what to do>`, and the exit code of its class; only a failure nobody foresaw
leaves a traceback, in a log file.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from .. import masking
from ..errors import RevopsError, UsageError, nearest
from . import alerting, data, exporting, house, paying, playbook, publishing, running, scheduling, scoring
from .verb import RUNS

VERBS = (
    data.add_sample,
    data.add_fetch,
    data.add_mapping,
    data.add_import,
    data.add_snapshot,
    data.add_check,
    data.add_forget,
    data.add_reveal,
    running.add_run,
    running.add_rerun,
    scheduling.add_due,
    scoring.add_ledger,
    paying.add_statements,
    paying.add_close,
    paying.add_verify,
    exporting.add_export,
    alerting.add_alerts,
    alerting.add_board,
    playbook.add_playbook,
    publishing.add_site,
    publishing.add_scan,
    house.add_doctor,
)


def main(argv: list[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    argv = sys.argv[1:] if argv is None else argv
    try:
        with _ended_by_sigterm():
            arguments = _parse(argv)
            code = arguments.call(arguments)
            sys.stdout.flush()
            return code
    except RevopsError as failure:
        print(masking.masked(str(failure)), file=sys.stderr)
        return failure.exit_code
    except KeyboardInterrupt:
        print("error: interrupted — revops — nothing unfinished was kept, start it again", file=sys.stderr)
        return 128 + signal.SIGINT
    except _Terminated:
        return _Terminated.exit_code
    except BrokenPipeError:  # who reads has read enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141  # 128 + SIGPIPE
    except Exception as failure:
        what = masking.masked(" ".join(f"unexpected {type(failure).__name__}: {failure}".split()))
        print(f"error: {what} — {_log(argv)} — report it with that file", file=sys.stderr)
        return 1


class _Terminated(BaseException):
    """SIGTERM came: unwind, so that kernels and unfinished files are cleared away."""

    exit_code = 128 + signal.SIGTERM


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # only there can signals be caught
        yield
        return

    def end(*_: object) -> NoReturn:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _log(argv: list[str]) -> Path:
    """Append the traceback of the failure at hand to the log, and say where that is."""
    text = masking.masked(f"{dt.datetime.now(dt.UTC).isoformat()} revops {' '.join(argv)}\n{traceback.format_exc()}\n")
    for folder in (RUNS, Path(tempfile.gettempdir())):
        log = folder / "revops.log"
        try:
            folder.mkdir(exist_ok=True)
            with log.open("a", encoding="utf-8") as file:
                file.write(text)
            break
        except OSError:
            continue
    return log


# --- what can be typed ----------------------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, like every other failure."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, self.prog, f"see `{self.prog} --help`")


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = _Parser(
        prog="revops",
        description="Revenue operations in notebooks: bring CRM data in, run a quarter, build the site.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    known = [add(verbs) for add in VERBS]
    if argv and not argv[0].startswith("-") and argv[0] not in known:
        raise UsageError(f"unknown command {argv[0]!r}", "revops", nearest(argv[0], known))
    return parser.parse_args(argv)


_EXAMPLES = """\
examples:
  revops run 2026Q3                                        the quarter, on the sample company
  revops import data/mappings/my_crm.yml --from ~/export --to data/company
  revops run 2026Q3 --data data/company --only forecast,quality
  revops site                                              the playbook and every quarter run so far

exit codes: 0 ok · 1 unexpected · 2 wrong usage · 3 data refused · 4 notebook or site failed · 5 kernel died
            6 timeout · 7 cannot write · 8 locked by another run · 9 integrity · 10 site holds what must not be published
            128+n ended by signal n"""
