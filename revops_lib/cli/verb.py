"""What every verb of the command line has in common: how it is declared, where things lie, how a path is read."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
RUNS = ROOT / "runs"
DATA = ROOT / "data" / "sample"
SITE = ROOT / "site"
PREVIEW = ROOT / "preview"  # a site with pages that nobody has verified never replaces the one that is read


def verb(verbs: Any, name: str, call: Any, help_: str, examples: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(
        name,
        help=help_,
        description=help_[0].upper() + help_[1:] + ".",
        epilog="examples:\n" + "".join(f"  {line}\n" for line in examples.splitlines()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(call=call)
    return parser


def path(text: str) -> Path:
    """A path as the user gave it, counted from where the user stands."""
    if not text.isprintable():
        raise argparse.ArgumentTypeError("a path holds a character that cannot be printed")
    return Path(text).expanduser().absolute()
