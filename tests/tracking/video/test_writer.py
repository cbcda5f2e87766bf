from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import av
import numpy as np
import pytest

from mtl.errors import ConfigError, DataError
from mtl.tracking.video import writer as writer_module
from mtl.tracking.video.writer import VideoWriter
from tests.tracking.video.videos import FRAMES, read_video, rendered


def write(path: Path, times: np.ndarray, rate: float = 20.0) -> VideoWriter:
    writer = VideoWriter(path, rate)
    for image, seconds in zip(rendered().frames, times, strict=True):
        writer.write(image, float(seconds))
    writer.close()
    return writer


def test_pictures_and_times_come_back(tmp_path: Path) -> None:
    times = np.cumsum(np.random.default_rng(0).uniform(0.02, 0.2, FRAMES))
    write(tmp_path / "v.mp4", times - times[0])
    found = read_video(tmp_path / "v.mp4")
    np.testing.assert_allclose([time for time, _ in found], times - times[0], atol=1e-4)
    for (_, image), truth in zip(found, rendered().frames, strict=True):
        assert np.abs(image.astype(float) - truth).mean() < 6.0


@pytest.mark.skipif("libx264" not in av.codecs_available, reason="FFmpeg without libx264")
@pytest.mark.skipif(not shutil.which("ffprobe"), reason="ffprobe is not installed")
def test_the_file_is_what_every_player_takes(tmp_path: Path) -> None:
    write(tmp_path / "v.mp4", np.arange(FRAMES) / 20)
    words = f"ffprobe -v error -count_frames -show_streams -of json {tmp_path / 'v.mp4'}"
    answer = subprocess.run(words.split(), capture_output=True, check=True, text=True)
    assert answer.stderr == ""
    (stream,) = json.loads(answer.stdout)["streams"]
    assert (stream["codec_name"], stream["pix_fmt"]) == ("h264", "yuv420p")
    assert (stream["width"], stream["height"]) == (128, 96)
    assert (stream["avg_frame_rate"], stream["nb_read_frames"]) == ("20/1", str(FRAMES))
    assert float(stream["duration"]) == pytest.approx(FRAMES / 20)


def test_what_was_written_can_be_played_before_the_file_is_finished(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "v.mp4", 2.0)  # so each 2 seconds begin after 4 pictures
    for number, image in enumerate(np.repeat(rendered().frames, 5, axis=0)):
        writer.write(image, number / 2)
    copy = Path(shutil.copy(tmp_path / "v.mp4", tmp_path / "killed.mp4"))
    writer.close()
    killed, whole = read_video(copy), read_video(tmp_path / "v.mp4")
    assert len(whole) == 5 * FRAMES
    assert len(killed) >= 10  # the encoder itself looks at some pictures before it gives one
    for (_, image), (_, same) in zip(killed, whole, strict=False):
        np.testing.assert_array_equal(image, same)


def test_without_h264_the_next_encoder_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "ENCODERS", ("libnothing", "mpeg4"))
    assert write(tmp_path / "v.mp4", np.arange(FRAMES) / 20).encoder == "mpeg4"
    with av.open(str(tmp_path / "v.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "mpeg4"
    assert len(read_video(tmp_path / "v.mp4")) == FRAMES


def test_without_any_encoder_it_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "ENCODERS", ("libnothing",))
    with pytest.raises(ConfigError, match=r"encoders libnothing; .* --no-video"):
        VideoWriter(tmp_path / "v.mp4", 20.0)


def test_a_folder_that_is_gone_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"v\.mp4 cannot be written \(No such file or directory\)"):
        write(tmp_path / "gone" / "v.mp4", np.arange(FRAMES) / 20)


def test_times_that_do_not_rise_still_give_every_picture(tmp_path: Path) -> None:
    write(tmp_path / "v.mp4", np.zeros(FRAMES))
    assert len(read_video(tmp_path / "v.mp4")) == FRAMES
