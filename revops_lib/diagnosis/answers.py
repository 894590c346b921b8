"""What is said about the change: the sentence on top, limits of the source, checks, advice, rows for the results file."""

from __future__ import annotations

import pandas as pd

from .. import statistics
from ..errors import DataRefused
from ..snapshot import Snapshot
from .beginning import timeline
from .compared import compare
from .drilldown import STAFF, UNKNOWN, members
from .factors import DEAL_VALUE, OPPORTUNITIES, WIN_RATE
from .noise import ENOUGH
from .recording import UNTOUCHED

FEW = 5  # numbers about fewer deals are told to nobody else
ACTIONS = {
    OPPORTUNITIES: (
        "Find out why fewer deals are created there, and what it takes to refill the pipeline",
        "head of marketing",
    ),
    WIN_RATE: ("Read the reasons of the lost deals and sit in on the open ones", "sales leader"),
    DEAL_VALUE: ("Look at discounts and scope of the deals won", "sales leader"),
}
GROWTH = {
    OPPORTUNITIES: ("Check that the team can work so many more deals", "sales leader"),
    WIN_RATE: ("Find out what is done better there and do it elsewhere", "sales leader"),
    DEAL_VALUE: ("Find out what is sold for more there and offer it elsewhere", "sales leader"),
}


def headline(
    snapshot: Snapshot,
    drivers: pd.DataFrame | str,
    data: pd.DataFrame | str,
    cells: pd.DataFrame | str = "",
    began: pd.DataFrame | str = "",
    *,
    against: str = "",
) -> str:
    """The answer in one sentence: the change; data or business; the driver that contributed most; whether that is beyond noise,
    where, and since when; groups of people are not named. A sentence in place of a frame says why there is none."""
    if isinstance(drivers, str) or isinstance(data, str):
        return str(drivers if isinstance(drivers, str) else data)
    comparison, total = compare(snapshot, against), drivers.iloc[0]
    was = f" ({(total['now'] - total['was']) / total['was']:+.0%})".replace("-", "−") if total["was"] > 0 else ""
    part = float(total["part"])
    verb = f"{'rose' if part > 0 else 'fell'} by {abs(part):,.0f} {total['unit']}{was}" if part else "did not change"
    text = f"Bookings of {comparison.after} {verb} against {comparison.name}"
    causes, other = (
        data[data["is_cause"]],
        data[(data["state"] == "found") & ~data["is_cause"] & (data["touches"] != UNTOUCHED)],
    )
    if len(causes):
        return f"Data change, not demand: {_several(causes['finding'])}. {text}; mend the data before naming a cause."
    if len(other):
        verdict = f"a data change ({_several(other['finding'])}) does not explain it"
    elif (data["state"] == "not known").any():
        verdict = "no change of the data explains it as far as this source tells"
    else:
        verdict = "no change of the data explains it"
    return f"{text}; {verdict}." + (f" {_cause(drivers, part)}{_place(cells, part, began)}." if part else "")


def _several(sentences: pd.Series) -> str:
    return "; ".join(sentences.head(2)) + (f"; and {len(sentences) - 2} more" if len(sentences) > 2 else "")


def _cause(drivers: pd.DataFrame, part: float) -> str:
    """What is beyond noise, or which driver contributed most."""
    own = drivers.iloc[1:].assign(part=lambda d: d["part"].astype("float64"))
    beyond = own[own["is_beyond"]]
    if len(beyond):
        return f"Beyond noise: {', '.join(f'{r.driver} ({_signed(r.part)})' for r in beyond.itertuples())}"
    largest = own.loc[(own["part"] * (1 if part >= 0 else -1)).idxmax()]
    text = f"The largest part comes from {largest['driver']} ({_signed(largest['part'])})"
    if own["n_past"].max() < ENOUGH:
        return f"{text}; whether it is beyond noise is not known with {int(own['n_past'].max())} past quarters"
    return f"{text}; every driver is within the usual spread of past quarters"


def _signed(value: float) -> str:
    return f"{value:+,.0f}".replace("-", "−")


