"""Telling when a video becomes difficult: conditions that set in and pass, with hysteresis.

The condition head answers every frame for itself, so its probabilities flicker. A challenge sets in
when its probability has been high for some frames in a row, and has passed when it has been low for
as many; between the two thresholds nothing changes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import NamedTuple

from mtl.errors import ConfigError

log = logging.getLogger(__name__)

NO_CHALLENGES = frozenset(("normal", "severity"))
"""Answers of a condition head that name no difficulty."""


class ChallengeEvent(NamedTuple):
    """A challenge that set in or has passed."""

    frame: int
    """In which it was noticed: the last of the frames in a row that decided."""
    name: str
    """As the condition head calls it."""
    entered: bool
    """Whether it set in; else it has passed."""
    probability: float
    """In that frame."""


def warn(event: ChallengeEvent) -> None:
    """Log an event as a warning; made to be a `ChallengeWatch`'s `on_event`."""
    what = "sets in" if event.entered else "has passed"
    log.warning("frame %d: %s %s (p = %.2f)", event.frame, event.name, what, event.probability)


class ChallengeWatch:
    """Follows the challenges of one video; `normal` and `severity` are none.

    Args:
        enter: probability from which on a frame speaks for a challenge.
        leave: probability up to which a frame speaks against it.
        frames: frames in a row that have to agree, either way.
        on_event: called with every event, besides returning it.

    Raises:
        ConfigError: if not 0 <= leave < enter <= 1 or frames is not a whole number above 0.
    """

    def __init__(
        self,
        enter: float = 0.6,
        leave: float = 0.4,
        frames: int = 3,
        on_event: Callable[[ChallengeEvent], None] | None = None,
    ) -> None:
        if not 0.0 <= leave < enter <= 1.0:
            raise ConfigError(
                "thresholds of a challenge must be 0 <= leave < enter <= 1, got "
                f"leave {leave} and enter {enter}; lower leave or raise enter."
            )
        if not isinstance(frames, int) or frames < 1:
            raise ConfigError(
                "frames in a row that decide on a challenge must be a whole number of at least 1, "
                f"got {frames}; 1 reports every crossing of a threshold."
            )
        self.enter = enter
        self.leave = leave
        self.frames = frames
        self.on_event = on_event
        self.reset()

    @property
    def active(self) -> frozenset[str]:
        """The challenges that set in and have not passed."""
        return frozenset(self._active)

    def reset(self) -> None:
        """Forget the video; what was active passes without an event."""
        self._active: set[str] = set()
        self._in_a_row: dict[str, int] = {}

    def update(self, frame: int, probabilities: Mapping[str, float]) -> list[ChallengeEvent]:
        """Take in what the condition head says of the next frame.

        A probability that is not a number speaks for nothing: it ends a row. Frames that were left
        out, a broken one say, do not.

        Args:
            frame: its number, which is given back in events.
            probabilities: by name, as in `TrackResult.conditions`.

        Returns:
            What changed, in the order of the probabilities.
        """
        events = []
        for name, probability in probabilities.items():
            if name in NO_CHALLENGES or not self._decided(name, probability):
                continue
            entered = name not in self._active
            self._active ^= {name}
            events.append(ChallengeEvent(frame, name, entered, probability))
        if self.on_event is not None:
            for event in events:
                self.on_event(event)
        return events

    def _decided(self, name: str, probability: float) -> bool:
        """Whether enough frames in a row spoke for a change."""
        change = probability <= self.leave if name in self._active else probability >= self.enter
        self._in_a_row[name] = self._in_a_row.get(name, 0) + 1 if change else 0
        if self._in_a_row[name] < self.frames:
            return False
        self._in_a_row[name] = 0
        return True
