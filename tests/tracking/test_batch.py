from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from mtl.config.schema import SyntheticConfig
from mtl.data.synthetic import render_sequence
from mtl.errors import ConfigError, DataError, ShapeError
from mtl.models.memory import RingMemory
from mtl.tracking import Tracker, TrackerBatch, TrackResult
from tests.models.export.exported import config_of, small_tracker
from tests.models.small import small_config, small_model

CPU = torch.device("cpu")
PIXELS = 1e-3


class Video(NamedTuple):
    begins: int
    """Moment of its first frame."""
    frames: list[np.ndarray]
    box_xywh: np.ndarray


def video(begins: int, frames: int, width: int, height: int, number: int) -> Video:
    config = SyntheticConfig(frames=frames, width=width, height=height)
    rendered = render_sequence(config, "val", number)
    return Video(begins, list(rendered.frames), rendered.boxes[0])


VIDEOS = {
    "first": video(0, 31, 128, 96, 4),
    "beside it": video(0, 12, 160, 120, 1),
    "later": video(3, 24, 112, 112, 2),
    "after the second": video(14, 17, 96, 128, 3),
}
"""At no two moments are all of them at the same frame: HIPTrack's writes (5, 10, 12, 16, ...) and
its change from template to memory after frame 10 fall on different moments."""


def moments() -> Iterator[dict[str, int]]:
    """Which frame each video is at, moment by moment."""
    end = max(one.begins + len(one.frames) for one in VIDEOS.values())
    for now in range(end):
        yield {
            name: now - one.begins
            for name, one in VIDEOS.items()
            if 0 <= now - one.begins < len(one.frames)
        }


def follow_together(batch: TrackerBatch) -> dict[str, list[TrackResult]]:
    found: dict[str, list[TrackResult]] = {name: [] for name in VIDEOS}
    for present in moments():
        frames = {name: VIDEOS[name].frames[number] for name, number in present.items()}
        for name, number in present.items():
            if number == 0:
                batch.init(name, frames.pop(name), VIDEOS[name].box_xywh)
        for name, result in batch.update(frames).items():
            found[name].append(result)
        for name, number in present.items():
            if number == len(VIDEOS[name].frames) - 1 and name != "first":
                batch.reset(name)
    return found


def follow_alone(tracker: Tracker, one: Video) -> list[TrackResult]:
    tracker.init(one.frames[0], one.box_xywh)
    return [tracker.update(frame) for frame in one.frames[1:]]


@pytest.mark.parametrize("conditions", [False, True])
@pytest.mark.parametrize("fusion", ["none", "residual", "film"])
@pytest.mark.parametrize("family", ["hiptrack", "simtrack"])
def test_a_batch_finds_the_boxes_of_one_at_a_time(
    family: str, fusion: str, conditions: bool
) -> None:
    model, config = small_tracker(family, fusion), config_of(family)
    batch = TrackerBatch(model, config, CPU, conditions)
    together = follow_together(batch)
    tracker = Tracker(model, config, CPU, conditions)
    for name in reversed(VIDEOS):
        alone = follow_alone(tracker, VIDEOS[name])
        boxes = np.stack([result.box_xywh for result in alone])
        assert np.ptp(boxes[:, :2], axis=0).max() > 0.5, "the model's boxes should move"
        found = np.stack([result.box_xywh for result in together[name]])
        np.testing.assert_allclose(found, boxes, rtol=0, atol=PIXELS)
        for mine, wanted in zip(together[name], alone, strict=True):
            assert mine.score == pytest.approx(wanted.score, abs=1e-5)
            assert (mine.conditions is not None) == conditions
            if wanted.conditions is not None:
                assert mine.conditions == pytest.approx(wanted.conditions, abs=1e-5)
    assert set(batch.states) == {"first"}
    assert tracker.state is not None
    assert_same_memory(batch.states["first"].memory, tracker.state.memory)


def assert_same_memory(found: Any, wanted: Any) -> None:
    if wanted is None:
        assert found is None
        return
    assert isinstance(wanted, RingMemory)
    assert found.written == wanted.written == 7
    for mine, theirs in zip(found.entries(), wanted.entries(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4)


def test_a_corner_head_can_be_batched_too() -> None:
    config = small_config(box_head={"kind": "corner", "channels": 16})
    model = small_model(config)
    together = follow_together(TrackerBatch(model, config, CPU))
    alone = follow_alone(Tracker(model, config, CPU), VIDEOS["later"])
    for mine, wanted in zip(together["later"], alone, strict=True):
        np.testing.assert_allclose(mine.box_xywh, wanted.box_xywh, rtol=0, atol=PIXELS)


@pytest.mark.parametrize("family", ["hiptrack", "simtrack"])
def test_all_frames_of_a_moment_go_through_the_network_at_once(family: str) -> None:
    model = small_tracker(family, "none")
    sizes: list[int] = []
    model.box_head.register_forward_hook(lambda _module, inputs, _out: sizes.append(len(inputs[0])))
    follow_together(TrackerBatch(model, config_of(family), CPU))
    assert sizes == [
        count for present in moments() if (count := sum(number > 0 for number in present.values()))
    ]


def batch_of_two() -> tuple[TrackerBatch, np.ndarray]:
    config = small_config()
    batch = TrackerBatch(small_model(config), config, CPU)
    frame = VIDEOS["first"].frames[0]
    for name in ("a", "b"):
        batch.init(name, frame, VIDEOS["first"].box_xywh)
    return batch, frame


def test_a_sequence_that_gets_no_frame_stays_where_it_is() -> None:
    batch, frame = batch_of_two()
    before = batch.states["b"]
    assert list(batch.update({"a": frame})) == ["a"]
    assert batch.states["a"].index == 1
    assert batch.states["b"] is before
    assert batch.update({}) == {}


def test_a_sequence_can_start_anew_beside_others() -> None:
    batch, frame = batch_of_two()
    for _ in range(6):
        batch.update({"a": frame, "b": frame})
    batch.init("a", frame, VIDEOS["first"].box_xywh)
    assert (batch.states["a"].index, len(batch.states["a"].memory)) == (0, 0)
    assert (batch.states["b"].index, len(batch.states["b"].memory)) == (6, 1)


def test_reset_forgets_one_or_all() -> None:
    batch, frame = batch_of_two()
    batch.reset("a")
    assert set(batch.states) == {"b"}
    with pytest.raises(RuntimeError, match="sequence 'a' was not started"):
        batch.reset("a")
    batch.reset()
    assert batch.states == {}
    with pytest.raises(RuntimeError, match="sequence 'b' has no target; call init"):
        batch.update({"b": frame})


def test_a_wrong_frame_is_named_and_moves_no_sequence() -> None:
    batch, frame = batch_of_two()
    before = dict(batch.states)
    with pytest.raises(ShapeError, match=r"sequence 'b': a frame must be .* uint8, got .* float64"):
        batch.update({"a": frame, "b": frame / 255.0})
    assert batch.states == before
    assert batch.update({"a": frame, "b": frame}).keys() == {"a", "b"}


def test_a_box_beside_the_picture_starts_nothing() -> None:
    batch, frame = batch_of_two()
    with pytest.raises(DataError, match="must show something of the picture"):
        batch.init("c", frame, [500.0, 0.0, 10.0, 10.0])
    assert set(batch.states) == {"a", "b"}


def test_conditions_of_a_model_without_a_head_are_refused() -> None:
    config = small_config()
    with pytest.raises(ConfigError, match="no condition head"):
        TrackerBatch(small_model(config, None), config, CPU, conditions=True)
