"""A folder of pictures as a video."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from mtl.data.got10k import is_picture
from mtl.data.images import SUFFIXES, read_image
from mtl.errors import AwayError, DataError
from mtl.hiccups import words_of
from mtl.tracking.video.source import Frame

RATE = 25.0
"""Frames a second of pictures, which do not say when they were taken."""


class PictureFolder:
    """The pictures of a local folder, in the order of their names; numbers count as numbers.

    Args:
        path: of the folder.
        max_pixels: largest picture that is decoded.

    Raises:
        DataError: if there is no picture in it.
    """

    live = False
    dropped = 0
    rate = RATE
    ending: str | None = None

    def __init__(self, path: Path, max_pixels: int) -> None:
        self.name = path.absolute().name
        self._max_pixels = max_pixels
        try:
            found = [one for one in path.iterdir() if is_picture(one.name)]
        except OSError as error:
            raise DataError(f"folder {path} cannot be read: {error.strerror}.") from None
        if not found:
            endings = ", ".join(SUFFIXES)
            raise DataError(f"{path} holds no picture ({endings}); name a folder of frames.")
        self._files = sorted(found, key=lambda one: _order(one.name))
        self.num_frames: int | None = len(self._files)

    def frames(self) -> Iterator[Frame]:
        """All pictures; one that cannot be read or decoded is a broken frame."""
        for number, file in enumerate(self._files, start=1):
            seconds = (number - 1) / self.rate
            try:
                yield Frame(number, seconds, read_image(str(file), self._max_pixels))
            except (DataError, AwayError) as error:
                yield Frame(number, seconds, None, words_of(error))

    def close(self) -> None:
        """Nothing is open."""


def _order(name: str) -> list[tuple[int, str]]:
    """`9.jpg` before `10.jpg`, and `00000009.jpg` before `00000010.jpg`."""
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
