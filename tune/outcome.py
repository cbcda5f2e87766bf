"""What a trial's run folder says about it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtl.config.run import RunConfig
from mtl.training.loop import is_better

Line = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """A run so far."""

    metrics: dict[str, float]
    """Validation metrics of the best weights, and of their final evaluation where there was one."""
    epochs: int
    """Epochs trained."""
    seconds: float
    """Time trained and evaluated."""
    lines: tuple[Line, ...]
    """All lines of its metrics."""


def read_outcome(run_folder: Path, config: RunConfig) -> Outcome:
    """Read metrics.jsonl; a run that has not reported yet has no metrics.

    The best weights are those that the run keeps: by `checkpoint.metric`, the first of equals.
    """
    file = run_folder / "metrics.jsonl"
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    lines = [json.loads(line) for line in text.splitlines()]
    final = [line for line in lines if line["stage"] in ("tracking", "evaluation")]
    epochs = [line for line in lines if line not in final]
    best: Line = {}
    for line in (line for line in epochs if line["split"] == "val"):
        if is_better(line, config.checkpoint.metric, best.get(config.checkpoint.metric)):
            best = line
    found = dict(best)
    for line in final:
        if line["split"] == "val":
            found |= line
    return Outcome(
        {k: v for k, v in found.items() if isinstance(v, (int, float)) and k not in PLACE},
        max((line["epoch"] for line in epochs), default=0),
        max((line["seconds"] for line in lines), default=0.0),
        tuple(lines),
    )


PLACE = ("epoch", "stage", "split", "step", "samples", "seconds")
"""Keys of a line that are no metrics."""
