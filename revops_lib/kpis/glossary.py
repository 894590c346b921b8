"""The dictionary as a page: what every KPI means, and its worked example with the number that the formula computes."""

from __future__ import annotations

from pathlib import Path

from .definitions import Definition, example, of_file
from .populations import POPULATIONS

_HEAD = """\
# Glossary of KPIs

One definition each. This page is made from the dictionary that every number, the board pack and the alerts use, and its
examples are computed by the same formulas, so it cannot disagree with them.

"""


def glossary(path: Path | None = None) -> str:
    """The page as Markdown, in the order of the dictionary: that of the house, or the file named. Raises what `definitions`
    raises, and ValueError for an example whose result is not the one written."""
    known = of_file(path)
    return _HEAD + "\n".join(_entry(one, known) for one in known.values())


def _entry(one: Definition, known: dict[str, Definition]) -> str:
    whom = POPULATIONS[one.population]
    expected, found, holds = example(one)
    if not holds:
        raise ValueError(f"the example of {one.id} gives {found}, not {expected}")
    digits = len(expected.partition(".")[2])
    given = ", ".join(f"{name} = {_text(value)}" for name, value in one.example["inputs"].items())
    lines = [
        f"- Formula: {one.formula}",
        f"- Counts: {whom.what}, by {whom.anchor}",
        f"- Unit: {one.unit}; id: `{one.id}`; version {one.version}; owner: {one.owner}",
        f"- Example: {given} gives {found:,.{digits}f} ({one.example['source']})",
    ]
    if one.ripe_after != "none":
        lines.insert(2, f"- Final after: {one.ripe_after}")
    if one.confused_with:
        lines.append(f"- Not to be confused with: {', '.join(known[other].name['en'] for other in one.confused_with)}")
    return f"## {one.name['en']}\n\nFrench: {one.name['fr']}\n\n" + "\n".join(lines) + "\n"


def _text(value: object) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, list) else str(value)
