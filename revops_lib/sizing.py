"""How many people run revenue operations: one per 10 people served while things are being structured, towards one per 20 as
they mature, and at least one per function (French market texts, 2023-2025)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .errors import UsageError

STRUCTURING, MATURE = 10, 20  # people served by one person in operations


class Team(NamedTuple):
    """People in operations: `least` one per function, `low` once things run, `high` while they are being built."""

    least: int
    low: int
    high: int


def operations_team(functions: Mapping[str, int]) -> Team:
    """The team that serves the functions given with their people.

    A function smaller than 10 or 20 still needs one person, larger ones as many as its share says; the sum is rounded up.
    Raises UsageError without a function, and for one whose people are not a whole number above 0.

    >>> operations_team({"prospecting": 50, "selling": 50})
    Team(least=2, low=5, high=10)
    """
    if not functions:
        raise UsageError("no function is given", "operations team", "name each function with the people in it")
    for function, people in functions.items():
        if type(people) is not int or people < 1:
            do = "write how many people it has, or leave it out"
            raise UsageError(f"{people!r} is not a number of people", f"function {function!r}", do)
    return Team(len(functions), _needed(functions, MATURE), _needed(functions, STRUCTURING))


def _needed(functions: Mapping[str, int], served: int) -> int:
    return -(-sum(max(people, served) for people in functions.values()) // served)
