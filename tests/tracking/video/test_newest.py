from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from mtl.errors import DataError
from mtl.tracking.video.newest import NewestFrames
from mtl.tracking.video.source import Frame

PICTURE = np.zeros((4, 4, 3), np.uint8)


class Fast:
    """Gives five frames, waits to be asked for more, then gives five, then fails if it should."""

    name, rate, num_frames, live, dropped, ending = "fast", 25.0, None, True, 0, "it is over"

    def __init__(self, error: Exception | None = None) -> None:
        self.more = threading.Event()
        self.given = threading.Event()
        self.closed = False
        self.error = error

    def frames(self) -> Iterator[Frame]:
        for number in range(1, 11):
            if number == 6:
                self.given.set()
                self.more.wait(10)
            yield Frame(number, number / 25, PICTURE)
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        self.closed = True


def test_a_slow_reader_gets_the_newest_frame_and_the_others_are_counted() -> None:
    source = Fast()
    newest = NewestFrames(source, lambda: True)
    frames = newest.frames()
    first = next(frames)
    source.given.wait(10)
    taken = [first]
    if first.seconds < 5 / 25:
        taken.append(next(frames))
    assert taken[-1].seconds == 5 / 25
    source.more.set()
    taken += frames
    assert taken[-1].seconds == 10 / 25
    assert [frame.number for frame in taken] == list(range(1, len(taken) + 1))
    assert newest.dropped == 10 - len(taken)
    assert newest.ending == "it is over"
    newest.close()
    assert source.closed


def test_waiting_ends_when_no_frames_are_wanted() -> None:
    source = Fast()
    wanted = [True]
    newest = NewestFrames(source, lambda: wanted[0])
    frames = newest.frames()
    while next(frames).seconds < 5 / 25:
        pass
    threading.Timer(0.1, lambda: wanted.__setitem__(0, False)).start()
    start = time.monotonic()
    assert list(frames) == []
    assert time.monotonic() - start < 5
    source.more.set()
    newest.close()


def test_an_error_of_the_source_comes_after_its_last_frame() -> None:
    source = Fast(DataError("the cable is out"))
    source.more.set()
    newest = NewestFrames(source, lambda: True)
    times = []

    def take() -> None:
        for frame in newest.frames():
            times.append(frame.seconds)

    with pytest.raises(DataError, match="the cable is out"):
        take()
    assert times[-1] == 10 / 25
    newest.close()
