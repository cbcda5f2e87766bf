"""Whether a run that failed is tried again: from the kind of the failure and how many there were.

Pure: `cluster.failures` says of which kind an exception is.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 60.0


class Kind(enum.Enum):
    """Where a failure came from; its value begins the sentence about it."""

    REFUSED = "refused"
    """An error with a sentence of its own: bad input, a loss that is not finite."""
    BUG = "an error in the program"
    """Any other exception: it would only be raised again."""
    WORKER_LOST = "a worker was lost"
    """Its process was killed, or it ran out of memory."""
    NODE_LOST = "a machine was lost"
    OBJECT_LOST = "an object of the cluster was lost"
    """With the machine that held it."""
    STORAGE = "the storage did not answer"

    @property
    def passes(self) -> bool:
        """Whether the same work may succeed when it is done again."""
        return self not in (Kind.REFUSED, Kind.BUG)


@dataclass(frozen=True)
class Failure:
    """Why a run ended before its time."""

    kind: Kind
    told: str
    """The error's own words, or its type for a process or a machine that went away."""

    @property
    def reason(self) -> str:
        """A sentence without its point."""
        return f"{self.kind.value} ({self.told})" if self.kind.passes else self.told


class Action(enum.Enum):
    """What follows a failure."""

    RETRY = "retry"
    GIVE_UP = "give up"


@dataclass(frozen=True)
class Decision:
    """An action and its reason, one sentence for the user."""

    action: Action
    reason: str
    pause_s: float = 0.0
    """Seconds to wait before it is tried again."""


class Failures:
    """Counts the failures of a run since it last got further."""

    def __init__(self) -> None:
        self._number = 0
        self._reached: str | None = None

    def count(self, reached: str | None) -> int:
        """One more failure; returns which it is since the newest checkpoint, from 1.

        Args:
            reached: name of that checkpoint; none: the storage does not say.
        """
        further = reached is not None and reached != self._reached
        self._number = 1 if further else self._number + 1
        self._reached = reached if further else self._reached
        return self._number


@dataclass(frozen=True)
class RetryPolicy:
    """Tries again what passes, from the last checkpoint, so many times without getting further."""

    max_failures: int

    def decide(self, failure: Failure, number: int) -> Decision:
        """Decide what follows a failure, the `number`-th since the run got further, from 1."""
        if not failure.kind.passes:
            return Decision(Action.GIVE_UP, failure.reason)
        if number > self.max_failures:
            return Decision(
                Action.GIVE_UP,
                f"{failure.reason}, failure {number} of at most {self.max_failures} "
                "(cluster.max_failures) without a new checkpoint; start it again with resume=true "
                "to go on from the last one.",
            )
        reason = f"{failure.reason}; going on from the last checkpoint."
        away = failure.kind is Kind.STORAGE  # the others are replaced, this one has to recover
        pause_s = min(FIRST_PAUSE_S * 2 ** (number - 1), LONGEST_PAUSE_S) if away else 0.0
        return Decision(Action.RETRY, reason, pause_s)
