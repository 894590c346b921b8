"""Who may see what about people, and the pseudonyms that stand for them.

`MATRIX` says who sees which data in which form. `People` gives every person of a dataset a pseudonym: the same key gives the
same ones, so that histories join; without the key nobody can tell who is meant, not even by trying all ids. `key` reads it
from the environment or from a file outside the project. `pooled` and `after_people` keep small groups, and teams called after
somebody, from being told apart.
"""

from __future__ import annotations

import hmac
import os
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from . import disk
from .errors import CannotWrite, UsageError

if TYPE_CHECKING:
    import pandas as pd

ROLES = ("rep", "manager", "analyst", "finance", "site")
# own: about oneself · team: about one's team · crm: there, not here · pseudonym: without knowing who
MATRIX: dict[str, tuple[str, str, str, str, str]] = {
    "playbook, definitions, plan rules": ("yes", "yes", "yes", "yes", "yes"),
    "sums and shares of at least 5 people": ("yes", "yes", "yes", "yes", "yes"),
    "statement, quota, own deals": ("own", "own and team", "pseudonym", "yes", "never"),
    "ranking by name": ("no", "team", "pseudonym", "as needed", "never"),
    "pay, variable pay, attainment of one person": ("own", "own, team where agreed", "pseudonym", "yes", "never"),
    "contacts: name, e-mail, phone, notes": ("crm", "crm", "no", "no", "never"),
    "deals: name, amount": ("own and team", "team", "yes", "yes", "only in sums"),
    "rows set aside at import, as written": ("no", "no", "whoever imports", "no", "never"),
    "key of the pseudonyms": ("no", "no", "no", "holder only", "never"),
}
ENVIRONMENT, KEY_FILE = "REVOPS_PSEUDONYM_KEY", "REVOPS_KEY_FILE"
PROJECT = Path(__file__).resolve().parent.parent
SHORTEST = 16  # characters of a key
IS_PSEUDONYM = re.compile(r"\bp-?[0-9a-f]{12}\b")
SMALLEST_GROUP = 5  # people; no number rests on fewer
_WORD = re.compile(r"[^\W\d_]{4,}")
DIGITS = 12  # of a pseudonym, hexadecimal: among a million people two share one once in 560 keys, and that is refused


def matrix() -> str:
    """The matrix as a Markdown table, as the playbook shows it."""
    rows = [("data", *ROLES), ("---",) * (len(ROLES) + 1), *((name, *forms) for name, forms in MATRIX.items())]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


@dataclass(frozen=True)
class People:
    """What people of a dataset are called: by pseudonym, or as the source does where they are `named`.

    `forgotten`: a digest of the pseudonym of everyone who was forgotten -> the random one in its place. The key is empty where
    people are named and nobody was forgotten.
    """

    key: bytes = field(default=b"", repr=False)
    is_named: bool = False
    forgotten: Mapping[str, str] = field(default_factory=dict)

    def of(self, kind: str, identifier: str) -> str:
        """What stands for a person; `kind` is the table whose key the identifier is."""
        if self.is_named and not self.forgotten:
            return identifier
        pseudonym = self.pseudonym(kind, identifier)
        again = self.forgotten.get(self.trace(pseudonym)) if self.forgotten else None
        return again or (identifier if self.is_named else pseudonym)

    def pseudonym(self, kind: str, identifier: str) -> str:
        return f"p-{self._digest(kind, identifier)}"

    def trace(self, pseudonym: str) -> str:
        """What is kept of a forgotten pseudonym: enough to know it again with the key, useless without."""
        return self._digest("forgotten", pseudonym)

    def contact(self, kind: str, value: str) -> str:
        """What stands for a name ("person"), "email" or "phone": equal for equal values, and of the same shape."""
        digest = self._digest(kind, value)
        shapes = {"email": f"{digest}@people.invalid", "phone": f"+999{int(digest, 16) % 10**9:09d}"}
        return shapes.get(kind, f"p{digest}")

    @property
    def fingerprint(self) -> str:
        """Tells two keys apart and tells nothing about either; empty without key."""
        return self._digest("fingerprint", "revops")[:8] if self.key else ""

    def _digest(self, kind: str, value: str) -> str:
        return hmac.digest(self.key, f"{kind}\0{value}".encode(), "sha256").hex()[:DIGITS]


