"""The steps of a sales process, from what the deals hold: their names, their order, and which of them end a deal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ...tables import STATUSES
from ..cast import cast
from ..checks import status_of
from ..mapping import FLAGS
from ..sniff import Notation
from .columns import Columns
from .knowledge import Knowledge, folded, told_by_name
from .reading import Source

MOST = 40
_MOSTLY = 0.95
_NOT_WON = "not won"


@dataclass(frozen=True)
class Deals:
    """Deals of one file; `aliases`: stages that count as others, by folded spelling."""

    source: Source
    columns: Columns
    aliases: dict[str, str] = field(default_factory=dict)

    @property
    def stage(self) -> pd.Series:
        """The stage of every deal, as it is counted."""
        text = self.source.text(self.columns.found["stage"].place)
        return text.map(lambda name: self.aliases.get(folded(name), name), na_action="ignore").astype("str")


@dataclass(frozen=True)
class Stage:
    """A stage as the deals spell it most often. `doubt`: about the status."""

    name: str
    status: str
    doubt: str = ""
    probability: float | None = None


@dataclass(frozen=True)
class Stages:
    """The stages in their order. `doubt`: about the order; `left_out`: spellings beyond the most frequent ones."""

    ordered: list[Stage]
    doubt: str = ""
    left_out: int = 0


def find_stages(files: list[Deals], passed: Iterable[str], knowledge: Knowledge) -> Stages:
    """The stages of the deals; `passed` are further spellings, which only the history has.

    A stage is won or lost when the flags or the status of its deals say so, else when its name does, else when a known
    mapping does. They are ordered by the mean probability of their deals, else as a known mapping orders them, else by
    frequency; won and lost come last.
    """
    staged = [deals for deals in files if "stage" in deals.columns.found]
    every = pd.concat([*(deals.stage.dropna() for deals in staged), pd.Series(list(passed), dtype="str")], ignore_index=True)
    names: dict[str, str] = {}
    totals: dict[str, int] = {}
    for name, n in sorted(every.value_counts(sort=False).items(), key=lambda item: (-item[1], item[0])):
        if folded(name):
            names.setdefault(folded(name), name)
            totals[folded(name)] = totals.get(folded(name), 0) + n
    if not names:
        named = {"open": "Open", "won": "Won", "lost": "Lost"}
        return Stages([Stage(named[status], status) for status in STATUSES], "the deals name no stage")
    frequent = sorted(names, key=lambda key: (-totals[key], key))
    kept = frequent[:MOST]
    told = _told_by_deals(staged)
    origin, taught = _taught(kept, knowledge)
    status = {key: _status(names[key], told.get(key), taught.get(key)) for key in kept}
    chance = _chances(staged, knowledge)
    order, doubt = _order(kept, status, chance, taught, origin)
    ordered = [Stage(names[key], *status[key], chance.get(key, (None, None))[1]) for key in order]
    return Stages(ordered, doubt, len(frequent) - len(kept))


def _told_by_deals(files: list[Deals]) -> dict[str, tuple[str, bool]]:
    """By stage, the status that most of its deals have by flags or status, and whether all have it."""
    parts = []
    for deals in files:
        status = status_told(deals.source, deals.columns)
        if status is not None:
            parts.append(pd.DataFrame({"stage": deals.stage.map(folded, na_action="ignore"), "status": status}))
    if not parts:
        return {}
    both = pd.concat(parts, ignore_index=True).dropna()
    counts = pd.crosstab(both["stage"], both["status"])
    told = {str(key): (str(row.idxmax()), int((row > 0).sum()) == 1) for key, row in counts.iterrows()}
    return {key: (status, is_unanimous) for key, (status, is_unanimous) in told.items() if status != _NOT_WON}


def status_told(source: Source, columns: Columns) -> pd.Series | None:
    """The status of every deal by its column or flags, "not won" where one flag tells no more; None when there is neither."""
    read = {}
    for target, kind in [("status", "choice"), *((flag, "bool") for flag in FLAGS)]:
        if target in columns.found:
            read[target] = cast(kind, source.text(columns.found[target].place), Notation(), "UTC", STATUSES).values
    if "status" in read:
        return read["status"]
    if "is_won" not in read:
        return None
    status = status_of(pd.DataFrame(read))
    return status if "is_closed" in read else status.replace("open", _NOT_WON)


def is_contradicted(source: Source, columns: Columns) -> bool:
    """Whether deals of the same stage have different states, by their status or flags, in more than a few rows."""
    status = status_told(source, columns)
    if status is None or "stage" not in columns.found:
        return False
    stage = source.text(columns.found["stage"].place).map(folded, na_action="ignore")
    both = pd.DataFrame({"stage": stage, "status": status}).dropna()
    agreeing = both.value_counts().groupby("stage").max().sum()
    return bool(agreeing < _MOSTLY * len(both))


def _taught(kept: list[str], knowledge: Knowledge) -> tuple[str, dict[str, tuple[int, str]]]:
    """The known mapping that knows most of these stages, and by stage its position and status there."""
    best: tuple[str, dict[str, tuple[int, str]]] = ("", {})
    for origin, known in knowledge.stages.items():
        found = {key: known[key] for key in kept if key in known}
        if len(found) > len(best[1]):
            best = (origin, found)
    return best


def _status(name: str, told: tuple[str, bool] | None, taught: tuple[int, str] | None) -> tuple[str, str]:
    by_name = told_by_name(name)
    if told:
        status, is_unanimous = told
        if by_name and by_name != status:
            return status, f"its name says {by_name}"
        return status, "" if is_unanimous else "its deals differ"
    if by_name:
        return by_name, ""
    return (taught[1], "") if taught else ("open", "open, won or lost?")


def _chances(files: list[Deals], knowledge: Knowledge) -> dict[str, tuple[float, float | None]]:
    """By stage, the mean probability of its deals, and that probability when they all have the same."""
    parts = [part for deals in files if (part := _probabilities(deals, knowledge)) is not None]
    if not parts:
        return {}
    by_stage = pd.concat(parts, ignore_index=True).groupby("stage")["chance"]
    means, numbers = by_stage.mean().dropna(), by_stage.nunique()
    return {str(key): (float(mean), round(float(mean), 4) if numbers[key] == 1 else None) for key, mean in means.items()}


def _probabilities(deals: Deals, knowledge: Knowledge) -> pd.DataFrame | None:
    """Stage and win probability of every deal; None when no column holds nothing but shares."""
    names = {folded(knowledge.spellings[i]) for i in knowledge.index("stages", "probability")}
    source = deals.source
    for place in source.usable:
        if folded(source.header[place]) not in names or place in deals.columns.places:
            continue
        for is_percent in (False, True):
            read = cast("share", source.text(place), Notation(), "UTC", percent=is_percent)
            wrong = np.logical_or.reduce([np.zeros(len(read.values), dtype=bool), *read.wrong.values()])
            if not wrong.any() and read.values.notna().any():
                return pd.DataFrame({"stage": deals.stage.map(folded, na_action="ignore"), "chance": read.values})
    return None


def _order(
    kept: list[str],
    status: dict[str, tuple[str, str]],
    chance: dict[str, tuple[float, float | None]],
    taught: dict[str, tuple[int, str]],
    origin: str,
) -> tuple[list[str], str]:
    """The stages in order, and the doubt about it. `kept` is in order of frequency."""
    running = [key for key in kept if status[key][0] == "open"]
    chances = [chance[key][0] for key in running if key in chance]
    doubt = ""
    if chances:
        rank = {key: chance[key][0] if key in chance else 2.0 for key in kept}
        if len(set(chances)) < len(running):
            doubt = "order; by probability, which does not tell all of them apart"
    else:
        rank = {key: float(taught[key][0]) if key in taught else float(len(kept) + 1000) for key in kept}
        unknown = [key for key in running if key not in taught]
        if unknown and len(running) > 1:
            doubt = f"order; as in {origin}, then by frequency" if set(running) & set(taught) else "order; by frequency"
    return sorted(kept, key=lambda key: (STATUSES.index(status[key][0]), rank[key], kept.index(key))), doubt
