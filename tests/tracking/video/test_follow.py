from __future__ import annotations

import numpy as np
import pytest

from mtl.errors import DataError
from mtl.tracking.challenges import ChallengeWatch
from mtl.tracking.video.follow import follow
from mtl.tracking.video.source import Frame, opening
from tests.tracking.video.videos import Walker

BOX = np.array([10.0, 20.0, 8.0, 6.0])


def frames(count: int, broken: dict[int, str] | None = None) -> list[Frame]:
    """Frames whose pixels are their number, but for the broken ones."""
    return [
        Frame(n, n / 10, None, broken[n])
        if broken and n in broken
        else Frame(n, n / 10, np.full((48, 64, 3), n, np.uint8))
        for n in range(1, count + 1)
    ]


def test_the_first_box_is_the_given_one_and_the_others_are_the_trackers() -> None:
    steps = list(follow(Walker(), frames(3), BOX))
    assert [step.frame for step in steps] == [1, 2, 3]
    assert [step.box_xywh[0] for step in steps] == [10.0, 11.0, 12.0]
    assert [step.score for step in steps] == [None, 0.02, 0.03]
    assert all(step.tracker_seconds > 0 for step in steps)


def test_a_broken_frame_keeps_the_last_box_and_picture_and_is_not_shown_to_the_tracker() -> None:
    walker = Walker()
    steps = list(follow(walker, frames(5, {3: "it is torn"}), BOX))
    assert [step.box_xywh[0] for step in steps] == [10.0, 11.0, 11.0, 12.0, 13.0]
    assert steps[2].problem == "it is torn"
    assert steps[2].score is None
    assert steps[2].tracker_seconds == 0.0
    assert steps[2].image[0, 0, 0] == 2
    assert [image[0, 0, 0] for image in walker.seen] == [1, 2, 4, 5]


def test_a_frame_of_another_size_is_a_broken_one() -> None:
    odd = frames(3)
    odd[1] = Frame(2, 0.2, np.zeros((24, 32, 3), np.uint8))
    steps = list(follow(Walker(), odd, BOX))
    assert steps[1].problem == "it has 32 x 24 pixels, but the frames before 64 x 48"
    assert steps[2].problem is None


def test_conditions_that_set_in_and_pass_are_events_of_their_frames() -> None:
    said = [{"occlusion": p} for p in (0.9, 0.9, 0.1, 0.1)]
    watch = ChallengeWatch(frames=2)
    steps = list(follow(Walker(said), frames(6, {3: "it is torn"}), BOX, watch))
    happened = [(e.frame, e.name, e.entered) for step in steps for e in step.events]
    assert happened == [(4, "occlusion", True), (6, "occlusion", False)]
    assert [bool(step.active) for step in steps] == [False, False, False, True, True, False]
    assert [step.conditions is None for step in steps] == [True, False, True, False, False, False]


def test_a_broken_first_frame_cannot_be_started_on() -> None:
    with pytest.raises(DataError, match=r"^the first frame, .* is broken: it is torn\.$"):
        list(follow(Walker(), frames(3, {1: "it is torn."}), BOX))


def test_a_video_opens_with_all_its_frames() -> None:
    image, rest = opening(iter(frames(4)), "v.mp4")
    assert image[0, 0, 0] == 1
    assert [frame.number for frame in rest] == [1, 2, 3, 4]


@pytest.mark.parametrize(("count", "what"), [(0, "has no frame;"), (1, "has one frame, whose box")])
def test_a_video_without_a_frame_to_track_is_refused(count: int, what: str) -> None:
    with pytest.raises(DataError, match=f"v.mp4 {what}"):
        opening(iter(frames(count)), "v.mp4")
