"""Plan files: read strictly, so that nothing about pay is ever assumed.

A plan states every key; a part that it does not have is `none`. Numbers are quoted, because a bare YAML number has already
lost its exactness. Whatever is wrong is told with the line it stands on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from .. import money
from ..errors import UsageError, nearest
from ..snapshot import Snapshot
from .draws import KINDS as DRAWS
from .draws import Draw
from .plans import ACCUMULATIONS, BASES, CAPS, Cap, Component, Gate, Plan
from .schedules import APPLICATIONS, Schedule

KEYS = ("plan", "title", "decided_by", "source", "applies_to", "currency", "credit_order", "rounding", "draw", "components")
ORDER = ["event_date", "deal", "line"]
ROUNDING = {"mode": "half_up", "point": "line"}
COMPONENT = ("component", "what", "measure", "credits", "basis", "accumulation", "tier_application", "tiers", "gate", "cap",
             "holdback")  # fmt: skip
CREDITS = ("split", "overlay")
Path = tuple[str | int, ...]


def plan(snapshot: Snapshot, *, name: str = "account_executive") -> Plan:
    """The plan file `name` with the values in force when the quarter began; later looks at the quarter do not change them.

    UsageError naming the line for a key that is unknown or missing, a number that is not quoted, tiers with a gap or an
    overlap, a rule that is not known; DataRefused when no value is in force yet.
    """
    values = snapshot.plan(name)
    return _File(values, snapshot.plan_lines(name), name).plan()


class _File:
    """Values of a plan file and the lines they stand on; every method takes the path of a value and says what it means."""

    def __init__(self, values: dict[str, Any], lines: dict[Path, int], name: str) -> None:
        self._values, self._lines, self._name = values, lines, name

    def plan(self) -> Plan:
        self._keys((), KEYS)
        self._same(("credit_order",), ORDER)
        self._same(("rounding",), ROUNDING)
        texts = {key: self._text((key,)) for key in ("title", "decided_by", "source", "applies_to", "currency")}
        if texts["currency"] not in money.CURRENCIES:
            raise self._wrong(("currency",), f"{texts['currency']!r} is no currency", "write its code, like EUR")
        parts = tuple(self._component(("components", i)) for i in range(len(self._list(("components",)))))
        names = [part.name for part in parts]
        if twice := sorted({one for one in names if names.count(one) > 1}):
            raise self._wrong(("components",), f"two components are called {twice[0]!r}", "give each its own name")
        return Plan(
            self._name, texts["title"], texts["applies_to"], texts["currency"], parts, self._draw(("draw",)), self._version()
        )

    def _component(self, at: Path) -> Component:
        self._keys(at, COMPONENT)
        basis = self._choice((*at, "basis"), BASES)
        accumulation = self._choice((*at, "accumulation"), ACCUMULATIONS)
        application = self._choice((*at, "tier_application"), APPLICATIONS)
        if (application == "per_transaction") != (accumulation == "none"):
            what = f"tier_application {application} does not go with accumulation {accumulation}"
            raise self._wrong((*at, "accumulation"), what, "per_transaction goes with accumulation none, and only with it")
        if (accumulation, basis) == ("year", "quota"):
            what = "tiers in shares of a quota that grows through the year are not supported yet"
            raise self._wrong((*at, "accumulation"), what, "accumulate by quarter, or write the tiers as amounts")
        kinds = tuple(self._choice((*at, "credits", i), CREDITS) for i in range(len(self._list((*at, "credits")))))
        return Component(
            name=self._text((*at, "component")), what=self._text((*at, "what")), measure=self._text((*at, "measure")),
            kinds=kinds, basis=basis, accumulation=accumulation,
            schedule=self._schedule((*at, "tiers"), application, is_money=basis == "amount"),
            gate=self._gate((*at, "gate")), cap=self._cap((*at, "cap")), holdback=self._holdback((*at, "holdback")),
        )  # fmt: skip

    def _schedule(self, at: Path, application: str, *, is_money: bool) -> Schedule:
        """Contiguous tiers in rising order; the last one is open unless it says `to`."""
        value, size = ("pays" if application == "interpolated" else "rate"), 100 if is_money else 1
        rows = []
        for i in range(len(self._list(at))):
            self._keys((*at, i), ("from", value), optional=("to",))
            start, paid = self._number((*at, i, "from")), self._number((*at, i, value))
            end = self._number((*at, i, "to")) if "to" in self._at((*at, i)) else None
            rows.append((start * size, None if end is None else end * size, paid * (100 if value == "pays" else 1)))
        for i, (start, end, paid) in enumerate(rows):
            following = rows[i + 1][0] if i + 1 < len(rows) else None
            if start < 0 or paid < 0:
                raise self._wrong((*at, i), "a tier begins below 0 or has a negative rate", "correct it")
            upto = end if following is None else following
            if upto is not None and upto <= start:
                raise self._wrong((*at, i), "tiers must rise", "order them by `from`, each once")
            if end is not None and following is not None and end != following:
                what = "tiers overlap" if end > following else "there is a gap between tiers"
                told = f"{what}: one ends at {float(end / size):g}, the next begins at {float(following / size):g}"
                raise self._wrong((*at, i + 1), told, "let each tier begin where the one before ends")
        last = rows[-1][1]
        if application == "interpolated" and last is None:
            raise self._wrong(at, "the last interpolated tier is open", "say `to`: a part of it pays its share of the tier")
        return Schedule(tuple(row[0] for row in rows), tuple(row[2] for row in rows), application, last)

    def _gate(self, at: Path) -> Gate | None:
        if self._at(at) == "none":
            return None
        self._keys(at, ("measure", "period", "at_least"))
        return Gate(
            self._text((*at, "measure")), self._choice((*at, "period"), ACCUMULATIONS[1:]), self._number((*at, "at_least"))
        )

    def _cap(self, at: Path) -> Cap | None:
        if self._at(at) == "none":
            return None
        self._keys(at, ("kind", "amount", "share_above"))
        kind, above = self._choice((*at, "kind"), CAPS), self._share((*at, "share_above"))
        if (kind == "soft") != (above > 0):
            raise self._wrong(
                (*at, "share_above"), f"a {kind} cap with share_above {float(above):g}", "only a soft cap pays above it"
            )
        return Cap(kind, self._cents((*at, "amount")), above)

    def _holdback(self, at: Path) -> Fraction:
        return Fraction(0) if self._at(at) == "none" else self._share(at)

    def _draw(self, at: Path) -> Draw | None:
        if self._at(at) == "none":
            return None
        self._keys(at, ("kind", "amount", "first_recovery", "share", "limit"))
        limit = None if self._at((*at, "limit")) == "none" else self._cents((*at, "limit"))
        first = self._number((*at, "first_recovery"))
        return Draw(
            self._choice((*at, "kind"), DRAWS), self._cents((*at, "amount")), int(first), self._share((*at, "share")), limit
        )

    def _version(self) -> str:
        told = json.dumps(self._values, sort_keys=True, default=str, ensure_ascii=False)
        return hashlib.sha256(told.encode("utf-8")).hexdigest()[:12]

    def _at(self, at: Path) -> Any:
        found: Any = self._values
        for step in at:
            found = found[step]
        return found

    def _keys(self, at: Path, needed: Sequence[str], optional: Sequence[str] = ()) -> None:
        found = self._at(at)
        if not isinstance(found, dict):
            raise self._wrong(at, f"{found!r} stands where {', '.join(needed)} should", "write them as keys, or `none`")
        for key in found:
            if key not in (*needed, *optional):
                raise self._wrong((*at, key), f"unknown key {key!r}", nearest(str(key), [*needed, *optional]))
        for key in needed:
            if key not in found:
                raise self._wrong(at, f"key {key!r} is missing", "a plan states every key, there are no defaults")

    def _same(self, at: Path, expected: Any) -> None:
        if self._at(at) != expected:
            raise self._wrong(at, f"{at[-1]} {self._at(at)!r} is not supported", f"write {expected}")

    def _list(self, at: Path) -> list[Any]:
        found = self._at(at)
        if not isinstance(found, list) or not found:
            raise self._wrong(at, f"{at[-1]} is {found!r}", "write a list with at least one entry")
        return found

    def _text(self, at: Path) -> str:
        found = self._at(at)
        if not isinstance(found, str) or not found.strip():
            raise self._wrong(at, f"{at[-1]} is {found!r}", "write it as text")
        return found

    def _choice(self, at: Path, known: Sequence[str]) -> str:
        found = self._at(at)
        if found not in known:
            raise self._wrong(at, f"{at[-1] if isinstance(at[-1], str) else at[-2]} {found!r} is not supported",
                              nearest(str(found), list(known)))  # fmt: skip
        return found

    def _number(self, at: Path) -> Fraction:
        found = self._at(at)
        if not isinstance(found, str):
            raise self._wrong(at, f"{found!r} is a bare number", f'quote it: "{found}"')
        try:
            return Fraction(found)
        except (ValueError, ZeroDivisionError):
            raise self._wrong(at, f"{found!r} is not a number", 'write it like "0.065"') from None

    def _share(self, at: Path) -> Fraction:
        found = self._number(at)
        if not 0 <= found <= 1:
            raise self._wrong(at, f"{at[-1]} {float(found):g} is no share", "write a number from 0 to 1")
        return found

    def _cents(self, at: Path) -> int:
        cents = self._number(at) * 100
        if cents.denominator != 1 or cents < 0:
            raise self._wrong(at, f"{self._at(at)!r} is no amount", 'write it like "1500.00"')
        return int(cents)

    def _wrong(self, at: Path, what: str, do: str) -> UsageError:
        while at and at not in self._lines:
            at = at[:-1]
        line = f", line {self._lines[at]}" if at in self._lines else ""
        return UsageError(what, f"plan {self._name}{line}", do)
