"""From a connector file to a folder of tables: the one public function."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ...errors import RevopsError, UsageError
from .connector import Connector, read_connector

if TYPE_CHECKING:
    from .landing import Kept, Landing
    from .pages import Visit
    from .rest import Crm

Say = Callable[[str], None]


def fetch(
    connector: Path, to: Path, *, environ: Mapping[str, str] | None = None, progress: Say | None = None
) -> dict[str, Any]:
    """Fetch every resource of a connector file into the folder `to`, as `<resource>.parquet` in text, one row per record.

    The first call reads everything, later ones what has changed since (with the connector's `overlap`) and merge it on
    the key. Records deleted in the CRM are left out where the connector says how to know them. The files are replaced, each
    as a whole, when every resource has been read; when the CRM fails before, they stay as they were, the resources that
    were complete are kept in `to/.state`, and the next call goes on from there. `progress` gets one line per resource, one
    per 25 pages and one per request of the CRM to wait.

    Secrets are taken from `environ` (default: the environment of the process) and go to the CRM's own address only.

    Returns {"connector": name, "members": [{"member", "file", "rows", "read", "deleted", "columns"}, …],
    "absent": [{"member", "reason"}, …]}; `rows` of the file, `read` by this call, left out because `deleted` in the CRM.

    Raises UsageError (file, environment variable, login, rights), DataRefused (the CRM does not give its records),
    CannotWrite (the folder).
    """
    plan = read_connector(Path(connector), os.environ if environ is None else environ)
    pages, rest, landing = _modules()
    say = progress or (lambda line: None)
    with landing.Landing(Path(to), plan) as folder:
        crm = rest.Crm(plan, say)
        kept: dict[str, Kept] = {}
        absent = []
        for resource in plan.resources:
            try:
                kept[resource.name] = _fetch_one(pages.Visit(resource, plan, say), crm, folder, say)
            except rest.NotOffered as missing:
                if folder.holds(resource):
                    raise _with_what_is_left(missing, plan, kept, to) from None
                absent.append({"member": resource.name, "reason": missing.what})
                say(f"{resource.name}: {missing.what}")
            except RevopsError as failure:
                raise _with_what_is_left(failure, plan, kept, to) from None
        members = folder.publish([resource for resource in plan.resources if resource.name in kept])
    return {
        "connector": plan.name,
        "members": [{**member, "read": kept[member["member"]].read} for member in members],
        "absent": absent,
    }


def _modules() -> tuple[ModuleType, ModuleType, ModuleType]:
    # dlt reads these when it is first used: it must neither report to its makers nor write to the console.
    os.environ.update(RUNTIME__DLTHUB_TELEMETRY="false", RUNTIME__LOG_LEVEL="CRITICAL")
    try:
        import dlt  # noqa: F401
    except ImportError as failure:
        do = 'pip install "revops-notebooks[connect]"'
        raise UsageError("the connectors are not installed", "the Python package dlt is missing", do) from failure
    from . import landing, pages, rest

    return pages, rest, landing


def _fetch_one(visit: Visit, crm: Crm, folder: Landing, say: Say) -> Kept:
    resource = visit.resource
    known = folder.read_until(resource)
    folder.collect(resource, crm.rows(visit, known))
    kept = folder.keep(resource, visit.cursor, visit.ids)
    say(f"{resource.name}: {kept.read:,} read in {visit.pages:,} pages, {kept.rows:,} in all")
    return kept


def _with_what_is_left(failure: RevopsError, plan: Connector, kept: Mapping[str, Any], to: Path) -> RevopsError:
    left = f"{len(kept)} of {len(plan.resources)} resources are kept, no file in {to} has changed, the same command goes on"
    do = f"{failure.do}; {left}" if failure.do else left
    return type(failure)(failure.what, failure.where, do)
