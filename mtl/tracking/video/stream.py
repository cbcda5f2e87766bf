"""Video files and network streams, read with FFmpeg's libraries through PyAV.

OpenCV reads such files too, but ends the video at the first packet that cannot be decoded, without
a word; PyAV says which packet it was and goes on with the next.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any

import av
import numpy as np

from mtl.data.storage import is_remote
from mtl.errors import DataError
from mtl.tracking.video.source import Frame

TIMEOUTS_S = (10.0, 10.0)
"""Seconds that a network may take to connect, and to send more."""

LIVE_SCHEMES = ("rtsp", "rtsps", "rtmp", "rtmps", "rtp", "srt", "udp", "tcp")
"""Streams that do not wait for whoever reads them."""

SLACK = 5
"""Frames by which a count from a file's length may be off."""

DEFAULT_RATE = 25.0
"""Frames a second of a stream that does not say."""


class Stream:
    """The first video stream of a file or URL.

    Args:
        place: path, or URL that FFmpeg opens.
        max_pixels: largest picture that is decoded.

    Raises:
        DataError: if it cannot be opened, holds no video, needs a decoder that is not installed, or
            its pictures are too large.
    """

    dropped = 0

    def __init__(self, place: str, max_pixels: int) -> None:
        self.shown = without_password(place)
        self.name = _name(place)
        self.live = place.partition("://")[0].lower() in LIVE_SCHEMES
        self.ending: str | None = None
        self._max_pixels = max_pixels
        try:
            self._container = av.open(place, options=_options(place), timeout=TIMEOUTS_S)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise DataError(
                f"video {self.shown} cannot be opened ({_reason(error)}); check that it is whole "
                "and plays elsewhere."
            ) from None
        try:
            self._stream = self._checked_stream()
        except DataError:
            self.close()
            raise
        rate = self._stream.average_rate or self._stream.guessed_rate
        self.rate = float(rate) if rate else DEFAULT_RATE
        self.num_frames = None if self.live else self._count()

    def frames(self) -> Iterator[Frame]:
        """All frames; what could not be decoded is a broken frame at its time.

        Raises:
            DataError: if no frame can be decoded.
        """
        found = 0
        start: Fraction | None = None
        for time, image, problem in self._in_order():
            if not found and image is None:
                continue  # without a first picture there is nothing to start from
            found += 1
            if start is None:
                start = time
            if time is None or start is None:
                seconds = (found - 1) / self.rate
            else:
                seconds = float(time - start)
            yield Frame(found, seconds, image, problem)
        if not found:
            raise DataError(
                f"video {self.shown} has no frame that can be decoded"
                f"{f' ({self.ending})' if self.ending else ''}; check that it plays elsewhere."
            )
        self.ending = self.ending or self._missing(found)

    def close(self) -> None:
        """Close the file or connection."""
        self._container.close()

    def _checked_stream(self) -> Any:
        if not self._container.streams.video:
            raise DataError(f"{self.shown} holds no video; name a video file.")
        stream = self._container.streams.video[0]
        codec = stream.codec_context
        if codec is None:
            raise DataError(
                f"video {self.shown} is coded in a way for which the installed FFmpeg has "
                "no decoder; convert it: ffmpeg -i IN -c:v libx264 -pix_fmt yuv420p OUT.mp4."
            )
        if codec.width * codec.height > self._max_pixels:
            raise DataError(
                f"video {self.shown} has {codec.width} x {codec.height} pixels a frame, "
                f"more than {self._max_pixels}; shrink it."
            )
        # Threads by frame would delay errors to later packets; by slice they stay where they are.
        stream.thread_type = "SLICE"
        return stream

    def _count(self) -> int | None:
        """As the file says it, or from its length."""
        if self._stream.frames:
            return int(self._stream.frames)
        if self._container.duration:
            return max(1, round(self._container.duration / av.time_base * self.rate))
        return None

    def _missing(self, found: int) -> str | None:
        """Why the file must be cut off; a count from its length alone may be off by a few."""
        if self.num_frames is None:
            return None
        promised = self.num_frames if self._stream.frames else self.num_frames - SLACK
        if found >= promised:
            return None
        return f"it promises {self.num_frames} frames and ends after {found}"

    def _in_order(self) -> Iterator[tuple[Fraction | None, np.ndarray | None, str | None]]:
        """Time, picture and problem, in the order of their times.

        A decoder gives its frames in the order of their times, but only once later packets came;
        so a broken packet waits until a later frame comes out.
        """
        broken: list[tuple[Fraction, str]] = []
        for decoded in self._decoded():
            if isinstance(decoded, av.VideoFrame):
                time = _time(decoded.pts, decoded.time_base)
                while broken and (time is None or broken[0][0] < time):
                    before, problem = heapq.heappop(broken)
                    yield before, None, problem
                yield time, _upright(decoded), None
            elif decoded[0] is None:
                yield None, None, decoded[1]
            else:
                heapq.heappush(broken, (decoded[0], decoded[1]))
        while broken:
            after, problem = heapq.heappop(broken)
            yield after, None, problem

    def _decoded(self) -> Iterator[Any]:
        """Frames, and (time, problem) of packets that cannot be decoded, as the decoder ends them.

        Where the container itself breaks off, `ending` says why.
        """
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except (av.error.FFmpegError, OSError) as error:
                self.ending = _reason(error)
                return
            if packet is None:
                return
            try:
                yield from packet.decode()
            except av.error.EOFError:
                continue
            except av.error.FFmpegError as error:
                yield _time(packet.pts, packet.time_base), _reason(error)


def _upright(frame: av.VideoFrame) -> np.ndarray:
    """(H, W, 3) uint8 RGB as a player shows it: phones store turned pictures and their angle."""
    image = frame.to_ndarray(format="rgb24")
    turns = round(getattr(frame, "rotation", 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image


def _time(stamp: int | None, unit: Fraction | None) -> Fraction | None:
    return None if stamp is None or unit is None else stamp * unit


def _options(place: str) -> dict[str, str]:
    return {"rtsp_transport": "tcp"} if place.lower().startswith("rtsp") else {}


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return " ".join(str(text).split()) or type(error).__name__


def without_password(place: str) -> str:
    """A place as it may be printed and kept."""
    return re.sub(r"(://[^/@:]*):[^/]*@", r"\1:***@", place)


def _name(place: str) -> str:
    address = re.sub(r"://[^/]*@", "://", place).partition("?")[0]
    path = address.partition("://")[2] if is_remote(place) else PurePosixPath(address).stem
    return re.sub(r"[^A-Za-z0-9._-]+", "_", path).strip("._-") or "video"
