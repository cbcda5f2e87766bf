"""Says so when a run waits longer than a person would without asking why."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

Item = TypeVar("Item")

PATIENCE_S = 20.0
"""Seconds of waiting that are passed over in silence."""


def impatient(
    items: Iterator[Item], tell: Callable[[str], None], patience_s: float = PATIENCE_S
) -> Iterator[Item]:
    """The same items; a sentence is told for each that lets the training wait, once per wait.

    Args:
        items: batches of samples.
        tell: takes the sentence, in a thread of its own.
        patience_s: seconds after which it is told.
    """
    while True:
        timer = threading.Timer(patience_s, tell, [_sentence(patience_s)])
        timer.daemon = True
        timer.start()
        try:
            item = next(items)
        except StopIteration:
            return
        finally:
            timer.cancel()
        yield item


def _sentence(patience_s: float) -> str:
    return (
        f"training has waited {patience_s:.0f} s for samples; reading or decoding is too slow for "
        "it (cluster.decode_in_tasks=true spreads it over all nodes), or the data cannot be "
        "reached."
    )
