"""The board page: eight figures, their course, what changed and why, and the sentence on top."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from .. import periods, statistics
from ..errors import DataRefused
from ..snapshot import Snapshot
from .counted import Counted
from .definitions import definitions
from .usual import LOOKED_AT, usual
from .values import COLUMNS, table
from .words import between, change, inside, listed, said

TILES = ("bookings", "win_rate", "sales_velocity", "pipeline_coverage", "cycle_time", "average_deal", "nrr", "quota_attainment")
TILE_COLUMNS = ["kpi", "name", "value", "unit", "low", "high", "n", "previous", "year_ago", "change_year", "target", "status",
                "is_complete", "n_least"]  # fmt: skip
TREND_COLUMNS = ["kpi", "name", "quarter", "value", "unit", "low", "high", "n", "target", "is_complete", "n_least"]
YEAR = 4  # quarters
# The figures that a figure is made of, or moves with: its change is told by theirs.
PARTS = {
    "bookings": ("deals_won", "average_deal"),
    "win_rate": ("deals_won", "deals_lost"),
    "sales_velocity": ("deals_won", "average_deal", "cycle_time"),
    "average_deal": ("bookings", "deals_won"),
    "nrr": ("expansion_mrr", "contraction_mrr", "churned_mrr"),
    "quota_attainment": ("quota", "bookings"),
}


def tiles(
    snapshot: Snapshot, *, ids: Sequence[str] = TILES, level: float = 0.9, counted: Counted | None = None
) -> pd.DataFrame:
    """The figures of the snapshot's quarter, one row per KPI in the order asked, also where the source cannot tell it.

    Columns: kpi, name, value, unit, low, high (as `kpi` gives them), n (cases), previous (the quarter before), year_ago (the
    same quarter last year), change_year (value − year_ago, in the unit; missing while the quarter runs), target, status (green,
    yellow, red or empty), is_complete, n_least (the fewest cases, or people whose cases they are, behind value, previous and
    year_ago, as far as there are any; of deals closed those won). An earlier quarter that is not complete in the data is
    missing. `counted`: cases of at least the last five quarters, counted before. UsageError for an unknown id.

    >>> shown = tiles(Snapshot("data/sample", quarter="2026Q3"), ids=["win_rate"])
    >>> shown[["value", "year_ago", "target", "status"]].round(3).values.tolist()
    [[0.235, 0.256, 0.3, 'red']]
    """
    counted = counted or Counted(snapshot, snapshot.quarter, YEAR + 1)
    return pd.DataFrame([_tile(snapshot, counted, id, level) for id in ids], columns=TILE_COLUMNS)


def trend(
    snapshot: Snapshot, *, ids: Sequence[str] = TILES, n_quarters: int = 8, level: float = 0.9, counted: Counted | None = None
) -> pd.DataFrame:
    """The course of the figures, one row per KPI and quarter, the oldest first: kpi, name, quarter, value, unit, low, high, n,
    target, is_complete, n_least (cases or people, whichever are fewer; of deals closed those won). What the source cannot tell
    has no rows."""
    counted = counted or Counted(snapshot, snapshot.quarter, n_quarters)
    parts = []
    for id in ids:
        rows = _named(snapshot, _asked(snapshot, counted, id, level))
        rows = rows.assign(n_least=_behind_value(snapshot, counted, id, rows))
        parts.append(rows[rows["quarter"] > snapshot.quarter - n_quarters] if len(rows) else rows)
    found = pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)
    return found[TREND_COLUMNS]


def figures(snapshot: Snapshot, *, level: float = 0.9, counted: Counted | None = None) -> pd.DataFrame:
    """All KPIs of the dictionary that the source can tell for the snapshot's quarter, as `table` gives them, and their names.
    `counted`: cases of quarters up to the snapshot's, counted before."""
    rows = table(snapshot, n_quarters=1, level=level, counted=counted)
    return _named(snapshot, rows[rows["quarter"] == snapshot.quarter].reset_index(drop=True))


