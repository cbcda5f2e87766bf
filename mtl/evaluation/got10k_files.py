"""Result files in the layout of the GOT-10k toolkit, which other tools read too.

<results>/<tracker>/<sequence>/<sequence>_001.txt    x,y,w,h in pixels, one line a frame
<results>/<tracker>/<sequence>/<sequence>_time.txt   seconds, one line a frame
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mtl.errors import DataError, ShapeError
from mtl.evaluation.one_pass import TrackedSequence
from mtl.files import write_atomically


def write_result(
    results: Path, tracker: str, sequence: str, tracked: TrackedSequence
) -> TrackedSequence:
    """Write both files of one sequence, each whole or not at all; the box file comes last.

    So a sequence whose box file exists is done.

    Args:
        results: folder that holds the trackers' folders; made if absent.
        tracker: name of the tracker.
        sequence: name of the sequence.
        tracked: boxes in pixels (written with 4 decimals) and seconds (with 8).

    Returns:
        What the files now say. Score this, and the numbers are those of anyone who reads the files.

    Raises:
        ShapeError: if boxes and times are not (L, 4) and (L,), or L is 0.
        DataError: if a value is not finite, or a name would lead out of its folder.
    """
    boxes = np.asarray(tracked.boxes_xywh, np.float64)
    seconds = np.asarray(tracked.seconds, np.float64)
    if boxes.shape != (len(seconds), 4) or seconds.ndim != 1 or not len(seconds):
        raise ShapeError(
            f"{sequence}: boxes and times must be (L, 4) and (L,), "
            f"got {boxes.shape} and {seconds.shape}."
        )
    if not (np.isfinite(boxes).all() and np.isfinite(seconds).all()):
        raise DataError(f"{sequence}: boxes and times must be finite; track the sequence again.")
    box_file, time_file = _paths(results, tracker, sequence)
    time_lines = [time_line(value) for value in seconds]
    box_lines = [box_line(box) for box in boxes]
    write_atomically(time_file, "".join(time_lines).encode())
    write_atomically(box_file, "".join(box_lines).encode())
    return TrackedSequence(
        np.array([[float(field) for field in line.split(",")] for line in box_lines]),
        np.array([float(line) for line in time_lines]),
    )


def box_line(box_xywh: np.ndarray) -> str:
    """The line of a box (4,) in pixels."""
    return ",".join(f"{value:.4f}" for value in box_xywh) + "\n"


def time_line(seconds: float) -> str:
    """The line of the time that a frame took."""
    return f"{seconds:.8f}\n"


def read_result(results: Path, tracker: str, sequence: str) -> TrackedSequence:
    """Read both files of one sequence.

    Raises:
        DataError: if a file is absent or unreadable, or a line is wrong; names file and line.
        ShapeError: if there are not as many times as boxes.
    """
    box_file, time_file = _paths(results, tracker, sequence)
    boxes, seconds = read_boxes(box_file), read_seconds(time_file)
    if len(boxes) != len(seconds):
        raise ShapeError(
            f"{sequence}: {box_file} has {len(boxes)} boxes but {time_file} has {len(seconds)} "
            "times; track the sequence again."
        )
    return TrackedSequence(boxes, seconds)


def read_boxes(path: Path) -> np.ndarray:
    """Boxes of one result file, (L, 4) float64 xywh in pixels.

    Raises:
        DataError: if the file is absent, empty or not text, or a line is not four finite numbers
            with sides of at least 0; names file and line.
    """
    boxes = []
    for number, line in _lines(path):
        box = _numbers(line)
        if box is None or len(box) != 4 or min(box[2:]) < 0.0:
            raise DataError(
                f"{path}, line {number}: a box must be x,y,w,h in finite numbers with w and h of "
                f"at least 0, got {_shown(line)}; correct the line."
            )
        boxes.append(box)
    return np.array(boxes, np.float64)


def read_seconds(path: Path) -> np.ndarray:
    """Times of one file, (L,) seconds; of several repetitions side by side, the first.

    Raises:
        DataError: if the file is absent, empty or not text, or a line holds anything but finite
            numbers of at least 0; names file and line.
    """
    seconds = []
    for number, line in _lines(path):
        values = _numbers(line)
        if values is None or min(values) < 0.0:
            raise DataError(
                f"{path}, line {number}: a time must be seconds of at least 0, "
                f"got {_shown(line)}; correct the line."
            )
        seconds.append(values[0])
    return np.array(seconds, np.float64)


def find_results(results: Path) -> Iterator[tuple[str, str]]:
    """(tracker, sequence) of every box file under a results folder, sorted; none if absent."""
    for path in sorted(results.glob("*/*/*_001.txt")):
        if path.name == f"{path.parent.name}_001.txt":
            yield path.parent.parent.name, path.parent.name


def sequence_folder(results: Path, tracker: str, sequence: str) -> Path:
    """Folder of a tracker's files of one sequence.

    Raises:
        DataError: if a name would lead out of its folder.
    """
    for what, name in (("tracker", tracker), ("sequence", sequence)):
        if not name or name.startswith(".") or "/" in name or "\\" in name or "\0" in name:
            raise DataError(
                f"the {what} name {name!r} must be a plain folder name without slashes "
                "that does not begin with a dot; rename it."
            )
    return results / tracker / sequence


def _paths(results: Path, tracker: str, sequence: str) -> tuple[Path, Path]:
    folder = sequence_folder(results, tracker, sequence)
    return folder / f"{sequence}_001.txt", folder / f"{sequence}_time.txt"


def _lines(path: Path) -> list[tuple[int, str]]:
    try:
        lines = path.read_text(encoding="utf-8").rstrip().split("\n")
    except FileNotFoundError:
        raise DataError(f"{path} is absent; track the sequence to make it.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as text: {error}.") from None
    if lines == [""]:
        raise DataError(f"{path} is empty; track the sequence again.")
    return list(enumerate(lines, start=1))


def _numbers(line: str) -> list[float] | None:
    try:
        values = [float(field) for field in line.split(",")]
    except ValueError:
        return None
    return values if all(map(math.isfinite, values)) else None


def _shown(line: str) -> str:
    return repr(line if len(line) <= 60 else line[:57] + "...")
