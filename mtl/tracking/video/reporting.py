"""What a run tells on its way: lines and a bar for people, JSON lines for machines."""

from __future__ import annotations

import json
import os
from typing import Any, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mtl.errors import DataError
from mtl.tracking.video.follow import Step
from mtl.tracking.video.summary import Summary

SILENCE = 100
"""Frames between two lines of progress where there is no terminal and no known end."""


class ForPeople:
    """A bar on a terminal, elsewhere a line for each tenth; lines for events and broken frames.

    Args:
        console: where to.
        num_frames: as far as it is known.
    """

    def __init__(self, console: Console, num_frames: int | None) -> None:
        self._console = console
        self._total = num_frames
        self._tracked, self._spent = 0, 0.0
        self._bar = Progress(
            TextColumn("tracking"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task("", total=num_frames, speed="")
        if console.is_terminal:
            self._bar.start()

    def take(self, step: Step) -> None:
        """Tell a step."""
        if step.problem is not None:
            self._say(f"frame {step.frame} is broken and keeps the last box: {step.problem}")
        for event in step.events:
            what = "sets in" if event.entered else "has passed"
            name = event.name.replace("_", " ")
            self._say(f"frame {step.frame} ({step.seconds:.1f} s): {name} {what}")
        if step.score is not None:
            self._tracked, self._spent = self._tracked + 1, self._spent + step.tracker_seconds
        speed = f"{self._tracked / self._spent:.1f} frames/s" if self._spent else ""
        self._bar.update(self._task, completed=step.frame, speed=speed)
        if not self._console.is_terminal and self._due(step.frame):
            of = f" of {self._total}" if self._total else ""
            self._say(f"{step.frame}{of} frames, {speed} in the tracker" if speed else "")

    def close(self) -> None:
        """Take the bar away."""
        if self._console.is_terminal:
            self._bar.stop()

    def _due(self, frame: int) -> bool:
        if self._total is None:
            return frame % SILENCE == 0
        return 10 * frame // self._total > 10 * (frame - 1) // self._total

    def _say(self, line: str) -> None:
        if line:
            self._console.print(line, markup=False)


class ForMachines:
    """One JSON object a line: one for every frame, then `{"summary": ...}`.

    Args:
        stream: where to.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def take(self, step: Step) -> None:
        """Write a step.

        Raises:
            DataError: if nobody reads any more.
        """
        said = step.conditions
        self._write(
            {
                "frame": step.frame,
                "seconds": round(step.seconds, 4),
                "box_xywh": [round(float(value), 4) for value in step.box_xywh],
                "score": None if step.score is None else round(step.score, 6),
                "conditions": said and {name: round(p, 6) for name, p in said.items()},
                "events": [
                    {
                        "condition": event.name,
                        "event": "entered" if event.entered else "left",
                        "probability": round(event.probability, 6),
                    }
                    for event in step.events
                ],
                "broken": step.problem,
            }
        )

    def close(self) -> None:
        """The stream stays open, for the summary."""

    def finish(self, summary: Summary) -> None:
        """Write the summary."""
        self._write({"summary": summary.as_dict()})

    def _write(self, value: dict[str, Any]) -> None:
        try:
            self._stream.write(json.dumps(value, allow_nan=False) + "\n")
            self._stream.flush()
        except BrokenPipeError:
            # What is still buffered goes nowhere, or Python would complain once more at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
            raise DataError(
                "whoever read the JSON lines has gone; what was tracked until then is in the files."
            ) from None


def summary_lines(summary: Summary) -> list[str]:
    """A summary as people read it."""
    speeds = [
        f"{speed:.1f} frames a second {where}"
        for speed, where in ((summary.tracking_fps, "in the tracker"), (summary.fps, "in all"))
        if speed is not None
    ]
    ends = {"end": "", "interrupted": ", then stopped as asked", "failed": ", then failed"}
    lines = [
        f"{summary.frames} frames of {summary.source} in {summary.seconds:.1f} s"
        f"{ends.get(summary.ended, '')}: {', '.join(speeds)}"
    ]
    if summary.broken:
        named = ", ".join(str(number) for number in list(summary.broken_frames)[:10])
        more = ", ..." if summary.broken > 10 else ""
        lines.append(
            f"broken frames, which keep the box before them: {summary.broken} ({named}{more})"
        )
    if summary.dropped:
        lines.append(
            f"frames dropped because the video was faster than tracking: {summary.dropped}"
        )
    if summary.ended == "cut_off":
        lines.append(f"the video ends before its time: {summary.reason}")
    if summary.encoder == "mpeg4":
        lines.append("the installed FFmpeg cannot write H.264, so the video is MPEG-4 part 2")
    return lines
