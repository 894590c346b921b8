"""The pages of the playbook: who answers for each, when it was verified, and whether it still is what was verified.

A page opens with lines between two `---`. People write `owner` (a role, never a person), `review_every` (`90 days`, which is
also what holds without it), `audience` (everyone or internal) and `also` (words that a search finds it by, with commas);
`revops playbook verify` writes `verified`, `verified_by` (when it was not the owner), `body` (a hash of what was read) and
`updated` (when something else was first verified).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from .allowlist import AUDIENCES
from .errors import UsageError, nearest

PLAYBOOK = Path(__file__).resolve().parent.parent / "playbook"
GENERATED = frozenset({"reports", "reference"})  # folders of the book that no person writes
KEYS = ("owner", "verified", "verified_by", "review_every", "body", "updated", "audience", "also")
REVIEW_EVERY = 90  # days
PICTURES = {".png", ".jpg"}
VERIFIED, DUE, CHANGED, UNVERIFIED = "verified", "due", "changed since verified", "not verified yet"
_FRONT = re.compile(r"---\n(.*?)^---\n", re.DOTALL | re.MULTILINE)
_PICTURE = re.compile(rf"[\w./-]+(?:{'|'.join(map(re.escape, sorted(PICTURES)))})\b")


@dataclass(frozen=True)
class Page:
    """One page: `name` is its way from the top of the playbook without `.md`, `text` what stands below the front matter,
    `above` how many lines stand before it; `review_every` is in days, `body` and `verified_by` are empty where not written."""

    name: str
    path: Path
    front: str
    text: str
    owner: str
    verified: dt.date | None
    verified_by: str
    review_every: int
    body: str
    updated: dt.date | None
    audience: str

    @property
    def above(self) -> int:
        return self.front.count("\n")

    @property
    def review_by(self) -> dt.date | None:
        """The last day on which its verification counts."""
        return self.verified + dt.timedelta(days=self.review_every) if self.verified else None

    def line(self, position: int) -> int:
        """The line of the file where a place of `text` is."""
        return self.above + self.text.count("\n", 0, position) + 1


def names(playbook: Path) -> list[str]:
    """The pages that people write, in the order of their names."""
    found = (path.relative_to(playbook) for path in playbook.rglob("*.md") if path.is_file())
    return sorted(path.with_suffix("").as_posix() for path in found if path.parts[0] not in GENERATED)


def read(name: str, playbook: Path) -> Page:
    """One page. UsageError like `parsed`, and for a part of pages: a text that others include would change them unseen."""
    path = playbook / f"{name}.md"
    if path.name.startswith("_"):
        raise UsageError("a part of other pages", str(path), "write its text into the pages, or name it without _")
    try:
        whole = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as failure:
        raise UsageError(f"cannot read the page: {failure}", str(path), "save it as UTF-8 text") from failure
    return parsed(name, path, whole)


def parsed(name: str, path: Path, whole: str) -> Page:
    """The page that a file's text is. UsageError naming the line for front matter that is missing, not `key: value`, has an
    unknown key or one twice, no owner, a value that is not of its kind, a day without the text that was verified."""
    front = _FRONT.match(whole)
    if not front:
        raise UsageError("the page has no owner", f"{path}, line 1", "begin it with ---, owner: ROLE, ---")
    given = _values(front[1], path)
    if "owner" not in given:
        raise UsageError("the page has no owner", f"{path}, line 1", "write owner: ROLE between the ---")
    where = {key: f"{path}, line {line}" for key, (_, line) in given.items()}
    text = {key: value for key, (value, _) in given.items()}
    for key in ("owner", "verified_by"):
        if key in text and not text[key].strip():
            raise UsageError(f"{key} is empty", where[key], "name a role")
    command = f"`revops playbook verify {name} --by {shlex.quote(text['owner'])}`"
    if ("body" in text) != ("verified" in text):
        one = "body" if "body" in text else "verified"
        do = f"take it out: {command} writes both"
        raise UsageError(f"{one} stands alone: nobody can tell what was verified when", where[one], do)
    if "body" in text and not re.fullmatch("[0-9a-f]{12}", text["body"]):
        raise UsageError("body is not what the command writes", where["body"], f"{command} writes it")
    if (audience := text.get("audience", AUDIENCES[0])) not in AUDIENCES:
        raise UsageError(f"unknown audience {audience!r}", where["audience"], nearest(audience, AUDIENCES))
    every = re.fullmatch(r"([1-9][0-9]{0,3}) days?", text.get("review_every", f"{REVIEW_EVERY} days"))
    if not every:
        raise UsageError(f"review_every is {text['review_every']!r}", where["review_every"], f"write {REVIEW_EVERY} days")
    days = {key: _day(text[key], key, where[key]) for key in ("verified", "updated") if key in text}
    return Page(name, path, front[0], whole[front.end() :], text["owner"], days.get("verified"), text.get("verified_by", ""),
                int(every[1]), text.get("body", ""), days.get("updated"), audience)  # fmt: skip


def read_all(playbook: Path) -> tuple[list[Page], list[UsageError]]:
    """Every page that can be read, and why the others cannot."""
    found, faulty = [], []
    for name in names(playbook):
        try:
            found.append(read(name, playbook))
        except UsageError as failure:
            faulty.append(failure)
    return found, faulty


def fingerprint(page: Page) -> str:
    """What `body` records: the text, the pictures that it names, who answers for it, how often it is read, and for whom."""
    told = f"{page.owner}\n{page.review_every}\n{page.audience}\n{page.text}"
    digest = hashlib.sha256(told.encode("utf-8"))
    for name in sorted(set(_PICTURE.findall(page.text))):
        top = page.path.parents[page.name.count("/")]
        picture = top / name.lstrip("/") if name.startswith("/") else page.path.parent / name
        digest.update(picture.read_bytes() if picture.is_file() else b"")
    return digest.hexdigest()[:12]


def state(page: Page, day: dt.date) -> str:
    """CHANGED (not what was verified), UNVERIFIED (never, or on a day that has not come), DUE (its time was over before `day`)
    or VERIFIED."""
    if page.body and page.body != fingerprint(page):
        return CHANGED
    if page.review_by is None or is_ahead(page, day):
        return UNVERIFIED
    return DUE if page.review_by < day else VERIFIED


def is_ahead(page: Page, day: dt.date) -> bool:
    """Whether it says that it was verified on a day that has not come anywhere: elsewhere it is already tomorrow."""
    return page.verified is not None and page.verified > day + dt.timedelta(days=1)


def freshness(playbook: Path, *, as_of: dt.date) -> tuple[int, int]:
    """How many pages of the playbook are verified in time, and how many pages there are: the content trust score as a run, the
    board pack and the notebook count it, on the run's day or on that of the newest verification where that is later.

    In time: verified no longer ago than `review_every`, and since then unchanged. A page that cannot be read is not.
    """
    found, faulty = read_all(playbook)
    day = max([as_of, *(page.verified for page in found if page.verified)])
    return in_time(found, day), len(found) + len(faulty)


def in_time(found: Iterable[Page], day: dt.date) -> int:
    return sum(state(page, day) == VERIFIED for page in found)


def _values(front: str, path: Path) -> dict[str, tuple[str, int]]:
    """Each value as it is written, with its line."""
    try:
        node = yaml.compose(front, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as failure:
        line = failure.problem_mark.line + 2 if failure.problem_mark else 1
        do = "write `key: value` lines"
        raise UsageError(f"the front matter is not YAML: {failure.problem}", f"{path}, line {line}", do) from failure
    except yaml.YAMLError as failure:
        raise UsageError("the front matter is not YAML", f"{path}, line 1", "write `key: value` lines") from failure
    if node is not None and not isinstance(node, yaml.MappingNode):
        raise UsageError("the front matter is not YAML of keys", f"{path}, line 2", "write `key: value` lines")
    found: dict[str, tuple[str, int]] = {}
    for key, value in node.value if node is not None else []:
        line = key.start_mark.line + 2
        if not isinstance(key, yaml.ScalarNode) or key.value not in KEYS:
            named = key.value if isinstance(key, yaml.ScalarNode) else ""
            raise UsageError(f"unknown key {named!r} in the front matter", f"{path}, line {line}", nearest(named, KEYS))
        if not isinstance(value, yaml.ScalarNode):
            raise UsageError(f"{key.value} is not one value", f"{path}, line {line}", "write `key: value`")
        if key.value in found:
            raise UsageError(f"{key.value} is written twice", f"{path}, line {line}", "keep one")
        found[key.value] = (value.value, line)
    return found


def _day(text: str, key: str, where: str) -> dt.date:
    try:
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            raise ValueError
        return dt.date.fromisoformat(text)
    except ValueError as failure:
        raise UsageError(f"{key} is not a day: {text!r}", where, "write it as 2026-11-22") from failure
