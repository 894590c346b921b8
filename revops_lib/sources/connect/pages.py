"""What is asked, in the words of dlt's REST source, and how its pages are turned and looked at."""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from dlt.common import jsonpath
from dlt.sources.helpers.rest_client.paginators import BasePaginator, JSONLinkPaginator, SinglePagePaginator

from ...errors import DataRefused
from . import rows
from .connector import Connector, Resource, fill

_EMPTY_PAGES = 25  # in a row; a CRM may send a few where it filtered afterwards
_SAID_EVERY = 25  # pages
_FIRST = "0"  # no id of a CRM comes before it

Say = Callable[[str], None]


class FetchFailed(DataRefused):
    """The CRM did not give its records: throttled, out of order, cut off, or not understood."""


class Visit:
    """What is known of one resource while it is read: pages, records, newest change, and when the CRM first answered."""

    def __init__(self, resource: Resource, connector: Connector, say: Say) -> None:
        self.resource, self.connector, self.say = resource, connector, say
        self.pages = self.records = 0
        self.newest: int | None = None
        self.answered: int | None = None
        self.ids: list[str] = []  # of the records that another resource says have changed
        self._empty = 0
        self._promised: str | None = None
        self._asked: set[tuple[Any, Any]] = set()

    def saw(self, changed: int | None) -> None:
        if changed is not None and (self.newest is None or changed > self.newest):
            self.newest = changed

    @property
    def cursor(self) -> int | None:
        """Up to when every change has been read. What changed while pages were turned is asked for again next time."""
        if self.newest is None or self.answered is None:
            return self.newest
        return min(self.newest, self.answered)

    def page(self, response: requests.Response, found: list[Any], counts: bool) -> None:
        """Take note of a page; raises FetchFailed where the pages lead nowhere."""
        question = (response.request.url, response.request.body)
        if question in self._asked:
            raise self.failed("the pages lead in a circle: the CRM sent the same one twice")
        self._asked.add(question)
        self._empty = 0 if found else self._empty + 1
        if self._empty >= _EMPTY_PAGES:
            raise self.failed(f"{_EMPTY_PAGES} pages in a row hold no record, and there is still a next one")
        if self.answered is None:
            self.answered = _answered_at(response)
        self.pages += 1
        self.records += len(found) if counts else 0
        if self.resource.total is not None:
            self._promised = rows.at(response.json(), self.resource.total)
        if self.pages % _SAID_EVERY == 0:
            self.say(f"{self.resource.name}: {self.pages:,} pages, {self.records:,} records so far")

    def check_complete(self) -> None:
        """Raises FetchFailed when the CRM said how many records there are, and others came."""
        if self.resource.total is not None and self._promised != str(self.records):
            raise self.failed(f"the CRM speaks of {self._promised} records and sent {self.records}")

    def failed(self, what: str) -> FetchFailed:
        return FetchFailed(what, f"{self.connector.path}, {self.resource.name}", "try again later, or ask who runs the CRM")


def _answered_at(response: requests.Response) -> int | None:
    try:
        return rows.milliseconds(parsedate_to_datetime(response.headers["Date"]).astimezone(dt.UTC))
    except (KeyError, TypeError, ValueError):
        return None


def endpoint(resource: Resource, visit: Visit, since: int, ids: str | None = None) -> dict[str, Any]:
    """A resource in the words of dlt's REST source: the one that is visited, or one that tells what has changed there."""
    helps = resource is not visit.resource
    written = str(since) if resource.since_as == "milliseconds" else rows.moment_text(since)

    def body(last: str) -> Any:
        return (resource.telling if helps else resource).filled(resource.json, since=written, last=last)

    if resource.last is not None:
        paginator: BasePaginator = _Onward(resource, body)
    elif resource.next is not None:
        paginator = JSONLinkPaginator(f"'{resource.next}'" if resource.next.startswith("@") else resource.next)
    else:
        paginator = SinglePagePaginator()
    described = {
        "path": resource.filled(resource.path),
        "method": resource.method,
        "params": _braced(resource.parameters(since=written)),
        "data_selector": resource.records,
        "paginator": _Watched(paginator, resource, visit, counts=not helps),
    }
    if resource.json is not None:
        described["json"] = fill(_braced(body(_FIRST)), {"ids": ids})
    return {"name": resource.name, "endpoint": described}


