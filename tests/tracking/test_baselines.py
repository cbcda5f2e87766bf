"""CSRT and KCF followed for real; `pip install -e '.[test]'` brings the OpenCV that has them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from mtl.errors import ConfigError, DataError
from mtl.tracking.baselines import BASELINES, BaselineName, BaselineTracker

needs_contrib = pytest.mark.skipif(
    not hasattr(cv2, "TrackerCSRT_create"), reason="this OpenCV has no CSRT; install .[baselines]"
)
BACKGROUND = np.random.default_rng(0).integers(0, 90, (96, 128, 3), dtype=np.uint8)
TARGET = np.random.default_rng(1).integers(120, 256, (24, 24, 3), dtype=np.uint8)
TRUTH = np.array([[20.0 + 2 * n, 30.0 + n, 24.0, 24.0] for n in range(9)])


def frame(number: int) -> np.ndarray:
    x, y = TRUTH[number, :2].astype(int)
    picture = BACKGROUND.copy()
    picture[y : y + 24, x : x + 24] = TARGET
    return picture


def follow(tracker: BaselineTracker) -> np.ndarray:
    tracker.init(frame(0), TRUTH[0])
    return np.array([tracker.update(frame(n)).box_xywh for n in range(1, 9)])


@needs_contrib
@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_follows_and_starting_again_forgets(name: BaselineName) -> None:
    tracker = BaselineTracker(name)
    first, again = follow(tracker), follow(tracker)
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - TRUTH[1:])[:, :2].max() < 4.0


@needs_contrib
def test_where_the_target_is_lost_its_last_box_stays() -> None:
    tracker = BaselineTracker("kcf")
    last = follow(tracker)[-1]
    np.testing.assert_array_equal(tracker.update(np.zeros_like(BACKGROUND)).box_xywh, last)


@needs_contrib
@pytest.mark.parametrize("name", BASELINES)
def test_without_a_target_there_is_nothing_to_follow(name: BaselineName) -> None:
    with pytest.raises(RuntimeError, match="call init with a frame and a box first"):
        BaselineTracker(name).update(frame(0))


@needs_contrib
def test_what_opencv_refuses_is_one_sentence() -> None:
    with pytest.raises(DataError, match="CSRT cannot use the frame or box") as caught:
        BaselineTracker("csrt").init(BACKGROUND, np.array([500.0, 500.0, 9.0, 9.0]))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", BASELINES)
def test_an_opencv_without_them_is_named(
    name: BaselineName, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(cv2, f"Tracker{name.upper()}_create", raising=False)
    monkeypatch.delattr(cv2, "legacy", raising=False)
    with pytest.raises(ConfigError, match=rf"has no {name.upper()} tracker; .* \.\[baselines\]"):
        BaselineTracker(name)