def key(say: Callable[[str], None] = lambda line: None, *, make: bool = True) -> bytes:
    """The key of the pseudonyms: REVOPS_PSEUDONYM_KEY, or the content of a key file, made on first use where `make` allows.

    The file is REVOPS_KEY_FILE, or `revops/pseudonym.key` in the user's configuration folder; `say` is told that it was made.
    Raises UsageError for a key that is missing or too short, or a key file inside the project; CannotWrite.
    """
    given = os.environ.get(ENVIRONMENT)
    if given is not None:
        return _long_enough(given, f"environment, {ENVIRONMENT}")
    path = _path()
    if path.resolve().is_relative_to(PROJECT):
        raise UsageError("the key file lies inside the project", str(path), f"move it and name it in {KEY_FILE}")
    if make and not path.exists():
        _make(path)
        say(f"made a key for pseudonyms, {path}: keep a copy where only its holder gets at it; later imports need it")
    try:
        return _long_enough(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeError) as failure:
        do = f"bring it back, or set {ENVIRONMENT} or {KEY_FILE}"
        raise UsageError(f"cannot read the key of the pseudonyms: {failure}", str(path), do) from failure


def _path() -> Path:
    if os.environ.get(KEY_FILE):
        return Path(os.environ[KEY_FILE]).expanduser()
    configuration = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(configuration) / "revops" / "pseudonym.key"


def _long_enough(text: str, where: str) -> bytes:
    if len(text.strip()) < SHORTEST:
        do = "give the key that was used before, or make one: python -c 'import secrets; print(secrets.token_hex(32))'"
        raise UsageError(f"the key of the pseudonyms is shorter than {SHORTEST} characters", where, do)
    return text.strip().encode()


def _make(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600, exist_ok=False)
        path.write_text(f"{secrets.token_hex(32)}\n", encoding="utf-8")
        disk.sync(path)
        disk.sync(path.parent)
    except OSError as failure:
        raise CannotWrite(failure.strerror or "cannot write", str(path), f"set {ENVIRONMENT} or {KEY_FILE}") from failure


def pooled(
    people: pd.Series, others: str, *, apart: Iterable[str] = (), together: Callable[[set[str]], int] | None = None
) -> dict[str, str]:
    """Under which name each group is shown, from the number of people by group: its own, or `others`.

    Groups of fewer than five people, and those of `apart`, are counted together as `others`, with the smallest of the rest
    where they are still too few, so that no hidden group can be had by subtraction. `together`: the number of people in several
    groups, where one person may be in more than one; their sum without it.
    """
    count = together or (lambda names: int(people[people.index.isin(names)].sum()))
    ordered, hidden = people.sort_values(kind="stable"), {others, *apart}
    pool = {name for name, n in ordered.items() if n < SMALLEST_GROUP or name in hidden}
    for name in ordered.index:
        if not pool or count(pool) >= SMALLEST_GROUP:
            break
        pool.add(name)
    return {name: others if name in pool else name for name in people.index}


def after_people(labels: Iterable[str], persons: Iterable[str]) -> set[str]:
    """The labels called after one of these persons, by the whole name or a longer word of it, or after a pseudonym.

    >>> sorted(after_people(["Alder", "Team Moreau", "p-0123456789ab", "Ann"], ["R1", "Ann", "Jeanne Moreau"]))
    ['Ann', 'Team Moreau', 'p-0123456789ab']
    """
    known = {person.strip().casefold() for person in persons}
    words = {word for person in known for word in _WORD.findall(person)}
    texts = {label: label.strip().casefold() for label in labels}
    return {label for label, text in texts.items()
            if text in known or words & {*_WORD.findall(text)} or IS_PSEUDONYM.search(text)}  # fmt: skip
