"""What a store says of the files of a set, which changes when one of them does."""

from __future__ import annotations

import hashlib
import json

from mtl.data.storage import each, is_remote, join, stat
from mtl.data.unified.index import SegmentationIndex, TaskIndex


def fingerprint(index: TaskIndex) -> str | None:
    """Hash of size and time of every image and mask, without opening any.

    Where the root lies plays no part: a folder that moves as it is stays the same. That a file is
    missing counts as something the store says.

    Returns:
        None where the store does not tell of changes.

    Raises:
        AwayError: if the storage does not answer.
    """
    masks = index.masks if isinstance(index, SegmentationIndex) else ()
    places = [join(index.root, name) for name in (*index.images, *masks)]
    try:
        entries = list(each(stat, places, is_remote(index.root)))
    except OSError:
        return None
    if any(entry is not None and entry.modified_ns is None for entry in entries):
        return None
    told = [None if entry is None else (entry.size, entry.modified_ns) for entry in entries]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]
