"""Where one sequence of a tracking benchmark lies, and how its truth is read."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mtl.conditions import ATTRIBUTE_NAMES, CONDITIONS, IGNORE
from mtl.data.bad_items import BadItems
from mtl.data.frame_index import Sequence
from mtl.data.got10k import in_order, is_picture, parse_table
from mtl.data.storage import join, list_names, read_bytes


class Source(NamedTuple):
    """A sequence before its truth is read."""

    name: str
    folder: str
    """Where its pictures are."""
    box_file: str
    absent_files: tuple[str, ...] = ()
    """Files of 0 and 1 for each frame, 1 where the target cannot be seen."""
    nan_is_absent: bool = False
    """Whether a line of NaN says that the target is not there; else it is a mistake."""
    frames: tuple[int, int] | None = None
    """First and last picture that belong to the sequence, counted from 1; none: all."""


class Truth(NamedTuple):
    """A sequence whose truth was read; its pictures are known by name."""

    source: Source
    pictures: list[str]
    boxes_xywh: np.ndarray
    visible: np.ndarray

    def sequence(self) -> Sequence:
        """As the evaluation takes it, without labels."""
        length = len(self.pictures)
        return Sequence(
            name=self.source.name,
            frame_uris=[join(self.source.folder, name) for name in self.pictures],
            boxes_xywh=self.boxes_xywh,
            visible=self.visible,
            conditions=np.full(length, IGNORE, np.int64),
            distributions=np.zeros((length, len(CONDITIONS)), np.float32),
            attributes=np.full((length, len(ATTRIBUTE_NAMES)), np.nan, np.float32),
            severities=np.full(length, np.nan, np.float32),
        )


def read_truth(source: Source, bad: BadItems) -> Truth | None:
    """Read and check the truth of a sequence; none if it is unusable and left out.

    A file with the first box alone is complete, as servers keep the others: those frames are not
    visible, so they are tracked and not scored.

    Raises:
        DataError: at the first unusable item, if bad items are to stop the run.
    """
    pictures = _pictures(source, bad)
    boxes = _boxes(source, bad)
    if pictures is None or boxes is None:
        return None
    length = len(pictures)
    if len(boxes) == 1 < length:
        first = boxes[0]
        boxes, here = np.zeros((length, 4)), np.zeros(length, bool)
        boxes[0], here[0] = first, True
    elif len(boxes) == length:
        here = np.ones(length, bool)
    else:
        kind = "fewer" if len(boxes) < length else "more"
        bad.add(
            f"{kind} boxes than frames",
            f"{source.box_file} has {len(boxes)} boxes for {length} pictures of {source.folder}; "
            "correct the file",
        )
        return None
    for file in source.absent_files:
        absent = parse_table(file, _one_a_line(read_bytes(file)), 1, bad)
        if absent is None:
            return None
        if len(absent) != length:
            bad.add(
                "flags of another length",
                f"{file} has {len(absent)} flags for {length} pictures; correct the file",
            )
            return None
        here &= absent[:, 0] == 0
    if source.nan_is_absent:
        here &= ~np.isnan(boxes).any(axis=1)
    with np.errstate(invalid="ignore"):
        sound = np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] > 0).all(axis=1)
    wrong = np.flatnonzero(here & ~sound)
    if len(wrong):
        row = int(wrong[0])
        text = ", ".join(f"{value:g}" for value in boxes[row])
        bad.add(
            "box not finite or without size",
            f"{source.box_file}, line {row + 1}: a box must be finite with positive width and "
            f"height, got {text}; correct it",
            count=len(wrong),
        )
    visible = here & sound
    if not visible[0]:
        bad.add(
            "no box in the first frame",
            f"{source.box_file}, line 1: has no box to start from; correct it",
        )
        return None
    boxes[~np.isfinite(boxes).all(axis=1)] = 0.0
    return Truth(source, pictures, boxes, visible)


def _pictures(source: Source, bad: BadItems) -> list[str] | None:
    try:
        names = list_names(source.folder)
    except (FileNotFoundError, NotADirectoryError):
        names = []
    pictures = in_order([name for name in names if is_picture(name)])
    if source.frames is not None:
        first, last = source.frames
        if len(pictures) < last:
            bad.add(
                "pictures missing",
                f"{source.folder} has {len(pictures)} pictures, but {source.name} is made of the "
                f"pictures {first} to {last}; copy the whole folder",
            )
            return None
        pictures = pictures[first - 1 : last]
    if len(pictures) < 2:
        bad.add(
            "sequence with less than two pictures",
            f"{source.folder} has {len(pictures)} pictures, so there is nothing to track for "
            f"{source.name}; copy them or remove it",
        )
        return None
    return pictures


def _boxes(source: Source, bad: BadItems) -> np.ndarray | None:
    try:
        data = read_bytes(source.box_file)
    except FileNotFoundError:
        bad.add(
            "sequence without boxes",
            f"{source.box_file} is absent; add one line x,y,w,h for each picture of "
            f"{source.folder}",
        )
        return None
    return parse_table(source.box_file, data, 4, bad)


def _one_a_line(data: bytes) -> bytes:
    """Flags in a single line with commas, as LaSOT has them, or one a line."""
    return b"\n".join(data.replace(b",", b" ").split())
