"""SIGTERM: a run that must make room keeps the step under way and ends.

The signal reaches the driver, where schedulers send it. Ray has no way for one to a worker's
training thread, so the driver leaves word with the board, and the first worker asks there.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import ray

ASK_S = 1.0
"""Seconds between two questions of the first worker."""
AGAIN_S = 5.0
"""Seconds after which the board is told again."""


@contextmanager
def passing_on_sigterm(board: Any) -> Iterator[None]:
    """Tell the board when this process gets SIGTERM; a second one ends the process as before.

    Only the main thread hears signals; in another, where Tune trains, nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard = threading.Event()
    before = signal.getsignal(signal.SIGTERM) or signal.SIG_DFL

    def hear(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, before)
        heard.set()

    def pass_on() -> None:  # not in the handler, which interrupts whatever Ray is doing
        heard.wait()
        while not over.is_set():
            board.stop.remote()
            over.wait(AGAIN_S)  # a board that starts again has forgotten it

    over = threading.Event()
    thread = threading.Thread(target=pass_on, daemon=True)
    thread.start()
    signal.signal(signal.SIGTERM, hear)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        over.set()
        heard.set()
        thread.join()


def was_asked(board: Any) -> bool:
    """Whether the driver has left word; waits for the answer of a board that starts again."""
    try:
        return bool(ray.get(board.stopping.remote(), timeout=10))
    except ray.exceptions.RayError:
        return False


class StopAsked:
    """Whether the run was asked to stop, as a worker knows it; never waits for the answer."""

    def __init__(self, board: Any) -> None:
        self._board = board
        self._answer = board.stopping.remote()
        self._asked = False
        self._next = 0.0

    def __call__(self) -> bool:
        """See the class; a board that is away has not asked."""
        if self._asked or time.monotonic() < self._next or not _ready(self._answer):
            return self._asked
        self._next = time.monotonic() + ASK_S
        with suppress(ray.exceptions.RayError):  # the board starts again by itself
            self._asked = bool(ray.get(self._answer))
        self._answer = self._board.stopping.remote()
        return self._asked


def _ready(answer: Any) -> bool:
    return bool(ray.wait([answer], timeout=0)[0])
