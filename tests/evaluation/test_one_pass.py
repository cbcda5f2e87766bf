from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from mtl.errors import DataError, ShapeError
from mtl.evaluation.one_pass import (
    SequenceScore,
    TrackedSequence,
    score_sequence,
    sequence_metrics,
    summarize,
    track_sequence,
)

FRAME = np.zeros((50, 100, 3), np.uint8)


class ScriptedTracker:
    """Answers with given boxes, one a call, and remembers what it was started with."""

    def __init__(self, boxes: np.ndarray) -> None:
        self.boxes = list(boxes)
        self.started_with: np.ndarray | None = None

    def init(self, frame: np.ndarray, box_xywh: np.ndarray) -> None:
        self.started_with = box_xywh

    def update(self, frame: np.ndarray) -> SimpleNamespace:
        return SimpleNamespace(box_xywh=self.boxes.pop(0), score=1.0)


def _score(
    predicted: np.ndarray,
    truth: np.ndarray,
    visible: list[int] | None = None,
    seconds: list[float] | None = None,
    name: str = "boat",
) -> SequenceScore:
    length = len(predicted)
    return score_sequence(
        name,
        TrackedSequence(predicted, np.array(seconds or [0.5] * length)),
        truth,
        np.array(visible or [1] * length, bool),
        width=100,
        height=50,
    )


# Truth stands still; frame 2 is exact, 3 is half off (IoU 1/3), 4 is missed (IoU 0, 30 px off).
TRUTH = np.tile([10.0, 10.0, 10.0, 10.0], (4, 1))
PREDICTED = np.array([[10, 10, 10, 10], [10, 10, 10, 10], [15, 10, 10, 10], [40, 10, 10, 10.0]])


def test_the_first_box_is_the_given_one_and_every_frame_is_timed() -> None:
    tracker = ScriptedTracker(PREDICTED[1:])
    tracked = track_sequence(tracker, iter([FRAME] * 4), TRUTH[0])
    np.testing.assert_array_equal(tracked.boxes_xywh, PREDICTED)
    np.testing.assert_array_equal(tracker.started_with, TRUTH[0])
    assert tracked.boxes_xywh.dtype == np.float64
    assert tracked.seconds.shape == (4,)
    assert (tracked.seconds >= 0).all()


def test_scores_of_one_sequence_worked_by_hand() -> None:
    metrics = sequence_metrics(_score(PREDICTED, TRUTH, seconds=[9.0, 0.5, 0.25, 0.25]))
    # IoU 1 exceeds 20 of 21 thresholds, IoU 1/3 exceeds 0 .. 0.30 (7 of them), IoU 0 none.
    # Normalised errors 0, 0.5 and 3: within all 51 thresholds, the last one, none.
    assert metrics == pytest.approx(
        {
            "ao": (1 + 1 / 3 + 0) / 3,
            "sr_50": 1 / 3,
            "sr_75": 1 / 3,
            "success_auc": (20 + 7 + 0) / 63,
            "precision_20": 2 / 3,
            "norm_precision": (51 + 1 + 0) / 153,
            "fps": 3.0,
            "speed_got10k": (1 / 9 + 2 + 4 + 4) / 4,  # the first frame too, a mean of 1 / s
        }
    )


def test_a_perfect_tracker_has_perfect_scores() -> None:
    rng = np.random.default_rng(3)
    truth = rng.uniform([0, 0, 5, 5], [60, 20, 30, 25], (40, 4))
    metrics = summarize([_score(truth, truth)]).metrics
    assert metrics["ao"] == pytest.approx(1.0)
    assert metrics["sr_50"] == metrics["sr_75"] == 1.0
    assert metrics["success_auc"] == pytest.approx(20 / 21)
    assert metrics["precision_20"] == metrics["norm_precision"] == 1.0


def test_the_first_frame_does_not_count() -> None:
    predicted = TRUTH.copy()
    predicted[0] = [80, 40, 5, 5]
    assert sequence_metrics(_score(predicted, TRUTH))["ao"] == 1.0


def test_frames_without_the_target_do_not_count_whatever_their_boxes_say() -> None:
    truth, predicted = TRUTH.copy(), PREDICTED.copy()
    truth[3], predicted[3] = 0.0, np.nan
    score = _score(predicted, truth, visible=[1, 1, 1, 0])
    assert score.num_frames == 2
    assert sequence_metrics(score)["ao"] == pytest.approx((1 + 1 / 3) / 2)


def test_speed_counts_frames_without_the_target_too() -> None:
    score = _score(PREDICTED, TRUTH, visible=[1, 1, 1, 0], seconds=[5.0, 1.0, 1.0, 1.0])
    assert sequence_metrics(score)["fps"] == pytest.approx(1.0)


def test_overlap_of_exactly_the_threshold_is_no_success() -> None:
    predicted = np.array([[0, 0, 20, 10], [0, 0, 10, 10.0]])
    truth = np.array([[0, 0, 20, 10], [0, 0, 20, 10.0]])
    metrics = sequence_metrics(_score(predicted, truth))
    assert metrics["ao"] == 0.5
    assert metrics["sr_50"] == 0.0


def test_got10k_scores_pool_frames_and_curve_scores_average_sequences() -> None:
    long = _score(PREDICTED[[0, 3, 3, 3]], TRUTH, name="long")
    short = _score(TRUTH[:2], TRUTH[:2], name="short")
    metrics = summarize([long, short]).metrics
    assert metrics["ao"] == pytest.approx(1 / 4)
    assert metrics["sr_50"] == pytest.approx(1 / 4)
    assert metrics["success_auc"] == pytest.approx((0 + 20 / 21) / 2)
    assert metrics["precision_20"] == pytest.approx(1 / 2)
    assert metrics["sequences"] == 2