def _place(cells: pd.DataFrame | str, part: float, began: pd.DataFrame | str) -> str:
    """Where it stands out, and since when."""
    cells = _named(cells)
    if cells.empty or cells["z"].isna().all():
        return ""
    first = cells.iloc[0]
    if not first["is_beyond"] or first["z"] * part <= 0:
        return "; no group stands out of its past that way"
    cell = f"{first['driver']} of {first['member']} ({first['by']})"
    is_told = min(first["n"], first["n_was"]) >= FEW
    levels = f"{_level(first, 'was')} → {_level(first, 'now')}" if is_told else f"fewer than {FEW} deals in a quarter"
    course = "" if _as_it_moved(first) else f" ({_course(first)})"
    text = f"; what stands out most is {cell}: {levels}{course}"
    if isinstance(began, pd.DataFrame) and pd.notna(began["began"].iloc[0]):
        text += f", since {began['began'].iloc[0]:%Y-%m}"
    return text


def _named(cells: pd.DataFrame | str) -> pd.DataFrame:
    """The cells that may be named: those that are not about people."""
    return pd.DataFrame() if isinstance(cells, str) else cells[~cells["by"].isin(STAFF)]


def _as_it_moved(cell: pd.Series) -> bool:
    """Whether a cell changed the way it is unusual."""
    return bool(cell["change"] * cell["z"] > 0)


def _course(cell: pd.Series) -> str:
    """How a cell moved against its own usual course."""
    if _as_it_moved(cell):
        return "fell" if cell["z"] < 0 else "rose"
    return f"{'grew' if cell['z'] < 0 else 'fell'} less than usual"


def _level(cell: pd.Series, when: str) -> str:
    return f"{cell[when]:.0%}" if cell["driver"] == WIN_RATE else f"{cell[when]:,.0f}"


def began(snapshot: Snapshot, cells: pd.DataFrame, *, seed: int = 1) -> pd.DataFrame:
    """`timeline` of the cell that stands out most: the first row of `drilldown` that is not about people. DataRefused without
    one."""
    named = _named(cells)
    if named.empty:
        raise DataRefused("only groups of people were compared", f"data {snapshot.data}", "map segments, regions or sources")
    first = named.iloc[0]
    return timeline(snapshot, driver=first["driver"], by=first["by"], member=first["member"], seed=seed)


def notes(snapshot: Snapshot, drivers: pd.DataFrame | str, *, against: str = "", by: str = "segment") -> list[str]:
    """What stands in for numbers this source cannot support, and how to read the others, in sentences."""
    found = list(snapshot.limits)
    if isinstance(drivers, str):
        return [*found, str(drivers)]
    comparison = compare(snapshot, against)
    deals = snapshot.opportunities
    won = deals[(deals["status"] == "won") & deals["close_date"].notna()]
    member = members(snapshot, deals, by, comparison)
    if (member == UNKNOWN).all():
        found.append(f"No {by} is known: there is no mix to separate, and all deals count as alike.")
    n_past = int(drivers["n_past"].max())
    if n_past < ENOUGH:
        found.append(f"{n_past} past quarters allow this comparison; {ENOUGH} are needed to tell a change from noise.")
    inside = won[won["close_date"].dt.to_period(comparison.after.freqstr).isin([*comparison.before, comparison.after])]
    unpriced = int(inside["amount"].isna().sum())
    if unpriced:
        found.append(f"{unpriced:,} of {len(inside):,} wins compared carry no amount; they count as wins of 0.")
    undated = int(((deals["status"] != "open") & deals["close_date"].isna()).sum())
    if undated:
        found.append(f"{undated:,} closed deals have no close date and belong to no quarter.")
    rows = drivers.set_index("driver")
    for driver in (WIN_RATE, DEAL_VALUE):
        crude = rows.loc[driver, "now"] - rows.loc[driver, "was"]
        if crude * float(rows.loc[driver, "part"]) < 0:
            found.append(
                f"The {driver} of the company and that within groups moved in opposite directions: the spread over groups "
                "changed (Simpson's paradox). Parts are about the groups."
            )
    return found