def _braced(value: Any) -> Any:
    """Braces doubled, as dlt reads single ones as places of its own; `{ids}` is such a place and stays."""
    if isinstance(value, dict):
        return {key: _braced(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_braced(part) for part in value]
    if isinstance(value, str) and value != "{ids}":
        return value.replace("{", "{{").replace("}", "}}")
    return value


def batches(told_by: Resource, visit: Visit) -> Callable[[Any], Iterator[list[dict[str, Any]]]]:
    """The ids of a page's records, as dlt hands them to the resource that reads them: in lists, here of one batch each."""

    def split(page: Any) -> Iterator[list[dict[str, Any]]]:
        found = _found(page, told_by)
        for record in found:
            visit.saw(rows.changed_at(record, told_by, visit.connector))
        ids = [rows.at(record, told_by.key[0]) for record in found]
        visit.ids += ids
        for start in range(0, len(ids), visit.resource.batch):
            yield [{"ids": [{"id": one} for one in ids[start : start + visit.resource.batch]]}]

    return split


def _found(content: Any, resource: Resource) -> list[Any]:
    """The records of a page. An answer without the list is no empty page: something else was sent."""
    matches = jsonpath.find_values(resource.records, content)
    if len(matches) == 1 and isinstance(matches[0], list):
        return matches[0]
    raise ValueError(f"it has no list {resource.records!r}")


class _Watched(BasePaginator):
    """A paginator whose every page is looked at before the next one is asked for."""

    def __init__(self, inner: BasePaginator, resource: Resource, visit: Visit, counts: bool) -> None:
        super().__init__()
        self._inner, self._resource, self._visit, self._counts = inner, resource, visit, counts

    def __deepcopy__(self, memo: dict[int, Any]) -> _Watched:
        # dlt copies the paginator for each batch; what it has seen must stay one.
        return _Watched(copy.deepcopy(self._inner, memo), self._resource, self._visit, self._counts)

    @property
    def has_next_page(self) -> bool:
        return self._inner.has_next_page

    def init_request(self, request: requests.Request) -> None:
        self._inner.init_request(request)

    def update_state(self, response: requests.Response, data: list[Any] | None = None) -> None:
        found = _found(response.json(), self._resource)
        self._visit.page(response, found, self._counts)
        if self._resource.answers_each:
            asked = len(rows.read_json(_bytes(response.request.body)).get("inputs", []))
            if len(found) != asked:
                raise self._visit.failed(f"{asked} records were asked for, {len(found)} were answered")
        self._inner.update_state(response, found)

    def update_request(self, request: requests.Request) -> None:
        self._inner.update_request(request)


class _Onward(BasePaginator):
    """Pages in the order of a number: the next one asks for what comes after the last.

    Searches that count pages skip records when others change meanwhile, and end after some thousands. This does neither.
    """

    def __init__(self, resource: Resource, body: Callable[[str], Any]) -> None:
        super().__init__()
        self._resource, self._body, self._last = resource, body, _FIRST

    def update_state(self, response: requests.Response, data: list[Any] | None = None) -> None:
        for record in data or []:
            number = rows.at(record, self._resource.last or "")
            if not isinstance(number, str) or not number.isdigit() or int(number) <= int(self._last):
                raise ValueError(f"{self._resource.last} {number!r} comes after {self._last!r}: the pages are not in order")
            self._last = number
        self._has_next_page = bool(data)

    def update_request(self, request: requests.Request) -> None:
        request.json = self._body(self._last)


def _bytes(body: Any) -> bytes:
    return body.encode() if isinstance(body, str) else body or b"{}"
