"""`mtl track` as a user runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from mtl.__main__ import main
from mtl.evaluation.got10k_files import read_boxes, read_seconds
from tests.benchmark.small_evaluation import write_model
from tests.data.sequence_files import write_sequence
from tests.tracking.video.videos import (
    FRAMES,
    damage,
    packets,
    read_video,
    rendered,
    write_video,
)

BOX = ",".join(f"{value:.2f}" for value in rendered().boxes[0])
GIVEN = np.array([float(value) for value in BOX.split(",")])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_model(tmp_path_factory.mktemp("models") / "run"))


def track(*words: str) -> int:
    return main(["track", *words])


def failed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert track(*words) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    return error


def test_a_newcomer_gets_video_boxes_times_and_summary(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video, out = write_video(tmp_path / "harbour.mp4"), tmp_path / "tracked"
    assert track(str(video), "--model", model, "--box", BOX, "--out", str(out)) == 0
    assert {path.name for path in out.iterdir()} == {
        "harbour.mp4",
        "harbour.json",
        "harbour_001.txt",
        "harbour_time.txt",
        "harbour_score.txt",
    }
    boxes = read_boxes(out / "harbour_001.txt")
    assert boxes.shape == (FRAMES, 4)
    np.testing.assert_allclose(boxes[0], GIVEN)
    assert (read_seconds(out / "harbour_time.txt") > 0).all()
    summary = json.loads((out / "harbour.json").read_text())
    assert (summary["frames"], summary["tracked"]) == (FRAMES, FRAMES - 1)
    assert (summary["ended"], summary["broken"]) == ("end", 0)
    pictures = read_video(out / "harbour.mp4")
    np.testing.assert_allclose([t for t, _ in pictures], np.arange(FRAMES) / 20, atol=1e-3)
    printed = capsys.readouterr().out
    assert "frames a second in the tracker" in printed
    assert f"video      {out / 'harbour.mp4'}" in printed


def test_conditions_come_for_every_tracked_frame(model: str, tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "harbour", 5)
    words = ["--model", model, "--box", "10,12,16,12", "--conditions", "--no-video"]
    assert track(str(folder), *words, "--out", str(tmp_path / "out")) == 0
    lines = (tmp_path / "out" / "harbour_conditions.csv").read_text().splitlines()
    assert lines[0].startswith("occlusion,illumination_change,")
    assert lines[1] == "," * 9
    for line in lines[2:]:
        assert sum(map(float, line.split(","))) == pytest.approx(1.0, abs=1e-5)
    assert len(lines) == 6
    assert not (tmp_path / "out" / "harbour.mp4").exists()


def test_a_broken_frame_in_the_middle_does_not_stop_it(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video, out = damage(write_video(tmp_path / "v.mp4"), 10), tmp_path / "out"
    assert track(str(video), "--model", model, "--box", BOX, "--json", "--out", str(out)) == 0
    printed = capsys.readouterr()
    *frames, last = map(json.loads, printed.out.splitlines())
    assert [frame["frame"] for frame in frames] == list(range(1, FRAMES + 1))
    assert [frame["frame"] for frame in frames if frame["broken"]] == [10]
    assert frames[9]["box_xywh"] == frames[8]["box_xywh"]
    assert frames[9]["score"] is None
    assert frames[10]["score"] > 0
    assert last["summary"]["broken_frames"] == {"10": frames[9]["broken"]}
    assert "broken frames, which keep the box before them: 1 (10)" in printed.err
    assert len(read_video(out / "v.mp4")) == FRAMES
    boxes = read_boxes(out / "v_001.txt")
    np.testing.assert_allclose(boxes, [frame["box_xywh"] for frame in frames], atol=1e-4)


def test_a_broken_picture_in_a_folder_does_not_stop_it(model: str, tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "harbour", 6)
    (folder / "00000003.jpg").write_bytes(b"\xff\xd8\xff no picture")
    words = ["--model", model, "--box", "10,12,16,12", "--out", str(tmp_path / "out")]
    assert track(str(folder), *words) == 0
    summary = json.loads((tmp_path / "out" / "harbour.json").read_text())
    assert (summary["frames"], summary["broken"]) == (6, 1)
    assert "00000003.jpg is cut off" in summary["broken_frames"]["3"]


def test_a_video_that_ends_early_keeps_what_was_there(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = write_video(tmp_path / "v.avi", "mjpeg")
    position, size = packets(video)[11]
    video.write_bytes(video.read_bytes()[: position + size])
    assert track(str(video), "--model", model, "--box", BOX, "--out", str(tmp_path / "out")) == 0
    assert "the video ends before its time: it promises 24 frames" in capsys.readouterr().out
    assert len(read_boxes(tmp_path / "out" / "v_001.txt")) == 12
    assert json.loads((tmp_path / "out" / "v.json").read_text())["ended"] == "cut_off"


def test_it_stops_after_so_many_frames(model: str, tmp_path: Path) -> None:
    video = write_video(tmp_path / "v.mp4")
    words = ["--model", model, "--box", BOX, "--max-frames", "7", "--out", str(tmp_path / "out")]
    assert track(str(video), *words) == 0
    assert len(read_boxes(tmp_path / "out" / "v_001.txt")) == 7
    assert json.loads((tmp_path / "out" / "v.json").read_text())["ended"] == "end"


def test_bad_wishes_are_one_sentence_and_leave_no_files(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    out = tmp_path / "out"
    video, one = str(write_video(tmp_path / "v.mp4")), write_sequence(tmp_path / "one", 1)
    torn = write_sequence(tmp_path / "torn", 3)
    (torn / "00000001.jpg").write_bytes(b"\xff\xd8\xff no picture")
    (tmp_path / "none").mkdir()
    headless = str(write_model(tmp_path / "headless", 0, "mode=finetune_bbox"))
    to = ("--out", str(out))
    for words, what in (
        ((video, "--model", model, "--box", "1,2,3"), "--box must be four numbers"),
        ((video, "--model", model, "--box", "1,2,0,3"), "width and height above 0"),
        ((video, "--model", model, "--box", "900,2,9,9"), "something of the picture of 128x96"),
        ((video, "--model", model), "give --box x,y,w,h"),
        ((video, "--model", str(tmp_path / "x"), "--box", BOX), "cannot be read"),
        ((video, "--model", headless, "--box", BOX, "--conditions"), "no condition head"),
        ((video, "--model", model, "--box", BOX, "--device", "tpu"), "--device must be"),
        ((video, "--model", model, "--box", BOX, "--max-frames", "1"), "--max-frames must be"),
        ((str(tmp_path / "x.mp4"), "--model", model, "--box", BOX), "there is no video"),
        ((str(tmp_path / "none"), "--model", model, "--box", BOX), "holds no picture"),
        ((str(one), "--model", model, "--box", "1,2,9,9"), "one has one frame"),
        ((str(torn), "--model", model, "--box", "1,2,9,9"), "the first frame, to which the box"),
    ):
        assert what in failed(capsys, *words, *to), words
        assert not out.exists()


def test_results_are_never_overwritten(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video, words = write_video(tmp_path / "v.mp4"), ["--model", model, "--box", BOX]
    assert track(str(video), *words, "--max-frames", "3", "--out", str(tmp_path / "out")) == 0
    capsys.readouterr()
    assert "v.mp4 exists and is not overwritten" in failed(
        capsys, str(video), *words, "--out", str(tmp_path / "out")
    )
    assert "is not overwritten" in failed(capsys, str(video), *words, "--out", str(tmp_path))


def start(model: str, folder: Path, out: Path, *words: str) -> subprocess.Popen[str]:
    """The command in a process of its own, once it has tracked some frames."""
    command = [sys.executable, "-m", "mtl", "track", str(folder), "--model", model]
    process = subprocess.Popen(
        [*command, "--box", "10,12,16,12", "--out", str(out), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    boxes = out / f"{folder.name}_001.txt"
    deadline = time.monotonic() + 120
    while not (boxes.exists() and boxes.read_text().count("\n") >= 5):
        assert process.poll() is None, process.stdout and process.stdout.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return process


@pytest.mark.e2e
@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_a_kill_leaves_lines_and_a_request_to_stop_whole_files(
    model: str, tmp_path: Path, number: signal.Signals
) -> None:
    folder, out = write_sequence(tmp_path / "harbour", 5000), tmp_path / "out"
    process = start(model, folder, out)
    process.send_signal(signal.SIGSTOP)
    # A kill now would leave just what is there while nothing runs.
    lines = (out / "harbour_001.txt").read_text().splitlines()
    assert len(lines) >= 5
    assert all(len(line.split(",")) == 4 for line in lines)
    process.send_signal(number)
    process.send_signal(signal.SIGCONT)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "then stopped as asked" in printed
    assert "Traceback" not in printed
    boxes = read_boxes(out / "harbour_001.txt")
    summary = json.loads((out / "harbour.json").read_text())
    assert summary["ended"] == "interrupted"
    assert 5 <= len(boxes) == summary["frames"] < 5000
    assert len(read_seconds(out / "harbour_time.txt")) == len(boxes)
    assert len(read_video(out / "harbour.mp4")) == len(boxes)