def checks(
    snapshot: Snapshot,
    drivers: pd.DataFrame | str,
    cells: pd.DataFrame | str,
    types: pd.DataFrame | str,
    *,
    against: str = "",
) -> pd.DataFrame:
    """Whether the split is sound, one row per check: check, expected, found, holds."""
    newest = snapshot.newest
    rows = [("nothing later than the day", f"before {snapshot.cutoff}", str(newest), newest < snapshot.cutoff)]
    if isinstance(drivers, pd.DataFrame):
        rows += _sums(drivers, cells, types)
        after, deals = compare(snapshot, against).after, snapshot.opportunities
        inside = deals["close_date"].between(after.start_time, after.end_time)
        booked = float(deals.loc[(deals["status"] == "won") & inside, "amount"].sum())
        now, n_past = float(drivers.loc[0, "now"]), int(drivers["n_past"].max())
        rows.append(("bookings are what the deals say", f"{booked:,.2f}", f"{now:,.2f}", abs(booked - now) < 0.005))
        rows.append(("past quarters to compare with", f"at least {ENOUGH}", str(n_past), n_past >= ENOUGH))
    return pd.DataFrame(rows, columns=["check", "expected", "found", "holds"])


def _sums(drivers: pd.DataFrame, cells: pd.DataFrame | str, types: pd.DataFrame | str) -> list[tuple[str, str, str, bool]]:
    """Whether the parts of every split sum to the change, to the cent."""
    change = drivers.loc[0, "part"]
    sums = {"drivers": drivers.iloc[1:]["part"].sum()}
    if isinstance(types, pd.DataFrame):
        sums["types of deals"] = types["part"].sum()
    if isinstance(cells, pd.DataFrame):
        sums |= {f"groups by {by}": group["part"].sum() for by, group in cells.groupby("by", sort=False)}
    return [
        (f"parts of {name} sum to the change", f"{change:,.2f}", f"{found:,.2f}", found == change)
        for name, found in sums.items()
    ]


def metrics(drivers: pd.DataFrame | str, cells: pd.DataFrame | str, *, level: float = 0.9) -> pd.DataFrame:
    """Rows of the results file: the part of every driver, and of every driver of a group."""
    if isinstance(drivers, str):
        return pd.DataFrame(columns=statistics.RESULT_COLUMNS)
    unit, metric = str(drivers["unit"].iloc[0]), "bookings_change"
    parts = [
        statistics.tidy(drivers.head(1), metric=metric, value="part", unit=unit, level=level),
        statistics.tidy(drivers.iloc[1:], metric=metric, by="driver", member="driver", value="part", unit=unit, level=level),
    ]
    if isinstance(cells, pd.DataFrame):
        for by, group in cells.groupby("by", sort=False):
            named = group.assign(cell=group["driver"] + " / " + group["member"])
            parts.append(statistics.tidy(named, metric=metric, by=f"driver / {by}", member="cell", value="part", unit=unit))
    return pd.concat(parts, ignore_index=True)


def recommendations(drivers: pd.DataFrame | str, data: pd.DataFrame | str, cells: pd.DataFrame | str) -> pd.DataFrame:
    """What to do about it, one row per advice: finding, action, owner, effort (S, M, L). Groups of people are not named."""
    if isinstance(drivers, str) or isinstance(data, str):
        return pd.DataFrame(columns=["finding", "action", "owner", "effort"])
    rows = [
        (
            row.finding[0].upper() + row.finding[1:],
            "Mend it, or make the earlier data alike, before a cause is named",
            "RevOps",
            "M",
        )
        for row in data[data["is_cause"]].itertuples()
    ]
    if not rows and isinstance(cells, pd.DataFrame):
        named = _named(cells)
        for _, cell in named[named["is_beyond"]].head(3).iterrows():
            action, owner = (ACTIONS if cell["z"] < 0 else GROWTH)[cell["driver"]]
            text = f"{cell['driver'].capitalize()} of {cell['member']} ({cell['by']}) {_course(cell)} beyond noise"
            rows.append((text, action, owner, "M"))
    if not rows and drivers["n_past"].max() >= ENOUGH and not drivers["is_beyond"].any():
        rows.append(
            ("No driver left its usual spread", "Change nothing on the strength of this quarter alone", "sales leader", "S")
        )
    return pd.DataFrame(rows, columns=["finding", "action", "owner", "effort"])
