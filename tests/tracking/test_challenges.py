from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from mtl.conditions import OUTPUT_NAMES
from mtl.errors import ConfigError
from mtl.tracking.challenges import ChallengeEvent, ChallengeWatch, warn
from mtl.tracking.tracker import Tracker
from tests.models.small import small_config, small_model


def events(watch: ChallengeWatch, *probabilities: float) -> list[ChallengeEvent]:
    found = []
    for frame, probability in enumerate(probabilities, start=1):
        found += watch.update(frame, {"occlusion": probability})
    return found


def test_a_challenge_sets_in_and_passes_after_enough_frames_in_a_row() -> None:
    watch = ChallengeWatch(enter=0.6, leave=0.4, frames=3)
    found = events(watch, 0.1, 0.7, 0.8, 0.9, 0.9, 0.3, 0.2, 0.1, 0.1)
    assert found == [(4, "occlusion", True, 0.9), (8, "occlusion", False, 0.1)]
    assert watch.active == frozenset()


def test_a_frame_that_disagrees_starts_the_row_again() -> None:
    watch = ChallengeWatch(frames=3)
    assert events(watch, 0.9, 0.9, 0.59, 0.9, 0.9) == []
    assert events(watch, 0.9) == [(1, "occlusion", True, 0.9)]
    assert events(watch, 0.1, 0.1, 0.41, 0.1, 0.1) == []
    assert watch.active == {"occlusion"}


def test_thresholds_belong_to_their_side() -> None:
    watch = ChallengeWatch(enter=0.5, leave=0.25, frames=1)
    assert [event.entered for event in events(watch, 0.5, 0.25)] == [True, False]


def test_between_the_thresholds_nothing_changes() -> None:
    flicker = [0.55, 0.45] * 20
    assert events(ChallengeWatch(frames=1), *flicker) == []
    watch = ChallengeWatch(frames=1)
    assert len(events(watch, 0.9, *flicker)) == 1
    assert watch.active == {"occlusion"}


def test_a_probability_that_is_no_number_speaks_for_nothing() -> None:
    nan = float("nan")
    watch = ChallengeWatch(frames=2)
    assert events(watch, 0.9, nan, 0.9, nan) == []
    assert len(events(watch, 0.9, 0.9, 0.1, nan, 0.1)) == 1


def test_several_challenges_are_told_apart() -> None:
    watch = ChallengeWatch(frames=1)
    assert [event.name for event in watch.update(1, {"motion_blur": 0.9, "occlusion": 0.8})] == [
        "motion_blur",
        "occlusion",
    ]
    (event,) = watch.update(2, {"motion_blur": 0.1, "occlusion": 0.8})
    assert event == ChallengeEvent(2, "motion_blur", False, 0.1)
    assert watch.active == {"occlusion"}


@pytest.mark.parametrize(("answers", "other"), [("classes", "normal"), ("attributes", "severity")])
def test_all_answers_of_a_head_but_one_are_challenges(answers: str, other: str) -> None:
    watch = ChallengeWatch(frames=1)
    watch.update(1, dict.fromkeys(OUTPUT_NAMES[answers], 1.0))
    assert watch.active == set(OUTPUT_NAMES[answers]) - {other}
    assert len(watch.active) == 9


def test_reset_forgets_what_was_active_and_what_was_counted() -> None:
    watch = ChallengeWatch(frames=2)
    events(watch, 0.9, 0.9)
    watch.update(3, {"motion_blur": 0.9})
    watch.reset()
    assert watch.active == frozenset()
    assert watch.update(1, {"occlusion": 0.1, "motion_blur": 0.9}) == []


def test_events_are_reported(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[ChallengeEvent] = []
    returned = events(ChallengeWatch(frames=1, on_event=seen.append), 0.9, 0.1)
    assert seen == returned
    with caplog.at_level(logging.WARNING):
        events(ChallengeWatch(frames=1, on_event=warn), 0.9, 0.1)
    assert [record.getMessage() for record in caplog.records] == [
        "frame 1: occlusion sets in (p = 0.90)",
        "frame 2: occlusion has passed (p = 0.10)",
    ]


@pytest.mark.parametrize(
    ("enter", "leave"), [(0.4, 0.6), (0.5, 0.5), (1.1, 0.5), (0.5, -0.1), (float("nan"), 0.1)]
)
def test_thresholds_that_are_no_hysteresis_are_refused(enter: float, leave: float) -> None:
    with pytest.raises(ConfigError, match=f"got leave {leave} and enter {enter}; lower leave"):
        ChallengeWatch(enter, leave)


@pytest.mark.parametrize("frames", [0, -1, 1.5])
def test_a_row_of_no_frames_is_refused(frames: int) -> None:
    with pytest.raises(ConfigError, match=f"at least 1, got {frames};"):
        ChallengeWatch(frames=frames)


def test_a_watch_reads_what_the_tracker_says() -> None:
    config = small_config()
    tracker = Tracker(small_model(config), config, torch.device("cpu"), conditions=True)
    frame = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    tracker.init(frame, [30.0, 20.0, 16.0, 12.0])
    said = tracker.update(frame).conditions
    assert said is not None
    name = max((n for n in said if n != "normal"), key=lambda n: said[n])
    # An untrained head says about 0.1 of each: the threshold is put just under its highest.
    watch = ChallengeWatch(enter=said[name] * 0.999, leave=0.0, frames=1)
    assert watch.update(1, said)[0].name == name
