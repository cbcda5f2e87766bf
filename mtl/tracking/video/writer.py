"""Pictures into a video file that plays everywhere: H.264 in MP4."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from mtl.errors import ConfigError, DataError

ENCODERS = ("libx264", "libopenh264", "mpeg4")
"""The first one that the installed FFmpeg has is taken; players know the last one least."""

TIME_UNIT = Fraction(1, 60_000)
"""Of the time stamps: whole numbers for 24, 25, 30, 50, 60 and 29.97 frames a second."""

KEY_FRAME_S = 2.0
"""Seconds between pictures that stand alone; a killed process loses no more than this."""

OPTIONS: dict[str, dict[str, str]] = {"libx264": {"crf": "20", "preset": "veryfast"}}
"""Quality that shows no blocks, at a speed that keeps up with tracking."""

BITS_PER_PIXEL = 0.15
"""For encoders that want a rate and not a quality."""


class VideoWriter:
    """A new MP4 file; what is written can be played even if the process is killed.

    Args:
        path: of the file, which is made with the first picture.
        rate: frames a second, about; each picture has its own time.

    Raises:
        ConfigError: if the installed FFmpeg has none of the encoders.
    """

    def __init__(self, path: Path, rate: float) -> None:
        self.path = path
        self.encoder = _encoder()
        self._rate = Fraction(rate).limit_denominator(1001)
        self._container: Any = None
        self._stream: Any = None
        self._last = -1

    def write(self, image: np.ndarray, seconds: float) -> None:
        """Append a picture (H, W, 3) uint8 RGB, H and W even and as in the first, at its time.

        Raises:
            DataError: if the file cannot be written.
        """
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame.time_base = TIME_UNIT
        frame.pts = self._last = max(round(seconds / TIME_UNIT), self._last + 1)
        try:
            if self._container is None:
                self._open(image.shape[1], image.shape[0])
            self._container.mux(self._stream.encode(frame))
        except (av.error.FFmpegError, OSError) as error:
            raise self._failure(error) from None

    def close(self) -> None:
        """Finish the file.

        Raises:
            DataError: if the file cannot be written.
        """
        if self._container is None:
            return
        container, self._container = self._container, None
        try:
            container.mux(self._stream.encode())
        except (av.error.FFmpegError, OSError) as error:
            raise self._failure(error) from None
        finally:
            container.close()

    def _open(self, width: int, height: int) -> None:
        self._container = av.open(
            str(self.path),
            "w",
            format="mp4",
            # Fragments while it is written, an ordinary file once it is finished.
            options={"movflags": "hybrid_fragmented+frag_keyframe", "flush_packets": "1"},
        )
        options = OPTIONS.get(self.encoder, {})
        stream = self._container.add_stream(self.encoder, rate=self._rate, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = TIME_UNIT
        stream.max_b_frames = 0  # pictures leave the encoder in order, none is held back for long
        stream.gop_size = max(1, round(KEY_FRAME_S * float(self._rate)))
        if not options:
            stream.bit_rate = round(BITS_PER_PIXEL * width * height * float(self._rate))
        self._stream = stream

    def _failure(self, error: Exception) -> DataError:
        reason = getattr(error, "strerror", None) or str(error)
        return DataError(f"video {self.path} cannot be written ({reason}); make room or use --out.")


def _encoder() -> str:
    for name in ENCODERS:
        if name in av.codecs_available:
            return name
    raise ConfigError(
        f"the installed FFmpeg has none of the encoders {', '.join(ENCODERS)}; "
        "pip install av, or track with --no-video."
    )
