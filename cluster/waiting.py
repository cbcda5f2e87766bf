"""When a run that says nothing is asked whether it waits for room: a count of seconds, no cluster.

Not only at its start: also after its machines were lost, and whenever Ray Train starts it anew by
itself, the workers may have to wait for others.
"""

from __future__ import annotations

from collections.abc import Callable

LOOK_S = 5.0
"""Seconds between two looks at a run that says nothing."""


class Waiting:
    """Has a wait told of once, a new one again.

    Args:
        missing: says what workers are waiting for; empty where they are not.
        wait_s: so long workers may say nothing before somebody wants to know why.
    """

    def __init__(self, missing: Callable[[], str], wait_s: float) -> None:
        self._missing = missing
        self._wait_s = wait_s
        self.heard()

    def heard(self) -> None:
        """Somebody works."""
        self._left_s = self._wait_s
        self._told = False

    def passed(self, seconds: float) -> str:
        """What to tell after so many more seconds without news; empty: nothing."""
        self._left_s -= seconds
        if self._told or self._left_s > 0:
            return ""
        self._left_s = LOOK_S
        lacking = self._missing()
        self._told = bool(lacking)
        return lacking
