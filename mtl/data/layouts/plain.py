"""A plain folder: <sequence>/ with pictures and groundtruth.txt or boxes.txt, x,y,w,h a line.

The first box alone is enough to track; such a sequence is not scored. Where there is an
absence.label, 0 or 1 a line, frames with 1 do not show the target.
"""

from __future__ import annotations

from mtl.data.bad_items import BadItems
from mtl.data.got10k import is_picture
from mtl.data.layouts.folders import files_in, folders_in
from mtl.data.layouts.source import Source
from mtl.data.storage import join

BOX_FILES = ("groundtruth.txt", "boxes.txt")
FLAG_FILE = "absence.label"


def looks_like(root: str) -> bool:
    """Whether a folder is in this layout."""
    for name in folders_in(root):
        files = files_in(join(root, name))
        if any(file in files for file in BOX_FILES) and any(map(is_picture, files)):
            return True
    return False


def find(root: str, split: str | None, bad: BadItems) -> list[Source]:
    """Every folder; there are no splits."""
    found = []
    for name in folders_in(root):
        place = join(root, name)
        files = files_in(place)
        box_file = next((file for file in BOX_FILES if file in files), BOX_FILES[0])
        flags = (join(place, FLAG_FILE),) if FLAG_FILE in files else ()
        found.append(Source(name, place, join(place, box_file), flags))
    return found
