"""The gate: state of every table as known at the end of one day. The only place that decides "known when?".

Canonical tables are Parquet files; the questions are SQL (`statements`), run by DuckDB inside the process. Above the gate
everything is pandas.

An event is known when it was recorded before the day ended in the company's time zone. Where a source has no history the
gate does not guess: what carries no date is hidden from past days and `limits` says so in sentences.
"""

from __future__ import annotations

import copy
import datetime as dt
import hashlib
import re
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow.parquet as pq

from .. import __version__, money, periods, sources, tables
from ..errors import DataRefused, NoHistory, UsageError, nearest
from . import counting, plans, statements
from .plans import ROOT
from .statements import CHANGES, WITHOUT_HISTORY, Source


class Snapshot:
    """What was known of a company at the end of the day `as_of`. Analyses accept nothing else.

    `data` is a dataset folder (relative paths are relative to the repository), `quarter` the fiscal quarter looked at.
    Without `as_of` it is the quarter's last day, or the last day the data cover when that is earlier.

    >>> snapshot = Snapshot("data/sample", quarter="2026Q3")
    >>> snapshot.as_of.isoformat()
    '2026-09-30'
    """

    def __init__(self, data: str | Path = "data/sample", *, quarter: str, as_of: str | dt.date = "") -> None:
        self.data = str(data)
        self.directory = ROOT / data
        self.dataset: dict[str, Any] = sources.read_dataset(self.directory)
        self.timezone: str = self.dataset["timezone"]
        self.currency: str = self.dataset["currency"]
        self.fiscal_year_end: str = self.dataset["fiscal_year_end"]
        self.known_until = periods.day(self.dataset["known_until"])
        self.quarter = periods.quarter(quarter, self.fiscal_year_end)
        self.as_of = periods.day(as_of) if as_of else min(periods.last_day(self.quarter), self.known_until)
        if self.as_of > self.known_until:
            raise UsageError(
                f"the data cover nothing after {self.known_until}, asked as of {self.as_of}",
                f"data {self.data}",
                f"use as_of {self.known_until} or import a newer export",
            )
        self.cutoff = periods.cutoff(self.as_of, self.timezone)
        self.tracked: tuple[str, ...] = tuple(self.dataset["tracked"])
        self.kept: dict[tuple[str, ...], Any] = {}  # what analyses have computed of it and ask for again
        self._shown: set[str] = set()  # tables that the engine sees

    def looking_at(self, quarter: pd.Period) -> Snapshot:
        """The same knowledge on the same day, about another quarter; what is read already is not read again."""
        self._connection  # noqa: B018 — opened here, it is the same for both, as are the tables shown to it
        other = copy.copy(self)
        other.quarter, other.kept = quarter, {}
        return other

    def has(self, table: str) -> bool:
        """Whether the source brought this table."""
        return (self.directory / f"{tables.table(table).name}.parquet").exists()

    def require_history(self, field: str = "stage") -> None:
        """NoHistory unless the source says when `field` changed."""
        if field not in self.tracked:
            raise NoHistory(
                f"this source has no history of the field {field}",
                f"data {self.data}",
                "export the change history too, or keep dated copies of the export",
            )

    def table(self, name: str) -> pd.DataFrame:
        """The canonical table `name` as known: rows dated later are absent, later dates and what came with them missing.

        `opportunities` comes with `stage_since` (instant; missing without a stage history).
        """
        if name == "opportunities":
            return self.opportunities
        frame = _canonical(name, self._ask(self._visible(name)))
        if name in ("credits", "contracts"):  # neither carries a date: it counts from the day its deal is known as won
            won = self.opportunities.loc[self.opportunities["status"] == "won", "opportunity_id"]
            # As objects: `isin` of Arrow strings takes every value apart.
            frame = frame[frame["opportunity_id"].astype("object").isin(won.astype("object"))].reset_index(drop=True)
        return frame

    @cached_property
    def opportunities(self) -> pd.DataFrame:
        """Opportunities as known, one row per opportunity, with `stage_since` (instant of the current stage's start).

        DataRefused when none was known yet.
        """
        deals = self.states([self.as_of]).drop(columns="day")
        if deals.empty:
            raise DataRefused(f"no opportunity was known on {self.as_of}", f"data {self.data}", "ask a later day")
        return deals

    def require_one_currency(self) -> None:
        """DataRefused when amounts of opportunities are in several currencies: they cannot be summed."""
        deals = self.opportunities
        currencies = sorted({*deals.loc[deals["amount"].notna(), "currency"].dropna().unique(), self.currency})
        if len(currencies) > 1:
            raise self._several_currencies(currencies)

    def _several_currencies(self, currencies: Sequence[str] = ("several currencies",)) -> DataRefused:
        return DataRefused(
            f"amounts in {' and '.join(currencies)} cannot be summed",
            f"data {self.data}, table opportunities",
            f"declare `fx` in the mapping: a file of rates to {self.currency}, such as data/plans/fx.csv",
        )

    def states(
        self, days: Sequence[dt.date], *, status: str | None = None, columns: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """Opportunities at the end of several past days, one row per day and opportunity known by then.

        Columns: those of `opportunities`, and `day`; with `columns` only day, opportunity_id and these, in this order. With
        `status` only deals that were open, won or lost on the day. Many days cost little when both say what is needed. A day
        after `as_of` is a UsageError: it is not known yet.

        >>> snapshot = Snapshot("data/sample", quarter="2026Q3")
        >>> snapshot.states([dt.date(2025, 12, 31)], status="open", columns=["stage", "amount"]).columns.tolist()
        ['day', 'opportunity_id', 'stage', 'amount']
        """
        if status is not None:
            _require_among(status, tables.STATUSES, "status")
        for column in columns or ():
            _require_among(column, ["day", *self._source.columns], "column")
        wanted = [name for name in self._source.columns if columns is None or name in columns]
        statement = statements.states(wanted, self._source, status=status) + "ORDER BY day, opportunity_id"
        answer = _canonical(
            "opportunities", self._ask(statement, {"days": self._calendar(days), "unlogged": self._without_history})
        )
        return answer if columns is None else answer[[*dict.fromkeys(["day", "opportunity_id", *columns])]]

    def totals(self, days: Sequence[dt.date], *, status: str = "open", by: str = "stage") -> pd.DataFrame:
        """Deals of one status at the end of each day, counted and added up: one row per day and value of `by` that had any.

        Columns: day, member (value of `by`, a column of `opportunities`; a missing one reads "(unknown)"), n (deals), n_priced
        (those with an amount), amount (their exact sum; missing when none has one). It equals grouping `states`, without a
        row per day and deal. DataRefused when amounts are in several currencies.

        >>> snapshot = Snapshot("data/sample", quarter="2026Q3")
        >>> totals = snapshot.totals([dt.date(2026, 6, 30), dt.date(2026, 9, 30)])
        >>> totals.columns.tolist(), totals["day"].nunique()
        (['day', 'member', 'n', 'n_priced', 'amount'], 2)
        """
        _require_among(status, tables.STATUSES, "status")
        _require_among(by, self._source.columns, "column")
        calendar = self._calendar(sorted(set(days)))
        cutoffs = calendar["cutoff"].drop_duplicates(ignore_index=True)
        half_days, words = counting.half_days(cutoffs), self._ask(counting.words(by, self._source))
        answer = self._ask(
            counting.totals(by, self._source, status=status),
            {"days": calendar, "unlogged": self._without_history, "half_days": half_days, "words": words},
            cutoff=cutoffs.max() if len(cutoffs) else self.cutoff, n_days=len(cutoffs), half_day=counting.HALF_DAY,
            currency=self.currency,
        )  # fmt: skip
        found = answer.to_pandas(types_mapper=_mapper)
        if found["n_foreign"].gt(0).any():
            raise self._several_currencies()
        member = found["member"].astype("object").fillna("(unknown)").astype("str")
        return found.assign(day=found["day"].astype("datetime64[us]"), member=member).drop(columns="n_foreign")

    @cached_property
    def history(self) -> pd.DataFrame:
        """Changes of opportunities recorded by then, one row per change of one field, in order."""
        return self.table("opportunity_history")

    def spells(self, field: str = "stage") -> pd.DataFrame:
        """Time between changes, one row per opportunity and value of `field`.

        Columns: opportunity_id, value, from_at, to_at (missing: still so at the cutoff), next_value. Raises NoHistory.
        """
        self.require_history(field)
        statement = f"""
        SELECT opportunity_id, new_value AS value, changed_at AS from_at, next_at AS to_at, next_value
        FROM ({CHANGES}) AS changes WHERE field = $field ORDER BY opportunity_id, changed_at, change_no
        """
        return self._ask(statement, field=field).to_pandas()

    def members(self, deals: pd.DataFrame, by: str) -> pd.Series:
        """The group each opportunity belongs to, aligned with `deals`: a column of opportunities (the company's own ones
        too), of accounts, of products (`family`) or of the owner's assignment (`team`, `role`, `region`, `manager_id`), as
        far as `deals` name one. A missing one reads "(unknown)"."""
        lookups = self._lookups
        if by in deals:
            found = deals[by]
        else:
            keys = [key for key, lookup in lookups.items() if by in lookup and key in deals]
            if not keys:
                names = [*deals.columns, *(column for lookup in lookups.values() for column in lookup)]
                raise UsageError(f"cannot group by {by!r}", "by", nearest(by, names))
            filled = next((key for key in keys if lookups[key][by].notna().any()), keys[0])
            found = deals[filled].map(lookups[filled][by])
        return found.astype("object").where(found.notna(), "(unknown)").astype("str")

    @cached_property
    def _lookups(self) -> dict[str, pd.DataFrame]:
        """What accounts, products and owners (by their latest assignment) say of an opportunity, by the column naming them."""
        assigned = self.table("reps").sort_values("start_date", na_position="first").drop_duplicates("rep_id", keep="last")
        return {
            "account_id": self.table("accounts").set_index("account_id"),
            "product_id": self.table("products").set_index("product_id")[["family"]],
            "owner_id": assigned.set_index("rep_id")[["team", "role", "region", "manager_id"]],
        }

    def plan(self, name: str, *, on: dt.date | None = None) -> dict[str, Any]:
        """A plan file (`plans/` beside the data, else `data/plans/`) with every dated value as in force on a day; without one
        when the quarter began, so that later looks at the quarter do not change its rates."""
        return plans.in_force(sources.read_yaml(plans.plan_file(self, name)), on or periods.first_day(self.quarter), name)

    def plan_lines(self, name: str) -> dict[tuple[str | int, ...], int]:
        """The line of the plan file on which each value of `plan` stands, by the keys and places that lead to it."""
        return sources.yaml_lines(plans.plan_file(self, name))

    def dictionary(self, name: str) -> tuple[dict[str, Any], dict[tuple[str | int, ...], int]]:
        """A dictionary of definitions (`<name>.yml` beside the data, else in `data/`), and the line of each of its values."""
        own = self.directory / f"{name}.yml"
        path = own if own.exists() else ROOT / "data" / f"{name}.yml"
        return sources.read_yaml(path), sources.yaml_lines(path)

    @cached_property
    def undated(self) -> int:
        """Opportunities without a creation date: known only on the last day the data cover, absent from earlier days."""
        count = self._ask("SELECT count(*) AS n FROM opportunities WHERE created_at IS NULL").to_pandas()["n"].iloc[0]
        return 0 if self.as_of >= self.known_until else int(count)

    @cached_property
    def undated_closings(self) -> tuple[int, int]:
        """Opportunities exported as closed but without a close date, which stand as open on earlier days; and all closed ones;
        of those created by then."""
        counts = self._ask(
            "SELECT count(*) - count(close_date) AS undated, count(*) AS closed FROM opportunities "
            "WHERE status <> 'open' AND (created_at IS NULL OR created_at < $cutoff)"
        ).to_pandas()
        return int(counts["undated"].iloc[0]), int(counts["closed"].iloc[0])

    @cached_property
    def unlogged(self) -> int:
        """Opportunities of the snapshot without a stage history."""
        logged = self._ask("SELECT DISTINCT opportunity_id FROM opportunity_history WHERE field = 'stage'").to_pandas()
        return int((~self.opportunities["opportunity_id"].isin(logged["opportunity_id"])).sum())

    @cached_property
    def contradictions(self) -> pd.DataFrame:
        """Where the export contradicts its history or the calendar: opportunity_id, what ("stage": the history ends in
        another stage; "future": closed after the last day the data cover). Known on that last day only, empty before."""
        if self.as_of < self.known_until:
            return pd.DataFrame({"opportunity_id": pd.Series(dtype="str"), "what": pd.Series(dtype="str")})
        statement = f"""
        SELECT o.opportunity_id, 'stage' AS what FROM opportunities AS o
        JOIN ({CHANGES}) AS last ON last.opportunity_id = o.opportunity_id
        WHERE last.field = 'stage' AND last.next_at IS NULL AND o.stage <> last.new_value
        UNION ALL
        SELECT opportunity_id, 'future' FROM opportunities
        WHERE status <> 'open' AND close_date > DATE '{self.known_until}'
        """
        return self._ask(statement).to_pandas()

    @cached_property
    def first_complete_quarter(self) -> pd.Period | None:
        """The first quarter whose closed deals are all there: it began when outcomes were already kept (two weeks of grace).
        None without a closed deal."""
        if self.outcomes_since is None:
            return None
        return periods.quarter_of(self.outcomes_since - dt.timedelta(days=14), self.fiscal_year_end) + 1

    @cached_property
    def outcomes_since(self) -> dt.date | None:
        """The day from which closed deals are there; many exports hold deals created long before the first outcome they kept.

        It is the first of three closings within thirty days, so that one mistyped date does not move it; None without a
        closed deal.
        """
        deals = self.opportunities
        closed = deals.loc[(deals["status"] != "open") & deals["close_date"].notna(), "close_date"].sort_values(
            ignore_index=True
        )
        if closed.empty:
            return None
        dense = closed[(closed.shift(-2) - closed).dt.days <= 30]
        return (dense if len(dense) else closed).iloc[0].date()

    @cached_property
    def limits(self) -> list[str]:
        """What this source cannot tell, in sentences."""
        found = []
        if "stage" not in self.tracked:
            found.append(
                "This source has no stage history: it says when a deal was created and closed, not when it changed stage."
            )
        if self.unlogged and "stage" in self.tracked:
            found.append(
                f"{self.unlogged:,} opportunities have no stage history: they are placed by their creation and close dates."
            )
        since = self.dataset.get("history_since")
        if since and self.opportunities["created_at"].lt(pd.Timestamp(since)).any():
            found.append(
                f"The history begins on {since}: for deals created before, the stage until their first logged change is "
                "deduced from that change, and earlier steps are not known."
            )
        if self.as_of < self.known_until and "amount" not in self.tracked:
            found.append(
                f"What was known on {self.as_of} is rebuilt from creation and close dates; stage, amount and close date "
                "of deals open on that day are not known, owner and account are as in the export."
            )
        if self.undated:
            found.append(
                f"{self.undated:,} opportunities have no creation date and cannot be placed before {self.known_until}."
            )
        if unpriced := self._unpriced:
            found.append(f"{unpriced:,} opportunities are in a currency without exchange rate: their amount is missing.")
        return found

    @property
    def _unpriced(self) -> int:
        """Opportunities whose amount is known in another currency only."""
        deals = self.opportunities
        return int((deals["amount"].isna() & deals["amount_written"].notna()).sum()) if "amount_written" in deals else 0

    def lacking(self, *names: str) -> list[str]:
        """A sentence for each of the named tables (default: all that an analysis may read) that the source did not bring."""
        wanted = names or ("leads", "products", "reps", "forecast_submissions", "quotas", "credits", "subscriptions")
        return [f"This source has no {name.replace('_', ' ')}." for name in wanted if not self.has(name)]

    @cached_property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits of what was known: equal knowledge, equal fingerprint; later data do not change it."""
        parts = []
        for name in filter(self.has, tables.TABLES):
            frame = self.table(name)
            amounts = {c: frame[c].astype("float64") for c in frame if frame[c].dtype in (money.DTYPE, money.RATE)}
            rows = pd.util.hash_pandas_object(frame.assign(**amounts), index=False).sort_values()
            parts.append(f"{name}:{len(frame)}:{hashlib.sha256(rows.to_numpy().tobytes()).hexdigest()}")
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]

    @cached_property
    def newest(self) -> pd.Timestamp:
        """The latest instant among everything known: always before the cutoff; NaT when nothing is."""
        deals = self.opportunities
        closed = deals.loc[deals["status"] != "open", "close_date"]
        instants = [
            deals["created_at"].max(),
            self.history["changed_at"].max(),
            closed[closed <= pd.Timestamp(self.as_of)].max(),
        ]
        return max((instant for instant in instants if pd.notna(instant)), default=pd.NaT)

    @property
    def stamp(self) -> dict[str, str]:
        """Where every number comes from: quarter, as-of day, data, fingerprint, library version."""
        return {
            "quarter": str(self.quarter),
            "as_of": self.as_of.isoformat(),
            "data": self.data,
            "fingerprint": self.fingerprint,
            "library": __version__,
            "currency": self.currency,
        }

    def __repr__(self) -> str:
        return " · ".join(f"{key} {value}" for key, value in self.stamp.items())

    @cached_property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        """One in-process engine."""
        connection = duckdb.connect()
        with suppress(duckdb.InvalidInputException):  # in a notebook without widgets there is no bar to switch off
            connection.execute("SET enable_progress_bar = false")  # it would print when a statement takes seconds
        return connection

    def _show(self, statement: str) -> None:
        """Let the engine see each table that a statement names: the Parquet file as a view; a table the source lacks is there
        without rows."""
        for name in {*re.findall(r"\w+", statement)} & tables.TABLES.keys() - self._shown:
            if self.has(name):
                self._connection.read_parquet(str(self.directory / f"{name}.parquet")).create_view(name)
            else:
                self._connection.register(name, tables.empty(name))
            self._shown.add(name)

    @cached_property
    def _source(self) -> Source:
        names = tables.table("opportunities").names
        own = tuple(column for column in self._columns("opportunities") if column not in names)
        return Source(own, self.tracked, self.currency, self.has("fx_rates"))

    @cached_property
    def _without_history(self) -> Any:
        return self._ask(WITHOUT_HISTORY)

    def _calendar(self, days: Sequence[dt.date]) -> pd.DataFrame:
        """The table `days` of the statements, one row per asked day: day, cutoff (the instant it ends), no (order of the
        cutoffs, from 1), is_last (nothing later is known). A day after `as_of` is a UsageError."""
        late = [day for day in days if day > self.as_of]
        if late:
            raise UsageError(f"{late[0]} lies after the snapshot's day", f"snapshot as of {self.as_of}", "ask an earlier day")
        cutoffs = pd.Series([periods.cutoff(day, self.timezone) for day in days], dtype="datetime64[us]")
        return pd.DataFrame(
            {
                "day": pd.to_datetime(list(days)).as_unit("us"),
                "cutoff": cutoffs,
                "no": cutoffs.rank(method="dense").astype("int64"),
                "is_last": pd.Series([day >= self.known_until for day in days], dtype="bool"),
            }
        )

    def _ask(self, statement: str, beside: dict[str, Any] | None = None, **values: Any) -> Any:
        """Run one statement over the dataset, and frames `beside` it, and hand the answer up as an Arrow table."""
        self._show(statement)
        for name, frame in (beside or {}).items():
            self._connection.register(name, frame)
        used = {key: value for key, value in {"cutoff": self.cutoff, **values}.items() if f"${key}" in statement}
        return self._connection.sql(statement, params=used).to_arrow_table()

    def _columns(self, name: str) -> list[str]:
        """Columns of a table as stored, the company's own ones included."""
        if not self.has(name):
            return tables.table(name).names
        return list(pq.read_schema(self.directory / f"{name}.parquet").names)

    def _visible(self, name: str) -> str:
        """The statement for a table other than opportunities: rows and dates later than the cutoff are hidden."""
        spec = tables.table(name)
        hidden_by = {column: date for date, columns in spec.dated.items() for column in (date, *columns)}

        def is_known(column: str) -> str:
            if spec.column(column).kind == "instant":
                return f'"{column}" < $cutoff'
            return f"\"{column}\" <= DATE '{self.as_of}'"

        columns = [
            f'CASE WHEN {is_known(hidden_by[c])} THEN "{c}" END AS "{c}"' if c in hidden_by else f'"{c}"'
            for c in self._columns(name)
        ]
        where = f'"{spec.known_at}" IS NULL OR {is_known(spec.known_at)}' if spec.known_at else "TRUE"
        if "quarter" in spec.names and not spec.known_at:
            where = f"quarter <= '{periods.quarter_of(self.as_of + dt.timedelta(days=1), self.fiscal_year_end)}'"
        order = ", ".join(f'"{column}"' for column in spec.key)
        return f"SELECT {', '.join(columns)} FROM {name} WHERE {where} ORDER BY {order}"


def _canonical(name: str, answer: Any) -> pd.DataFrame:
    """The answer in canonical types; columns the gate adds (day, stage_since) come along."""
    added = [column for column in ("day", "stage_since") if column in answer.column_names]
    frame = answer.drop(added).to_pandas(types_mapper=_mapper)
    result = tables.conform(name, frame)
    for column in added:
        result[column] = answer.column(column).to_pandas().astype("datetime64[us]")
    return result


def _mapper(kind: Any) -> Any:
    """Decimals stay exact on the way to pandas."""
    return pd.ArrowDtype(kind) if "decimal" in str(kind) else None


def _require_among(name: str, valid: Sequence[str], what: str) -> None:
    if name not in valid:
        raise UsageError(f"unknown {what} {name!r}", "opportunities", nearest(name, valid))
