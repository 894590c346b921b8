"""The parameters a notebook declares, read from its one cell tagged `parameters`, as text: nothing is executed or guessed."""

from __future__ import annotations

import ast
import io
import json
import math
import re
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .. import masking
from ..errors import UsageError, nearest

LONGEST = 1000  # characters of a text
TYPES = {"str": str, "int": int, "float": float, "bool": bool}
_FORM = "write every line like `level: float = 0.9  # share of cases inside the interval [0.5 to 0.99]`"
_RANGE = re.compile(r"\[(\S+) to (\S+)\]$")
_CHOICES = re.compile(r"\[one of ([^\[\]]+)\]$")

Value = str | int | float | bool | None


@dataclass(frozen=True)
class Parameter:
    """A parameter a notebook declares; `type` is str, int, float or bool, `optional` allows None as its default.

    `bounds` of a number are inclusive, `choices` of a text are all it may be; none when its help names none.
    """

    name: str
    type: str
    default: Value
    help: str
    optional: bool = False
    bounds: tuple[float, float] | None = None
    choices: tuple[str, ...] = ()

    def value(self, given: Value, where: str) -> Value:
        """The value in the declared type and range; text is read strictly. Anything else is a UsageError."""
        if given is None and self.optional:
            return None
        if isinstance(given, str) and self.type != "str":
            given = _literal(given, self.type)
        if self.type == "float" and type(given) is int:
            given = float(given)
        if type(given) is not TYPES[self.type] or (isinstance(given, float) and not math.isfinite(given)):
            examples = {
                "str": "text",
                "int": "a whole number such as 12",
                "float": "a number such as 0.9",
                "bool": "true or false",
            }
            raise UsageError(f"parameter {self.name} is not of type {self.type}", where, f"give {examples[self.type]}")
        if isinstance(given, str) and (len(given) > LONGEST or not given.isprintable()):
            raise UsageError(f"parameter {self.name} is not one line of text", where, f"give at most {LONGEST} characters")
        if not self.allows(given):
            span = f"{self.bounds[0]:g} to {self.bounds[1]:g}" if self.bounds else f"one of {', '.join(self.choices)}"
            do = f"give {span}" if self.bounds else nearest(str(given), self.choices)
            raise UsageError(f"parameter {self.name} is {given!r}, outside its range: {span}", where, do)
        return given

    def allows(self, value: Value) -> bool:
        """Whether a value of the declared type lies in the range; None is in every range."""
        if value is None:
            return True
        if self.bounds is not None:
            return self.bounds[0] <= float(value) <= self.bounds[1]
        return not self.choices or value in self.choices


def _literal(text: str, kind: str) -> Value:
    """Text as a number or truth value, or the text itself when it is none: the caller refuses it by its type."""
    if kind == "bool":
        return {"true": True, "false": False}.get(text, text)
    if kind == "int":
        return int(text) if re.fullmatch(r"[+-]?[0-9]{1,18}", text) else text
    return float(text) if re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?", text) else text


def parameters(notebook: Path) -> dict[str, Parameter]:
    """The parameters a notebook declares, by name, in the order written.

    They stand in one cell tagged `parameters`, a line each: `name: type = literal  # help`, the type str, int, float or
    bool, or one of them `| None`. The help of a number may end with its range, `[0.5 to 0.99]`, that of a text with its
    choices, `[one of a, b]`; the default must be allowed too. Anything else is a UsageError naming the notebook.
    """
    try:
        content = json.loads(notebook.read_text(encoding="utf-8"))
        cells = [c for c in content["cells"] if c["cell_type"] == "code" and "parameters" in c["metadata"].get("tags", [])]
        sources = ["".join(cell["source"]) for cell in cells]
    except OSError as failure:
        raise UsageError(f"cannot read the notebook: {failure.strerror}", str(notebook), "check the path") from failure
    except (ValueError, KeyError, TypeError, AttributeError) as failure:
        raise UsageError("the file is not a notebook", str(notebook), "restore it") from failure
    if len(sources) != 1:
        raise UsageError(f"{len(sources)} cells are tagged `parameters`", str(notebook), "tag exactly one cell")
    try:
        body = ast.parse(sources[0]).body
    except SyntaxError as failure:
        raise UsageError("the parameters cell is not Python", f"{notebook}, line {failure.lineno}", _FORM) from failure
    comments = _comments(sources[0])
    declared: dict[str, Parameter] = {}
    for statement in body:
        parameter = _parameter(statement, comments)
        if parameter is None or parameter.name in declared:
            line = ast.get_source_segment(sources[0], statement) or ""
            raise UsageError(f"not a parameter: `{line.splitlines()[0][:80]}`", str(notebook), _FORM)
        declared[parameter.name] = parameter
    return declared


def _comments(source: str) -> dict[int, str]:
    """Text of the comment on each line that has one."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.start[0]: token.string.lstrip("# ").rstrip() for token in tokens if token.type == tokenize.COMMENT}


def _parameter(statement: ast.stmt, comments: Mapping[int, str]) -> Parameter | None:
    """The parameter a statement declares; None when it is anything but `name: type = literal  # help`."""
    if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name) or statement.value is None:
        return None
    kind, _, rest = ast.unparse(statement.annotation).partition(" | ")
    comment = comments.get(statement.end_lineno or 0, "")
    if kind not in TYPES or rest not in ("", "None") or not comment:
        return None
    try:
        default = ast.literal_eval(statement.value)
    except ValueError:
        return None
    optional = rest == "None"
    fits = type(default) is TYPES[kind] or (kind == "float" and type(default) is int) or (optional and default is None)
    if not fits:
        return None
    try:
        bounds, choices = _limits(comment)
    except ValueError:  # a range, but not of numbers
        return None
    if (bounds and kind not in ("int", "float")) or (choices and kind != "str"):
        return None
    parameter = Parameter(statement.target.id, kind, default, comment, optional, bounds, choices)
    return parameter if parameter.allows(default) and not masking.is_secret(parameter.name) else None


def _limits(comment: str) -> tuple[tuple[float, float] | None, tuple[str, ...]]:
    """The range of numbers and the choices a help text ends with."""
    span, choices = _RANGE.search(comment), _CHOICES.search(comment)
    named = tuple(choice.strip() for choice in choices[1].split(",")) if choices else ()
    return (float(span[1]), float(span[2])) if span else None, named
