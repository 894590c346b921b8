"""A past run made again from what it had read, kept by hash, and compared with what it had found."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import IntegrityError, UsageError
from . import inputs, journal
from .execution import Nest, execute
from .job import Job


@dataclass(frozen=True)
class Comparison:
    """What a run made again showed: result files equal byte for byte, those that are not, what has changed since."""

    quarter: str
    equal: list[str]
    differing: list[str]
    changed: list[str]  # of code and libraries


def rerun(manifest: Path) -> Comparison:
    """Make the results of a run again in a temporary folder and compare their bytes; what is in place stays untouched.

    `manifest` is a run's manifest.json; dataset, plans and notebooks come from `.inputs` of the same runs folder. Our own code
    and the libraries are those of today: `changed` tells when they are not the run's. Raises UsageError when the file is no
    manifest, IntegrityError when a kept input is missing or not what its hash says.
    """
    told = journal.read(manifest)
    good = {stem: entry for stem, entry in told.get("notebooks", {}).items() if entry.get("state") == "ok"}
    if not good or "inputs" not in told:
        raise UsageError("the file is not the manifest of a run that found something", str(manifest), "name a manifest.json")
    store = _store(manifest)
    with tempfile.TemporaryDirectory(prefix="revops-") as folder:
        place = Path(folder)
        data = _dataset(store, told, place / "data")
        jobs = []
        for stem, entry in good.items():
            source = place / "notebooks" / f"{stem}.ipynb"
            _fetch(store, entry["sha256"], source, f"notebook {stem}")
            jobs.append(Job(stem, source, place / stem, {**entry["parameters"], "data": str(data)}))
        with Nest(f"again-{place.name}", place, [job.notebook for job in jobs]) as nest:
            outcomes = list(execute(jobs, nest))
        for outcome in outcomes:
            if outcome.error is not None:
                raise outcome.error
        made = {name: digest for job in jobs for name, digest in _digests(job, told["data"]).items()}
    found = {name: digest for entry in good.values() for name, digest in entry["results"].items()}
    equal = sorted(name for name in found if made.get(name) == found[name])
    changed = ["our code"] if told.get("code") != inputs.code() else []
    now = inputs.libraries()
    changed += [f"{name} {then} → {now.get(name)}" for name, then in told.get("libraries", {}).items() if now.get(name) != then]
    return Comparison(told["quarter"], equal, sorted({*found, *made} - set(equal)), changed)


def _store(manifest: Path) -> Path:
    """Where the inputs of a run are kept: beside its quarter, or above its folder in the journal."""
    for folder in manifest.resolve().parents[1:3]:
        if (folder / inputs.STORE).is_dir():
            return folder / inputs.STORE
    raise IntegrityError("what the run had read is not kept", str(manifest), f"leave manifests beside {inputs.STORE}/")


def _dataset(store: Path, told: dict[str, Any], to: Path) -> Path:
    """The dataset as the run read it, with all plans and definitions beside it: its own come first, as they did then."""
    own = f"{told['data']}/"
    for name, digest in sorted(told["inputs"].items(), key=lambda item: item[0].startswith(own)):
        _fetch(store, digest, to / name.removeprefix(own).removeprefix("data/"), name)
    return to


def _fetch(store: Path, digest: str, to: Path, name: str) -> None:
    source = store / digest
    if not source.is_file() or inputs.sha256(source) != digest:
        what = "an input of the run is missing" if not source.is_file() else "an input of the run was changed"
        raise IntegrityError(what, f"{name}, kept as {source}", "restore it from a backup")
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, to)


def _digests(job: Job, data: str) -> dict[str, str]:
    """The hash of each result; what is told about where the data lay is that of the first run."""
    told = job.results / f"{job.stem}.json"
    here, there = (json.dumps(place, ensure_ascii=False)[1:-1] for place in (job.parameters["data"], data))
    told.write_text(told.read_text(encoding="utf-8").replace(here, there), encoding="utf-8")
    return {name: inputs.sha256(path) for name, path in job.made().items()}