def changes(
    snapshot: Snapshot, *, ids: Sequence[str] = TILES, level: float = 0.9, counted: Counted | None = None
) -> pd.DataFrame:
    """What changed against the same quarter last year, one row per KPI that both quarters have: kpi, name, sentence (both
    values), behind (the figures it is made of, empty where there are none), is_noise.

    Noise: the intervals of the two quarters overlap; a sum, which
    has none, lies where its eight quarters before let expect it (`usual`), and is_noise is missing where these are too few.
    Empty while the quarter runs.
    """
    counted = counted or Counted(snapshot)
    rows = [row for id in ids if (row := _change(snapshot, counted, id, level))]
    return pd.DataFrame(rows, columns=["kpi", "name", "sentence", "behind", "is_noise"]).astype({"is_noise": "boolean"})


def headline(snapshot: Snapshot, tiles: pd.DataFrame | str, alerts: pd.DataFrame | str = "") -> str:
    """The quarter in one sentence: bookings against target and last year, how many figures meet their target, how many alerts.
    A sentence in place of a frame says why there is none."""
    if isinstance(tiles, str):
        return str(tiles)
    parts = [_booked(snapshot, row) for row in tiles[tiles["kpi"] == "bookings"].to_dict("records")]
    counts = {word: int((tiles["status"] == status).sum()) for status, word in _STATUS.items()}
    if n_targets := sum(counts.values()):
        parts.append(f"{counts['met']} of {n_targets} targets met, {counts['close']} close, {counts['missed']} missed")
    if isinstance(alerts, pd.DataFrame):
        n, n_high = len(alerts), int((alerts["severity"] == "high").sum())
        grave = f" ({n_high} of high severity)" if n_high else ""
        parts.append(f"{n} alert{'s' if n > 1 else ''}{grave}" if n else "no alert")
    return f"{snapshot.quarter}: {'; '.join(parts)}." if parts else f"{snapshot.quarter}: no figure is known."


_STATUS = {"green": "met", "yellow": "close", "red": "missed"}


def metrics(values: pd.DataFrame | str) -> pd.DataFrame:
    """Rows of the results file from a table of KPIs (`table`, `kpi`): one per KPI, quarter and group, with its quarter."""
    if isinstance(values, str) or values.empty:
        return pd.DataFrame(columns=["quarter", *statistics.RESULT_COLUMNS])
    parts = []
    for (id, by), own in values.groupby(["kpi", "by"], sort=False):
        rows = statistics.tidy(own, metric=str(id), unit=own["unit"].iloc[0], by=str(by), member="member")
        parts.append(rows.assign(level=own["level"].to_numpy(), quarter=own["quarter"].astype("str").to_numpy()))
    return pd.concat(parts, ignore_index=True)[["quarter", *statistics.RESULT_COLUMNS]]


def _asked(snapshot: Snapshot, counted: Counted, id: str, level: float) -> pd.DataFrame:
    """The quarters of a KPI; none where the source cannot tell it."""
    try:
        return table(snapshot, [id], counted=counted, level=level)
    except DataRefused:
        return pd.DataFrame(columns=COLUMNS)


def _named(snapshot: Snapshot, rows: pd.DataFrame) -> pd.DataFrame:
    known = definitions(snapshot)
    return rows.assign(name=[known[id].name["en"] for id in rows["kpi"]])


def _tile(snapshot: Snapshot, counted: Counted, id: str, level: float) -> list[object]:
    rows = _asked(snapshot, counted, id, level).set_index("quarter")
    definition = definitions(snapshot)[id]
    unit = definition.unit.replace("money", snapshot.currency)
    past = rows["value"].where(rows["is_complete"].astype(bool)).astype("float64")
    previous, year_ago = (float(past.get(snapshot.quarter - back, np.nan)) for back in (1, YEAR))
    if snapshot.quarter not in rows.index:
        return [id, definition.name["en"], np.nan, unit, np.nan, np.nan, 0.0, previous, year_ago, np.nan, np.nan, "", False,
                np.nan]  # fmt: skip
    now = rows.loc[snapshot.quarter]
    cases = _behind_value(snapshot, counted, id, rows.reset_index()).set_axis(rows.index)
    shown = [
        quarter for quarter, value in ((snapshot.quarter - 1, previous), (snapshot.quarter - YEAR, year_ago)) if value == value
    ]
    behind = cases.reindex([snapshot.quarter, *shown])
    least = float(behind[behind > 0].min()) if (behind > 0).any() else 0.0  # nobody is not a group
    change_year = now["value"] - year_ago if counted.is_whole[snapshot.quarter] and now["is_complete"] else np.nan
    return [id, definition.name["en"], now["value"], unit, now["low"], now["high"], now["n"], previous, year_ago, change_year,
            now["target"], now["status"], bool(now["is_complete"]), least]  # fmt: skip


