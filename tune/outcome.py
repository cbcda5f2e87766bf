"""What a trial's run folder says about it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from mtl.config.run import RunConfig
from mtl.report.metrics import FINAL_STAGES
from mtl.tasks.reported import is_better, watched_metric

Line = dict[str, Any]


class Spent(NamedTuple):
    """What a run took so far, with the runs below its folder that it learns from."""

    epochs: int
    """Epochs trained, as `tune.budget` counts them: teachers train beside each other."""
    seconds: float
    """Time trained and evaluated."""
    samples: int
    """Training samples."""


@dataclass(frozen=True)
class Outcome:
    """A run so far."""

    metrics: dict[str, float]
    """Validation metrics of the best weights, and of their final evaluation where there was one."""
    before: int
    """Epochs of the runs that it learns from."""
    spent: Spent
    """What it took, those runs included."""
    lines: tuple[Line, ...]
    """All lines of its metrics."""


def read_outcome(run_folder: Path, config: RunConfig) -> Outcome:
    """Read metrics.jsonl; a run that has not reported yet has no metrics.

    The best weights are those that the run keeps: by its `watched_metric`, the first of equals.
    """
    lines, earlier = _lines(run_folder), _earlier(run_folder)
    final = [line for line in lines if line["stage"] in FINAL_STAGES]
    epochs = [line for line in lines if line not in final]
    best: Line = {}
    watched = watched_metric(config)
    for line in (line for line in epochs if line["split"] == "val"):
        if is_better(line, watched, best.get(watched)):
            best = line
    found = dict(best)
    for line in final:
        if line["split"] == "val":
            found |= line
    return Outcome(
        {k: v for k, v in found.items() if isinstance(v, (int, float)) and k not in PLACE},
        _before(earlier),
        _spent(lines, earlier),
        tuple(lines),
    )


def _spent(lines: Sequence[Line], earlier: Sequence[Spent]) -> Spent:
    """What a run with these lines took, and those that it learns from."""
    return Spent(
        _before(earlier) + max((line["epoch"] for line in lines), default=0),
        sum(one.seconds for one in earlier) + max((line["seconds"] for line in lines), default=0.0),
        sum(one.samples for one in earlier) + max((line["samples"] for line in lines), default=0),
    )


def _before(earlier: Sequence[Spent]) -> int:
    return max((one.epochs for one in earlier), default=0)


def _earlier(run_folder: Path) -> list[Spent]:
    """Of each run that a run learns from: its teachers, or the phase before it."""
    folders = [folder for kind in ("teachers", "before") for folder in run_folder.glob(f"{kind}/*")]
    return [_spent(_lines(folder), _earlier(folder)) for folder in folders]


def _lines(run_folder: Path) -> list[Line]:
    file = run_folder / "metrics.jsonl"
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    return [json.loads(line) for line in text.splitlines()]


PLACE = ("epoch", "stage", "split", "step", "samples", "seconds")
"""Keys of a line that are no metrics."""
