"""Companies unlike the usual one: each variant changes one law, to see what a method makes of what it does not expect."""

from __future__ import annotations

import dataclasses
import datetime as dt
from dataclasses import dataclass
from typing import Any

from ..errors import UsageError, nearest


@dataclass(frozen=True)
class Variant:
    """The laws that may differ; the defaults are those of the usual company."""

    name: str = ""
    what: str = ""
    begins: dt.date = dt.date.max  # first day of `advance`, `arrivals` and `gamers`, the start of a quarter
    skipped: float = 0.0  # share of advances that go two stages at once
    advance: float = 1.0  # multiplier of every advance hazard
    arrivals: float = 1.0  # multiplier of the expected new deals, at least 1
    gamers: float = 0.0  # share of account executives whose category follows the calendar
    late: float = 0.015  # share of wins recorded 3 to 10 days after the close date
    late_at_quarter_end: float = 0.06  # the same in the last week of a quarter
    reopened: float = 0.01  # share of lost deals taken up again 2 to 8 weeks later


USUAL = Variant()
VARIANTS = {variant.name: variant for variant in (
    Variant("skips", "a share of advances goes two stages at once", skipped=0.20),
    Variant("regime", "a lasting change: deals advance more slowly and more of them arrive", begins=dt.date(2025, 4, 1),
            advance=0.75, arrivals=1.3),
    Variant("gaming", "some reps call every deal pipeline until week 8 of a quarter and commit from week 9 on",
            begins=dt.date(2025, 1, 1), gamers=0.70),
    Variant("late_logged", "in every week a share of wins is recorded 3 to 10 days late", late=0.05,
            late_at_quarter_end=0.05),
    Variant("reopened", "a share of lost deals is taken up again", reopened=0.10),
)}  # fmt: skip


def named(name: str | None) -> Variant:
    """The variant of that name, the usual company for None. Raises UsageError for an unknown name.

    >>> named("skips").skipped, named(None).skipped
    (0.2, 0.0)
    """
    if name is not None and name not in VARIANTS:
        raise UsageError(f"no variant is called {name}", "sample", nearest(name, VARIANTS))
    return USUAL if name is None else VARIANTS[name]


def differences(variant: Variant) -> dict[str, Any]:
    """The laws in which a variant differs from the usual company.

    >>> differences(VARIANTS["reopened"])
    {'name': 'reopened', 'what': 'a share of lost deals is taken up again', 'reopened': 0.1}
    """
    usual = dataclasses.asdict(USUAL)
    return {law: value for law, value in dataclasses.asdict(variant).items() if value != usual[law]}