def test_the_order_of_sequences_does_not_matter() -> None:
    scores = [_score(PREDICTED, TRUTH, name="a"), _score(TRUTH, TRUTH, name="b")]
    forward, backward = summarize(scores).metrics, summarize(scores[::-1]).metrics
    assert forward == pytest.approx(backward, abs=1e-15)


def test_a_sequence_with_one_frame_is_named_and_left_out() -> None:
    alone = _score(TRUTH[:1], TRUTH[:1], name="single")
    summary = summarize([alone, _score(PREDICTED, TRUTH)])
    assert sequence_metrics(alone) == {}
    assert summary.left_out == ("single",)
    assert summary.metrics["sequences"] == summary.metrics["sequences_left_out"] == 1
    assert summary.metrics["ao"] == sequence_metrics(_score(PREDICTED, TRUTH))["ao"]


def test_nothing_measured_gives_no_number() -> None:
    gone = _score(PREDICTED, TRUTH, visible=[1, 0, 0, 0], name="gone")
    summary = summarize([gone])
    assert summary.metrics == {"sequences": 0, "sequences_left_out": 1}
    assert summary.left_out == ("gone",)


def test_a_sequence_scored_twice_is_refused() -> None:
    with pytest.raises(DataError, match="boat is scored 2 times"):
        summarize([_score(PREDICTED, TRUTH)] * 2)


@pytest.mark.parametrize(
    ("boxes", "times", "truth", "flags"),
    [(3, 4, 4, 4), (4, 3, 4, 4), (4, 4, 3, 4), (4, 4, 5, 4), (4, 4, 4, 1)],
)
def test_different_lengths_are_refused_and_named(
    boxes: int, times: int, truth: int, flags: int
) -> None:
    tracked = TrackedSequence(np.ones((boxes, 4)), np.ones(times))
    with pytest.raises(ShapeError, match=rf"boat: .*{boxes} predicted boxes, {times} times"):
        score_sequence("boat", tracked, np.ones((truth, 4)), np.ones(flags, bool), 100, 50)


def test_boxes_of_other_shape_are_refused() -> None:
    tracked = TrackedSequence(np.ones((4, 5)), np.ones(4))
    with pytest.raises(ShapeError, match=r"boat: .*must be \(L, 4\)"):
        score_sequence("boat", tracked, np.ones((4, 4)), np.ones(4, bool), 100, 50)


@pytest.mark.parametrize("bad", [[0, 0, 0, 0], [1, 1, -3, 4], [np.nan, 1, 1, 1]])
def test_a_broken_true_box_of_a_visible_frame_is_named(bad: list[float]) -> None:
    truth = TRUTH.copy()
    truth[2] = bad
    with pytest.raises(DataError, match="boat: the true box of frame 3 "):
        _score(PREDICTED, truth)


def test_true_boxes_outside_the_picture_are_named_and_counted_unless_absent() -> None:
    truth = TRUTH.copy()
    truth[2:, 0] = 100.0
    with pytest.raises(DataError, match=r"true box of frame 3 .* 100x50 pixels.*2 such frames"):
        _score(PREDICTED, truth)
    assert _score(PREDICTED, truth, visible=[1, 1, 0, 0]).num_frames == 1


def test_a_predicted_box_that_is_not_finite_is_named() -> None:
    predicted = PREDICTED.copy()
    predicted[1, 0] = np.inf
    with pytest.raises(DataError, match="boat: the predicted box of frame 2 "):
        _score(predicted, TRUTH)


def test_an_empty_predicted_box_is_a_miss() -> None:
    predicted = np.array([[10, 10, 10, 10], [10, 10, 0, 0.0]])
    assert sequence_metrics(_score(predicted, TRUTH[:2]))["ao"] == 0.0


@pytest.mark.parametrize("bad", [-0.1, np.nan])
def test_an_impossible_time_is_named(bad: float) -> None:
    with pytest.raises(DataError, match="boat: the time of frame 4 "):
        _score(PREDICTED, TRUTH, seconds=[0.1, 0.1, 0.1, bad])


def test_times_that_were_not_taken_give_no_speed() -> None:
    assert "fps" not in sequence_metrics(_score(PREDICTED, TRUTH, seconds=[0.0] * 4))


@pytest.mark.parametrize("box", [[0, 0, 0, 5], [0, 0, 5, -1], [np.nan, 0, 5, 5]])
def test_a_first_box_without_area_is_refused(box: list[float]) -> None:
    with pytest.raises(DataError, match="boat: the first box must have finite sides above 0"):
        track_sequence(ScriptedTracker(PREDICTED), [FRAME], np.array(box), "boat")


def test_a_sequence_without_frames_is_refused() -> None:
    with pytest.raises(DataError, match="boat has no frame to track"):
        track_sequence(ScriptedTracker(PREDICTED), [], TRUTH[0], "boat")


def test_a_tracker_that_answers_nonsense_is_stopped() -> None:
    with pytest.raises(DataError, match="boat: the tracker's box of frame 2 is not finite"):
        track_sequence(ScriptedTracker(np.full((1, 4), np.nan)), [FRAME] * 2, TRUTH[0], "boat")


@pytest.mark.parametrize("frame", [FRAME[..., 0], FRAME[..., :2], FRAME.astype(np.float32)])
def test_a_frame_that_is_no_picture_is_refused(frame: np.ndarray) -> None:
    with pytest.raises(ShapeError, match=r"boat: frame 2 must be \(H, W, 3\) uint8"):
        track_sequence(ScriptedTracker(PREDICTED), [FRAME, frame], TRUTH[0], "boat")
