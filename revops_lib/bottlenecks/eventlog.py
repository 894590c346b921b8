"""A log of events as arrays, sorted once by case and time; flow, variants, durations and rework are then counting.

Every question that groups by case costs a sort in most libraries. Here the sort happens when the log is made; what follows are
passes over whole arrays (van der Aalst, Process Mining, 2016, chapters 5 and 8, for what is counted).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

US_PER_DAY = 86_400_000_000
ARROW = " → "  # between the activities of a variant


@dataclass(frozen=True, eq=False)
class EventLog:
    """Events in order of case and time; tied ones as they were given.

    Arrays with one value per event: `case` and `activity` (positions in `cases` and `activities`), `at` (microseconds since
    1970) and `row` (where the event was in what was given).

    >>> log = event_log(pd.DataFrame({"case_id": ["1", "2", "1", "1"], "activity": ["a", "a", "b", "a"],
    ...                               "at": pd.to_datetime(["2026-01-01", "2026-01-01", "2026-01-03", "2026-01-04"])}))
    >>> log.directly_follows()[["activity", "next_activity", "n", "mean"]].to_numpy().tolist()
    [['a', 'b', 1, 2.0], ['b', 'a', 1, 1.0]]
    >>> log.variants()["variant"].tolist(), log.durations()["days"].tolist()
    (['a', 'a → b → a'], [3.0, 0.0])
    >>> log.rework().to_numpy().tolist()
    [['a', 1, 1, 0.5]]
    """

    case: np.ndarray
    activity: np.ndarray
    at: np.ndarray
    row: np.ndarray
    cases: pd.Index
    activities: pd.Index

    @cached_property
    def first(self) -> np.ndarray:
        """Where each case begins."""
        return _runs(self.case)

    @cached_property
    def length(self) -> np.ndarray:
        """Events of each case."""
        return np.diff(self.first, append=len(self.case))

    @cached_property
    def follows(self) -> np.ndarray:
        """Of each event but the last whether the next one is of the same case: a step."""
        return self.case[1:] == self.case[:-1]

    @property
    def step(self) -> np.ndarray:
        """Where each step begins."""
        return np.flatnonzero(self.follows)

    @property
    def elapsed(self) -> np.ndarray:
        """Microseconds of each step."""
        return np.diff(self.at)[self.follows]

    def directly_follows(self, elapsed: np.ndarray | None = None) -> pd.DataFrame:
        """How often one activity directly follows another, and after how long; one row per pair, most frequent first.

        Columns: activity, next_activity, n, mean, median (days). `elapsed`: microseconds per step, where they are not those of
        the clock.
        """
        pair = self.activity[:-1].astype("int64")
        pair *= len(self.activities)
        pair += self.activity[1:]
        code, pairs = pd.factorize(pair[self.follows])
        del pair
        elapsed = self.elapsed if elapsed is None else elapsed
        n = np.bincount(code, minlength=len(pairs))
        mean = np.bincount(code, weights=elapsed, minlength=len(pairs)) / n
        before, after = np.divmod(pairs, len(self.activities))
        table = pd.DataFrame(
            {
                "activity": self.activities[before],
                "next_activity": self.activities[after],
                "n": n,
                "mean": mean / US_PER_DAY,
                "median": _medians(code, elapsed, n) / US_PER_DAY,
            }
        )
        return table.sort_values(["n", "activity", "next_activity"], ascending=[False, True, True], ignore_index=True)

    def variants(self) -> pd.DataFrame:
        """Sequences of activities, one row per sequence, most frequent first: variant (activities joined by arrows), n (cases),
        share (of cases), n_events (length)."""
        code = self._sequences()
        first = np.full(code.max(initial=-1) + 1, -1)
        first[code[::-1]] = np.arange(len(code))[::-1]
        names = self.activities.to_numpy(dtype=object)
        texts = [
            ARROW.join(names[self.activity[begin : begin + n]])
            for begin, n in zip(self.first[first], self.length[first], strict=True)
        ]
        n = np.bincount(code)
        table = pd.DataFrame({"variant": pd.Series(texts, dtype="str"), "n": n, "share": n / len(code)})
        table["n_events"] = self.length[first]
        return table.sort_values(["n", "variant"], ascending=[False, True], ignore_index=True)

    def durations(self) -> pd.DataFrame:
        """From the first to the last event of each case, one row per case: case_id, n_events, from_at, to_at, days.

        A case of one event takes 0 days.
        """
        begin, end = self.at[self.first], self.at[self.first + self.length - 1]
        return pd.DataFrame(
            {
                "case_id": self.cases[self.case[self.first]],
                "n_events": self.length,
                "from_at": begin.view("datetime64[us]"),
                "to_at": end.view("datetime64[us]"),
                "days": (end - begin) / US_PER_DAY,
            }
        )

    def rework(self) -> pd.DataFrame:
        """Activities that cases repeat, one row per repeated activity, most frequent first: activity, n_cases (that repeat it),
        n_repeats (occurrences after the first of the case), share (of the cases that have it)."""
        key = self.case.astype("int64") * len(self.activities)
        key += self.activity
        key.sort()
        first = _runs(key)
        times = np.diff(first, append=len(key))
        activity = key[first] % len(self.activities)
        n = np.bincount(activity, minlength=len(self.activities))
        n_cases = np.bincount(activity[times > 1], minlength=len(n))
        n_repeats = np.bincount(self.activity, minlength=len(n)) - n
        again = np.flatnonzero(n_cases)
        table = pd.DataFrame({"activity": self.activities[again], "n_cases": n_cases[again], "n_repeats": n_repeats[again]})
        table["share"] = n_cases[again] / n[again]
        return table.sort_values(["n_cases", "activity"], ascending=[False, True], ignore_index=True)

    def _sequences(self) -> np.ndarray:
        """A number per case, equal for equal sequences of activities.

        As many activities as fit are written as the digits, from 1 on, of one number; the numbers of a case are the digits of
        the next round, until every case has one.
        """
        digit, n_digits, length = self.activity, len(self.activities), self.length
        while True:
            base = n_digits + 1
            fit = int(62 / np.log2(base))
            first = np.cumsum(length) - length
            place = np.arange(len(digit), dtype=first.dtype if len(digit) > 2**31 - 1 else "int32")
            place -= np.repeat(first.astype(place.dtype), length)
            place %= fit
            weighed = np.power(base, np.arange(fit), dtype="int64")[place]
            weighed *= digit.astype("int64") + 1
            digit, seen = pd.factorize(np.add.reduceat(weighed, np.flatnonzero(place == 0)))
            n_digits, length = len(seen), -(-length // fit)
            if len(digit) == len(length):
                return digit


def event_log(events: pd.DataFrame) -> EventLog:
    """The log of events that stand in any order: columns case_id, activity (texts or categories) and at (instants)."""
    (case, cases), (activity, activities) = _codes(events["case_id"]), _codes(events["activity"])
    at = events["at"].to_numpy().astype("datetime64[us]").view("int64")
    row = _by_case(case)
    case, at = case[row], at[row]
    earlier = (case[1:] == case[:-1]) & (at[1:] < at[:-1])
    if earlier.any():  # only cases whose events are not in order of time need another sort
        is_mixed = np.zeros(len(cases), dtype=bool)
        is_mixed[case[1:][earlier]] = True
        there = np.flatnonzero(is_mixed[case])
        order = there[np.lexsort((at[there], case[there]))]
        row[there], at[there] = row[order], at[order]
    return EventLog(case, activity[row], at, row, cases, activities)


def _codes(values: pd.Series) -> tuple[np.ndarray, pd.Index]:
    if isinstance(values.dtype, pd.CategoricalDtype):
        return values.cat.codes.to_numpy(), values.cat.categories
    codes, names = pd.factorize(values)
    return codes.astype("int32"), pd.Index(names)


def _by_case(case: np.ndarray) -> np.ndarray:
    """Rows grouped by case, in the order given within one: one number holds case and row, which sorts much faster than two."""
    n = len(case)
    if (case[1:] >= case[:-1]).all():
        return np.arange(n)
    bits = n.bit_length()
    key = case.astype("int64")
    key <<= bits
    key |= np.arange(n)
    key.sort()
    key &= (1 << bits) - 1
    return key


def _runs(values: np.ndarray) -> np.ndarray:
    """Where each run of equal values begins."""
    begins = np.ones(len(values), dtype=bool)
    np.not_equal(values[1:], values[:-1], out=begins[1:])
    return np.flatnonzero(begins)


def _medians(group: np.ndarray, value: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Median of whole, not negative values in each group of n."""
    shift = int(value.max(initial=0)).bit_length()
    if shift + len(n).bit_length() < 63:  # group and value fit into one number
        key = group.astype("int64")
        key <<= shift
        key |= value
        key.sort()
        key &= (1 << shift) - 1
    else:
        key = value[np.lexsort((value, group))]
    begin = np.cumsum(n) - n
    return (key[begin + (n - 1) // 2] + key[begin + n // 2]) / 2
