"""What speaks for a pair and against it, in bits: a score and a sentence.

The score adds evidence, as Fellegi & Sunter (1969) do: a pair starts at `PRIOR` bits, each thing that both records fill adds or
takes bits, and b bits in all make a score of 1 / (1 + 2^-b). A missing value is no evidence. What agrees counts for less the
more records hold it: minus log2 of their number. Evidence of *where* somebody is found (address, phone, company, city) is worth
at most `WHERE` bits in all, because colleagues and spouses share it too, and at most `ALONE` when nothing else agrees: a score
of one half. The bits are those of a list of up to `USUAL` records; in one 2^k times as long a pair starts k bits lower, and
what agrees is worth k bits more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from rapidfuzz import distance, fuzz, process

from .spelling import ADDRESSES, Field, Words


class Kind(NamedTuple):
    """Bits of each verdict on a thing that both records fill; `where` marks what colleagues or spouses share."""

    same: float
    alike: float  # a typing error apart
    within: float  # one name contains the other, or they have a rare word in common
    half: float
    differs: float
    where: bool = False


# Whole bits, chosen on febrl dataset1, half of the true clusters of dedupe_sites and generated lists of accounts and contacts.
# The two caps (WHERE, ALONE) were set last, with all of the lists in view.
KINDS = {
    "organisation": Kind(17, 14, 10, 1, -4),
    "person": Kind(12, 10, 10, -6, -20),
    "site": Kind(14, 14, 0, 4, -16, where=True),
    "address": Kind(12, 12, 0, 4, -4, where=True),
    "phone": Kind(12, 0, 0, 0, -1, where=True),
    "email": Kind(14, 8, 0, 0, -4),
    "website": Kind(12, 0, 0, 0, -5, where=True),
    "code": Kind(12, 6, 0, 0, -4),
    "reference": Kind(12, 0, 0, 0, -3, where=True),
    "place": Kind(6, 4, 0, 0, -2, where=True),
    "category": Kind(4, 0, 0, 0, -2, where=True),
}
PRIOR, WHERE, ALONE, USUAL = -10.0, 16.0, 10.0, 4_096
CHANCE = 100  # a name of common words counts as held by so many records more per namesake expected by chance
RARE = 16  # a word in at most so many names hints at the same organisation
MISSING, SAME, ALIKE, WITHIN, HALF, DIFFERS = range(6)


def scored(fields: list[Field], first: np.ndarray, second: np.ndarray, level: float) -> pd.DataFrame:
    """The pairs of records that reach `level`, one row per pair: first, second (numbers of the records), score, reason."""
    longer = np.log2(max(len(fields[0].code), USUAL) / USUAL)
    own, where = np.full(len(first), PRIOR - longer), np.zeros(len(first))
    backed = np.zeros(len(first), dtype=bool)
    verdicts, shares = [], []
    for field in fields:
        verdict, alike, holders = _verdict(field, field.code[first], field.code[second])
        bits = _bits(field, verdict, holders, longer)
        if KINDS[field.kind].where:
            where += bits
        else:
            own += bits
            backed |= bits > 0
        verdicts.append(verdict)
        shares.append(alike)
    score = 1 / (1 + 2.0 ** -(own + np.minimum(where, np.where(backed, WHERE, ALONE))))
    kept = np.flatnonzero(score >= level)
    reasons = [_reason(fields, [int(v[k]) for v in verdicts], [float(s[k]) for s in shares]) for k in kept]
    table = pd.DataFrame({"first": first[kept], "second": second[kept], "score": score[kept]})
    return table.assign(reason=pd.Series(reasons, dtype="str"))


def _verdict(field: Field, one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Per pair of values: verdict, share of letters alike (0–1), how many records hold what agrees."""
    verdict = np.where((one < 0) | (other < 0), MISSING, np.where(one == other, SAME, DIFFERS)).astype("int8")
    alike = (verdict == SAME).astype(float)
    holders = np.ones(len(one))
    both = np.flatnonzero(verdict != MISSING)
    a, b = one[both], other[both]
    holders[both] = np.where(a == b, field.held[a], field.held[a] + field.held[b])
    if field.words is not None:
        holders[both] += CHANCE * np.maximum(field.words.chance[a], field.words.chance[b])
    unequal = np.flatnonzero(verdict == DIFFERS)
    a, b = one[unequal], other[unequal]
    if field.words is not None:
        verdict[unequal], alike[unequal], rarest = _names(field, field.words, a, b)
        holders[unequal] = np.where(verdict[unequal] == WITHIN, rarest, holders[unequal])
    elif field.kind in ADDRESSES:
        verdict[unequal], alike[unequal] = _addresses(field, a, b)
    elif field.kind in {"code", "email", "place"}:
        verdict[unequal] = _codes(field, a, b)
        alike[unequal] = _alike(fuzz.ratio, field.values[a], field.values[b])
    return verdict, alike, holders