def _behind_value(snapshot: Snapshot, counted: Counted, id: str, rows: pd.DataFrame) -> pd.Series:
    """The cases behind each quarter's value, or the people these belong to, whichever are fewer; of deals closed those won, on
    which money and time rest."""
    definition, least = definitions(snapshot)[id], rows["n"]
    if rows.empty:
        return least
    for population in definition.populations:
        own = counted.rows(population)
        if population == "closed":
            own = own[own["won"] > 0]
            least = np.minimum(least, rows["quarter"].map(own["quarter"].value_counts()).fillna(0))
        if "owner_id" in own and own["owner_id"].notna().any():
            people = rows["quarter"].map(own.groupby("quarter")["owner_id"].nunique())
            least = least.where(~(people < least), people)
    return least


def _change(snapshot: Snapshot, counted: Counted, id: str, level: float) -> list[object] | None:
    rows = _asked(snapshot, counted, id, level).set_index("quarter")
    rows = rows[rows["is_complete"].astype(bool) & rows["value"].notna()]
    quarter, before = snapshot.quarter, snapshot.quarter - YEAR
    if not {quarter, before} <= {*rows.index} or not counted.is_whole[quarter]:
        return None
    now, then = rows.loc[quarter], rows.loc[before]
    unit, name = now["unit"], definitions(snapshot)[id].name["en"]
    is_noise, verdict = _noise(now, then, rows["value"].reindex([quarter - i for i in range(LOOKED_AT, 0, -1)]), level)
    moved = change(now["value"], then["value"], unit)
    told = f"{name}: {_valued(now)} in {quarter}, {_valued(then)} a year before{f' ({moved})' if moved else ''}; {verdict}."
    return [id, name, told, _behind(snapshot, counted, id, level), is_noise]


def _noise(now: pd.Series, then: pd.Series, past: pd.Series, level: float) -> tuple[bool | None, str]:
    if pd.notna([now["low"], now["high"], then["low"], then["high"]]).all():
        overlap = now["low"] <= then["high"] and then["low"] <= now["high"]
        return overlap, "within noise, the intervals overlap" if overlap else "beyond noise, the intervals do not overlap"
    found = usual(past.to_numpy(float), now["value"], unit=now["unit"], level=level)
    if np.isnan(found.p):
        return None, "whether that is noise is not known"
    inside = found.low <= now["value"] <= found.high
    where = f"what its {found.n} quarters before let expect ({between(found.low, found.high, now['unit'])})"
    return inside, f"within noise: inside {where}" if inside else f"beyond noise: outside {where}"


def _valued(row: pd.Series) -> str:
    interval = f" ({between(row['low'], row['high'], row['unit'])})" if pd.notna([row["low"], row["high"]]).all() else ""
    return said(row["value"], row["unit"]) + interval


def _behind(snapshot: Snapshot, counted: Counted, id: str, level: float) -> str:
    """The figures that the KPI is made of, now and a year before."""
    told = []
    for part in PARTS.get(id, ()):
        rows = _asked(snapshot, counted, part, level).set_index("quarter")["value"]
        now, then = (rows.get(quarter, np.nan) for quarter in (snapshot.quarter, snapshot.quarter - YEAR))
        if pd.notna(now) and pd.notna(then):
            unit = definitions(snapshot)[part].unit.replace("money", snapshot.currency)
            told.append(f"{inside(definitions(snapshot)[part].name['en'])} {said(now, unit)} ({said(then, unit)})")
    return f"Behind it, a year before in brackets: {listed(told)}." if told else ""


def _booked(snapshot: Snapshot, row: dict[str, float]) -> str:
    if pd.isna(row["value"]):
        return "bookings are not known"
    text = f"{said(row['value'], snapshot.currency)} booked"
    if not row["is_complete"]:
        return f"{text} so far" if periods.last_day(snapshot.quarter) > snapshot.as_of else f"{text}, as far as the data go"
    if pd.notna(row["target"]) and row["target"] > 0:
        text += f", {row['value'] / row['target']:.0%} of the target"
    if row["year_ago"] > 0:
        share = f"{abs(row['change_year']) / row['year_ago']:.0%}"
        relation = "above" if row["change_year"] >= 0 else "below"
        text += ", as much as a year before" if share == "0%" else f", {share} {relation} a year before"
    return text
