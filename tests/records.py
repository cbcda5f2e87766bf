"""What runs wrote of the samples they were trained on (`diagnostics.record_samples`)."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path


def records(folder: Path) -> list[list[tuple[int, str]]]:
    """(step, samples) of each worker, in the order in which they were trained on."""
    files = sorted((folder / "samples").glob("rank-*.csv"))
    return [[(int(r["step"]), r["samples"]) for r in csv.DictReader(f.open())] for f in files]


def last_step(folder: Path) -> int:
    """The largest step that has been begun; -1 before the first."""
    return max((step for record in records(folder) for step, _ in record), default=-1)


def lost(record: list[tuple[int, str]]) -> list[int]:
    """Steps that were trained again after each interruption, in one worker's record."""
    steps = [step for step, _ in record]
    return [a + 1 - b for a, b in itertools.pairwise(steps) if b <= a]
