"""The parts of a plan file: components that pay on credits, SPIFs that pay on deals, objectives."""

from __future__ import annotations

from fractions import Fraction

from ..money import ROUNDINGS
from .plans import (
    ACCUMULATIONS,
    AWARDS,
    BASES,
    BOOKED,
    CAPS,
    CLAWBACKS,
    MEASURES,
    OF,
    PAYABLE,
    Award,
    Cap,
    Clawback,
    Component,
    Factors,
    Gate,
    Objectives,
    Payable,
)  # fmt: skip
from .reading import Path, Reader
from .schedules import APPLICATIONS, Schedule
from .spifs import Band

COMPONENT = ("component", "pays_on", "what", "measure", "of", "credits", "credited", "commissionable", "basis", "weight",
             "accumulation", "tier_application", "tiers", "gate", "cap", "payable", "clawback")  # fmt: skip
AWARD = ("component", "pays_on", "what", "measure", "credits", "payable", "clawback", "window", "eligible", "award", "budget",
         "stacks")  # fmt: skip
OBJECTIVES = ("component", "pays_on", "what", "weight")
CREDITS = ("split", "overlay")
ELIGIBLE = ("product_family", "segment", "type", "role")


def component(file: Reader, at: Path) -> Component:
    file.keys(at, COMPONENT)
    basis = file.choice((*at, "basis"), BASES)
    accumulation = file.choice((*at, "accumulation"), ACCUMULATIONS)
    application = file.choice((*at, "tier_application"), APPLICATIONS)
    if (application == "per_transaction") != (accumulation == "none"):
        what = f"tier_application {application} does not go with accumulation {accumulation}"
        raise file.wrong((*at, "accumulation"), what, "per_transaction goes with accumulation none, and only with it")
    if accumulation == "year_to_date" and basis == "amount":
        what = "tiers in money do not move with a quota: year to date is the same as year"
        raise file.wrong((*at, "accumulation"), what, "write accumulation year")
    weight = None if file.is_none((*at, "weight")) else file.share((*at, "weight"))
    if (basis == "target") != (weight is not None):
        what = f"basis {basis} {'without' if weight is None else 'with'} a weight"
        raise file.wrong((*at, "weight"), what, "basis target needs its share of the variable pay, the others have none")
    measure, of = file.choice((*at, "measure"), MEASURES), file.choice((*at, "of"), OF)
    return Component(
        name=file.text((*at, "component")), what=file.text((*at, "what")), measure=measure, kinds=_kinds(file, at),
        basis=basis, accumulation=accumulation,
        schedule=_schedule(file, (*at, "tiers"), application, is_money=basis == "amount", is_paid=basis != "target"),
        gate=_gate(file, (*at, "gate"), accumulation), cap=_cap(file, (*at, "cap")), of=of, weight=weight,
        credited=_factors(file, (*at, "credited")), commissionable=_factors(file, (*at, "commissionable")),
        payable=_payable(file, (*at, "payable")), clawback=_clawback(file, (*at, "clawback")),
    )  # fmt: skip


def award(file: Reader, at: Path) -> Award:
    file.keys(at, AWARD)
    file.keys((*at, "window"), ("from", "to"))
    first, last = file.day((*at, "window", "from")), file.day((*at, "window", "to"))
    if last < first:
        raise file.wrong((*at, "window"), f"the window ends on {last}, before it begins", "correct it")
    terms = (*at, "award")
    found = file.at(terms)
    kind = next((name for name in AWARDS if isinstance(found, dict) and name in found), None)
    if kind is None:
        raise file.wrong(terms, f"award {found!r} is not supported", f"write one of {', '.join(AWARDS)}")
    file.keys(terms, {"pool": ("pool", "goal"), "bands": ("bands", "retroactive")}.get(kind, (kind,)))
    return Award(
        name=file.text((*at, "component")), what=file.text((*at, "what")), measure=file.choice((*at, "measure"), MEASURES),
        kinds=_kinds(file, at), kind=kind, first=first, last=last,
        cents=file.cents((*terms, kind)) if kind in ("fixed", "pool") else 0,
        rate=file.positive((*terms, "share")) if kind == "share" else Fraction(0),
        goal=_goal(file, (*terms, "goal")) if kind == "pool" else 0,
        bands=_bands(file, (*terms, "bands")) if kind == "bands" else (),
        retroactive=file.flag((*terms, "retroactive")) if kind == "bands" else False,
        eligible=_eligible(file, (*at, "eligible")),
        budget=None if file.is_none((*at, "budget")) else file.cents((*at, "budget")), stacks=file.flag((*at, "stacks")),
        payable=_payable(file, (*at, "payable")), clawback=_clawback(file, (*at, "clawback")), rounding=_rounding(file),
    )  # fmt: skip


