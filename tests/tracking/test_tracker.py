from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from mtl.conditions import OUTPUT_NAMES
from mtl.config.schema import ConditionHeadConfig
from mtl.errors import ConfigError, DataError
from mtl.models.hiptrack import HIPTrack
from mtl.models.window import hann_window
from mtl.tracking.tracker import Tracker
from tests.models.small import SMALL_HEAD, small_config, small_model

FRAMES = [
    np.random.default_rng(number).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    for number in range(13)
]
BOX = np.array([30.0, 20.0, 16.0, 12.0])


def tracker(head: ConditionHeadConfig | None = SMALL_HEAD, **changes: object) -> Tracker:
    config = small_config(**changes)
    return Tracker(small_model(config, head), config, torch.device("cpu"))


def follow(tracker: Tracker) -> np.ndarray:
    tracker.init(FRAMES[0], BOX)
    return np.stack([tracker.update(frame).box_xywh for frame in FRAMES[1:]])


def test_starting_again_forgets_the_first_sequence() -> None:
    one = tracker()
    first = follow(one)
    assert one.state is not None
    assert one.state.index == 12
    assert len(one.state.memory) == 3
    one.init(FRAMES[0], BOX)
    assert len(one.state.memory) == 0
    np.testing.assert_array_equal(first, follow(one))


def test_boxes_do_not_depend_on_the_condition_head() -> None:
    without = follow(tracker(None))
    np.testing.assert_array_equal(follow(tracker()), without)


def test_boxes_stay_in_the_picture() -> None:
    boxes = follow(tracker())
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] >= 10).all()
    assert (boxes[:, :2] + 10 <= [80, 60]).all()


def test_score_is_the_cells_own() -> None:
    one = tracker()
    one.init(FRAMES[0], BOX)
    assert 0.0 < one.update(FRAMES[1]).score < 1.0


def test_a_corner_head_tracks_too() -> None:
    boxes = follow(tracker(box_head={"kind": "corner", "channels": 16}))
    assert np.isfinite(boxes).all()


def test_tracking_leaves_no_gradient_and_evaluates() -> None:
    one = tracker()
    one.model.train()
    follow(one)
    assert not one.model.training
    assert one.state is not None
    assert not one.state.memory.entries()[0].requires_grad


def test_the_window_is_highest_in_the_middle_and_never_zero() -> None:
    window = hann_window(5)
    assert window.argmax() == 12
    assert window[2, 2] == 1.0
    expected = 0.5 * (1 - np.cos(2 * np.pi * np.arange(1, 6) / 6))
    np.testing.assert_allclose(window[2], expected, rtol=1e-6)
    assert (window > 0).all()


def test_update_before_init_says_what_to_do() -> None:
    with pytest.raises(RuntimeError, match="call init"):
        tracker().update(FRAMES[0])


def test_a_box_without_area_is_refused() -> None:
    with pytest.raises(DataError, match="positive size"):
        tracker().init(FRAMES[0], [3.0, 4.0, 0.0, 5.0])


def test_conditions_are_named_where_they_are_asked_for() -> None:
    config = small_config()
    model = small_model(config)
    asked = Tracker(model, config, torch.device("cpu"), conditions=True)
    asked.init(FRAMES[0], BOX)
    result = asked.update(FRAMES[1])
    assert result.conditions is not None
    assert tuple(result.conditions) == OUTPUT_NAMES["classes"]
    assert sum(result.conditions.values()) == pytest.approx(1.0, abs=1e-5)
    np.testing.assert_array_equal(follow(asked), follow(tracker()))
    silent = tracker()
    silent.init(FRAMES[0], BOX)
    assert silent.update(FRAMES[1]).conditions is None


class KnowsNoHead:
    """A model that was never told of condition heads."""

    def __init__(self, model: HIPTrack) -> None:
        self._model = model

    def __getattr__(self, name: str) -> Any:
        if name == "condition_head":
            raise AttributeError(name)
        return getattr(self._model, name)


def test_a_model_that_knows_no_head_is_tracked_without_conditions() -> None:
    config = small_config()
    plain = Tracker(KnowsNoHead(small_model(config, None)), config, torch.device("cpu"))
    np.testing.assert_array_equal(follow(plain), follow(tracker(None)))


def test_conditions_of_a_model_without_a_head_are_refused() -> None:
    config = small_config()
    with pytest.raises(ConfigError, match="no condition head"):
        Tracker(small_model(config, None), config, torch.device("cpu"), conditions=True)
