from __future__ import annotations

import io
import json
import os

import pytest
from rich.console import Console

from mtl.errors import DataError
from mtl.tracking.challenges import ChallengeEvent
from mtl.tracking.video.reporting import ForMachines, ForPeople
from mtl.tracking.video.summary import Summary
from tests.tracking.video.test_result_files import BROKEN, FIRST, step

EVENT = ChallengeEvent(2, "motion_blur", True, 0.9)


def test_machines_get_one_object_a_frame_and_a_summary() -> None:
    stream = io.StringIO()
    machine = ForMachines(stream)
    for one in (FIRST, step(2, events=(EVENT,)), BROKEN):
        machine.take(one)
    machine.finish(Summary("bay.mp4", "model"))
    first, second, broken, last = map(json.loads, stream.getvalue().splitlines())
    assert first == {
        "frame": 1,
        "seconds": 0.1,
        "box_xywh": [1.0, 2.0, 3.0, 4.0],
        "score": None,
        "conditions": None,
        "events": [],
        "broken": None,
    }
    assert second["score"] == 0.5
    assert second["conditions"] == {"occlusion": 0.25, "normal": 0.75}
    assert second["events"] == [
        {"condition": "motion_blur", "event": "entered", "probability": 0.9}
    ]
    assert (broken["broken"], broken["score"]) == ("torn", None)
    assert last["summary"]["source"] == "bay.mp4"


def test_a_reader_that_goes_away_is_one_sentence() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        machine = ForMachines(stream)
        with pytest.raises(DataError, match="whoever read the JSON lines has gone"):
            machine.take(FIRST)
        machine.finish(Summary("bay.mp4", "model"))  # goes nowhere, and does not fail


def told(num_frames: int | None, count: int) -> list[str]:
    stream = io.StringIO()
    people = ForPeople(Console(file=stream, width=200), num_frames)
    for one in (FIRST, step(2, events=(EVENT,)), BROKEN, *map(step, range(4, count + 1))):
        people.take(one)
    people.close()
    return stream.getvalue().splitlines()


def test_people_are_told_events_broken_frames_and_tenths() -> None:
    lines = told(20, 20)
    assert "frame 2 (0.2 s): motion blur sets in" in lines
    assert "frame 3 is broken and keeps the last box: torn" in lines
    tenths = [line for line in lines if " of 20 frames" in line]
    assert len(tenths) == 10
    assert tenths[-1] == "20 of 20 frames, 8.0 frames/s in the tracker"


def test_of_a_video_without_a_known_end_every_hundredth_frame_is_told() -> None:
    lines = told(None, 250)
    assert [line.split()[0] for line in lines if "in the tracker" in line] == ["100", "200"]
