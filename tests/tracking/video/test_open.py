from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mtl.errors import DataError
from mtl.tracking.video.newest import NewestFrames
from mtl.tracking.video.open import open_source
from mtl.tracking.video.picture_folder import PictureFolder
from mtl.tracking.video.stream import Stream
from tests.data.sequence_files import write_sequence
from tests.tracking.video.videos import FRAMES, write_video


@pytest.fixture
def broadcast(tmp_path: Path) -> Iterator[str]:
    """A live stream: whoever connects is sent a video at once, then the line goes dead."""
    data = write_video(tmp_path / "v.ts").read_bytes()
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        line, _ = server.accept()
        with line:
            line.sendall(data)

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
    thread.join()
    server.close()


def test_words_become_the_sources_they_name(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "harbour", 3)
    file = write_video(tmp_path / "harbour.mp4")
    assert isinstance(open_source(str(folder), 10**6), PictureFolder)
    assert isinstance(open_source(str(file), 10**6), Stream)
    assert isinstance(open_source(f"file://{file}", 10**6), Stream)


def test_a_live_stream_gives_numbered_frames_with_rising_times(broadcast: str) -> None:
    source = open_source(broadcast, 10**6)
    assert isinstance(source, NewestFrames)
    frames = []
    for frame in source.frames():
        frames.append(frame)
        time.sleep(0.01)
    source.close()
    assert [frame.number for frame in frames] == list(range(1, len(frames) + 1))
    times = [frame.seconds for frame in frames]
    assert times == sorted(set(times))
    assert len(frames) + source.dropped == FRAMES
    assert times[-1] == pytest.approx((FRAMES - 1) / 20, abs=0.001)  # the newest is never dropped


@pytest.mark.parametrize("word", ["harbor.mp4", "./frames", "-1", "camera"])
def test_what_does_not_exist_is_named(word: str) -> None:
    with pytest.raises(DataError, match=f"there is no video {word}; name a file, a folder"):
        open_source(word, 100)


def test_a_camera_that_is_not_there_is_named() -> None:
    with pytest.raises(DataError, match="camera 97 cannot be opened"):
        open_source("97", 100)