def objectives(file: Reader, at: Path) -> Objectives:
    file.keys(at, OBJECTIVES)
    return Objectives(file.text((*at, "component")), file.text((*at, "what")), file.share((*at, "weight")), _rounding(file))


def _rounding(file: Reader) -> str:
    """How cents are made of what is earned: of the running total of a component, a person and a period (of each credit, where
    nothing accumulates), of each credit of a SPIF that pays a share, of the running total of objectives. What is divided
    (deals, quotas, pools, what is held, taken back or recovered) or converted has halves away from zero, whatever it says.
    """
    return file.choice(("rounding", "mode"), ROUNDINGS)


def _kinds(file: Reader, at: Path) -> tuple[str, ...]:
    return tuple(file.choice(one, CREDITS) for one in file.places((*at, "credits")))


def _factors(file: Reader, at: Path) -> Factors:
    if file.is_none(at):
        return Factors()
    file.keys(at, ("multi_year", "prepaid", "renewal"))
    years: tuple[tuple[int, Fraction], ...] = ()
    if not file.is_none((*at, "multi_year")):
        table = file.at((*at, "multi_year"))
        if not isinstance(table, dict) or not all(isinstance(key, str) and key.isdecimal() and int(key) for key in table):
            raise file.wrong(
                (*at, "multi_year"), f"multi_year is {table!r}", 'write factors by years, like {"1": "1", "2": "1.5"}'
            )
        years = tuple(sorted((int(key), file.positive((*at, "multi_year", key))) for key in table))
    one = {key: Fraction(1) if file.is_none((*at, key)) else file.positive((*at, key)) for key in ("prepaid", "renewal")}
    return Factors(years, **one)


def _schedule(file: Reader, at: Path, application: str, *, is_money: bool, is_paid: bool) -> Schedule:
    """Contiguous tiers in rising order; the last one is open unless it says `to`. What interpolated tiers pay is in cents,
    where `is_paid`, else a multiple of the target."""
    value, size = ("pays" if application == "interpolated" else "rate"), 100 if is_money else 1
    unit = 100 if value == "pays" and is_paid else 1
    rows = []
    for one in file.places(at):
        file.keys(one, ("from", value), optional=("to",))
        start, paid = file.number((*one, "from")), file.number((*one, value))
        end = file.number((*one, "to")) if "to" in file.at(one) else None
        rows.append((start * size, None if end is None else end * size, paid * unit))
        if len(rows) == 1 and start > 0:
            what = f"the first tier begins at {float(start):g}: what lies below is not stated"
            raise file.wrong((*one, "from"), what, 'begin at "0", with a rate of "0" where nothing is paid')
    for i, (start, end, paid) in enumerate(rows):
        following = rows[i + 1][0] if i + 1 < len(rows) else None
        if start < 0 or paid < 0:
            raise file.wrong((*at, i), "a tier begins below 0 or has a negative rate", "correct it")
        upto = end if following is None else following
        if upto is not None and upto <= start:
            raise file.wrong((*at, i), "tiers must rise", "order them by `from`, each once")
        if end is not None and following is not None and end != following:
            what = "tiers overlap" if end > following else "there is a gap between tiers"
            told = f"{what}: one ends at {float(end / size):g}, the next begins at {float(following / size):g}"
            raise file.wrong((*at, i + 1), told, "let each tier begin where the one before ends")
    last = rows[-1][1]
    if application == "interpolated" and last is None:
        raise file.wrong(at, "the last interpolated tier is open", "say `to`: a part of it pays its share of the tier")
    return Schedule(tuple(row[0] for row in rows), tuple(row[2] for row in rows), application, last, _rounding(file))


