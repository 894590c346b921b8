"""The door: `revops` and its verbs. Reads what the user typed, calls one function, says how it ended.

Paths a user gives count from where the user stands; defaults count from the repository root. Every failure is one line
on stderr, `error: <what> — <where> — <what to do>`, and the exit code of its class; only a failure nobody foresaw
leaves a traceback, in a log file.
"""

from __future__ import annotations

import argparse
import datetime as dt
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from .errors import CannotWrite, RevopsError, UsageError, nearest

ROOT = Path(__file__).resolve().parent.parent
RUNS = ROOT / "runs"
DATA = ROOT / "data" / "sample"
SITE = ROOT / "site"


def main(argv: list[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    argv = sys.argv[1:] if argv is None else argv
    try:
        with _ended_by_sigterm():
            arguments = _parse(argv)
            return arguments.call(arguments)
    except RevopsError as failure:
        print(failure, file=sys.stderr)
        return failure.exit_code
    except KeyboardInterrupt:
        print("error: interrupted — revops — nothing unfinished was kept, start it again", file=sys.stderr)
        return 128 + signal.SIGINT
    except _Terminated:
        return 128 + signal.SIGTERM
    except Exception as failure:
        what = " ".join(f"unexpected {type(failure).__name__}: {failure}".split())
        print(f"error: {what} — {_log(argv)} — report it with that file", file=sys.stderr)
        return 1


class _Terminated(BaseException):
    """SIGTERM came: unwind, so that kernels and unfinished files are cleared away."""


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
    text = f"{dt.datetime.now(dt.UTC).isoformat()} revops {' '.join(argv)}\n{traceback.format_exc()}\n"
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
    known = [
        add(verbs)
        for add in (
            _add_sample,
            _add_fetch,
            _add_mapping,
            _add_import,
            _add_snapshot,
            _add_check,
            _add_run,
            _add_site,
            _add_doctor,
        )
    ]
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
            6 timeout · 7 cannot write · 9 integrity · 10 site holds what must not be published"""


def _verb(verbs: Any, name: str, call: Any, help_: str, examples: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(
        name,
        help=help_,
        description=help_[0].upper() + help_[1:] + ".",
        epilog="examples:\n" + "".join(f"  {line}\n" for line in examples.splitlines()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(call=call)
    return parser


def _add_sample(verbs: Any) -> str:
    parser = _verb(verbs, "sample", _sample, "invent a company whose truth is known", "revops sample --to data/sample")
    parser.add_argument("--to", type=_path, required=True, metavar="DIR", help="dataset folder to write")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="same seed, same bytes (default: 1)")
    parser.add_argument("--scale", type=float, default=1.0, metavar="X", help="1 is about 50 wins a quarter (default: 1)")
    return "sample"


def _add_fetch(verbs: Any) -> str:
    help_ = "fetch the tables of a CRM, what has changed since the last time (optional extra `connect`)"
    examples = "revops fetch data/connectors/hubspot.yml --to data/raw/hubspot"
    parser = _verb(verbs, "fetch", _fetch, help_, examples)
    parser.add_argument(
        "connector", type=_path, metavar="CONNECTOR.yml", help="what is asked; secrets come from the environment"
    )
    parser.add_argument(
        "--to", type=_path, required=True, metavar="DIR", help="folder of the export, for `revops import --from`"
    )
    return "fetch"


def _add_mapping(verbs: Any) -> str:
    help_ = "draft a mapping for an export, with a mark at everything that is not certain"
    examples = "revops mapping draft data/raw --to data/mappings/yours.yml"
    parser = _verb(verbs, "mapping", _mapping, help_, examples)
    parser.add_argument("what", choices=["draft"], metavar="draft", help="propose a mapping from headers and values")
    parser.add_argument("files", type=_path, nargs="+", metavar="FILE", help="files of the export, or its folder")
    parser.add_argument("--to", type=_path, metavar="MAPPING.yml", help="file to write (default: print it); never replaced")
    return "mapping"


def _add_import(verbs: Any) -> str:
    examples = "revops import data/mappings/my_crm.yml --from ~/export --to data/company\n"
    examples += "revops import data/mappings/my_crm.yml --from ~/export --to data/company --as-of 2026-09-30"
    examples += "\nrevops import data/mappings/my_crm.yml --from ~/export --explain"
    examples += "\nrevops import data/mappings/my_crm.yml --from ~/export --to data/company --fixed corrected.csv"
    parser = _verb(verbs, "import", _import, "read a CRM export into a dataset folder", examples)
    _add_export(parser)
    parser.add_argument("--to", type=_path, metavar="DIR", help="dataset folder to write, or to replace")
    parser.add_argument("--explain", action="store_true", help="show how every column would be read, write nothing")
    return "import"


def _add_snapshot(verbs: Any) -> str:
    help_ = "import, and keep a dated copy, so that a CRM without history gets one from today on"
    examples = "revops snapshot data/mappings/my_crm.yml --from ~/export --to data/company --as-of 2026-11-22"
    parser = _verb(verbs, "snapshot", _snapshot, help_, examples)
    _add_export(parser)
    parser.add_argument("--to", type=_path, required=True, metavar="DIR", help="dataset folder; it keeps the copies")
    return "snapshot"


def _add_export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("mapping", type=_path, metavar="MAPPING.yml", help="which column of the export means what")
    where = "folder of the export, or a workbook or database that holds it"
    parser.add_argument("--from", dest="source", type=_path, required=True, metavar="DIR", help=where)
    parser.add_argument("--as-of", metavar="DATE", help="day the export was made (default: latest day in it)")
    limit = "share of a file's rows that may be rejected, 0 to 1 (default: 0.05); of the won amount at most 1 %% may be, "
    limit += "or SHARE once it is above 0.05"
    parser.add_argument("--max-rejected", type=float, metavar="SHARE", help=limit)
    fixed = "a quarantine.csv of this export with `record` corrected: its rows come in, each once"
    parser.add_argument("--fixed", type=_path, metavar="CSV", help=fixed)


def _add_check(verbs: Any) -> str:
    parser = _verb(verbs, "check", _check, "check a dataset folder against the schemas", "revops check data/company")
    parser.add_argument("data", type=_path, metavar="DIR", help="dataset folder")
    return "check"


def _add_run(verbs: Any) -> str:
    examples = "revops run 2026Q3\nrevops run 2026Q3 --only forecast --param level=0.9\n"
    examples += "revops run 2026Q3 --data data/company --as-of 2026-08-15 --out runs/company"
    parser = _verb(verbs, "run", _run, "execute the notebooks of a quarter", examples)
    parser.add_argument("quarter", metavar="QUARTER", help="fiscal quarter, like 2026Q3")
    parser.add_argument("--data", type=_path, default=DATA, metavar="DIR", help="dataset folder (default: data/sample)")
    parser.add_argument("--as-of", metavar="DATE", help="last day that counts (default: end of quarter, or of the data)")
    parser.add_argument("--only", metavar="A,B", help="these notebooks only")
    parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help="set a notebook parameter")
    parser.add_argument("--out", type=_path, default=RUNS, metavar="DIR", help="where QUARTER/ is written (default: runs)")
    parser.add_argument("--replace", action="store_true", help="replace a run of other data or of another day")
    parser.add_argument("--jobs", type=int, metavar="N", help="notebooks at a time (default: one per core)")
    parser.add_argument("--timeout", type=float, default=900, metavar="S", help="seconds a cell may take (default: 900)")
    return "run"


def _add_site(verbs: Any) -> str:
    parser = _verb(verbs, "site", _site, "build the site from the playbook and the runs", "revops site\nrevops site 2026Q3")
    parser.add_argument("quarter", nargs="?", metavar="QUARTER", help="show this run only (default: every run)")
    parser.add_argument("--audience", default="everyone", metavar="WHO", help="everyone (default) or internal")
    parser.add_argument("--runs", type=_path, default=RUNS, metavar="DIR", help="where the runs are (default: runs)")
    parser.add_argument("--to", type=_path, default=SITE, metavar="DIR", help="folder of the site (default: site)")
    return "site"


def _add_doctor(verbs: Any) -> str:
    _verb(verbs, "doctor", _doctor, "check versions, write access, disk and kernel", "revops doctor")
    return "doctor"


def _path(text: str) -> Path:
    """A path as the user gave it, counted from where the user stands."""
    return Path(text).expanduser().absolute()


# --- what then happens ----------------------------------------------------------------------------------------------


def _sample(arguments: argparse.Namespace) -> int:
    from . import sample

    sample.write(arguments.to, seed=arguments.seed, scale=arguments.scale)
    print(f"wrote {arguments.to}; what is true of this company stands in {arguments.to / 'truth.yml'}")
    return 0


def _fetch(arguments: argparse.Namespace) -> int:
    from .sources import connect

    found = connect.fetch(arguments.connector, arguments.to, progress=lambda line: print(line, file=sys.stderr))
    for member in found["members"]:
        print(f"{member['file']}: {member['rows']:,} rows, {member['read']:,} read now")
    for member in found["absent"]:
        print(f"{member['member']}: {member['reason']}")
    print(f"next: revops import data/mappings/{arguments.connector.name} --from {arguments.to} --to data/company")
    return 0


def _mapping(arguments: argparse.Namespace) -> int:
    from . import tables
    from .sources import draft

    if arguments.to is not None and arguments.to.exists():
        raise UsageError("the file exists already", str(arguments.to), "name another one in --to, or delete it first")
    text = draft.draft(arguments.files, known=sorted((ROOT / "data" / "mappings").glob("*.yml")))
    if arguments.to is None:
        print(text, end="")
        return 0
    tables.write_text(arguments.to, text)
    unsure = text.count("# unsure:") + text.count(": ???")
    print(f"wrote {arguments.to}; {unsure} lines are marked `# unsure` or `???`: look at them, then")
    source = arguments.files[0] if arguments.files[0].is_dir() else arguments.files[0].parent
    print(f"revops import {arguments.to} --from {source} --explain")
    return 0


def _import(arguments: argparse.Namespace) -> int:
    from . import sources

    if arguments.explain:
        return _explain(sources.explain(arguments.mapping, arguments.source))
    if arguments.to is None:
        raise UsageError("--to is missing", "revops import", "name the dataset folder to write, or add --explain")
    return _imported(arguments)


def _snapshot(arguments: argparse.Namespace) -> int:
    return _imported(arguments, keep_copy=True)


def _imported(arguments: argparse.Namespace, **options: Any) -> int:
    from . import periods, sources, tables

    as_of = None if arguments.as_of is None else periods.day(arguments.as_of)
    options |= {} if arguments.max_rejected is None else {"max_rejected": arguments.max_rejected}
    with _progress() as progress:
        dataset = sources.import_export(
            arguments.mapping, arguments.source, arguments.to, as_of=as_of, fixed=arguments.fixed, progress=progress, **options
        )
    for file in dataset["files"]:
        counts = f"{file['accepted']:,} accepted + {file['quarantined']:,} quarantined + {file['duplicates']:,} duplicates"
        print(f"{file['file']} → {file['table']}: {file['read']:,} read = {counts}")
        for currency, total in file.get("amount", {}).get("read", {}).items():
            parts = (file["amount"][part].get(currency, "0.00") for part in ("accepted", "quarantined", "duplicates"))
            print(f"  {currency or 'no currency'} {total} read = {' + '.join(parts)}")
    for kind, meaning in (("quarantined", "reason"), ("remarks", "meaning")):
        for why in dataset[kind]:
            print(f"  {why['table']}: {why['n']:,} {why['code']}: {why[meaning]}")
    if dataset.get("is_unchanged"):
        print(f"{arguments.to} holds this very import already: nothing was changed")
    else:
        print(f"wrote {arguments.to}, known until {dataset['known_until']}")
    missing = [name for name in tables.TABLES if not (arguments.to / f"{name}.parquet").exists()]
    if missing:
        print(f"not in this export: {', '.join(missing)}; the notebooks say so where such a number would stand")
    if not dataset["tracked"]:
        print("no history of changes: nothing can be said as of an earlier day that the current state does not tell;")
        print("`revops snapshot` in place of `revops import` keeps dated copies, so that history begins today")
    quarter = periods.quarter_of(periods.day(dataset["known_until"]), dataset["fiscal_year_end"])
    print(f"next: revops run {quarter} --data {arguments.to} --out runs/{Path(arguments.to).name}")
    return 0


def _explain(dataset: dict[str, Any]) -> int:
    """How every column of an export is read; nothing is written."""
    for file in dataset["files"]:
        if "columns" not in file:
            continue
        read_as = ", ".join(f"{key} {value!r}" for key, value in file.get("read_as", {}).items())
        print(
            f"\n{file['file']} → {file['table']} ({file['read']:,} rows, {file['quarantined']:,} would be set aside) {read_as}"
        )
        for column, written in file["columns"].items():
            how = file.get("notation", {}).get(column, "")
            print(f"  {column:<20} ← {written}{f'  ({how})' if how else ''}")
        for column, value in file.get("constants", {}).items():
            print(f"  {column:<20} = {value!r} in every row")
        if file.get("lacking"):
            print(f"  not in the file:     {', '.join(file['lacking'])}")
        if file.get("unmapped"):
            print(f"  read by nothing:     {', '.join(file['unmapped'])}")
    for why in dataset["quarantined"]:
        print(f"{why['table']}: {why['n']:,} {why['code']}: {why['reason']}")
    for table in dataset["optional"]:
        print(f"{table['table']}: not in this export (looked for {', '.join(table['file'])})")
    return 0


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """What is being done, on one line of a terminal; nothing where nobody looks."""
    if not sys.stderr.isatty():
        yield lambda line: None
        return
    try:
        yield lambda line: print(f"\r\x1b[K{line} …", end="", file=sys.stderr, flush=True)
    finally:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _check(arguments: argparse.Namespace) -> int:
    from . import sources

    findings = sources.check(arguments.data)
    if len(findings):
        print("references that lead nowhere:")
        print(findings.to_string(index=False))
    print(f"{arguments.data}: every table obeys its schema")
    return 0


def _run(arguments: argparse.Namespace) -> int:
    from . import runs

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


def _site(arguments: argparse.Namespace) -> int:
    from . import site

    if arguments.runs != RUNS and not arguments.runs.is_dir():
        raise UsageError("there is no such folder", f"--runs {arguments.runs}", "name the --out folder of `revops run`")
    print(site.build(arguments.quarter, runs=arguments.runs, to=arguments.to, audience=arguments.audience))
    if not site.published(arguments.runs):
        print(f"no report is in the site: there is no run in {arguments.runs}, `revops run` makes one", file=sys.stderr)
    return 0


def _doctor(arguments: argparse.Namespace) -> int:
    from . import doctor

    worst = 0
    for finding in doctor.examine(RUNS, ROOT / "requirements.lock"):
        print(f"{'not ok' if finding.problem else 'ok':<8}{finding.what}" + (f": {finding.problem}" if finding.problem else ""))
        worst = max(worst, (CannotWrite if finding.writing else UsageError).exit_code if finding.problem else 0)
    return worst