def _bits(field: Field, verdict: np.ndarray, holders: np.ndarray, longer: float) -> np.ndarray:
    """Evidence of each pair. A city or segment in common is worth what its share of the records says, up to its kind's bits."""
    kind, held = KINDS[field.kind], np.log2(holders) - longer
    if field.kind in {"place", "category"}:
        share = np.log2((field.held.sum() + 1) / holders)
        same, alike = np.clip(share, 0, kind.same), np.clip(share, 0, kind.alike)
    else:
        same, alike = np.maximum(kind.same - held, 0), np.maximum(kind.alike - held, 0)
    bits = [same, alike, np.maximum(kind.within - held, 0), kind.half, kind.differs]
    return np.select([verdict == v for v in (SAME, ALIKE, WITHIN, HALF, DIFFERS)], bits, 0.0)


def _names(field: Field, words: Words, one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Verdict, share of letters alike, and in how many names the rarest word in common stands.

    A typing error makes a word that no other name has; two established words are two names. Numbers must agree.
    """
    alike = _alike(fuzz.ratio, field.values[one], field.values[other])
    a, b = words.numbers[one], words.numbers[other]
    equal = (a[:, :, None] == b[:, None, :]) & (a[:, :, None] >= 0)
    in_b, in_a = equal.any(axis=2), equal.any(axis=1)
    only_a, only_b = (a >= 0) & ~in_b, (b >= 0) & ~in_a
    shared, contained = in_b.any(axis=1), ~(only_a.any(axis=1) & only_b.any(axis=1))
    rarest = np.where(in_b, words.spread[a], len(words.spread)).min(axis=1)
    new_word = (only_a & (words.spread[a] < 2)).any(axis=1) | (only_b & (words.spread[b] < 2)).any(axis=1)
    other_number = (only_a & words.digits[a]).any(axis=1) & (only_b & words.digits[b]).any(axis=1)
    within = shared & (contained | ((rarest <= RARE) & (field.kind == "organisation")))
    mistyped = (alike >= 0.88) & ~contained & new_word
    verdict = np.select([other_number, mistyped, within, shared | (alike >= 0.6)], [DIFFERS, ALIKE, WITHIN, HALF], DIFFERS)
    return verdict, alike, rarest


def _addresses(field: Field, one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The house number decides; where one has none the text must be nearly the same."""
    streets = _alike(fuzz.token_set_ratio, field.rest[one], field.rest[other])
    known = (field.fixed[one] != "") & (field.fixed[other] != "")
    same_number = known & (field.fixed[one] == field.fixed[other])
    alike = np.where(same_number, streets, _alike(fuzz.token_sort_ratio, field.values[one], field.values[other]))
    near = np.where(same_number, streets >= 0.8, ~known & (alike >= 0.9))
    half = np.where(same_number, streets >= 0.6, ~known & (streets >= 0.9))
    return np.select([near, half], [ALIKE, HALF], DIFFERS), alike


def _codes(field: Field, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """One edit apart, or two in a code or place of eight characters and more, never in the part that must be the same."""
    length = np.array([len(value) for value in field.values], dtype="int64")
    longer = np.maximum(length[one], length[other])
    edits = process.cpdist(field.values[one], field.values[other], scorer=distance.OSA.distance, workers=-1)
    allowed = np.where((longer >= 8) & (field.kind != "email"), 2, 1)
    near = (longer >= 4) & (edits <= allowed) & (field.fixed[one] == field.fixed[other])
    return np.where(near, ALIKE, DIFFERS)


def _alike(scorer: Callable[..., float], one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """rapidfuzz's ratio of each pair of texts, 0–1."""
    return process.cpdist(one, other, scorer=scorer, workers=-1) / 100


def _reason(fields: list[Field], verdicts: list[int], alike: list[float]) -> str:
    """What agrees, what is alike, what differs: "same phone; name 96 % alike; city differs"."""
    said: dict[int, list[str]] = {verdict: [] for verdict in range(6)}
    for field, verdict, share in zip(fields, verdicts, alike, strict=True):
        percent = f"{field.label} {int(share * 100)} % alike"
        said[verdict].append(
            {ALIKE: percent, HALF: percent, WITHIN: f"{field.label} has words in common"}.get(verdict, field.label)
        )
    same = [f"same {_listed(said[SAME])}"] if said[SAME] else []
    differ = [f"{_listed(said[DIFFERS])} differ{'s' if len(said[DIFFERS]) == 1 else ''}"] if said[DIFFERS] else []
    return "; ".join(same + said[ALIKE] + said[WITHIN] + said[HALF] + differ)


def _listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
