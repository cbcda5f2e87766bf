"""What tracking needs of a video, wherever it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import NamedTuple, Protocol

import numpy as np

from mtl.errors import DataError


class Frame(NamedTuple):
    """One frame of a video, or the place of one that is broken."""

    number: int
    """From 1, also its line in the result files."""
    seconds: float
    """In the video, from its first frame."""
    image: np.ndarray | None
    """(H, W, 3) uint8 RGB; none if the frame is broken."""
    problem: str | None = None
    """Why it is broken."""


class Source(Protocol):
    """A video that is read once, from its first frame to its end."""

    name: str
    """Plain, to name files by."""
    rate: float
    """Frames a second."""
    num_frames: int | None
    """As far as it is known; the video may hold fewer."""
    live: bool
    """Whether frames that nobody takes in time are lost."""
    dropped: int
    """Frames of a live video that nobody took in time."""

    @property
    def ending(self) -> str | None:
        """Why the video ended before its time; known when all frames are read."""

    def frames(self) -> Iterator[Frame]:
        """The frames in the order in which they are shown; a broken one does not end them.

        Raises:
            DataError: if there is none.
        """

    def close(self) -> None:
        """Let go of file, connection or device."""


def first_picture(frame: Frame) -> np.ndarray:
    """The picture of a video's first frame.

    Raises:
        DataError: if it is broken.
    """
    if frame.image is None:
        problem = str(frame.problem).rstrip(".")
        raise DataError(f"the first frame, to which the box belongs, is broken: {problem}.")
    return frame.image


def opening(frames: Iterator[Frame], shown: str) -> tuple[np.ndarray, Iterator[Frame]]:
    """The first picture of a video and all its frames, if there are any to track.

    Args:
        frames: from the first one on.
        shown: the video, for messages.

    Raises:
        DataError: if the first frame is broken or is the only one.
    """
    first = list(islice(frames, 2))
    if not first:
        raise DataError(f"{shown} has no frame; name another video.")
    image = first_picture(first[0])
    if len(first) == 1:
        raise DataError(
            f"{shown} has one frame, whose box is given, so there is none to track; "
            "name a longer video."
        )
    return image, chain(first, frames)
