"""News from the workers to the person at the terminal.

Workers may be anywhere, so they post to a small actor; a thread beside `fit()` collects and shows.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from rich.console import Console
from rich.live import Live
from rich.text import Text

from cluster.waiting import Waiting
from mtl.report.metrics import FINAL_STAGES
from mtl.report.values import low_weights

News = dict[str, Any]

ANSWER_S = 10.0
"""So long a worker waits for the answer of a board that starts again."""
UNIFIED = ("map", "map_50", "miou", "top1", "score", "delta_m")
"""Metrics of the unified model that a line shows."""


@ray.remote(num_cpus=0, max_restarts=-1)
class Board:
    """Holds news until the driver takes them, and whether the driver wants to stop.

    It outlives the workers, so it also knows what a lost one had trained. See `new_board`.
    """

    def __init__(self) -> None:
        self._news: list[News] = []
        self._stopping = False
        self._steps: dict[str, int] = {}
        self._lost: dict[str, int] = {}

    def stop(self) -> None:
        """Ask the workers to keep their step and end."""
        self._stopping = True

    def stopping(self) -> bool:
        """Whether they were asked."""
        return self._stopping

    def post(self, news: News) -> None:
        """Add one piece; a worker does not wait for it."""
        self._news.append(news)
        if "step" in news:
            self._steps[news["label"]] = news["step"]

    def lost_steps(self, label: str, step: int) -> int:
        """Steps of a run that were told of and have to be trained again, all its attempts together.

        Args:
            label: of the run's news.
            step: at which it goes on now.
        """
        lost = max(0, self._steps.get(label, step) - step)
        self._steps[label] = step
        self._lost[label] = self._lost.get(label, 0) + lost
        return self._lost[label]

    def take(self) -> list[News]:
        """Everything since the last call."""
        news, self._news = self._news, []
        return news


def new_board() -> Any:
    """A board on this process's node, which is lost only together with this process.

    An actor that takes no CPU may be placed anywhere, so also on a machine that is soon taken away.
    """
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return Board.options(scheduling_strategy=here).remote()  # type: ignore[attr-defined]


def lost_steps(board: Any, label: str, step: int) -> News:
    """News of what a run has lost; none where the board does not answer: they are for eyes only.

    Args:
        board: that heard of the steps.
        label: of the run's news.
        step: at which it goes on now.
    """
    try:
        return {"lost_steps": ray.get(board.lost_steps.remote(label, step), timeout=ANSWER_S)}
    except ray.exceptions.RayError:
        return {}


class Display:
    """Shows a board's news: a line that moves on a terminal, one line per epoch everywhere."""

    INTERVAL_S = 0.5
    WAIT_S = 20.0
    """So long workers may say nothing before somebody wants to know why."""
    QUIET_S = 15.0
    """Without a terminal a line about the running epoch is written this often."""

    def __init__(self, console: Console, board: Any, missing: Callable[[], str]) -> None:
        """Take what differs from run to run.

        Args:
            console: of the person.
            board: whose news are shown.
            missing: says what workers are waiting for; empty where they are not.
        """
        self._console = console
        self._board = board
        self._waiting = Waiting(missing, self.WAIT_S)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._live = Live(console=console, refresh_per_second=4, transient=True)
        self._since_line = 0.0
        self._running: dict[str, str] = {}

    def __enter__(self) -> Display:
        if self._console.is_terminal:
            self._live.start()
        self._status("", "waiting for the workers to start")
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=5)
        self._show_all()
        if self._console.is_terminal:
            self._live.stop()

    def _follow(self) -> None:
        last = time.monotonic()
        while not self._stop.wait(self.INTERVAL_S):
            self._since_line += self.INTERVAL_S
            self._show_all()
            now = time.monotonic()
            self._wonder(now - last)
            last = now

    def _wonder(self, seconds: float) -> None:
        """Say once in each wait why nothing goes on."""
        with suppress(ray.exceptions.RayError):
            if lacking := self._waiting.passed(seconds):
                self._console.print(Text(lacking, style="yellow"))

    def _show_all(self) -> None:
        try:
            news = ray.get(self._board.take.remote(), timeout=5)
        except (ray.exceptions.RayError, ray.exceptions.GetTimeoutError):
            return  # the cluster is busy or going down; news are for eyes only
        for piece in news:
            self._show(piece)

    def _show(self, news: News) -> None:
        self._waiting.heard()
        label = news["label"]
        front = f"{label}: " if label else ""
        if lost := news.get("lost_steps"):
            text = f"steps lost so far, to be trained again: {lost}"
            self._console.print(Text(front + text))
        if "begun" in news:
            return
        if "message" in news:
            self._console.print(Text(front + news["message"]))
        elif "lines" in news:
            for text in epoch_lines(news["lines"], news["num_epochs"]):
                self._console.print(Text(front + text))
            self._since_line = 0.0
            if news["lines"][-1]["stage"] in FINAL_STAGES:
                self._running.pop(label, None)
        else:
            self._status(label, front + progress_line(news))

    def _status(self, label: str, text: str) -> None:
        """Show what a run is at, a line for each that is running."""
        self._running = {name: x for name, x in self._running.items() if name} | {label: text}
        if self._console.is_terminal:
            self._live.update(Text("\n".join(self._running.values()), style="dim"))
        elif self._since_line >= self.QUIET_S:
            self._console.print(Text(text))
            self._since_line = 0.0


def progress_line(news: News) -> str:
    """The running epoch in one line."""
    losses = news["losses"]
    return (
        f"epoch {news['epoch']}/{news['num_epochs']} {news['stage']:<5} "
        f"step {news['step']}/{news['num_steps']}  loss {losses['loss/total']:.3f}  "
        f"{news['samples_per_second']:.0f} samples/s  {duration(news['eta_s'])} left"
    )


def epoch_lines(lines: list[News], num_epochs: int) -> list[str]:
    """A finished epoch: one line for each of its splits."""
    texts = []
    for line in lines:
        if line["stage"] == "evaluation":
            texts.append(
                f"evaluated split '{line['split']}'  "
                + "  ".join(f"{k} {line[k]:.3f}" for k in UNIFIED if k in line)
            )
            continue
        if line["stage"] == "tracking":
            texts.append(
                f"tracked {line['sequences']} sequences of split '{line['split']}'  "
                + "  ".join(f"{k} {line[k]:.3f}" for k in ("ao", "sr_50", "sr_75") if k in line)
                + (f"  {line['fps']:.0f} frames/s" if "fps" in line else "")
            )
            continue
        parts = [f"epoch {line['epoch']:>2}/{num_epochs} {line['stage']:<6} {line['split']:<5}"]
        parts.append(f"loss {line['loss/total']:.3f}" if "loss/total" in line else "loss   –  ")
        if "iou" in line:
            for name in ("iou", "accuracy"):
                parts.append(f"{name} {line[name]:.3f}" if name in line else f"{name}   –  ")
        parts += [f"{name} {line[name]:.3f}" for name in UNIFIED if name in line]
        parts += [f"weight of {task} only {x:.3f}" for task, x in low_weights(line).items()]
        if "samples_per_second" in line:
            parts.append(f"{line['samples_per_second']:.0f} samples/s")
        if line.get("skipped"):
            parts.append(f"{line['skipped']} bad items skipped")
        if "eta_s" in line:
            parts.append(f"{duration(line['eta_s'])} left")
        texts.append("  ".join(parts))
    return texts


def duration(seconds: float) -> str:
    """Seconds as h:mm:ss or m:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
