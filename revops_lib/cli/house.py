"""Verbs about the house itself: doctor."""

from __future__ import annotations

import argparse
from typing import Any

from ..errors import CannotWrite, UsageError
from .verb import ROOT, RUNS, verb


def add_doctor(verbs: Any) -> str:
    verb(verbs, "doctor", _doctor, "check versions, write access, disk and kernel", "revops doctor")
    return "doctor"


def _doctor(arguments: argparse.Namespace) -> int:
    from .. import doctor

    worst = 0
    for finding in doctor.examine(RUNS, ROOT / "requirements.lock"):
        print(f"{'not ok' if finding.problem else 'ok':<8}{finding.what}" + (f": {finding.problem}" if finding.problem else ""))
        worst = max(worst, (CannotWrite if finding.writing else UsageError).exit_code if finding.problem else 0)
    return worst
