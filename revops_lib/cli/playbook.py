"""Verbs of the playbook: `revops playbook` status, verify, new, placeholders."""

from __future__ import annotations

import argparse
import datetime as dt
from pathlib import Path
from typing import Any

from ..errors import UsageError
from .verb import ROOT, path, verb

PLAYBOOK = ROOT / "playbook"


def add_playbook(verbs: Any) -> str:
    examples = "revops playbook status\nrevops playbook verify process sell/demo\n"
    examples += "revops playbook verify process --by 'Sales manager'\n"
    examples += "revops playbook new sell/pricing --title 'Price a deal' --owner 'Deal desk'\nrevops playbook placeholders"
    parser = verb(verbs, "playbook", None, "see how fresh the playbook is, verify a page, begin one", examples)
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    told = _action(actions, "status", _status, "pages that are due, trust per section, broken links, placeholders")
    _on(told)
    verified = _action(actions, "verify", _verify, "write into pages that they were read and are right")
    verified.add_argument("pages", nargs="+", metavar="PAGE", help="as in links, or its file")
    verified.add_argument("--by", default="", metavar="ROLE", help="the role that read it (default: the owner)")
    _on(verified)
    begun = _action(actions, "new", _new, "write a page from a template and list it in the contents")
    begun.add_argument("page", metavar="PAGE", help="like sell/pricing: small letters, digits, hyphens")
    begun.add_argument("--title", required=True, metavar="TITLE", help="as a reader would search for it")
    begun.add_argument("--owner", required=True, metavar="ROLE", help="the role that answers for it, never a person")
    begun.add_argument("--part", default="", metavar="CAPTION", help="part of the contents (default: that of its folder)")
    _action(actions, "placeholders", _placeholders, "what a company still has to put in, with page and line")
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


def _placeholders(arguments: argparse.Namespace) -> int:
    from .. import pages
    from ..site import status

    found, faulty = pages.read_all(_folder(arguments))
    left = list(status.placeholders(found))
    print(*left, sep="\n") if left else print("no placeholder is left")
    print(*(f"not looked at: {fault.where}: {fault.what}" for fault in faulty), sep="\n", end="\n" if faulty else "")
    return 0
