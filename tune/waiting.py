"""What a person is told while trials cannot start, because others hold the cluster."""

from __future__ import annotations

import threading
from contextlib import suppress
from types import TracebackType
from typing import Any

import ray
from ray import tune
from rich.console import Console
from rich.text import Text

from cluster.progress import Display
from cluster.room import missing_room
from mtl.config.training import ClusterConfig


class Waiting(tune.Callback):
    """Says once what is missing: where no trial has started after the time a run has for it.

    A trial of several workers is a process that needs no room of its own, so it always starts; when
    its workers do not, it says so itself (`tune.trial`).
    """

    def __init__(self, cluster: ClusterConfig, console: Console) -> None:
        self._cluster, self._console = cluster, console
        self._said = False
        self._timer = threading.Timer(Display.WAIT_S, self._wonder)
        self._timer.daemon = True

    def __enter__(self) -> Waiting:
        self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._timer.cancel()

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles it for a resumption that never comes

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """There is room: Tune has the trial's process."""
        self._timer.cancel()

    def say(self, sentence: str) -> None:
        """Show a sentence, if there is one and none was shown before."""
        if sentence and not self._said:
            self._said = True
            self._console.print(Text(sentence, style="yellow"))

    def _wonder(self) -> None:
        with suppress(ray.exceptions.RayError):
            self.say(missing_room(self._cluster))
