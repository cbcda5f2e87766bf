"""Which class of one set is which of another: COCO and VOC have different words for some."""

from __future__ import annotations

from collections.abc import Sequence

COCO_WORDS = {
    "aeroplane": "airplane", "motorbike": "motorcycle", "sofa": "couch", "tvmonitor": "tv",
}  # fmt: skip
"""VOC's name -> COCO's, where they differ by more than spaces."""


def same_classes(names: Sequence[str], others: Sequence[str]) -> dict[int, int]:
    """Number of each name that the other list has too -> its number there.

    Case, spaces, hyphens and underscores do not matter.

    Args:
        names: of one set, in the order of their numbers.
        others: of another.
    """
    numbers = {_plain(name): number for number, name in enumerate(others)}
    pairs = ((number, numbers.get(_plain(name))) for number, name in enumerate(names))
    return {number: other for number, other in pairs if other is not None}


def _plain(name: str) -> str:
    letters = "".join(c for c in name.lower() if c not in " -_")
    return COCO_WORDS.get(letters, letters)
