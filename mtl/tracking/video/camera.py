"""A camera of this machine, read with OpenCV, which finds cameras on every system."""

from __future__ import annotations

import time
from collections.abc import Iterator

import cv2

from mtl.errors import DataError
from mtl.tracking.video.source import Frame

DEFAULT_RATE = 25.0
"""Frames a second of a camera that does not say."""

PATIENCE = 25
"""Frames in a row that a camera may fail to give before it counts as gone."""


class Camera:
    """A camera by its number, 0 for the first.

    Raises:
        DataError: if there is none, or it gives nothing.
    """

    live = True
    dropped = 0
    num_frames: int | None = None

    def __init__(self, index: int) -> None:
        self.name = f"camera{index}"
        self.ending: str | None = None
        self._index = index
        self._capture = cv2.VideoCapture(index)
        if not self._capture.isOpened():
            raise DataError(
                f"camera {index} cannot be opened; check that it is connected, that no other "
                "program uses it, and that you may read it."
            )
        rate = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.rate = rate if 1.0 <= rate <= 1000.0 else DEFAULT_RATE

    def frames(self) -> Iterator[Frame]:
        """Frames until the camera is gone; single ones that it fails to give are broken.

        Raises:
            DataError: if it never gives one.
        """
        number, failed, start = 0, 0, time.monotonic()
        while failed < PATIENCE:
            ok, picture = self._capture.read()
            failed = 0 if ok else failed + 1
            if not number and not ok:
                continue
            if not number:
                start = time.monotonic()
            number += 1
            seconds = time.monotonic() - start
            if ok:
                yield Frame(number, seconds, cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
            else:
                yield Frame(number, seconds, None, f"camera {self._index} gave no picture")
        if not number:
            raise DataError(f"camera {self._index} gives no picture; try it in another program.")
        self.ending = f"camera {self._index} stopped giving pictures"

    def close(self) -> None:
        """Give the camera back."""
        self._capture.release()
