"""Records of a CRM as rows of text: every value exactly as the CRM wrote it, nested ones flattened.

Columns are called as dlt calls them (`StageName` → `stage_name`, `properties.amount` → `properties__amount`), so that one
mapping reads what this connector and what a dlt pipeline of one's own has landed.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache
from typing import Any, NoReturn

from dlt.common.normalizers.naming.snake_case import NamingConvention

from ...errors import DataRefused
from .connector import Connector, Resource

Row = dict[str, str | None]

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MILLISECOND = dt.timedelta(milliseconds=1)
_LONGEST_EXPONENT = 40  # a number beyond is no amount, and its zeros could fill the memory
_NAMING = NamingConvention()


def read_json(content: bytes) -> Any:
    """A JSON answer in which every number is the text that was sent: no amount passes through a float.

    >>> read_json(b'{"Amount": 1200.50, "Big": 1.5E7, "Id": 12345678901234567890, "Won": true}')
    {'Amount': '1200.50', 'Big': '15000000', 'Id': '12345678901234567890', 'Won': True}
    """
    return json.loads(content, parse_float=_number, parse_int=str, parse_constant=_no_number)


def _number(text: str) -> str:
    if "e" not in text.lower():
        return text
    number = Decimal(text)
    return format(number, "f") if abs(number.adjusted()) < _LONGEST_EXPONENT else text


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def rows_of(record: Any, resource: Resource, connector: Connector) -> Iterator[Row]:
    """The rows a record of the CRM gives: itself, or one per element of the list inside it that `rows` names.

    Raises DataRefused for a record that is no object, or two fields of which would share a column.
    """
    if not isinstance(record, dict):
        raise _refusal("a record is not an object", resource, connector)
    if resource.rows is None:
        yield _row(record, resource, connector)
        return
    kept = {name: at(record, path) for name, path in resource.rows.keep.items()}
    inside = at(record, resource.rows.path)
    for name, elements in inside.items() if isinstance(inside, dict) else [(None, inside)]:
        named = {resource.rows.name: name} if resource.rows.name else {}
        for element in elements if isinstance(elements, list) else []:
            values = element if isinstance(element, dict) else {"value": element}
            yield _row({**kept, **named, **values}, resource, connector)


def declared(resource: Resource) -> list[str]:
    """Columns a table has even when no record fills them: the key, what `rows` keeps, and the fields asked for."""
    if resource.rows is not None:
        names = [*resource.rows.keep, *([resource.rows.name] if resource.rows.name else []), *resource.key]
    else:
        names = [*resource.key, *(f"{resource.under}.{name}" if resource.under else name for name in resource.fields)]
    return list(dict.fromkeys(column(name) for name in names))


@lru_cache(maxsize=100_000)
def column(path: str) -> str:
    """The column a field lands in; a dot leads into nested objects.

    >>> column("OpportunityId"), column("properties.hs_deal_stage"), column("Region__c"), column("_ownerid_value")
    ('opportunity_id', 'properties__hs_deal_stage', 'region__c', '_ownerid_value')
    """
    return "__".join(_NAMING.normalize_path(part) for part in path.split("."))


def changed_at(record: Any, resource: Resource, connector: Connector) -> int | None:
    """When the CRM last changed a record, in milliseconds since 1970; None when the resource has no cursor."""
    if resource.cursor is None:
        return None
    text = at(record, resource.cursor)
    try:
        if isinstance(text, str) and text.isdigit():
            return int(text)
        moment = dt.datetime.fromisoformat(str(text))
    except ValueError:
        raise _refusal(f"a record's {resource.cursor} is {text!r}, not a time", resource, connector) from None
    return (moment.replace(tzinfo=moment.tzinfo or dt.UTC) - _EPOCH) // _MILLISECOND


def moment_text(milliseconds: int) -> str:
    """Milliseconds since 1970 as every CRM reads a time.

    >>> moment_text(1735689600123)
    '2025-01-01T00:00:00.123Z'
    """
    return (_EPOCH + milliseconds * _MILLISECOND).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def milliseconds(moment: dt.datetime) -> int:
    return (moment - _EPOCH) // _MILLISECOND


def at(record: Any, path: str) -> Any:
    """The value a dotted path leads to; None where it leads nowhere.

    >>> at({"properties": {"amount": "5"}}, "properties.amount"), at({}, "properties.amount")
    ('5', None)
    """
    for part in path.split("."):
        record = record.get(part) if isinstance(record, dict) else None
    return record


def _row(record: dict[str, Any], resource: Resource, connector: Connector) -> Row:
    row: Row = {}
    for name, value in _flat(record, "", connector):
        if name in row:
            raise _refusal(f"two fields would share the column {name}", resource, connector)
        row[name] = value
    return row


def _flat(record: dict[str, Any], prefix: str, connector: Connector) -> Iterator[tuple[str, str | None]]:
    for key, value in record.items():
        if key in connector.drop:
            continue
        name = prefix + _renamed(key, connector.columns)
        if isinstance(value, dict):
            yield from _flat(value, f"{name}__", connector)
        else:
            yield name, _as_text(value)


@lru_cache(maxsize=100_000)
def _renamed(key: str, columns: tuple[tuple[str, str], ...]) -> str:
    for written, short in columns:
        key = key.replace(written, short)
    return column(key.replace(".", "_"))


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _refusal(what: str, resource: Resource, connector: Connector) -> DataRefused:
    return DataRefused(what, f"{connector.path}, {resource.name}", "correct the connector file, or ask who runs the CRM")
