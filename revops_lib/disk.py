"""Files and folders that are there whole or as they were, whatever fails on the way and whenever; and locks on them.

What is written lies beside its place first, is synced, and then takes the place in one step. What a killed writer left beside
goes with `clear_away`.

Only Linux swaps two folders in one step, and not on every file system. Elsewhere the old one steps aside for a moment, in which
readers find none; a reader that calls `recover` then brings the old one back, and the writer ends with an error.
"""

from __future__ import annotations

import ctypes
import glob
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import CannotWrite, Locked

_HERE, _EXCHANGE = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of renameat2(2)


def write_text(path: Path, text: str, mode: int | None = None) -> None:
    """Write a text file so that it is there whole or as it was before; `mode` as for `replacing`."""
    with replacing(path, mode) as new:
        new.write_bytes(text.encode("utf-8"))


@contextmanager
def replacing(path: Path, mode: int | None = None) -> Iterator[Path]:
    """A path beside `path`, for a file that takes its place in one step; after any failure `path` is as it was.

    The folder is made. There is no file at the path yet, unless `mode` is given: then an empty one, of that mode.
    Raises CannotWrite for every OSError, also of the body.
    """
    new = path.with_name(f"{_prefix(path)}{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new.unlink(missing_ok=True)
        if mode is not None:
            new.touch(mode)
        yield new
        sync(new)
        new.replace(path)
        sync(path.parent)
    except OSError as failure:
        raise CannotWrite(failure.strerror or "cannot write", str(path), "free space or choose another folder") from failure
    finally:
        with suppress(OSError):
            new.unlink(missing_ok=True)


@contextmanager
def beside(directory: Path) -> Iterator[Path]:
    """A new folder beside `directory`, to be filled and then `put` there; what is left of it goes at the end."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=_prefix(directory), dir=directory.parent))
    try:
        folder.chmod(0o755)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def clear_away(path: Path) -> None:
    """Remove what writers of a file or folder left beside it that were killed. Nobody else may be writing it now."""
    recover(path)
    for left in (*path.parent.glob(f"{glob.escape(_prefix(path))}*"), _aside(path)):
        try:
            if left.is_dir():
                shutil.rmtree(left)
            else:
                left.unlink(missing_ok=True)
        except OSError as failure:
            raise CannotWrite(failure.strerror or "cannot remove", str(left), "delete it") from failure


def put(new: Path, directory: Path) -> None:
    """Put the folder `new` where `directory` is, and throw the old one away."""
    sync_tree(new)
    if not directory.exists():
        new.rename(directory)
    elif _swapped(new, directory):
        shutil.rmtree(new, ignore_errors=True)
    else:
        aside = _aside(directory)
        shutil.rmtree(aside, ignore_errors=True)
        try:
            directory.rename(aside)
            new.rename(directory)
        except BaseException:  # SIGTERM and Ctrl-C, too
            recover(directory)
            raise
        shutil.rmtree(aside, ignore_errors=True)
    sync(directory.parent)


def recover(directory: Path) -> None:
    """Bring back a folder that stepped aside for one that never came, because the run ended between the two renames."""
    aside = _aside(directory)
    if aside.exists() and not directory.exists():
        try:
            aside.rename(directory)
        except OSError as failure:
            do = f"rename {aside.name} to {directory.name}"
            raise CannotWrite(failure.strerror or "cannot rename", str(directory), do) from failure


def _prefix(path: Path) -> str:
    """How everything begins that is being written for a path."""
    return f".{path.name}.new-"


def _aside(directory: Path) -> Path:
    return directory.with_name(f".{directory.name}.before")


def _swapped(one: Path, other: Path) -> bool:
    """Exchange two folders in one step; False where the system or the file system cannot."""
    if sys.platform != "linux":
        return False
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    return rename is not None and rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0


def sync_tree(folder: Path) -> None:
    """Wait until the disk has a folder and everything in it."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if not path.is_symlink():
            sync(path)
    sync(folder)


def sync(path: Path) -> None:
    """Wait until the disk has a file, or the list of what is in a folder."""
    if path.is_dir() and os.name == "nt":  # Windows cannot sync folders
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def locked(path: Path, holder: Mapping[str, object], patience: float = 0) -> Iterator[None]:
    """Hold the lock that the file `path` stands for; Locked, naming the holder, when somebody else does for `patience` seconds.

    The system frees it when the process ends, however it ends. The file stays; who holds the lock stands beside it.
    """
    import filelock

    lock = filelock.FileLock(path, timeout=patience)
    told = path.with_suffix(".holder")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except filelock.Timeout as failure:
        raise Locked(f"in use by {_said(told)}", str(path), "wait until it has ended") from failure
    except OSError as failure:
        raise CannotWrite(failure.strerror or "cannot write", str(path.parent), "choose another folder") from failure
    try:
        write_text(told, ", ".join(f"{name} {value}" for name, value in holder.items()) + "\n")
        yield
    finally:
        told.unlink(missing_ok=True)
        lock.release()


def _said(holder: Path) -> str:
    try:
        return holder.read_text(encoding="utf-8").strip()
    except OSError:  # it has just begun, or just ended
        return "another process"
