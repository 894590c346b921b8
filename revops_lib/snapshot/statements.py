"""What the gate asks, in SQL: windows, aggregates and comparisons only, so that another engine can answer the same text."""

from collections.abc import Collection
from dataclasses import dataclass

from .. import tables

# One row per change of one field, with the time and value of the next change. $cutoff: nothing later exists.
CHANGES = """
SELECT opportunity_id, field, old_value, new_value, changed_at, changed_by, change_no,
       lead(changed_at) OVER following AS next_at,
       lead(new_value) OVER following AS next_value
FROM opportunity_history
WHERE changed_at < $cutoff
WINDOW following AS (PARTITION BY opportunity_id, field ORDER BY changed_at, change_no)
"""

# A value holds at the end of a day when it was written before the day ended and replaced, if at all, on a later one.
HOLDS = "{spell}.changed_at < {day}.cutoff AND ({spell}.next_at IS NULL OR {spell}.next_at >= {day}.cutoff)"

# One row per asked day and opportunity that has a stage history and was known by then: its stage and status at the end of that
# day. `is_certain`: whether an exported value holds on that day (see UNLOGGED).
LOGGED = f"""
SELECT days.day, days.cutoff, spells.opportunity_id, TRUE AS is_logged, spells.changed_at AS stage_since,
       spells.new_value AS h_stage, spells.status, days.is_last OR spells.status <> 'open' AS is_certain
FROM days
JOIN (SELECT changes.opportunity_id, changes.changed_at, changes.next_at, changes.new_value,
             coalesce(stages.status, 'open') AS status
      FROM ({CHANGES}) AS changes LEFT JOIN stages ON stages.stage = changes.new_value
      WHERE changes.field = 'stage' AND changes.new_value IS NOT NULL) AS spells
  ON {HOLDS.format(spell="spells", day="days")}
"""

# What places a deal that has no stage history, the table `unlogged`. It is a statement of its own: an engine that met the days
# first would look at every deal on every day.
WITHOUT_HISTORY = """
SELECT opportunity_id, status, created_at, close_date FROM opportunities AS o WHERE NOT EXISTS
    (SELECT 1 FROM opportunity_history AS h WHERE h.field = 'stage' AND h.opportunity_id = o.opportunity_id)
"""

# The same for a deal without a stage history: it is placed by its creation and close dates. An exported value holds on a past
# day only when the deal had closed by then or the day is the last one the data cover; otherwise nobody knows since when it
# holds, and it is hidden.
UNLOGGED = """
SELECT days.day, days.cutoff, o.opportunity_id, FALSE AS is_logged, CAST(NULL AS TIMESTAMP) AS stage_since,
       CAST(NULL AS VARCHAR) AS h_stage,
       CASE WHEN o.close_date <= days.day OR (o.close_date IS NULL AND days.is_last) THEN o.status ELSE 'open' END AS status,
       CASE WHEN o.status = 'open' OR o.close_date IS NULL THEN days.is_last ELSE o.close_date <= days.day END AS is_certain
FROM days CROSS JOIN unlogged AS o
WHERE o.created_at < days.cutoff OR (o.created_at IS NULL AND days.is_last)
"""

# One row per asked day and opportunity known by then, those of one status or all. A further field comes from its own history.
STATES = """
SELECT {columns}
FROM (SELECT * FROM ({placed}) AS known WHERE {where}) AS placed
JOIN opportunities AS o ON o.opportunity_id = placed.opportunity_id
{fields}
"""
FIELD = f"""
LEFT JOIN (SELECT * FROM ({CHANGES}) AS changes WHERE field = '{{field}}') AS {{field}}_spells
  ON {{field}}_spells.opportunity_id = placed.opportunity_id AND {HOLDS.format(spell="{field}_spells", day="placed")}
"""
KINDS = {"amount": "DECIMAL(18, 2)", "close_date": "DATE"}  # what the text of a history is

