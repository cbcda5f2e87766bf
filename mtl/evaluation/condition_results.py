"""What the condition head said about the frames of a sequence, beside its boxes.

<results>/<tracker>/<sequence>/<sequence>_conditions.csv    names, then one line of values a frame

The first frame was given, not tracked: its line has empty values.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mtl.errors import DataError, ShapeError
from mtl.evaluation.got10k_files import sequence_folder
from mtl.files import write_atomically


class PredictedConditions(NamedTuple):
    """The head's answers to one sequence of L frames."""

    names: tuple[str, ...]
    """What the K columns are called (`mtl.conditions.OUTPUT_NAMES`)."""
    values: np.ndarray
    """(L, K) float64 in [0, 1]; the first row is NaN."""


def conditions_file(results: Path, tracker: str, sequence: str) -> Path:
    """Where the answers to a sequence lie."""
    return sequence_folder(results, tracker, sequence) / f"{sequence}_conditions.csv"


def write_conditions(
    results: Path, tracker: str, sequence: str, predicted: PredictedConditions
) -> None:
    """Write the file, whole or not at all.

    Args:
        results: folder that holds the trackers' folders; made if absent.
        tracker: name of the tracker.
        sequence: name of the sequence.
        predicted: values are written with 6 decimals.

    Raises:
        ShapeError: if there are not as many columns as names.
        DataError: if a value after the first row is not finite, or a name leaves its folder.
    """
    values = np.asarray(predicted.values, np.float64)
    if values.ndim != 2 or values.shape[1] != len(predicted.names) or not len(values):
        raise ShapeError(
            f"{sequence}: conditions must be (L, {len(predicted.names)}), got {values.shape}."
        )
    if not np.isfinite(values[1:]).all():
        raise DataError(f"{sequence}: conditions must be finite; track the sequence again.")
    lines = [names_line(predicted.names), empty_line(predicted.names)]
    text = "".join([*lines, *map(values_line, values[1:])])
    write_atomically(conditions_file(results, tracker, sequence), text.encode())


def names_line(names: Sequence[str]) -> str:
    """The first line of a file."""
    return ",".join(names) + "\n"


def values_line(values: Iterable[float]) -> str:
    """The line of a frame."""
    return ",".join(f"{value:.6f}" for value in values) + "\n"


def empty_line(names: Sequence[str]) -> str:
    """The line of a frame about which the head was not asked."""
    return "," * (len(names) - 1) + "\n"


def read_conditions(
    results: Path, tracker: str, sequence: str, names: Sequence[str]
) -> PredictedConditions:
    """Read the file.

    Args:
        results: folder that holds the trackers' folders.
        tracker: name of the tracker.
        sequence: name of the sequence.
        names: columns that must be there, in this order.

    Raises:
        DataError: if the file is absent or unreadable, has other columns, or a line that is not so
            many finite numbers; names file and line.
    """
    path = conditions_file(results, tracker, sequence)
    try:
        rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))
    except FileNotFoundError:
        raise DataError(f"{path} is absent; track the sequence to make it.") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as text: {error}.") from None
    if not rows or rows[0] != list(names):
        raise DataError(
            f"{path}, line 1: the columns must be {','.join(names)}; track the sequence again."
        )
    values = np.full((len(rows) - 1, len(names)), np.nan)
    for number, row in enumerate(rows[1:], start=1):
        if number == 1 and not any(row):
            continue
        numbers = _numbers(row)
        if numbers is None or len(numbers) != len(names):
            raise DataError(
                f"{path}, line {number + 1}: must be {len(names)} finite numbers, "
                f"got {','.join(row)[:60]!r}; track the sequence again."
            )
        values[number - 1] = numbers
    return PredictedConditions(tuple(names), values)


def _numbers(row: Sequence[str]) -> list[float] | None:
    try:
        values = [float(field) for field in row]
    except ValueError:
        return None
    return values if np.isfinite(values).all() else None