def _gate(file: Reader, at: Path, accumulation: str) -> Gate | None:
    if file.is_none(at):
        return None
    file.keys(at, ("measure", "period", "at_least"))
    period = file.choice((*at, "period"), ("month", "quarter", "year"))
    if period == "month" and accumulation not in ("none", "month"):
        what = f"a gate of each month does not go with accumulation {accumulation}"
        raise file.wrong((*at, "period"), what, "accumulate by month, or look at the quarter")
    return Gate(file.choice((*at, "measure"), MEASURES), period, file.number((*at, "at_least")))


def _cap(file: Reader, at: Path) -> Cap | None:
    if file.is_none(at):
        return None
    file.keys(at, ("kind", "amount", "share_above"))
    kind, above = file.choice((*at, "kind"), CAPS), file.share((*at, "share_above"))
    if (kind == "soft") != (above > 0):
        what = f"a {kind} cap with share_above {float(above):g}"
        raise file.wrong((*at, "share_above"), what, "only a soft cap pays above it")
    return Cap(kind, file.cents((*at, "amount")), above)


def _payable(file: Reader, at: Path) -> tuple[Payable, ...]:
    parts = []
    for one in file.places(at):
        file.keys(one, ("share", "on"))
        months = isinstance(file.at((*one, "on")), dict)
        if months:
            file.keys((*one, "on"), ("months",))
        on = "months" if months else file.choice((*one, "on"), PAYABLE[:-1])
        parts.append(Payable(file.share((*one, "share")), on, file.whole((*one, "on", "months"), least=1) if months else 0))
    if sum(part.share for part in parts) != 1:
        told = float(sum(part.share for part in parts))
        raise file.wrong(at, f"what is payable sums to {told:.2%} of the pay", "let the shares sum to 1")
    return BOOKED if all(part.on == "booking" for part in parts) else tuple(parts)


def _clawback(file: Reader, at: Path) -> Clawback | None:
    if file.is_none(at):
        return None
    file.keys(at, ("kind", "within_months", "share", "steps"))
    kind = file.choice((*at, "kind"), CLAWBACKS)
    for key in ("share", "steps"):
        if (key == {"share": "share", "schedule": "steps"}.get(kind)) == file.is_none((*at, key)):
            wanted = "states it" if file.is_none((*at, key)) else "says none"
            raise file.wrong((*at, key), f"{key} of a clawback of kind {kind}", f"kind {kind} {wanted}")
    steps = []
    for one in file.places((*at, "steps")) if kind == "schedule" else []:
        file.keys(one, ("months", "share"))
        steps.append((file.whole((*one, "months"), least=1), file.share((*one, "share"))))
        if len(steps) > 1 and steps[-1][0] <= steps[-2][0]:
            raise file.wrong(one, "steps must rise", "order them by `months`, each once")
    within = file.whole((*at, "within_months"), least=1)
    return Clawback(kind, within, file.share((*at, "share")) if kind == "share" else None, tuple(steps))


def _goal(file: Reader, at: Path) -> int:
    goal = file.cents(at)
    if goal == 0:
        raise file.wrong(at, "a goal of 0 is always reached", "state what is to be sold")
    return goal


def _bands(file: Reader, at: Path) -> tuple[Band, ...]:
    """Bands of deals, first and last both in it; contiguous from the first on, the last one open unless it says `to`."""
    bands: list[Band] = []
    for one in file.places(at):
        file.keys(one, ("from", "pays"), optional=("to",))
        first = file.whole((*one, "from"), least=1)
        last = file.whole((*one, "to"), least=first) if "to" in file.at(one) else None
        if bands and (bands[-1][1] is None or first != bands[-1][1] + 1):
            raise file.wrong(one, "a band does not begin after the one before", "let them follow each other: 1 to 3, 4 to 6, 7")
        bands.append((first, last, file.cents((*one, "pays"))))
    return tuple(bands)


def _eligible(file: Reader, at: Path) -> dict[str, tuple[str, ...]]:
    if file.is_none(at):
        return {}
    file.keys(at, (), ELIGIBLE)
    return {key: tuple(file.text(one) for one in file.places((*at, key))) for key in file.at(at)}
