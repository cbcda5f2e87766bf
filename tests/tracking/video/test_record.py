from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from mtl.errors import DataError
from mtl.tracking.video.follow import Step
from mtl.tracking.video.record import record
from mtl.tracking.video.reporting import summary_lines
from mtl.tracking.video.summary import MAX_NAMED, Summary
from tests.tracking.video.test_result_files import BROKEN, FIRST, step


class Sink:
    def __init__(self, fails_at: int | None = None) -> None:
        self.frames: list[int] = []
        self.closed = 0
        self.fails_at = fails_at

    def take(self, step: Step) -> None:
        if step.frame == self.fails_at:
            raise DataError("the disk is full.")
        self.frames.append(step.frame)

    def close(self) -> None:
        self.closed += 1


def run(steps: Any, *sinks: Sink, ending: str | None = None, wanted: Any = lambda: True) -> Summary:
    summary = Summary("bay.mp4", "model")
    source: Any = SimpleNamespace(ending=ending, dropped=0)
    try:
        record(steps, sinks, summary, source, wanted)
    finally:
        run.last = summary  # type: ignore[attr-defined]
    return summary


def test_all_sinks_get_all_steps_and_are_closed() -> None:
    one, other = Sink(), Sink()
    summary = run([FIRST, step(2), BROKEN, step(4)], one, other)
    assert one.frames == other.frames == [1, 2, 3, 4]
    assert (one.closed, other.closed) == (1, 1)
    assert (summary.frames, summary.tracked, summary.broken) == (4, 2, 1)
    assert summary.broken_frames == {3: "torn"}
    assert (summary.ended, summary.reason) == ("end", None)
    assert summary.tracking_fps == 2 / 0.25
    assert summary.fps == pytest.approx(4 / summary.seconds)


def test_a_video_that_breaks_off_says_why() -> None:
    summary = run([FIRST, step(2)], ending="the cable is out")
    assert (summary.ended, summary.reason) == ("cut_off", "the cable is out")
    assert summary_lines(summary)[-1] == "the video ends before its time: the cable is out"


def test_a_request_ends_after_the_frame_at_hand() -> None:
    one = Sink()
    summary = run([FIRST, step(2), step(3)], one, wanted=lambda: len(one.frames) < 2)
    assert one.frames == [1, 2]
    assert one.closed == 1
    assert summary.ended == "interrupted"


def test_a_sink_that_fails_leaves_the_others_closed_and_counts_what_was_done() -> None:
    one, other = Sink(), Sink(fails_at=3)
    with pytest.raises(DataError, match="the disk is full"):
        run([FIRST, step(2), step(3)], one, other)
    assert (one.closed, other.closed) == (1, 1)
    summary: Summary = run.last  # type: ignore[attr-defined]
    assert (summary.ended, summary.reason, summary.frames) == ("failed", "the disk is full.", 2)


def test_a_video_that_fails_closes_the_sinks() -> None:
    def steps() -> Iterator[Step]:
        yield FIRST
        raise DataError("the weights are broken.")

    one = Sink()
    with pytest.raises(DataError, match="the weights are broken"):
        run(steps(), one)
    assert one.closed == 1


def test_of_many_broken_frames_the_first_are_named_and_all_are_counted() -> None:
    broken = [BROKEN._replace(frame=number) for number in range(2, 2 + MAX_NAMED + 50)]
    summary = run([FIRST, *broken])
    assert summary.broken == MAX_NAMED + 50
    assert list(summary.broken_frames) == list(range(2, 2 + MAX_NAMED))
    assert "150 (2, 3, 4, 5, 6, 7, 8, 9, 10, 11, ...)" in summary_lines(summary)[1]
