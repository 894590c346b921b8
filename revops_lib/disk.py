"""Files and folders that are there whole or as they were, whatever fails on the way and whenever; and locks on them.

What is written lies beside its place first, is synced, and then takes the place in one step. Where the system cannot swap
two folders in one step the old one steps aside for a moment; `recover` brings it back should the run have ended there.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from .errors import CannotWrite, Locked

_HERE, _EXCHANGE = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of renameat2(2)


def write_text(path: Path, text: str) -> None:
    """Write a text file so that it is there whole or as it was before."""
    beside = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(text.encode("utf-8"))
        sync(beside)
        beside.replace(path)
        sync(path.parent)
    except OSError as failure:
        beside.unlink(missing_ok=True)
        raise CannotWrite(failure.strerror or "cannot write", str(path), "free space or choose another folder") from failure


@contextmanager
def beside(directory: Path) -> Iterator[Path]:
    """A new folder beside `directory`, to be filled and then `put` there; what is left of it goes at the end."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
    try:
        folder.chmod(0o755)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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
        directory.rename(aside)
        try:
            new.rename(directory)
        except OSError:
            aside.rename(directory)
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
