"""OTB (Wu et al., PAMI 2015).

<Sequence>/img/0001.jpg ...         pictures
<Sequence>/groundtruth_rect.txt     x,y,w,h, pixels counted from 1; comma, tab or space between
<Sequence>/groundtruth_rect.2.txt   boxes of another target; the sequence is called <Sequence>-2

Pixels are taken as published: predicted and true boxes count alike, so overlaps do not change.
"""

from __future__ import annotations

import re

from mtl.data.bad_items import BadItems
from mtl.data.layouts.folders import files_in, folders_in
from mtl.data.layouts.source import Source
from mtl.data.storage import join

FRAMES = {
    "david": (300, 770),
    "football1": (1, 74),
    "freeman3": (1, 460),
    "freeman4": (1, 283),
    "diving": (1, 215),
}
"""Sequences whose boxes begin or end within their folder, as the benchmark's own code has them."""

_BOX_FILE = re.compile(r"groundtruth_rect(?:\.(\d+))?\.txt")


def looks_like(root: str) -> bool:
    """Whether a folder is in this layout."""
    return any(_box_files(join(root, name)) for name in folders_in(root))


def find(root: str, split: str | None, bad: BadItems) -> list[Source]:
    """Every target of every sequence; there are no splits."""
    found = []
    for name in folders_in(root):
        place = join(root, name)
        files = _box_files(place)
        if not files and "img" in folders_in(place):
            bad.add(
                "sequence without boxes",
                f"{join(place, 'groundtruth_rect.txt')} is absent; add one line x,y,w,h for each "
                "picture",
            )
        for target, file in files.items():
            full = f"{name}-{target}" if target else name
            pictures, boxes = join(place, "img"), join(place, file)
            part = FRAMES.get(name.lower())
            if part is not None and len(files_in(pictures)) < part[1]:
                part = None  # a copy that holds the part alone; its count is checked against boxes
            found.append(Source(full, pictures, boxes, frames=part))
    return found


def _box_files(place: str) -> dict[str, str]:
    """Target ("" where there is one only) -> file."""
    matches = [match for name in files_in(place) if (match := _BOX_FILE.fullmatch(name))]
    return {match.group(1) or "": match.group() for match in matches}
