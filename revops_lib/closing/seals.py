"""Closed quarters on disk, and whether they are as they were closed.

A manifest names the SHA-256 of every file of its quarter and of the manifest of the quarter before, and ends with a seal over
itself. Whoever may write there can make all of that anew: the seal that `revops close` prints, kept elsewhere, tells.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import IntegrityError, UsageError

ROOT = Path(__file__).resolve().parents[2]
FOLDER, MANIFEST = "closed", "manifest.json"
_QUARTER = re.compile(r"[0-9]{4}Q[1-4]")
_DO = "restore it from a backup; what is closed is never edited, what has changed goes into the open quarter"


@dataclass(frozen=True)
class Closed:
    """A closed quarter as found: `folder`, and what its `manifest` says."""

    quarter: str
    folder: Path
    manifest: Mapping[str, Any]

    @property
    def seal(self) -> str:
        return str(self.manifest["seal"])

    @property
    def is_emptied(self) -> bool:
        """Whether everything but the manifest was deleted, as it is when nobody has to keep it any more."""
        return [path.name for path in self.folder.iterdir()] == [MANIFEST]


def verify(out: Path, quarter: str = "") -> list[Closed]:
    """The closed quarters below `out` (or the one named), the earliest first, when every byte is as it was closed.

    `out` is relative to the repository root. Of the earliest quarters all but the manifest may be gone (`is_emptied`), as long
    as a later one is whole. Raises IntegrityError naming the first file that was changed, is missing or was added, a manifest
    included, and how many more there are; UsageError when the quarter is not closed, or none is.
    """
    out = ROOT / out
    found = closed(out)
    wanted = [one for one in found if quarter in ("", one.quarter)]
    if not wanted:
        what = f"{quarter} is not closed" if quarter else "no quarter is closed"
        raise UsageError(what, str(out / FOLDER), "close one with `revops close`, or name its --out")
    whole = next((place for place, one in enumerate(found) if not one.is_emptied), 0)
    wrong = [problem for one in wanted if found.index(one) >= whole for problem in _problems(one)]
    if not quarter:
        strangers = [path for path in sorted((out / FOLDER).iterdir()) if not path.name.startswith(".")]
        wrong += [("a file was added", path) for path in strangers if not _QUARTER.fullmatch(path.name)]
    if wrong:
        what, where = wrong[0]
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise IntegrityError(f"{what}{more}", str(where), _DO)
    return wanted


def closed(out: Path) -> list[Closed]:
    """The closed quarters below `out`, the earliest first, as far as their manifests are whole; IntegrityError where not."""
    folders = sorted(path for path in (out / FOLDER).glob("*") if _QUARTER.fullmatch(path.name))
    found: list[Closed] = []
    for folder in folders:
        manifest = _manifest(folder)
        before = manifest["previous"]
        last = found[-1] if found else None
        if (before or {}).get("quarter") != (last.quarter if last else None):
            gone = folder.with_name(before["quarter"]) if before else folder
            what = "a closed quarter is missing" if before else "a closed quarter was added before it"
            raise IntegrityError(what, str(gone), _DO)
        if last and before["sha256"] != sha256(last.folder / MANIFEST):
            raise IntegrityError("a closed manifest was changed", str(last.folder / MANIFEST), _DO)
        found.append(Closed(folder.name, folder, manifest))
    return found


def sealed(manifest: Mapping[str, Any]) -> bytes:
    """A manifest as it is written, the seal over everything else at its end."""
    plain = {name: value for name, value in manifest.items() if name != "seal"}
    seal = hashlib.sha256(_text(plain)).hexdigest()
    return _text({**plain, "seal": seal})


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files(folder: Path) -> dict[str, str]:
    """SHA-256 of every file in a folder but its manifest, by the way to it; of a link what it points to."""
    paths = sorted(path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    names = {path.relative_to(folder).as_posix(): path for path in paths}
    return {
        name: f"link to {path.readlink()}" if path.is_symlink() else sha256(path)
        for name, path in names.items()
        if name != MANIFEST
    }


def _manifest(folder: Path) -> dict[str, Any]:
    """A manifest whose bytes are those that were sealed."""
    path = folder / MANIFEST
    try:
        content = path.read_bytes()
        manifest = json.loads(content)
        is_whole = not path.is_symlink() and sealed(manifest) == content and manifest["quarter"] == folder.name
    except OSError as failure:
        raise IntegrityError("a closed file is missing", str(path), _DO) from failure
    except (ValueError, KeyError, TypeError, AttributeError):
        is_whole = False
    if not is_whole:
        raise IntegrityError("a closed manifest was changed", str(path), _DO)
    return dict(manifest)


def _problems(one: Closed) -> list[tuple[str, Path]]:
    """What is not as it was in a closed quarter's folder."""
    listed = one.manifest["files"]
    try:
        there = files(one.folder)
    except OSError as failure:
        return [("a closed file cannot be read", Path(failure.filename or one.folder))]
    found = {name: "a closed file is missing" for name in listed if name not in there}
    found |= {name: "a file was added" for name in there if name not in listed}
    found |= {name: "a closed file was changed" for name in there if name in listed and listed[name] != there[name]}
    return [(what, one.folder / name) for name, what in sorted(found.items())]


def _text(manifest: Mapping[str, Any]) -> bytes:
    return (json.dumps(manifest, indent=1, ensure_ascii=False) + "\n").encode()
