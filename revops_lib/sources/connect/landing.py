"""What has been fetched so far, and the files it becomes.

A private DuckDB file in `.state` keeps every table in text, with the moment up to which it was read. A resource enters it
in one transaction or not at all; the Parquet files beside it are replaced only when every resource is complete.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb
import pyarrow

from ...errors import CannotWrite, DataRefused
from .connector import Connector, Resource
from .rows import Row, column, declared

_BATCH = 10_000
_CHANGED, _NUMBER = "#changed", "#number"  # no column of a CRM is called so
# Without extensions, DuckDB looks for nothing on the network and nothing in the home folder.
_SETTINGS: dict[str, Any] = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}


@dataclass(frozen=True)
class Kept:
    """How many rows of a resource were read, and how many there are now."""

    read: int
    rows: int


class Landing:
    """The folder a CRM is fetched into; a context manager. Raises CannotWrite when it is not ours or cannot be written."""

    def __init__(self, to: Path, connector: Connector) -> None:
        self._to, self._connector = Path(to), connector
        self._state = self._to / ".state"
        if self._to.exists() and not self._state.is_dir() and (not self._to.is_dir() or any(self._to.iterdir())):
            raise CannotWrite("the folder holds something that was not fetched", str(to), "name an empty or new folder")
        with _writing(self._to):
            self._state.mkdir(parents=True, exist_ok=True)
            self._base = duckdb.connect(str(self._state / "landing.duckdb"), config=_SETTINGS)
            self._prepare()

    def __enter__(self) -> Landing:
        return self

    def __exit__(self, *_: object) -> None:
        self._base.close()

    def _prepare(self) -> None:
        self._base.execute("CREATE TABLE IF NOT EXISTS _crm (name VARCHAR, origin VARCHAR)")
        self._base.execute(
            "CREATE TABLE IF NOT EXISTS _resources (name VARCHAR PRIMARY KEY, question VARCHAR, read_until BIGINT)"
        )
        here = (self._connector.name, urlsplit(self._connector.url).netloc)
        there = self._base.execute("SELECT name, origin FROM _crm").fetchall()
        if not there:
            self._base.execute("INSERT INTO _crm VALUES (?, ?)", here)
        elif there != [here]:
            what = f"the folder holds {there[0][0]} of {there[0][1]}, the connector is {here[0]} of {here[1]}"
            self._base.close()
            raise CannotWrite(what, str(self._to), "name another folder")

    def read_until(self, resource: Resource) -> int | None:
        """Up to when a resource has been read, in milliseconds since 1970; None when it must be read from the start."""
        if resource.whole:
            return None
        found = self._base.execute(
            "SELECT read_until FROM _resources WHERE name = ? AND question = ?", (resource.name, self._question(resource))
        ).fetchall()
        return found[0][0] if found else None

    def holds(self, resource: Resource) -> bool:
        return bool(self._base.execute("SELECT 1 FROM _resources WHERE name = ?", (resource.name,)).fetchall())

    def collect(self, resource: Resource, rows: Iterable[tuple[int | None, Row]]) -> None:
        """Put rows and when each was changed aside; nothing is kept before `keep`."""
        with _writing(self._to):
            self._collect(resource, rows)

    def _collect(self, resource: Resource, rows: Iterable[tuple[int | None, Row]]) -> None:
        key = [column(name) for name in resource.key]
        columns = list(dict.fromkeys([*key, *declared(resource)]))
        known = ", ".join(f"{_quoted(name)} VARCHAR" for name in columns)
        self._base.execute(f'CREATE OR REPLACE TEMP TABLE incoming ("{_CHANGED}" BIGINT, "{_NUMBER}" BIGINT, {known})')
        present, number = set(columns), 0
        for batch in _batches(rows):
            for name in dict.fromkeys(name for _, row in batch for name in row):
                if name not in present:
                    self._base.execute(f"ALTER TABLE incoming ADD COLUMN {_quoted(name)} VARCHAR")
                    present.add(name)
            lacking = next((row for _, row in batch if not row.get(key[0])), None)
            if lacking is not None:
                where = f"{self._connector.path}, {resource.name}"
                raise DataRefused(f"a record has no {resource.key[0]}", where, f"correct `key`; it has {', '.join(lacking)}")
            self._insert(batch, number)
            number += len(batch)

    def _insert(self, batch: list[tuple[int | None, Row]], number: int) -> None:
        names = dict.fromkeys(name for _, row in batch for name in row)
        arrays = {name: _texts([row.get(name) for _, row in batch]) for name in names}
        arrays[_CHANGED] = pyarrow.array([changed for changed, _ in batch], pyarrow.int64())
        arrays[_NUMBER] = pyarrow.array(range(number, number + len(batch)), pyarrow.int64())
        self._base.register("batch", pyarrow.table(arrays))
        self._base.execute("INSERT INTO incoming BY NAME SELECT * FROM batch")
        self._base.unregister("batch")

    def keep(self, resource: Resource, read_until: int | None, ids: list[str]) -> Kept:
        """Merge what was collected into what is kept, on the key, in one transaction. Of two versions the newer stays.

        A resource that `replaces` loses all rows of the records `ids`, before it gets the new ones.
        """
        with _writing(self._to):
            return self._keep(resource, read_until, ids)

    def _keep(self, resource: Resource, read_until: int | None, ids: list[str]) -> Kept:
        table, key = _quoted(resource.name), [_quoted(column(name)) for name in resource.key]
        before = self.read_until(resource)
        match = " AND ".join(f"incoming.{name} IS NOT DISTINCT FROM kept.{name}" for name in key)
        gone = f"EXISTS (SELECT 1 FROM incoming WHERE {match})"
        if resource.replaces:
            self._base.register("again", pyarrow.table({"id": _texts([*ids])}))
            gone = f"kept.{_quoted(column(resource.replaces))} IN (SELECT id FROM again)"
        fresh = f"""SELECT * EXCLUDE ("{_CHANGED}", "{_NUMBER}") FROM incoming
            QUALIFY row_number() OVER (PARTITION BY {", ".join(key)} ORDER BY "{_CHANGED}" DESC, "{_NUMBER}" DESC) = 1"""
        old = f"SELECT * FROM {table} AS kept WHERE NOT {gone} UNION ALL BY NAME"
        until = max((moment for moment in (before, read_until) if moment is not None), default=None)
        self._base.begin()
        try:
            self._base.execute(f"CREATE OR REPLACE TABLE {table} AS {old if before is not None else ''} {fresh}")
            self._base.execute(
                "INSERT OR REPLACE INTO _resources VALUES (?, ?, ?)", (resource.name, self._question(resource), until)
            )
            self._base.commit()
        except BaseException:
            self._base.rollback()
            raise
        read = self._count(f"({fresh})")
        self._base.execute("DROP TABLE incoming")
        return Kept(read, self._count(table))

    def publish(self, resources: Iterable[Resource]) -> list[dict[str, Any]]:
        """Write a Parquet file per resource beside, then all into place; member, file, rows, deleted and columns of each."""
        known = {resource.name: resource for resource in resources}
        out = self._state / "out"
        with _writing(self._to):
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir()
            members = [self._write(resource, known, out) for resource in known.values() if not resource.hidden]
            for member in members:
                (out / member["file"]).replace(self._to / member["file"])
            self._forget(set(known), {member["member"] for member in members})
            shutil.rmtree(out)
        return members

    def _write(self, resource: Resource, known: dict[str, Resource], out: Path) -> dict[str, Any]:
        table, key = _quoted(resource.name), [column(name) for name in resource.key]
        there = [name for name, *_ in self._base.execute(f"DESCRIBE {table}").fetchall()]
        first = declared(resource)
        columns = [*first, *sorted(set(there) - set(first))]
        living = f"FROM {table} AS this WHERE {_alive(resource, 'this', known)}"
        order = ", ".join(_quoted(name) for name in key)
        chosen = ", ".join(_quoted(name) for name in columns)
        file = f"{resource.name}.parquet"
        target = str(out / file).replace("'", "''")
        self._base.execute(f"COPY (SELECT {chosen} {living} ORDER BY {order}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")
        rows = self._count(f"(SELECT 1 {living})")
        deleted = self._count(table) - rows
        if "unlisted" in resource.deleted and deleted and not rows:
            # More likely the list could not be read: believing it would empty the table without a word.
            what = f"{resource.deleted['unlisted']} is empty, as if all {deleted:,} rows of {resource.name} had been deleted"
            raise DataRefused(what, str(self._connector.path), "check what the login may read; else fetch into a new folder")
        return {"member": resource.name, "file": file, "rows": rows, "deleted": deleted, "columns": columns}

    def _forget(self, asked: set[str], published: set[str]) -> None:
        """What the connector asks for no longer would only grow old: its table and its file go."""
        for (name,) in self._base.execute("SELECT name FROM _resources").fetchall():
            if name not in asked:
                self._base.execute(f"DROP TABLE IF EXISTS {_quoted(name)}")
                self._base.execute("DELETE FROM _resources WHERE name = ?", (name,))
            if name not in published:
                (self._to / f"{name}.parquet").unlink(missing_ok=True)

    def _question(self, resource: Resource) -> str:
        """A digest of what is asked: when a field is added, rows that have not changed since must be read again, too."""
        asked = [resource] if resource.changed is None else [resource, self._connector.resource(resource.changed)]
        connector = [self._connector.url, self._connector.headers, sorted(self._connector.drop), self._connector.columns]
        described = [{**asdict(one), "optional": None, "hidden": None, "deleted": None, "parent": None} for one in asked]
        text = json.dumps([described, connector, str(self._connector.since)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def _count(self, table: str) -> int:
        return int(self._base.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])


def _alive(resource: Resource, this: str, known: dict[str, Resource]) -> str:
    """The condition under which a row is still there in the CRM, and what it belongs to is."""
    conditions = ["true"]
    if "column" in resource.deleted:
        conditions.append(f"{this}.{_quoted(column(resource.deleted['column']))} IS DISTINCT FROM 'true'")
    for how, found in (("listed", "NOT EXISTS"), ("unlisted", "EXISTS")):
        if how in resource.deleted:
            list_ = known[resource.deleted[how]]
            match = f"list.{_quoted(column(list_.key[0]))} = {this}.{_quoted(column(resource.key[0]))}"
            conditions.append(f"{found} (SELECT 1 FROM {_quoted(list_.name)} AS list WHERE {match})")
    for own, name in resource.parent.items():
        parent, alias = known[name], f"{this}_{name}"
        match = f"{alias}.{_quoted(column(parent.key[0]))} = {this}.{_quoted(column(own))}"
        gone = f"NOT ({_alive(parent, alias, known)})"
        conditions.append(f"NOT EXISTS (SELECT 1 FROM {_quoted(name)} AS {alias} WHERE {match} AND {gone})")
    return " AND ".join(conditions)


def _batches(rows: Iterable[tuple[int | None, Row]]) -> Iterator[list[tuple[int | None, Row]]]:
    waiting = iter(rows)
    while batch := list(islice(waiting, _BATCH)):
        yield batch


def _texts(values: list[str | None]) -> pyarrow.Array:
    try:
        return pyarrow.array(values, pyarrow.string())
    except (UnicodeEncodeError, pyarrow.ArrowInvalid):
        # Half of a character, as some CRMs cut texts in the middle of one.
        whole = [v if v is None else v.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for v in values]
        return pyarrow.array(whole, pyarrow.string())


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@contextmanager
def _writing(to: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, duckdb.IOException, duckdb.OutOfMemoryException) as failure:
        said = str(getattr(failure, "strerror", None) or failure).partition("\n")[0]
        if "set lock on file" in said:
            raise CannotWrite("another fetch is at work in the folder", str(to), "wait until it has ended") from failure
        if "not a valid DuckDB database" in said:
            do = "delete the folder; everything is read again then"
            raise CannotWrite("what was fetched earlier is damaged", str(to / ".state"), do) from failure
        raise CannotWrite(f"cannot write: {said}", str(to), "free space or choose another folder") from failure
