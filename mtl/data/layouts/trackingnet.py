"""TrackingNet (Muller et al., ECCV 2018).

<split>/frames/<sequence>/0.jpg, 1.jpg ...  pictures, counted from 0
<split>/anno/<sequence>.txt                 x,y,w,h; in TEST the first box alone

The root may be a split's own folder.
"""

from __future__ import annotations

from mtl.data.bad_items import BadItems
from mtl.data.layouts.folders import files_in, folders_in
from mtl.data.layouts.source import Source
from mtl.data.storage import join
from mtl.errors import DataError


def looks_like(root: str) -> bool:
    """Whether a folder is in this layout."""
    return bool(_splits(root))


def find(root: str, split: str | None, bad: BadItems) -> list[Source]:
    """Sequences of a split, TEST unless another is named.

    Raises:
        DataError: if there is no such split.
    """
    splits = _splits(root)
    wanted = split.upper() if split else "TEST" if len(splits) > 1 else next(iter(splits), "TEST")
    place = splits.get("") or splits.get(wanted)
    if place is None:
        there = ", ".join(splits) or "no split"
        raise DataError(f"{root} has {there} but not {wanted}; name one of those that are there.")
    names = [name.removesuffix(".txt") for name in files_in(join(place, "anno"))]
    for name in sorted(set(folders_in(join(place, "frames"))) - set(names)):
        bad.add(
            "sequence without boxes",
            f"{join(place, 'anno', name + '.txt')} is absent; add the box of the first picture",
        )
    return [
        Source(name, join(place, "frames", name), join(place, "anno", f"{name}.txt"))
        for name in names
    ]


def _splits(root: str) -> dict[str, str]:
    """Split -> folder; the empty name where the root itself is a split."""
    if {"frames", "anno"} <= set(folders_in(root)):
        return {"": root}
    return {
        name: join(root, name)
        for name in folders_in(root)
        if {"frames", "anno"} <= set(folders_in(join(root, name)))
    }
