"""The time a run takes, and how fast it is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from mtl.training.state import TrainingState


class Clock:
    """Adds the time that passes to a state's seconds, and knows the present speed."""

    def __init__(self, state: TrainingState) -> None:
        self._state = state
        self._start = self._mark = time.monotonic()
        self._mark_step = state.step
        self._waited = 0.0

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count what is done inside as a wait for samples."""
        start = time.monotonic()
        yield
        self._waited += time.monotonic() - start

    def stop(self) -> None:
        """Book the time since the start."""
        self._state.seconds += time.monotonic() - self._start

    def speed(self, step: int) -> tuple[float, float]:
        """Steps a second and the share of the time waited for samples, since the last call."""
        now = time.monotonic()
        passed = max(now - self._mark, 1e-9)
        rate, share = (step - self._mark_step) / passed, self._waited / passed
        self._mark, self._mark_step, self._waited = now, step, 0.0
        return rate, share
