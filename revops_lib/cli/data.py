"""Verbs that bring data in: sample, fetch, mapping, import, snapshot, check; and of the people in them: forget, reveal."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import UsageError
from .verb import ROOT, path, verb


def add_sample(verbs: Any) -> str:
    parser = verb(verbs, "sample", _sample, "invent a company whose truth is known", "revops sample --to data/sample")
    parser.add_argument("--to", type=path, required=True, metavar="DIR", help="dataset folder to write")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="same seed, same bytes (default: 1)")
    parser.add_argument("--scale", type=float, default=1.0, metavar="X", help="1 is about 50 wins a quarter (default: 1)")
    return "sample"


def add_fetch(verbs: Any) -> str:
    help_ = "fetch the tables of a CRM, what has changed since the last time (optional extra `connect`)"
    examples = "revops fetch data/connectors/hubspot.yml --to data/raw/hubspot"
    parser = verb(verbs, "fetch", _fetch, help_, examples)
    parser.add_argument(
        "connector", type=path, metavar="CONNECTOR.yml", help="what is asked; secrets come from the environment"
    )
    parser.add_argument(
        "--to", type=path, required=True, metavar="DIR", help="folder of the export, for `revops import --from`"
    )
    return "fetch"


def add_mapping(verbs: Any) -> str:
    help_ = "draft a mapping for an export, with a mark at everything that is not certain"
    examples = "revops mapping draft data/raw --to data/mappings/yours.yml"
    parser = verb(verbs, "mapping", _mapping, help_, examples)
    parser.add_argument("what", choices=["draft"], metavar="draft", help="propose a mapping from headers and values")
    parser.add_argument("files", type=path, nargs="+", metavar="FILE", help="files of the export, or its folder")
    parser.add_argument("--to", type=path, metavar="MAPPING.yml", help="file to write (default: print it); never replaced")
    return "mapping"


def add_import(verbs: Any) -> str:
    examples = "revops import data/mappings/my_crm.yml --from ~/export --to data/company\n"
    examples += "revops import data/mappings/my_crm.yml --from ~/export --to data/company --as-of 2026-09-30"
    examples += "\nrevops import data/mappings/my_crm.yml --from ~/export --explain"
    examples += "\nrevops import data/mappings/my_crm.yml --from ~/export --to data/company --fixed corrected.csv"
    parser = verb(verbs, "import", _import, "read a CRM export into a dataset folder", examples)
    add_export(parser)
    parser.add_argument("--to", type=path, metavar="DIR", help="dataset folder to write, or to replace")
    parser.add_argument("--explain", action="store_true", help="show how every column would be read, write nothing")
    return "import"


def add_snapshot(verbs: Any) -> str:
    help_ = "import, and keep a dated copy, so that a CRM without history gets one from today on"
    examples = "revops snapshot data/mappings/my_crm.yml --from ~/export --to data/company --as-of 2026-11-22"
    parser = verb(verbs, "snapshot", _snapshot, help_, examples)
    add_export(parser)
    parser.add_argument("--to", type=path, required=True, metavar="DIR", help="dataset folder; it keeps the copies")
    return "snapshot"


def add_export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("mapping", type=path, metavar="MAPPING.yml", help="which column of the export means what")
    where = "folder of the export, or a workbook or database that holds it"
    parser.add_argument("--from", dest="source", type=path, required=True, metavar="DIR", help=where)
    parser.add_argument("--as-of", metavar="DATE", help="day the export was made (default: latest day in it)")
    limit = "share of a file's rows that may be rejected, 0 to 1 (default: 0.05); of the won amount at most 1 %% may be, "
    limit += "or SHARE once it is above 0.05"
    parser.add_argument("--max-rejected", type=float, metavar="SHARE", help=limit)
    fixed = "a quarantine.csv of this export with `record` corrected: its rows come in, each once"
    parser.add_argument("--fixed", type=path, metavar="CSV", help=fixed)
    parser.add_argument("--named", action="store_true", help="keep people's names (default: as the mapping says)")


def add_check(verbs: Any) -> str:
    parser = verb(verbs, "check", _check, "check a dataset folder against the schemas", "revops check data/company")
    parser.add_argument("data", type=path, metavar="DIR", help="dataset folder")
    return "check"


def add_forget(verbs: Any) -> str:
    help_ = "take a person out of a dataset; every total stays"
    parser = verb(verbs, "forget", _forget, help_, "revops forget p-1f0c33a9b2d4 --data data/company --runs runs")
    parser.add_argument("person", metavar="PERSON", help="pseudonym, or the identifier in the export")
    parser.add_argument("--data", type=path, required=True, metavar="DIR", help="dataset folder")
    kinds = ["reps", "contacts", "leads"]
    parser.add_argument("--kind", default="", choices=kinds, help="whose identifier it is, where several share it")
    parser.add_argument("--runs", type=path, metavar="DIR", help="list the runs below it that mention the person")
    return "forget"


def add_reveal(verbs: Any) -> str:
    help_ = "say who stands behind a pseudonym, for the holder of the key"
    parser = verb(verbs, "reveal", _reveal, help_, "revops reveal data/mappings/my_crm.yml --from ~/export p-1f0c33a9b2d4")
    parser.add_argument("mapping", type=path, metavar="MAPPING.yml", help="the mapping it was imported with")
    parser.add_argument("--from", dest="source", type=path, required=True, metavar="DIR", help="the export")
    parser.add_argument("pseudonyms", nargs="+", metavar="PSEUDONYM", help="as the dataset has it")
    return "reveal"


def _sample(arguments: argparse.Namespace) -> int:
    from .. import sample

    sample.write(arguments.to, seed=arguments.seed, scale=arguments.scale)
    print(f"wrote {arguments.to}; what is true of this company stands in {arguments.to / 'truth.yml'}")
    return 0


def _fetch(arguments: argparse.Namespace) -> int:
    from ..sources import connect

    found = connect.fetch(arguments.connector, arguments.to, progress=lambda line: print(line, file=sys.stderr))
    for member in found["members"]:
        print(f"{member['file']}: {member['rows']:,} rows, {member['read']:,} read now")
    for member in found["absent"]:
        print(f"{member['member']}: {member['reason']}")
    print(f"next: revops import data/mappings/{arguments.connector.name} --from {arguments.to} --to data/company")
    return 0


def _mapping(arguments: argparse.Namespace) -> int:
    from .. import disk
    from ..sources import draft

    if arguments.to is not None and arguments.to.exists():
        raise UsageError("the file exists already", str(arguments.to), "name another one in --to, or delete it first")
    text = draft.draft(arguments.files, known=sorted((ROOT / "data" / "mappings").glob("*.yml")))
    if arguments.to is None:
        print(text, end="")
        return 0
    disk.write_text(arguments.to, text)
    unsure = text.count("# unsure:") + text.count(": ???")
    print(f"wrote {arguments.to}; {unsure} lines are marked `# unsure` or `???`: look at them, then")
    source = arguments.files[0] if arguments.files[0].is_dir() else arguments.files[0].parent
    print(f"revops import {arguments.to} --from {source} --explain")
    return 0


def _import(arguments: argparse.Namespace) -> int:
    from .. import sources

    if arguments.explain:
        return _explain(sources.explain(arguments.mapping, arguments.source))
    if arguments.to is None:
        raise UsageError("--to is missing", "revops import", "name the dataset folder to write, or add --explain")
    return _imported(arguments)


def _snapshot(arguments: argparse.Namespace) -> int:
    return _imported(arguments, keep_copy=True)


def _imported(arguments: argparse.Namespace, **options: Any) -> int:
    from .. import periods, sources, tables

    as_of = None if arguments.as_of is None else periods.day(arguments.as_of)
    options |= {} if arguments.max_rejected is None else {"max_rejected": arguments.max_rejected}
    options |= {"as_of": as_of, "fixed": arguments.fixed, "named": arguments.named, "say": print}
    with _progress() as progress:
        dataset = sources.import_export(arguments.mapping, arguments.source, arguments.to, progress=progress, **options)
    for file in dataset["files"]:
        counts = f"{file['accepted']:,} accepted + {file['quarantined']:,} quarantined + {file['duplicates']:,} duplicates"
        print(f"{file['file']} → {file['table']}: {file['read']:,} read = {counts}")
        for currency, total in file.get("amount", {}).get("read", {}).items():
            parts = (file["amount"][part].get(currency, "0.00") for part in ("accepted", "quarantined", "duplicates"))
            print(f"  {currency or 'no currency'} {total} read = {' + '.join(parts)}")
    for kind, meaning in (("quarantined", "reason"), ("remarks", "meaning")):
        for why in dataset[kind]:
            print(f"  {why['table']}: {why['n']:,} {why['code']}: {why[meaning]}")
    is_named = dataset["people"] == "named"
    print("people are named: keep the folder to those who may know" if is_named else "people have pseudonyms")
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
    if "opportunities" in missing:
        print("the notebooks are about deals: in one, ask `bottlenecks.directly_follows(snapshot, process=…)` and its kin")
        return 0
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
    from .. import sources

    findings = sources.check(arguments.data)
    if len(findings):
        print("references that lead nowhere:")
        print(findings.to_string(index=False))
    print(f"{arguments.data}: every table obeys its schema")
    return 0


def _forget(arguments: argparse.Namespace) -> int:
    from .. import sources

    found = sources.forget(arguments.person, arguments.data, kind=arguments.kind, say=print)
    for table, n in found.rows.items():
        print(f"{table}: {n:,} rows changed")
    print(f"forgotten in {arguments.data}; rows and amounts are as they were" if found.rows else "was forgotten before")
    print("the CRM, the export and what was set aside beside the folder may still hold the person: delete it there, too")
    if arguments.runs is not None:
        left = sources.mentions(arguments.runs, found.texts)
        print(f"{len(left)} runs below {arguments.runs} mention the person{': run them again or delete them' if left else ''}")
        for folder in left:
            print(f"  {folder}")
        if any("closed" in folder.relative_to(arguments.runs).parts for folder in left):
            print("a closed quarter keeps whom it paid, under the name of then: it is a record of pay and never changes")
    return 0


def _reveal(arguments: argparse.Namespace) -> int:
    from .. import sources

    for person in sources.reveal(arguments.mapping, arguments.source, arguments.pseudonyms).itertuples():
        print(f"{person.pseudonym} {person.kind} {person.identifier}")
    return 0
