"""Deals counted and added up at the end of many days, in SQL, without a row per day and deal.

Every change gets the number of the first asked day that knows it (`half_days`), every deal a number, every text a number
(`words`). One narrow window over the history then turns changes into spans of days, and spans that agree are counted together
before they meet the days.
"""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from .. import tables
from .statements import KINDS, UNLOGGED, Source, states

HALF_DAY = 43_200  # seconds

# The texts that get a number: stages with their status, values of the group's column.
WORDS = """
SELECT CAST(row_number() OVER (ORDER BY field, word) AS INTEGER) AS code, field, word,
       coalesce(stages.status, 'open') AS status
FROM (SELECT DISTINCT field, new_value AS word FROM opportunity_history WHERE field IN ('stage', '{moves}')
      UNION ALL SELECT DISTINCT '(fixed)', {fixed} FROM opportunities AS o) AS words
LEFT JOIN stages ON stages.stage = word
WHERE word IS NOT NULL
"""
# One row per deal and span of asked days, from `no` to before `until`, in which nothing changes. Columns are few, for the
# window holds the whole history. Code 0 and the smallest amount stand for a value taken away, to tell it from one not changed.
SPANS = """
SELECT is_foreign, no, coalesce(lead(no) OVER steps, $n_days + 1) AS until, last_value(stage IGNORE NULLS) OVER steps AS stage,
       nullif(last_value(amount IGNORE NULLS) OVER steps, -9999999999999999.99) AS amount{member}
FROM (SELECT deals.deal, deals.is_foreign, h.changed_at, h.change_no,
             CASE WHEN half_days.no IS NULL THEN 1
                  WHEN h.changed_at < half_days.cutoff THEN half_days.no ELSE half_days.no + 1 END AS no,
             CASE WHEN h.field = 'stage' THEN coalesce(words.code, 0) END AS stage,
             CASE WHEN h.field = 'amount' THEN coalesce(CAST(h.new_value AS DECIMAL(18, 2)), -9999999999999999.99) END AS amount
             {changed}
      FROM opportunity_history AS h
      JOIN (SELECT o.opportunity_id, o.currency <> $currency AS is_foreign,
                   CAST(row_number() OVER () AS INTEGER) AS deal{numbered} FROM opportunities AS o) AS deals
        ON deals.opportunity_id = h.opportunity_id
      LEFT JOIN words ON words.field = h.field AND words.word = h.new_value
      LEFT JOIN half_days ON half_days.half_day = CAST(floor(epoch(h.changed_at) / $half_day) AS BIGINT)
      WHERE h.changed_at < $cutoff AND h.field IN ('stage', 'amount', '{moves}')) AS changes
WINDOW steps AS (PARTITION BY deal ORDER BY changed_at, change_no ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
"""
COUNTED = f"""
SELECT days.day, words.word AS member, spans.n, spans.n_priced, spans.amount, spans.n_foreign
FROM (SELECT no, until, {{code}} AS code, count(*) AS n, count(amount) AS n_priced, sum(amount) AS amount,
             sum(CASE WHEN is_foreign AND amount IS NOT NULL THEN 1 ELSE 0 END) AS n_foreign
      FROM ({SPANS}) AS spans
      WHERE no < until AND stage IN (SELECT code FROM words WHERE field = 'stage' AND status = '{{status}}')
      GROUP BY no, until, {{code}}) AS spans
JOIN days ON spans.no <= days.no AND days.no < spans.until
LEFT JOIN words ON words.code = spans.code
"""
# The same from one row per day and opportunity.
ADDED = """
SELECT day, CAST("{by}" AS VARCHAR) AS member, count(*) AS n, count(amount) AS n_priced, sum(amount) AS amount,
       sum(CASE WHEN currency <> $currency AND amount IS NOT NULL THEN 1 ELSE 0 END) AS n_foreign
FROM ({states}) AS states GROUP BY day, "{by}"
"""
TOTALS = """
SELECT day, member, CAST(sum(n) AS BIGINT) AS n, CAST(sum(n_priced) AS BIGINT) AS n_priced,
       CAST(sum(amount) AS DECIMAL(18, 2)) AS amount, CAST(sum(n_foreign) AS BIGINT) AS n_foreign
FROM ({counted}) AS counted GROUP BY day, member ORDER BY day, member NULLS LAST
"""


def totals(by: str, source: Source, *, status: str) -> str:
    """The statement for number and sum of the deals of one status at the end of the asked days, per day and value of `by`.

    What the history tells is counted in spans. What only the export tells, or the rate of a day converts, is added up day by
    day.
    """
    columns = dict.fromkeys([by, "amount", "currency"])
    if not _is_told_by_history(by, source):
        return TOTALS.format(counted=ADDED.format(by=by, states=states(columns, source, status=status)))
    counted = COUNTED.format(status=status, **_pieces(by, source))
    exported = states(columns, replace(source, tracked=()), status=status, placed=UNLOGGED)
    return TOTALS.format(counted=f"{counted} UNION ALL {ADDED.format(by=by, states=exported)}")


def words(by: str, source: Source) -> str:
    """The statement for the table `words` that `totals` reads."""
    pieces = _pieces(by, source)
    return WORDS.format(moves=pieces["moves"], fixed=pieces["fixed"])


def half_days(cutoffs: pd.Series) -> pd.DataFrame:
    """Every twelve hours, in UTC, that asked days (sorted instants) cover: `half_day`, the number `no` of the first asked day
    that ends in them or later, and its `cutoff`. No two days end within the same twelve hours."""
    ends = cutoffs.astype("datetime64[s]").astype("int64") // HALF_DAY
    half_day = pd.RangeIndex(ends.min(), ends.max() + 1) if len(ends) else pd.RangeIndex(0)
    position = ends.searchsorted(half_day)
    return pd.DataFrame({"half_day": half_day, "no": (position + 1).astype("int32"), "cutoff": cutoffs.to_numpy()[position]})


def _is_told_by_history(by: str, source: Source) -> bool:
    told = {"stage", "amount", *([by] if by in tables.TRACKED else [])} <= set(source.tracked)
    is_read_from_day = by in ("status", "stage_since", "lost_reason", *KINDS)
    return told and not is_read_from_day and not source.is_converted


def _pieces(by: str, source: Source) -> dict[str, str]:
    """What the statements hold for a group that is the stage, moves with the history, or is a fixed column of the deal."""
    pieces = {"moves": "stage", "fixed": "CAST(NULL AS VARCHAR)", "code": "stage", "member": "", "changed": "", "numbered": ""}
    if by == "stage":
        return pieces
    if by in source.tracked:
        changed = f", CASE WHEN h.field = '{by}' THEN coalesce(words.code, 0) END AS member"
        member = ", last_value(member IGNORE NULLS) OVER steps AS member"
        return {**pieces, "moves": by, "code": "member", "member": member, "changed": changed}
    fixed = f'CAST(o."{by}" AS VARCHAR)'
    numbered = f", (SELECT code FROM words WHERE field = '(fixed)' AND word = {fixed}) AS member"
    return {**pieces, "fixed": fixed, "code": "member", "member": ", member", "changed": ", deals.member", "numbered": numbered}
