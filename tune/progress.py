"""A search on the terminal: a table that lives, and a line for each trial that ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from optuna.trial import FrozenTrial, TrialState
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cluster.progress import duration
from mtl.config.run import RunConfig
from tune.budget import budget_of
from tune.parameters import Scalar
from tune.reruns import Reruns
from tune.study import Study

STATE_WORDS = {
    TrialState.COMPLETE: "finished",
    TrialState.PRUNED: "stopped",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
}


class ShownStudy:
    """A study as a source of trials (`tune.ray_tune.Source`) whose progress is shown."""

    ROWS = 8
    """Trials in the table, the latest."""

    def __init__(self, study: Study, concurrent: int, console: Console) -> None:
        self._study, self._console = study, console
        self._concurrent = concurrent
        self._total = budget_of(study.space.base).total
        self._running: dict[int, tuple[int, float | None]] = {}
        self._started = time.monotonic()
        self._done_before = len(study.trials(*STATE_WORDS)) - len(study.trials(TrialState.RUNNING))
        self._live = Live(console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> ShownStudy:
        if self._console.is_terminal:
            self._live.start()
            self._show()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def begin(self) -> tuple[int, RunConfig] | None:
        """See `Source.begin`."""
        begun = self._study.begin()
        if begun:
            self._running[begun[0]] = (0, None)
            self._show()
        return begun

    def told(self, number: int, epoch: int, metrics: dict[str, Any]) -> bool:
        """See `Source.told`."""
        epochs = self._study.epochs_by(number, epoch)
        self._running[number] = (epochs, metrics.get(self._study.goal.watched))
        self._show()
        return self._study.told(number, epoch, metrics)

    def stopped(self, number: int) -> None:
        """See `Source.stopped`."""
        self._ended(number, lambda: self._study.stopped(number))

    def failed(self, number: int, reason: str) -> None:
        """See `Source.failed`."""
        self._ended(number, lambda: self._study.failed(number, reason))

    def finished(self, number: int) -> None:
        """See `Source.finished`."""
        self._ended(number, lambda: self._study.finished(number))

    def _ended(self, number: int, end: Callable[[], None]) -> None:
        end()
        self._running.pop(number, None)
        trial = self._study.optuna.get_trials(deepcopy=False)[number]
        self._console.print(Text(trial_line(self._study, trial)))
        self._show()

    def _show(self) -> None:
        if self._console.is_terminal:
            self._live.update(self.table())

    def table(self) -> Table:
        """The latest trials under one line about all."""
        table = Table(title=self.headline(), title_justify="left", title_style="bold")
        table.add_column("trial", justify="right")
        table.add_column("state")
        table.add_column("epochs", justify="right")
        table.add_column(self._study.goal.watched, justify="right")
        table.add_column("objective", justify="right")
        for name in self._study.space.parameters:
            table.add_column(name, justify="right")
        shown = [t for t in self._study.trials(*STATE_WORDS) if t.state in STATE_WORDS]
        for trial in shown[-self.ROWS :]:
            epochs, value = self._running.get(trial.number, (None, None))
            last = trial.last_step
            if value is None and last is not None:
                value = trial.intermediate_values[last]
            count = trial.user_attrs.get("epochs", 0) if epochs is None else epochs
            table.add_row(
                str(trial.number),
                STATE_WORDS[trial.state],
                f"{count}/{self._total}",
                shortly(value),
                ", ".join(map(shortly, trial.values or []))
                if trial.state.name == "COMPLETE"
                else "",
                *(shortly(trial.params.get(name, "")) for name in self._study.space.parameters),
            )
        return table

    def headline(self) -> str:
        """Counts, best so far and time left."""
        counts = {state: len(self._study.trials(state)) for state in STATE_WORDS}
        parts = [f"{word} {counts[state]}" for state, word in STATE_WORDS.items() if counts[state]]
        parts.append(f"of {self._study.search.trials}")
        if best := self._study.best():
            parts.append(f"best {', '.join(map(shortly, best[0].values))} (trial {best[0].number})")
        ended = sum(counts[state] for state in STATE_WORDS if state.is_finished())
        here = ended - self._done_before
        if here > 0:
            left = self._study.search.trials - ended
            parts.append(f"{duration((time.monotonic() - self._started) / here * left)} left")
        return "  ".join(parts)


class ShownReruns(Reruns):
    """Runs with other seeds, a line for each that ended."""

    def __init__(self, study: Study, console: Console) -> None:
        super().__init__(study)
        self._console = console

    def _note(self, number: int, note: dict[str, Any]) -> None:
        super()._note(number, note)
        told = note.get("reason") or ", ".join(map(shortly, note["values"]))
        self._console.print(Text(f"{self.told_as(number)}: {told}"))


def trial_line(study: Study, trial: FrozenTrial) -> str:
    """A trial that ended, in one line."""
    names = [one.text for one in study.goal.objectives]
    told = STATE_WORDS[trial.state]
    if trial.state is TrialState.COMPLETE:
        pairs = zip(names, trial.values, strict=True)
        told = "  ".join(f"{name} {shortly(value)}" for name, value in pairs)
    elif trial.state is TrialState.PRUNED and trial.last_step is not None:
        value = shortly(trial.intermediate_values[trial.last_step])
        told = f"stopped after epoch {trial.last_step} with {study.goal.watched} {value}"
    elif reason := trial.user_attrs.get("reason"):
        told = f"failed: {reason}"
    values = " ".join(f"{name}={shortly(value)}" for name, value in trial.params.items())
    return f"trial {trial.number:>3}  {told}  {duration(trial.user_attrs['seconds'])}  {values}"


def shortly(value: Scalar) -> str:
    """A value in a table."""
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
