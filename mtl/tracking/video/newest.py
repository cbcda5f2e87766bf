"""Live video for a tracker that is slower than it: always the newest frame."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from mtl.tracking.video.source import Frame, Source

LOOK_S = 0.2
"""Seconds between two looks whether frames are still wanted, while none comes."""

CLOSE_S = 1.0
"""Seconds that a source may take to give its last frame; then it is left to the process's end."""


class NewestFrames:
    """A live source that is read at its own speed; frames that nobody took in time are dropped.

    Frames are numbered as they are taken, and keep their times.

    Args:
        source: is read by a thread of its own and closed with this.
        wanted: whether more frames are; ends the frames also while none comes.
    """

    live = True
    num_frames: int | None = None

    def __init__(self, source: Source, wanted: Callable[[], bool]) -> None:
        self.name = source.name
        self.rate = source.rate
        self.dropped = 0
        self._source = source
        self._wanted = wanted
        self._changed = threading.Condition()
        self._newest: Frame | None = None
        self._done = False
        self._closed = False
        self._error: Exception | None = None
        self._reader = threading.Thread(target=self._read, name="live video", daemon=True)

    @property
    def ending(self) -> str | None:
        """Why the source ended."""
        return self._source.ending

    def frames(self) -> Iterator[Frame]:
        """Frames from now on, until the source ends."""
        self._reader.start()
        number = 0
        while True:
            with self._changed:
                while self._newest is None and not self._done:
                    if not self._wanted():
                        return
                    self._changed.wait(LOOK_S)
                frame, self._newest = self._newest, None
            if frame is None:
                if self._error is not None:
                    raise self._error
                return
            number += 1
            yield frame._replace(number=number)

    def close(self) -> None:
        """Stop reading, then close the source."""
        self._closed = True
        if self._reader.is_alive():
            self._reader.join(CLOSE_S)
        if not self._reader.is_alive():
            self._source.close()

    def _read(self) -> None:
        try:
            for frame in self._source.frames():
                with self._changed:
                    self.dropped += self._newest is not None
                    self._newest = frame
                    self._changed.notify()
                if self._closed:
                    return
        except Exception as error:  # raised again where the frames are taken
            self._error = error
        finally:
            with self._changed:
                self._done = True
                self._changed.notify()
