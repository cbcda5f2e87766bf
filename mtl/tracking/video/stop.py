"""Ending a run on request, with everything it did in place."""

from __future__ import annotations

import signal
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""Ctrl-C, and what a service manager or container sends."""


class StopRequest:
    """Notes the first Ctrl-C or SIGTERM while it is entered; the second acts at once, as usual.

    To be entered in the main thread.
    """

    def __init__(self) -> None:
        self._number: int | None = None
        self._before: dict[int, object] = {}

    @property
    def status(self) -> int | None:
        """Exit status of a process that was asked to stop, 128 + signal; none if it was not."""
        return None if self._number is None else 128 + self._number

    def wanted(self) -> bool:
        """Whether the run should go on."""
        return self._number is None

    def __enter__(self) -> StopRequest:
        for number in SIGNALS:
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    def _note(self, number: int, _: FrameType | None) -> None:
        self._number = number
        self._restore()

    def _restore(self) -> None:
        while self._before:
            number, handler = self._before.popitem()
            signal.signal(number, handler)  # type: ignore[arg-type]
