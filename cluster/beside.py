"""Calls of Ray that take as long as a training, so that Ctrl-C is still heard.

In the main thread Ray Train takes SIGINT for itself, and the command would end with its status, 0
or 1. Here the call has a thread of its own; it ends with the process, or when Ray is shut down.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

T = TypeVar("T")

HEAR_S = 1.0
"""Python hears a signal between two steps of the main thread, whichever thread the system chose."""


def beside(call: Callable[[], T], most_s: float = math.inf) -> T:
    """What the call returns or raises; a KeyboardInterrupt is raised here while it goes on.

    Raises:
        TimeoutError: it takes longer than `most_s`; it goes on.
    """
    future: Future[T] = Future()
    begun = time.monotonic()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    while not wait([future], timeout=HEAR_S).done:
        if time.monotonic() - begun > most_s:
            raise TimeoutError(f"no answer within {most_s:g} s")
    return future.result()