# One row per currency and the months its rate holds: from `month` up to `until` (missing: still).
RATES = """
SELECT currency, month, rate, lead(month) OVER (PARTITION BY currency ORDER BY month) AS until FROM fx_rates
"""
# The amounts of opportunities in the company's currency: of a closed deal at the rate of its close date, of an open one at the
# rate of the day asked. No rate, no amount.
CONVERTED = f"""
SELECT {{columns}},
       CASE WHEN deals.currency = {{currency}} THEN deals.amount
            ELSE CAST(round(deals.amount * rates.rate, 2) AS DECIMAL(18, 2)) END AS amount,
       {{currency}} AS currency,
       CAST(deals.amount AS VARCHAR) AS amount_written, deals.currency AS currency_written
FROM (SELECT *, CASE WHEN status <> 'open' AND close_date < day THEN close_date ELSE day END AS dated FROM ({{deals}}) AS known)
     AS deals
LEFT JOIN ({RATES}) AS rates
  ON rates.currency = deals.currency AND rates.month <= deals.dated AND (rates.until IS NULL OR deals.dated < rates.until)
"""
WRITTEN = ("amount_written", "currency_written")  # what CONVERTED adds


@dataclass(frozen=True)
class Source:
    """What differs between sources: the company's `own` columns, the fields `tracked` by the history, the company's currency
    and whether amounts are converted to it."""

    own: tuple[str, ...]
    tracked: tuple[str, ...]
    currency: str
    is_converted: bool

    @property
    def columns(self) -> list[str]:
        """The columns of `states` beside `day`."""
        return [*tables.table("opportunities").names, "stage_since", *self.own, *(WRITTEN if self.is_converted else ())]


def states(
    columns: Collection[str], source: Source, *, status: str | None, placed: str = f"{LOGGED} UNION ALL {UNLOGGED}"
) -> str:
    """The statement for opportunities at the end of the asked days: `day`, `opportunity_id` and these columns, unordered."""
    converted = ("amount", "currency", *WRITTEN)
    if not source.is_converted or not set(columns) & set(converted):
        return _states(columns, source, status, placed)
    plain = [column for column in columns if column not in converted]
    deals = _states(dict.fromkeys([*plain, "status", "close_date", "amount", "currency"]), source, status, placed)
    kept = ", ".join(f'deals."{column}"' for column in dict.fromkeys(["day", "opportunity_id", *plain]))
    return CONVERTED.format(deals=deals, currency=f"'{source.currency}'", columns=kept)


def _states(columns: Collection[str], source: Source, status: str | None, placed: str) -> str:
    own_history = [column for column in columns if column in source.tracked and column != "stage"]
    chosen = {column: _expression(column, source) for column in ("opportunity_id", *columns)}
    return STATES.format(
        columns=", ".join(["placed.day", *(f'{expression} AS "{column}"' for column, expression in chosen.items())]),
        placed=placed,
        where=f"status = '{status}'" if status else "TRUE",
        fields="".join(FIELD.format(field=field) for field in own_history),
    )


def _expression(column: str, source: Source) -> str:
    """What a column of `states` is: a tracked field comes from its history, another one as exported."""
    if column in ("status", "stage_since"):
        return f"placed.{column}"
    if column == "lost_reason":
        return "CASE WHEN placed.status = 'lost' THEN o.lost_reason END"
    if column not in tables.TRACKED:
        return f'o."{column}"'
    # A rep is assigned at creation: without a history the export's owner is the best that is known, said in `limits`.
    exported = "o.owner_id" if column == "owner_id" else f"CASE WHEN placed.is_certain THEN o.{column} END"
    if column not in source.tracked:
        return exported
    value = "placed.h_stage" if column == "stage" else f"{column}_spells.new_value"
    value = f"CAST({value} AS {KINDS[column]})" if column in KINDS else value
    return f"CASE WHEN placed.is_logged THEN {value} ELSE {exported} END"
