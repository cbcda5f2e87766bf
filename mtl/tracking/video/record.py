"""A run from its first step to its summary, however it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from typing import Protocol

from mtl.errors import MtlError
from mtl.tracking.video.follow import Step
from mtl.tracking.video.source import Source
from mtl.tracking.video.summary import Summary


class Sink(Protocol):
    """Takes the steps of a run and is closed in the end."""

    def take(self, step: Step) -> None:
        """One step, in the order of the frames."""

    def close(self) -> None:
        """There are no more."""


def record(
    steps: Iterable[Step],
    sinks: Sequence[Sink],
    summary: Summary,
    source: Source,
    wanted: Callable[[], bool],
) -> None:
    """Give every step to every sink, until there are no more or no more are wanted.

    All sinks are closed and the summary says how it ended, also if a step or a sink fails.

    Args:
        steps: of the video.
        sinks: closed in reverse order.
        summary: takes the steps too.
        source: where the steps' frames come from.
        wanted: asked after every step.

    Raises:
        MtlError: of the step or sink that failed.
    """
    try:
        with ExitStack() as closing:
            closing.callback(summary.close)
            for sink in sinks:
                closing.callback(sink.close)
            for step in steps:
                for sink in (*sinks, summary):
                    sink.take(step)
                if not wanted():
                    break
        summary.reason = source.ending
        summary.ended = "end" if source.ending is None else "cut_off"
        if not wanted():
            summary.ended = "interrupted"
    except MtlError as error:
        summary.reason = str(error)
        raise
    finally:
        summary.dropped = source.dropped
