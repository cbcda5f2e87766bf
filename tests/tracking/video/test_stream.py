from __future__ import annotations

import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from mtl.errors import DataError
from mtl.tracking.video.source import Frame
from mtl.tracking.video.stream import Stream, without_password
from tests.tracking.video.videos import FRAMES, damage, packets, rendered, write_video

MAX_PIXELS = 10**6


def read(path: Path) -> tuple[Stream, list[Frame]]:
    stream = Stream(str(path), MAX_PIXELS)
    frames = list(stream.frames())
    stream.close()
    return stream, frames


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_all_frames_come_with_numbers_times_and_pictures(tmp_path: Path, codec: str) -> None:
    stream, frames = read(write_video(tmp_path / "a b.mp4", codec))
    assert stream.name == "a_b"
    assert (stream.rate, stream.num_frames, stream.live) == (20.0, FRAMES, False)
    assert [frame.number for frame in frames] == list(range(1, FRAMES + 1))
    np.testing.assert_allclose([frame.seconds for frame in frames], np.arange(FRAMES) / 20)
    assert stream.ending is None
    truth = rendered().frames.astype(float)
    for place, frame in enumerate(frames):
        assert frame.image is not None
        errors = np.abs(truth - frame.image).mean(axis=(1, 2, 3))
        assert errors.argmin() == place
        assert errors[place] < 8.0


@pytest.mark.parametrize(
    ("codec", "suffix"),
    [("libx264", "mp4"), ("libx264", "mkv"), ("mpeg4", "mp4"), ("mjpeg", "avi")],
)
def test_a_damaged_packet_is_one_broken_frame_at_its_place(
    tmp_path: Path, codec: str, suffix: str
) -> None:
    path = damage(write_video(tmp_path / f"v.{suffix}", codec), 10)
    stream, frames = read(path)
    broken = [frame for frame in frames if frame.image is None]
    assert [frame.number for frame in broken] == [10]
    assert broken[0].problem == "Invalid data found when processing input"
    assert broken[0].seconds == pytest.approx(9 / 20, abs=0.001)
    assert len(frames) == FRAMES
    assert stream.ending is None


def test_frames_before_the_first_picture_are_left_out(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.avi", "mjpeg")
    _, frames = read(damage(damage(path, 1), 2))
    assert len(frames) == FRAMES - 2
    assert frames[0].image is not None
    assert frames[0].seconds == 0.0


def test_a_video_without_a_frame_that_decodes_is_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", "libx264")
    for frame in range(1, FRAMES + 1):
        damage(path, frame)
    with pytest.raises(DataError, match="has no frame that can be decoded"):
        read(path)


@pytest.mark.parametrize("suffix", ["avi", "mkv"])
def test_a_video_that_is_cut_off_says_how_much_is_missing(tmp_path: Path, suffix: str) -> None:
    path = write_video(tmp_path / f"v.{suffix}", "mjpeg")
    position, size = packets(path)[12]
    path.write_bytes(path.read_bytes()[: position + size])
    stream, frames = read(path)
    assert 12 <= len(frames) <= 13
    assert stream.ending == f"it promises {FRAMES} frames and ends after {len(frames)}"


def test_a_video_that_was_filmed_upright_comes_upright(tmp_path: Path) -> None:
    _, frames = read(write_video(tmp_path / "v.mp4", rotation=90))
    assert frames[0].image is not None
    assert frames[0].image.shape == (128, 96, 3)
    truth = np.rot90(rendered().frames[0])
    assert np.abs(frames[0].image.astype(float) - truth).mean() < 6.0


def test_what_is_no_video_is_refused_in_one_sentence(tmp_path: Path) -> None:
    for name, content in (("text.mp4", b"no video"), ("empty.mp4", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=f"{name} cannot be opened"):
            Stream(str(tmp_path / name), MAX_PIXELS)


def test_a_sound_file_holds_no_video(tmp_path: Path) -> None:
    import av

    with av.open(str(tmp_path / "s.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    with pytest.raises(DataError, match=r"s\.wav holds no video; name a video file"):
        Stream(str(tmp_path / "s.wav"), MAX_PIXELS)


def test_a_codec_that_is_not_installed_is_named_as_missing(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.avi", "mjpeg")
    path.write_bytes(path.read_bytes().replace(b"MJPG", b"Q?!7"))
    with pytest.raises(DataError, match="no decoder; convert it: ffmpeg -i"):
        Stream(str(path), MAX_PIXELS)


def test_a_picture_that_is_too_large_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4")
    with pytest.raises(DataError, match="128 x 96 pixels a frame, more than 12287"):
        Stream(str(path), 128 * 96 - 1)


def test_a_camera_that_does_not_answer_is_one_sentence_without_its_password() -> None:
    start = time.monotonic()
    with pytest.raises(DataError) as error:
        Stream("rtsp://user:secret@127.0.0.1:1/bay", MAX_PIXELS)
    assert "rtsp://user:***@127.0.0.1:1/bay cannot be opened (Connection refused)" in str(error)
    assert "secret" not in str(error.value)
    assert time.monotonic() - start < 20.0


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not installed")
def test_a_variable_rate_keeps_its_times(tmp_path: Path) -> None:
    import subprocess

    source = write_video(tmp_path / "v.mp4")
    words = f"ffmpeg -loglevel error -i {source} -vf select='not(mod(n\\,3))' -fps_mode vfr"
    subprocess.run([*words.split(), str(tmp_path / "w.mp4")], check=True)
    _, frames = read(tmp_path / "w.mp4")
    np.testing.assert_allclose([f.seconds for f in frames], np.arange(8) * 0.15, atol=0.001)


def test_a_password_is_neither_printed_nor_part_of_a_name(tmp_path: Path) -> None:
    assert without_password("rtsp://user:se@cret@host/bay") == "rtsp://user:***@host/bay"
    assert without_password("http://host:80/a@b.mp4") == "http://host:80/a@b.mp4"
    assert without_password("harbour.mp4") == "harbour.mp4"
