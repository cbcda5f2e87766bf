from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from mtl.conditions import OUTPUT_NAMES
from mtl.config.schema import ConditionHeadConfig
from mtl.errors import ConfigError, DataError, ShapeError
from mtl.models.window import hann_window
from mtl.tracking.step import TrackState
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


@pytest.mark.parametrize(
    ("box", "complaint"),
    [
        ([3.0, 4.0, 0.0, 5.0], "of positive size, got x, y, w, h = 3, 4, 0, 5; give its left"),
        ([3.0, 4.0, 5.0, -1.0], "of positive size, got x, y, w, h = 3, 4, 5, -1"),
        ([3.0, np.nan, 5.0, 5.0], "finite and of positive size, got x, y, w, h = 3, nan, 5, 5"),
        ([3.0, 4.0, np.inf, 5.0], "finite and of positive size"),
        ([80.0, 4.0, 5.0, 5.0], "picture of 80x60 pixels, got x, y, w, h = 80, 4, 5, 5; give"),
        ([3.0, 60.0, 5.0, 5.0], "show something of the picture"),
        ([-5.0, 4.0, 5.0, 5.0], "show something of the picture"),
        ([3.0, -50.0, 5.0, 5.0], "show something of the picture"),
        ([-5e4, -5e4, 1e5, 1e5], "which is outside"),
        # Its template can be cut, the next frame's search region could not.
        ([0.0, 0.0, 1e4, 1e4], "which is outside"),
    ],
)
def test_a_first_box_that_shows_nothing_is_refused(box: list[float], complaint: str) -> None:
    one = tracker()
    with pytest.raises(DataError, match=complaint):
        one.init(FRAMES[0], box)
    assert one.state is None


@pytest.mark.parametrize("box", [[1.0, 2.0, 3.0], [[1.0, 2.0, 3.0, 4.0]], "a box", None])
def test_a_first_box_that_is_not_four_numbers_is_refused(box: Any) -> None:
    with pytest.raises(ShapeError, match="the first box must be"):
        tracker().init(FRAMES[0], box)


def test_a_first_box_may_reach_over_the_border() -> None:
    one = tracker()
    one.init(FRAMES[0], [70.0, -10.0, 30.0, 20.0])
    assert np.isfinite(one.update(FRAMES[1]).box_xywh).all()


@pytest.mark.parametrize(
    "frame",
    [
        FRAMES[0].astype(np.float32),
        FRAMES[0][..., 0],
        np.zeros((60, 80, 4), np.uint8),
        np.zeros((0, 80, 3), np.uint8),
        FRAMES[0].tolist(),
    ],
)
def test_a_frame_of_another_shape_or_type_is_refused(frame: Any) -> None:
    one = tracker()
    with pytest.raises(ShapeError, match=r"a frame must be .*uint8, got"):
        one.init(frame, BOX)
    one.init(FRAMES[0], BOX)
    with pytest.raises(ShapeError, match=r"a frame must be .*uint8, got"):
        one.update(frame)
    assert np.isfinite(one.update(FRAMES[1]).box_xywh).all(), "the sequence goes on"


def test_a_model_that_answers_with_nan_is_not_believed() -> None:
    one = tracker()
    torch.nn.init.constant_(one.model.box_head.conv5_size.bias, float("nan"))  # type: ignore[attr-defined]
    one.init(FRAMES[0], BOX)
    with pytest.raises(DataError, match=r"box of frame 1 after the first must be finite.*nan"):
        one.update(FRAMES[1])


def test_frames_may_change_their_size() -> None:
    one = tracker()
    one.init(FRAMES[0], BOX)
    box = one.update(FRAMES[1][:15, :20].copy()).box_xywh
    assert (box[:2] + 10 <= [20, 15]).all()


def test_reset_forgets_the_sequence() -> None:
    one = tracker()
    follow(one)
    one.reset()
    with pytest.raises(RuntimeError, match="call init"):
        one.update(FRAMES[0])


def test_results_belong_to_the_caller() -> None:
    wanted = follow(tracker())
    one = tracker()
    one.init(FRAMES[0], BOX)
    for frame, box in zip(FRAMES[1:], wanted, strict=True):
        result = one.update(frame)
        np.testing.assert_array_equal(result.box_xywh, box)
        result.box_xywh[:] = 0.0


def test_the_memory_never_holds_more_than_its_capacity() -> None:
    one = tracker()  # of three entries, written every second frame
    one.init(FRAMES[0], BOX)
    sizes = []
    for number in range(1, 301):
        one.update(FRAMES[number % len(FRAMES)])
        assert one.state is not None
        sizes.append(tensor_bytes(one.state))
        assert len(one.state.memory) <= 3
    assert one.state.memory.written == 147
    assert len(set(sizes[4:])) == 1, "all of it is there from the first write on"
    cells, channels = 8 * 8, 8 + 16
    assert sizes[-1] - sizes[0] == 3 * cells * channels * 4


def tensor_bytes(state: TrackState) -> int:
    """Storage of every tensor that the state refers to."""
    storages = {}
    for found in tensors_in(state):
        storages[found.untyped_storage().data_ptr()] = found.untyped_storage().nbytes()
    return sum(storages.values())


def tensors_in(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from tensors_in(getattr(value, field.name))
    elif isinstance(value, tuple | list):
        for part in value:
            yield from tensors_in(part)


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


def test_conditions_of_a_model_without_a_head_are_refused() -> None:
    config = small_config()
    with pytest.raises(ConfigError, match="no condition head"):
        Tracker(small_model(config, None), config, torch.device("cpu"), conditions=True)
