from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from mtl.errors import ConfigError
from mtl.evaluation.condition_results import conditions_file, read_conditions
from mtl.evaluation.got10k_files import read_boxes, read_seconds
from mtl.tracking.challenges import ChallengeEvent
from mtl.tracking.video.follow import Step
from mtl.tracking.video.result_files import OutputPaths, ResultFiles

NAMES = ("occlusion", "normal")


def step(frame: int, **changes: object) -> Step:
    values = {
        "frame": frame,
        "seconds": frame / 10,
        "image": np.zeros((4, 4, 3), np.uint8),
        "box_xywh": np.array([frame, 2.0, 3.0, 4.0]),
        "score": 0.5,
        "conditions": {"occlusion": 0.25, "normal": 0.75},
        "events": (),
        "active": frozenset(),
        "problem": None,
        "tracker_seconds": 0.125,
    }
    return Step(**(values | changes))  # type: ignore[arg-type]


FIRST = step(1, score=None, conditions=None)
BROKEN = step(3, score=None, conditions=None, problem="torn", tracker_seconds=0.0)


def write(paths: OutputPaths, steps: list[Step], names: tuple[str, ...] | None = NAMES) -> None:
    paths.make_folder()
    files = ResultFiles(paths, names)
    for one in steps:
        files.take(one)
    files.close()


def test_every_frame_has_its_line_and_the_readers_of_evaluations_read_them(tmp_path: Path) -> None:
    # As deep as a results folder, so that the evaluation's readers find the sequence.
    paths = OutputPaths(tmp_path / "tracker" / "bay", "bay")
    write(paths, [FIRST, step(2), step(3)])
    np.testing.assert_array_equal(read_boxes(paths.boxes)[:, 0], [1, 2, 3])
    np.testing.assert_array_equal(read_seconds(paths.times), [0.125] * 3)
    assert paths.conditions == conditions_file(tmp_path, "tracker", "bay")
    said = read_conditions(tmp_path, "tracker", "bay", NAMES).values
    np.testing.assert_array_equal(said, [[np.nan, np.nan], [0.25, 0.75], [0.25, 0.75]])


def test_a_broken_frame_has_no_score_and_no_conditions(tmp_path: Path) -> None:
    paths = OutputPaths(tmp_path, "bay")
    write(paths, [FIRST, step(2), BROKEN, step(4)])
    np.testing.assert_array_equal(np.loadtxt(paths.scores), [np.nan, 0.5, np.nan, 0.5])
    np.testing.assert_array_equal(read_seconds(paths.times), [0.125, 0.125, 0.0, 0.125])
    assert paths.conditions.read_text().splitlines()[1:4] == [",", "0.250000,0.750000", ","]


def test_events_are_rows(tmp_path: Path) -> None:
    paths = OutputPaths(tmp_path, "bay")
    events = (ChallengeEvent(2, "occlusion", True, 0.9), ChallengeEvent(2, "glare", False, 0.1))
    write(paths, [FIRST, step(2, events=events)])
    with open(paths.events) as file:
        rows = list(csv.DictReader(file))
    assert rows == [
        {"frame": "2", "seconds": "0.200", "condition": name, "event": what, "probability": p}
        for name, what, p in (("occlusion", "entered", "0.900000"), ("glare", "left", "0.100000"))
    ]


def test_without_a_condition_head_there_are_no_condition_files(tmp_path: Path) -> None:
    paths = OutputPaths(tmp_path, "bay")
    write(paths, [FIRST, step(2)], names=None)
    assert {path.name for path in tmp_path.iterdir()} == {
        "bay_001.txt",
        "bay_time.txt",
        "bay_score.txt",
    }


def test_lines_are_there_while_the_run_goes_on(tmp_path: Path) -> None:
    paths = OutputPaths(tmp_path, "bay")
    files = ResultFiles(paths, NAMES)
    files.take(FIRST)
    files.take(step(2))
    for path in (paths.boxes, paths.times, paths.scores):
        assert path.read_text().count("\n") == 2
    assert paths.conditions.read_text().count("\n") == 3
    files.close()


def test_files_of_another_video_may_lie_beside_but_nothing_is_overwritten(tmp_path: Path) -> None:
    write(OutputPaths(tmp_path, "bay"), [FIRST, step(2)])
    OutputPaths(tmp_path, "port").require_new()
    with pytest.raises(ConfigError, match=r"bay_001\.txt exists and is not overwritten"):
        OutputPaths(tmp_path, "bay").require_new()
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"--out .*file is a file; name a folder"):
        OutputPaths(tmp_path / "file", "bay").require_new()


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be made a folder"):
        OutputPaths(tmp_path / "file" / "out", "bay").make_folder()


def test_the_summary_is_json(tmp_path: Path) -> None:
    paths = OutputPaths(tmp_path, "bay")
    paths.write_summary({"frames": 3})
    assert json.loads(paths.summary.read_text()) == {"frames": 3}
    assert paths.lines() == [f"summary    {paths.summary}"]
