from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mtl.benchmark.following import follow, keep, kept, score, track_share
from mtl.data.frame_index import Sequence
from mtl.errors import DataError, ShapeError
from tests.benchmark.small_evaluation import Drifter, small_plan, write_test_split

CPU = torch.device("cpu")
NAMES = ("occlusion", "normal")
LIMIT = 10**6


@pytest.fixture
def sequence(tmp_path: Path) -> Sequence:
    return small_plan(write_test_split(tmp_path / "data")).sequences[0]


def tracked(results: Path, sequence: Sequence, step: float = 1.0) -> None:
    entrant = Drifter("drift", step, NAMES)
    keep(results, "drift", sequence.name, follow(entrant.open(CPU), sequence, LIMIT, NAMES))


def box_file(results: Path) -> Path:
    return results / "drift" / "alpha" / "alpha_001.txt"


def test_files_give_back_what_was_followed(tmp_path: Path, sequence: Sequence) -> None:
    followed = follow(Drifter("drift", 1.0).open(CPU), sequence, LIMIT)
    keep(tmp_path, "drift", "alpha", followed)
    files = kept(tmp_path, "drift", sequence)
    assert files is not None
    np.testing.assert_allclose(files.tracked.boxes_xywh, followed.tracked.boxes_xywh, atol=5e-5)
    assert files.conditions is None
    assert kept(tmp_path, "drift", sequence._replace(name="beta")) is None


def test_a_tracker_that_moves_with_the_truth_scores_one(tmp_path: Path, sequence: Sequence) -> None:
    tracked(tmp_path, sequence)
    files = kept(tmp_path, "drift", sequence)
    assert files is not None
    one = score(files, sequence, LIMIT)
    np.testing.assert_allclose(one.ious, np.ones(7), atol=1e-5)


def test_conditions_lie_beside_the_boxes(tmp_path: Path, sequence: Sequence) -> None:
    tracked(tmp_path, sequence)
    lines = (box_file(tmp_path).parent / "alpha_conditions.csv").read_text().splitlines()
    assert lines[:3] == ["occlusion,normal", ",", "1.000000,0.500000"]
    assert len(lines) == 1 + len(sequence.frame_uris)
    files = kept(tmp_path, "drift", sequence, NAMES)
    assert files is not None
    assert files.conditions is not None
    assert np.isnan(files.conditions.values[0]).all()
    np.testing.assert_array_equal(files.conditions.values[1:], [[1.0, 0.5]] * 7)


def test_missing_lines_are_named(tmp_path: Path, sequence: Sequence) -> None:
    tracked(tmp_path, sequence)
    for file in (box_file(tmp_path), box_file(tmp_path).with_name("alpha_time.txt")):
        file.write_text("".join(file.read_text().splitlines(keepends=True)[:5]))
    with pytest.raises(ShapeError, match=r"alpha_001\.txt has 5 lines for 8 frames; track"):
        kept(tmp_path, "drift", sequence)


def test_missing_condition_lines_are_named(tmp_path: Path, sequence: Sequence) -> None:
    tracked(tmp_path, sequence)
    file = box_file(tmp_path).with_name("alpha_conditions.csv")
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:5]))
    with pytest.raises(ShapeError, match=r"alpha_conditions\.csv has 4 lines for 8 frames"):
        kept(tmp_path, "drift", sequence, NAMES)
    assert kept(tmp_path, "drift", sequence) is not None


def test_a_file_that_ends_inside_a_number_is_not_whole(tmp_path: Path, sequence: Sequence) -> None:
    tracked(tmp_path, sequence)
    file = box_file(tmp_path)
    file.write_text(file.read_text()[:-3])
    with pytest.raises(DataError, match="cut off in its last line"):
        kept(tmp_path, "drift", sequence)


def test_a_file_that_began_on_another_box_is_refused(tmp_path: Path, sequence: Sequence) -> None:
    tracked(tmp_path, sequence)
    moved = sequence._replace(boxes_xywh=sequence.boxes_xywh + 1.0)
    with pytest.raises(DataError, match="line 1: the tracker started on another box"):
        kept(tmp_path, "drift", moved)


def test_without_a_target_in_the_first_frame_nothing_can_start(sequence: Sequence) -> None:
    hidden = sequence._replace(visible=np.zeros(8, bool))
    with pytest.raises(DataError, match="alpha: its target is not visible in the first frame"):
        follow(Drifter("drift", 1.0).open(CPU), hidden, LIMIT)


def test_a_share_is_tracked_kept_and_scored(tmp_path: Path) -> None:
    plan = small_plan(write_test_split(tmp_path / "data"))
    share = plan.sequences[1:]
    scores = list(track_share(Drifter("d", 1.0).open(CPU), share, plan.data, tmp_path, "d"))
    assert [one.name for one in scores] == ["beta", "gamma"]
    assert [one.num_frames for one in scores] == [7, 7]
    assert sorted(path.name for path in (tmp_path / "d").iterdir()) == ["beta", "gamma"]


def test_a_broken_sequence_of_a_share_stops_or_is_left_out(tmp_path: Path) -> None:
    root = write_test_split(tmp_path / "data")
    stop, skip = small_plan(root), small_plan(root, on_error="skip")
    picture = root / "test" / "beta" / "00000004.jpg"
    picture.write_bytes(picture.read_bytes()[:200])
    tracker = Drifter("d", 1.0).open(CPU)
    with pytest.raises(DataError, match=r"beta/00000004\.jpg"):
        list(track_share(tracker, stop.sequences, stop.data, tmp_path, "d"))
    scores = list(track_share(tracker, skip.sequences, skip.data, tmp_path, "d"))
    assert [(one.name, one.num_frames) for one in scores] == [
        ("alpha", 7),
        ("beta", 0),
        ("gamma", 7),
    ]
