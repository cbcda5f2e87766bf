"""From what a user names to a video that can be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mtl.data.storage import is_remote
from mtl.errors import DataError
from mtl.tracking.video.camera import Camera
from mtl.tracking.video.newest import NewestFrames
from mtl.tracking.video.picture_folder import PictureFolder
from mtl.tracking.video.source import Source
from mtl.tracking.video.stream import Stream


def open_source(word: str, max_pixels: int, wanted: Callable[[], bool] = lambda: True) -> Source:
    """The video behind a word: a file, a folder of pictures, a URL, or a camera's number.

    Args:
        word: a number is a camera unless a file or folder of that name exists.
        max_pixels: largest picture that is decoded.
        wanted: whether more frames of a live video are; it may never send one.

    Raises:
        DataError: if there is no such video, or it cannot be opened.
    """
    if is_remote(word):
        source: Source = Stream(word, max_pixels)
        return NewestFrames(source, wanted) if source.live else source
    path = Path(word.removeprefix("file://")).expanduser()
    if path.is_dir():
        return PictureFolder(path, max_pixels)
    if path.exists():
        return Stream(str(path), max_pixels)
    if word.isdecimal():
        return NewestFrames(Camera(int(word)), wanted)
    raise DataError(
        f"there is no video {word}; name a file, a folder of pictures, a URL such as rtsp://..., "
        "or the number of a camera."
    )
