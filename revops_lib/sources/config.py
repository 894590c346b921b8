"""YAML files read safely: no duplicate keys, no code, no alias that expands without end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from ..errors import UsageError, nearest

# A file may expand through aliases to ten times what is written; what stays below this many values is never a danger.
_SMALL = 10_000
_GROWTH = 10
_DEEPEST = 100  # levels; the loader in C would crash on many more
_LOADER: Any = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping a YAML file holds.

    Raises UsageError naming the file and the line for: a file that cannot be read, text that is not YAML or not UTF-8,
    a key written twice, a tag that asks for an object, an alias that grows without bound, a top level that is not a
    mapping.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as failure:
        raise UsageError(f"cannot read the file: {failure.strerror}", str(path), "check the path") from failure
    except UnicodeDecodeError as failure:
        raise UsageError("the file is not UTF-8 text", str(path), "save it as UTF-8") from failure
    try:
        _refuse_depth(text)
        loader = _LOADER(text)
        node = loader.get_single_node()
        _inspect(node)
        content = loader.construct_document(node) if node else None
    except yaml.MarkedYAMLError as failure:
        raise UsageError(_problem(failure), _where(path, failure.problem_mark), "correct the file") from failure
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError) as failure:
        raise UsageError(f"not valid YAML: {failure}", str(path), "correct the file") from failure
    if not isinstance(content, dict):
        raise UsageError("no `key: value` lines at the top level", str(path), "write it as in data/README.md")
    return content


def yaml_lines(path: Path) -> dict[tuple[str | int, ...], int]:
    """The line of each value of a YAML file that `read_yaml` reads, by the keys and places that lead to it; its key's line
    where it has one. Below a mapping of dates nothing is told apart."""
    found: dict[tuple[str | int, ...], int] = {}

    def walk(node: yaml.Node, at: tuple[str | int, ...]) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if not key.tag.endswith(":timestamp"):
                    found[(*at, key.value)] = key.start_mark.line + 1
                    walk(value, (*at, key.value))
        elif isinstance(node, yaml.SequenceNode):
            for place, value in enumerate(node.value):
                found[(*at, place)] = value.start_mark.line + 1
                walk(value, (*at, place))

    root = _LOADER(Path(path).read_text(encoding="utf-8-sig")).get_single_node()
    if root is not None:
        walk(root, ())
    return found


def only(entry: Mapping[str, Any], valid: Iterable[str], where: str, required: Iterable[str] = ()) -> None:
    """Refuse keys that are not valid, with the nearest, and required ones that are not there."""
    valid, required = list(valid), list(required)
    for key in entry:
        if key not in valid:
            raise UsageError(f"unknown key {key!r}", where, nearest(str(key), valid))
    for key in required:
        if key not in entry:
            raise UsageError(f"{key} is missing", where, f"needed: {', '.join(required)}")


def _refuse_depth(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            mark: Any = event.start_mark
            raise yaml.MarkedYAMLError(problem="nested too deeply", problem_mark=mark)


def _inspect(root: yaml.Node | None) -> None:
    """Refuse what the safe loader would let through, before it builds anything.

    A key written twice (the loader keeps the last, silently), and aliases that stand for themselves or for more values
    than memory holds.
    """
    sizes: dict[int, int] = {}  # values a node expands to; 0 while it is being measured

    def size(node: yaml.Node) -> int:
        known = sizes.get(id(node))
        if known == 0:
            raise yaml.MarkedYAMLError(problem="an alias contains itself", problem_mark=node.start_mark)
        if known is not None:
            return known
        sizes[id(node)] = 0
        if isinstance(node, yaml.MappingNode):
            _refuse_duplicates(node)
        sizes[id(node)] = total = 1 + sum(size(part) for part in _parts(node))
        if total > max(_SMALL, _GROWTH * len(sizes)):
            raise yaml.MarkedYAMLError(problem="an alias expands to too many values", problem_mark=node.start_mark)
        return total

    if root is not None:
        size(root)


def _refuse_duplicates(node: yaml.MappingNode) -> None:
    seen = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise yaml.MarkedYAMLError(problem="a key must be one plain value", problem_mark=key.start_mark)
        # 16 and 0x10, yes and true are the same key once they are read.
        read = key.value if key.tag.endswith((":str", ":merge")) else (key.tag, yaml.SafeLoader("").construct_object(key))
        if read in seen:
            raise yaml.MarkedYAMLError(problem=f"key {key.value!r} is written twice", problem_mark=key.start_mark)
        seen.add(read)


def _parts(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _problem(failure: yaml.MarkedYAMLError) -> str:
    problem = failure.problem or "not valid YAML"
    return problem.replace("could not determine a constructor for the tag", "only plain values are read, found the tag")


def _where(path: Path, mark: yaml.Mark | None) -> str:
    return f"{path}, line {mark.line + 1}" if mark else str(path)
