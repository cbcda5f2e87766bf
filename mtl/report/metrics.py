"""A run's metrics.jsonl: read, checked, and looked up by split and name."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mtl.errors import DataError, ShapeError
from mtl.evaluation.confusion import class_accuracy

FINAL_STAGES = ("tracking", "evaluation")
"""Stages of the lines that hold the scores of a final evaluation."""
SPLITS = ("train", "val", "test")


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Lines of a metrics.jsonl, each a map with at least `epoch`, `stage` and `split`.

    Raises:
        DataError: if the file cannot be read, or a line is no such map or holds a metric that is
            neither a number nor null; names file and line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as text: {error}.") from None
    lines = []
    for number, line in enumerate(text.rstrip().split("\n") if text.strip() else [], start=1):
        try:
            values = json.loads(line)
        except (ValueError, RecursionError):
            raise _wrong(path, number, "a metrics line must be whole JSON") from None
        problem = _problem(values)
        if problem:
            raise _wrong(path, number, problem)
        lines.append(values)
    return lines


class Best(NamedTuple):
    """The best value of a metric and where it was reached."""

    value: float
    position: int
    """Place of the epoch on the x axis (`History.position`)."""


@dataclass(frozen=True)
class History:
    """Lines of a run in order; of lines for the same split and epoch the last one holds."""

    epochs: list[dict[str, Any]]
    """Training and validation lines."""
    tracking: list[dict[str, Any]]
    """Scores of the final evaluation, one line a split."""

    @classmethod
    def of(cls, lines: list[dict[str, Any]]) -> History:
        """Sort the lines of `read_metrics`."""
        epochs = {
            (x["split"], x["stage"], x["epoch"]): x for x in lines if x["stage"] not in FINAL_STAGES
        }
        tracking = {x["split"]: x for x in lines if x["stage"] in FINAL_STAGES}
        return cls(list(epochs.values()), list(tracking.values()))

    def places(self) -> list[tuple[str, int]]:
        """(stage, epoch) of every epoch, in order of first appearance."""
        return list(dict.fromkeys((line["stage"], line["epoch"]) for line in self.epochs))

    def positions(self) -> dict[tuple[str, int], int]:
        """Place of each epoch on the x axis: its number, or 1, 2, ... where numbers repeat."""
        places = self.places()
        numbers = [epoch for _, epoch in places]
        if all(a < b for a, b in itertools.pairwise(numbers)):
            return {place: place[1] for place in places}
        return {place: count for count, place in enumerate(places, start=1)}

    def series(self, split: str, name: str) -> list[tuple[int, float]]:
        """(position, value) of a metric by epoch, where it was measured and is finite."""
        positions = self.positions()
        return [
            (positions[line["stage"], line["epoch"]], float(line[name]))
            for line in self.epochs
            if line["split"] == split and is_number(line.get(name)) and math.isfinite(line[name])
        ]

    def last(self, split: str) -> dict[str, Any]:
        """The latest line of a split, empty if there is none."""
        return next((x for x in reversed(self.epochs) if x["split"] == split), {})

    def best(self, split: str, name: str) -> Best | None:
        """Smallest value of a loss, largest of anything else; the earliest of equal ones."""
        series = self.series(split, name)
        if not series:
            return None
        sign = 1.0 if name.startswith("loss/") else -1.0
        position, value = min(series, key=lambda point: sign * point[1])
        return Best(value, position)

    def confusion(self) -> tuple[dict[str, Any], np.ndarray] | None:
        """The latest validation line with a confusion matrix, and the (C, C) int64 matrix."""
        for line in reversed(self.epochs):
            if line["split"] == "val" and line.get("confusion") is not None:
                return line, np.array(line["confusion"], np.int64)
        return None

    def boundaries(self) -> Iterator[tuple[str, int]]:
        """(stage, position of its first epoch) in order."""
        for (stage, _), position in _first_of_each_stage(self.positions()):
            yield stage, position


def is_number(value: object) -> bool:
    """Whether a JSON value is a number of the usual size; true and false are none."""
    if isinstance(value, int):
        return not isinstance(value, bool) and abs(value) < 2**63
    return isinstance(value, float)


def _first_of_each_stage(
    positions: dict[tuple[str, int], int],
) -> Iterator[tuple[tuple[str, int], int]]:
    before = None
    for place, position in positions.items():
        if place[0] != before:
            yield place, position
        before = place[0]


def _problem(values: object) -> str | None:
    if not isinstance(values, dict):
        return "a metrics line must be a map of names to values"
    if values.get("split") not in SPLITS:
        return f"'split' must be train, val or test, got {values.get('split')!r}"
    if not isinstance(values.get("stage"), str):
        return f"'stage' must be a name, got {values.get('stage')!r}"
    epoch = values.get("epoch")
    if (epoch is not None or values["stage"] not in FINAL_STAGES) and (
        not isinstance(epoch, int) or isinstance(epoch, bool) or epoch < 0
    ):
        return f"'epoch' must be a whole number of at least 0, got {epoch!r}"
    for name, value in values.items():
        if name == "confusion" and value is not None:
            try:
                class_accuracy(np.array(value))
            except (ShapeError, ValueError):
                return "'confusion' must be a square list of lists of counts"
        elif name not in ("split", "stage", "confusion") and not (
            value is None or is_number(value)
        ):
            return f"'{name}' must be a number or null, got {value!r:.60}"
    return None


def _wrong(path: Path, number: int, problem: str) -> DataError:
    return DataError(f"{path}, line {number}: {problem}; correct or remove the line.")
