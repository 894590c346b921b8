"""Verbs of the playbook: `revops playbook` status, verify, new, translate, placeholders, sizing."""

from __future__ import annotations

import argparse
import datetime as dt
from pathlib import Path
from typing import Any

from ..errors import UsageError
from .verb import ROOT, path, verb

PLAYBOOK = ROOT / "playbook"


def add_playbook(verbs: Any) -> str:
    examples = "revops playbook status\nrevops playbook verify process sell/demo --by 'Head of sales'\n"
    examples += "revops playbook new sell/pricing --title 'Price a deal' --owner 'Deal desk'\nrevops playbook translate\n"
    examples += "revops playbook placeholders"
    parser = verb(verbs, "playbook", None, "see how fresh the playbook is, verify a page, begin one", examples)
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    told = _action(actions, "status", _status, "pages that are due, trust per section, broken links, placeholders")
    _on(told)
    verified = _action(actions, "verify", _verify, "write into pages that they were read and are right")
    verified.add_argument("pages", nargs="+", metavar="PAGE", help="as in links, or its file")
    verified.add_argument("--by", required=True, metavar="ROLE", help="the role that read it: trust counts the owner's")
    _on(verified)
    begun = _action(actions, "new", _new, "write a page from a template and list it in the contents")
    begun.add_argument("page", metavar="PAGE", help="like sell/pricing: small letters, digits, hyphens")
    begun.add_argument("--title", required=True, metavar="TITLE", help="as a reader would search for it")
    begun.add_argument("--owner", required=True, metavar="ROLE", help="the role that answers for it, never a person")
    begun.add_argument("--part", default="", metavar="CAPTION", help="part of the contents (default: that of its folder)")
    text = "write the catalogues of the French edition anew from the pages"
    translated = _action(actions, "translate", _translate, text)
    translated.add_argument("pages", nargs="*", metavar="PAGE", help="pages to translate that are not yet (default: none)")
    _action(actions, "placeholders", _placeholders, "what a company has to put in, and defaults to check, with page and line")
    sized = _action(actions, "sizing", _sizing, "how many operations people so many colleagues need")
    sized.add_argument("functions", nargs="+", metavar="FUNCTION=PEOPLE", help="like prospecting=50 selling=50")
    return "playbook"


def _action(actions: Any, name: str, call: Any, help_: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(name, help=help_, allow_abbrev=False)
    parser.set_defaults(call=call)
    parser.add_argument("--playbook", type=path, default=PLAYBOOK, metavar="DIR", help="its folder (default: playbook)")
    return parser


def _on(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--on", type=_day, default=None, metavar="DATE", help="as on this day (default: today)")


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError as failure:
        raise argparse.ArgumentTypeError(f"not a day: {text!r}, write it as 2026-11-22") from failure


def _today() -> dt.date:
    return dt.datetime.now(dt.UTC).date()


def _folder(arguments: argparse.Namespace) -> Path:
    folder: Path = arguments.playbook
    if not (folder / "_toc.yml").is_file():
        raise UsageError("there is no playbook", str(folder), "name the folder that holds _toc.yml")
    return folder


def _status(arguments: argparse.Namespace) -> int:
    from ..site import status

    print(*status.lines(status.status(_folder(arguments), day=arguments.on or _today())), sep="\n")
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    from ..site import editing

    today, playbook = _today(), _folder(arguments)
    wanted = [_name(page, playbook) for page in arguments.pages]
    on = arguments.on or today
    print(*editing.verify(wanted, playbook=playbook, on=on, today=today, by=arguments.by.strip()), sep="\n")
    return 0


def _name(page: str, playbook: Path) -> str:
    """The name of a page that was given as such or as a file, so that `playbook/*.md` works."""
    file = path(page)
    if file.is_file() and file.resolve().is_relative_to(playbook.resolve()):
        return file.resolve().relative_to(playbook.resolve()).with_suffix("").as_posix()
    return page.removesuffix(".md")


def _new(arguments: argparse.Namespace) -> int:
    from ..site import editing

    given = {"title": arguments.title, "owner": arguments.owner, "part": arguments.part}
    print(*editing.new(arguments.page, playbook=_folder(arguments), **given), sep="\n")
    return 0


def _translate(arguments: argparse.Namespace) -> int:
    from ..site import catalogues, french

    playbook = _folder(arguments)
    left = list(french.update([_name(page, playbook) for page in arguments.pages], playbook=playbook))
    print(*left, sep="\n") if left else print(
        f"French: {len(catalogues.translated(playbook))} pages, nothing left to translate"
    )
    return 0


def _placeholders(arguments: argparse.Namespace) -> int:
    from .. import pages
    from ..site import placeholders

    playbook = _folder(arguments)
    found, faulty = pages.read_all(playbook)
    marks = [*placeholders.settings(playbook), *placeholders.placeholders(found)]
    left, defaults = (
        [one for one in marks if (one.kind == placeholders.DEFAULT) == is_default] for is_default in (False, True)
    )
    print(*left, sep="\n") if left else print("no placeholder is left")
    print("defaults to check:" if defaults else "no default is marked", *defaults, sep="\n")
    print(*(f"not looked at: {fault.where}: {fault.what}" for fault in faulty), sep="\n", end="\n" if faulty else "")
    return 0


def _sizing(arguments: argparse.Namespace) -> int:
    from ..sizing import operations_team

    functions: dict[str, int] = {}
    for given in arguments.functions:
        name, _, people = given.partition("=")
        if not name or not people.isdecimal() or name in functions:
            what = f"{given!r} is not FUNCTION=PEOPLE, or a second one of its name"
            raise UsageError(what, "revops playbook sizing", "write each function once, like selling=50")
        functions[name] = int(people)
    team = operations_team(functions)
    print(f"at least {team.least}, one per function; {team.low} once mature; {team.high} while structuring")
    return 0
