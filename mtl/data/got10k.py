"""One sequence folder in GOT-10k or MVTD layout, and the list of those a split has.

    <split>/list.txt                     optional; one sequence name a line
    <split>/<sequence>/00000001.jpg ...  pictures, in the order of their numbers
    <split>/<sequence>/groundtruth.txt   x, y, w, h in pixels; comma, tab or space between
    <split>/<sequence>/absence.label     optional; 1 where the target is not in the frame
    <split>/<sequence>/cover.label       optional; 0 (hidden) to 8 (fully visible)

`meta_info.ini` and `cut_by_image.label` may be there and are not needed.

A frame is visible if it is not absent, its cover is not 0, and its box is finite with positive
width and height (HIPTrack spec 10.1). The box of a frame that the label files call absent or hidden
is not looked at: `0,0,0,0` or `nan` there is normal. Any other box without positive finite size is
a bad item: it stops the run, or the frame counts as not visible.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

from mtl.data.bad_items import BadItems
from mtl.data.images import SUFFIXES
from mtl.data.storage import (
    Entry,
    is_plain_name,
    is_remote,
    join,
    list_folder,
    list_names,
    read_bytes,
    stat,
)

BOX_FILE = "groundtruth.txt"
LABEL_FILES = ("absence.label", "cover.label")
LIST_FILE = "list.txt"


class SequenceFolder(NamedTuple):
    """The raw content of a folder: every name in it and the text files that are read."""

    place: str
    names: list[str]
    files: dict[str, bytes]


class FrameTruth(NamedTuple):
    """Per-frame truth of a sequence.

    Attributes:
        pictures: file names, in order.
        boxes_xywh: (L, 4) float64 pixels; 0, 0, 0, 0 where the box is unknown or unusable.
        visible: (L,) bool.
    """

    pictures: list[str]
    boxes_xywh: np.ndarray
    visible: np.ndarray


def sequence_names(split_folder: str, entries: list[Entry], bad: BadItems) -> list[str]:
    """Names of the sequences of a split: those of list.txt, else every folder, in natural order."""
    folders = [e.name for e in entries if e.is_folder and not e.name.startswith(".")]
    if not any(e.name == LIST_FILE and not e.is_folder for e in entries):
        return sorted(folders, key=natural_key)
    place = join(split_folder, LIST_FILE)
    known = set(folders)
    names: dict[str, None] = {}
    for number, line in enumerate(_text(read_bytes(place)).splitlines(), start=1):
        name = line.strip()
        if not name:
            continue
        if not is_plain_name(name):
            bad.add(
                "list.txt: name outside the split",
                f"{place}, line {number}: '{name}' is not the name of a folder in the split; "
                "write the bare name",
            )
        elif name not in known:
            bad.add(
                "list.txt: sequence absent",
                f"{place}, line {number}: there is no sequence folder '{name}'; copy it or take "
                "the line out",
            )
        elif name in names:
            bad.add(
                "list.txt: name repeated",
                f"{place}, line {number}: '{name}' stands in the list twice; take one out",
            )
        if name in known:
            names[name] = None
    return list(names)


def fetch_sequence(place: str) -> SequenceFolder:
    """Read what a sequence folder holds, pictures apart."""
    names = list_names(place)
    wanted = [name for name in (BOX_FILE, *LABEL_FILES) if name in names]
    return SequenceFolder(place, names, {name: read_bytes(join(place, name)) for name in wanted})


def parse_sequence(
    folder: SequenceFolder, bad: BadItems, first_box_only: bool
) -> FrameTruth | None:
    """Check and convert a sequence folder; none if it is unusable and left out.

    Args:
        folder: its raw content.
        bad: where unusable items are noted.
        first_box_only: whether a box file with a single line is complete, as in the test split of
            GOT-10k, whose other boxes are not published; those frames are not visible.

    Raises:
        DataError: at the first unusable item, if bad items are to stop the run.
    """
    place = folder.place
    pictures = in_order([name for name in folder.names if is_picture(name)])
    if not pictures:
        bad.add("sequence without pictures", f"{place} holds no pictures; copy them or remove it")
        return None
    box_file = join(place, BOX_FILE)
    if BOX_FILE not in folder.files:
        bad.add(
            "sequence without groundtruth.txt",
            f"{place} has no {BOX_FILE}; add one line x,y,w,h for each picture",
        )
        return None
    numbers = parse_table(box_file, folder.files[BOX_FILE], 4, bad)
    if numbers is None:
        return None
    length = len(pictures)
    if len(numbers) == 1 < length and first_box_only:
        boxes = np.zeros((length, 4))
        boxes[0] = numbers[0]
        here = np.zeros(length, dtype=bool)
        here[0] = True
    elif len(numbers) != length:
        kind = "fewer" if len(numbers) < length else "more"
        bad.add(
            f"{kind} boxes than frames",
            f"{box_file} has {len(numbers)} boxes for {length} pictures; {kind} boxes than frames "
            "cannot be matched, so correct the file",
        )
        return None
    else:
        boxes, here = numbers, np.ones(length, dtype=bool)
    for name in LABEL_FILES:
        if name not in folder.files:
            continue
        label = parse_table(join(place, name), folder.files[name], 1, bad)
        if label is None:
            return None
        if len(label) != length:
            bad.add(
                f"{name} of another length",
                f"{join(place, name)} has {len(label)} lines for {length} pictures; correct the "
                "file or remove it",
            )
            return None
        here &= (label[:, 0] == 0) if name == "absence.label" else (label[:, 0] > 0)
    visible = here & _sound(boxes, here, box_file, bad)
    boxes[~np.isfinite(boxes).all(axis=1)] = 0.0
    return FrameTruth(pictures, boxes, visible)


def natural_key(name: str) -> tuple[list[tuple[int, str]], str]:
    """Sort key by which frame_2 goes before frame_10."""
    parts = re.split(r"(\d+)", name)
    return [(int(p), "") if p.isdecimal() else (-1, p) for p in parts if p], name


def in_order(pictures: list[str]) -> list[str]:
    """File names in the order of the numbers in them."""
    # Numbers of one length, as data sets have them, sort alike as text, and a lot faster.
    stems = [name.rpartition(".")[0] for name in pictures]
    if len({len(stem) for stem in stems}) == 1 and all(map(str.isdecimal, stems)):
        return sorted(pictures)
    return sorted(pictures, key=natural_key)


def _sound(boxes: np.ndarray, here: np.ndarray, place: str, bad: BadItems) -> np.ndarray:
    """(L,) bool: finite with positive size; a box that is not although its frame counts is bad."""
    finite = np.isfinite(boxes).all(axis=1)
    with np.errstate(invalid="ignore"):
        sized = (boxes[:, 2:] > 0).all(axis=1)
    for reason, ok in (("box not finite", finite), ("box without size", sized | ~finite)):
        wrong = np.flatnonzero(here & ~ok)
        if len(wrong):
            row = int(wrong[0])
            text = ", ".join(f"{value:g}" for value in boxes[row])
            bad.add(
                reason,
                f"{place}, line {row + 1}: a box must be finite with positive width and height, "
                f"got {text}; correct it or mark the frame in absence.label",
                count=len(wrong),
            )
    sound: np.ndarray = finite & sized
    return sound


def parse_table(place: str, data: bytes, columns: int, bad: BadItems) -> np.ndarray | None:
    """(lines, columns) float64 of a text table, none if a line is not that many numbers."""
    text = _text(data).rstrip()
    lines = text.split("\n") if text else []
    flat = text.replace(",", " ").split()
    if len(flat) == columns * len(lines):
        try:
            table = np.array(flat, dtype=np.float64).reshape(-1, columns)
        except ValueError:
            pass
        else:
            if columns == 1 or all(_width(line) == columns for line in lines):
                return table
    for number, line in enumerate(lines, start=1):
        words = line.replace(",", " ").split()
        if len(words) != columns or not all(_is_number(word) for word in words):
            want = "a number" if columns == 1 else f"{columns} numbers"
            bad.add(
                "line that cannot be parsed",
                f"{place}, line {number}: must be {want}, got '{line.strip()[:60]}'; correct it",
            )
            break
    return None if lines else np.zeros((0, columns))


def _width(line: str) -> int:
    return len(line.replace(",", " ").split())


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _text(data: bytes) -> str:
    return data.decode("utf-8-sig", errors="replace").replace("\r\n", "\n").replace("\r", "\n")


def is_picture(name: str) -> bool:
    """Whether a file is a frame by its name."""
    stem, dot, suffix = name.rpartition(".")
    return dot + suffix.lower() in SUFFIXES and stem != "template_crop" and not name.startswith(".")


def fingerprint(place: str) -> list[Entry | None] | None:
    """What changes when a sequence folder does; none where the store does not tell.

    Locally the folder's own time tells of added and removed pictures, and the text files are looked
    at one by one; an object store has no times for folders, so the whole listing is taken.
    """
    if not is_remote(place):
        return [stat(place), *(stat(join(place, name)) for name in (BOX_FILE, *LABEL_FILES))]
    entries = list_folder(place)
    if any(entry.modified_ns is None for entry in entries if not entry.is_folder):
        return None
    return [*entries]
