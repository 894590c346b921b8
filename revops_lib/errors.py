"""Errors that say what, where and what to do, and know the exit code of the command they end.

Every failure a user can meet is a `RevopsError`. Its text is the one line the command prints:
`error: <what> — <where> — <what to do>`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class RevopsError(Exception):
    """A failure with an exit code. `what` went wrong, `where` (file, table, column, ids), what to `do` about it."""

    exit_code = 1

    def __init__(self, what: str, where: str, do: str) -> None:
        super().__init__(what, where, do)
        self.what, self.where, self.do = what, where, do

    def __str__(self) -> str:
        line = " ".join(f"error: {self.what} — {self.where} — {self.do}".split())
        return "".join(one if one.isprintable() else "�" for one in line)  # what a file holds must not steer a terminal


class UsageError(RevopsError):
    """Wrong command, parameter or configuration."""

    exit_code = 2


class DataRefused(RevopsError):
    """A file or table that cannot be read without guessing."""

    exit_code = 3


class NoHistory(DataRefused):
    """The source does not say when the asked field changed."""


class NotebookFailed(RevopsError):
    """A notebook cell raised, or a notebook ended without its results."""

    exit_code = 4


class KernelDied(NotebookFailed):
    exit_code = 5


class TimedOut(NotebookFailed):
    exit_code = 6


class CannotWrite(RevopsError):
    exit_code = 7


class Locked(RevopsError):
    """Another run works on the same place."""

    exit_code = 8


class IntegrityError(RevopsError):
    """What should be as it was, is not: a hash differs, a result cannot be made again."""

    exit_code = 9


def nearest(name: str, valid: Iterable[str]) -> str:
    """A sentence naming the closest valid names, for the last part of an error line.

    >>> nearest("forcast", ["forecast", "quality"])
    'did you mean forecast? valid: forecast, quality'
    >>> nearest("x", ["forecast", "quality"])
    'valid: forecast, quality'
    """
    names = list(valid)
    close = difflib.get_close_matches(name, names, n=1)
    listed = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    return (f"did you mean {close[0]}? " if close else "") + f"valid: {listed}"
