"""What is known of each frame, as files that grow with the video: a killed run keeps its lines.

<name>_001.txt         x,y,w,h in pixels, as GOT-10k's toolkit reads it
<name>_time.txt        seconds spent in the tracker; 0 for a broken frame
<name>_score.txt       score in (0, 1); nan for the first frame and for broken ones
<name>_conditions.csv  names, then what the condition head says; empty where it was not asked
<name>_events.csv      frame, seconds in the video, condition, entered or left, probability

But for the CSV files' first line, line i is frame i.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

from mtl.errors import ConfigError, DataError
from mtl.evaluation.condition_results import empty_line, names_line, values_line
from mtl.evaluation.got10k_files import box_line, time_line
from mtl.files import write_atomically
from mtl.tracking.video.follow import Step


class OutputPaths:
    """The places of everything that tracking one video writes.

    Args:
        folder: may hold other things.
        name: of the video.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.video = folder / f"{name}.mp4"
        self.summary = folder / f"{name}.json"
        self.boxes = folder / f"{name}_001.txt"
        self.times = folder / f"{name}_time.txt"
        self.scores = folder / f"{name}_score.txt"
        self.conditions = folder / f"{name}_conditions.csv"
        self.events = folder / f"{name}_events.csv"

    def write_summary(self, summary: dict[str, Any]) -> None:
        """Write the summary, whole or not at all.

        Raises:
            DataError: if the disk is full.
        """
        try:
            write_atomically(self.summary, (json.dumps(summary, indent=1) + "\n").encode())
        except OSError as error:
            raise _failure(self.folder, error) from None

    def lines(self) -> list[str]:
        """Where the files that exist lie, for people."""
        kinds = {"video": self.video, "boxes": self.boxes, "conditions": self.conditions}
        kinds |= {"events": self.events, "summary": self.summary}
        return [f"{what:<10} {path}" for what, path in kinds.items() if path.exists()]

    def require_new(self) -> None:
        """Raise ConfigError if one of the files exists, or the folder cannot be one."""
        if self.folder.exists() and not self.folder.is_dir():
            raise ConfigError(f"--out {self.folder} is a file; name a folder.")
        for path in vars(self).values():
            if path != self.folder and path.exists():
                raise ConfigError(
                    f"{path} exists and is not overwritten; name another folder with --out."
                )

    def make_folder(self) -> None:
        """Make the folder where it is missing.

        Raises:
            ConfigError: if it cannot be made.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"--out {self.folder} cannot be made a folder ({error.strerror}); name another."
            ) from None


class ResultFiles:
    """Writes the lines of every step.

    Args:
        paths: none of the files exists.
        condition_names: what the condition head answers; none: it is not asked.

    Raises:
        DataError: if a file cannot be made.
    """

    def __init__(self, paths: OutputPaths, condition_names: tuple[str, ...] | None) -> None:
        self._names = condition_names
        self._folder = paths.folder
        self._open = ExitStack()
        try:
            self._boxes = self._new(paths.boxes)
            self._times = self._new(paths.times)
            self._scores = self._new(paths.scores)
            if condition_names is not None:
                self._conditions = self._new(paths.conditions)
                self._conditions.write(names_line(condition_names))
                self._events = self._new(paths.events)
                self._events.write("frame,seconds,condition,event,probability\n")
        except OSError as error:
            self._open.close()
            raise _failure(self._folder, error) from None

    def take(self, step: Step) -> None:
        """Append a step.

        Raises:
            DataError: if the disk is full.
        """
        try:
            self._times.write(time_line(step.tracker_seconds))
            self._scores.write("nan\n" if step.score is None else f"{step.score:.6f}\n")
            if self._names is not None:
                self._conditions.write(_condition_line(self._names, step.conditions))
                for event in step.events:
                    what = "entered" if event.entered else "left"
                    self._events.write(
                        f"{event.frame},{step.seconds:.3f},{event.name},{what},"
                        f"{event.probability:.6f}\n"
                    )
            self._boxes.write(box_line(step.box_xywh))
        except OSError as error:
            raise _failure(self._folder, error) from None

    def close(self) -> None:
        """Close the files.

        Raises:
            DataError: if the disk is full.
        """
        try:
            self._open.close()
        except OSError as error:
            raise _failure(self._folder, error) from None

    def _new(self, path: Path) -> TextIO:
        return self._open.enter_context(open(path, "x", encoding="utf-8", buffering=1))


def _condition_line(names: tuple[str, ...], conditions: dict[str, float] | None) -> str:
    return values_line(conditions[name] for name in names) if conditions else empty_line(names)


def _failure(folder: Path, error: OSError) -> DataError:
    return DataError(
        f"results cannot be written to {folder} ({error.strerror}); make room or name another "
        "folder with --out."
    )
