"""What an evaluation prints: progress on the way, tables at the end."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from mtl.benchmark.folder import EvaluationFolder
from mtl.benchmark.run import Progress
from mtl.evaluation.result import EvaluationResult
from mtl.report.evaluation import SCORES
from mtl.report.values import label, number


class ProgressBar:
    """A bar on a terminal; elsewhere a line for each tenth of the work."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Bar(
            TextColumn("tracking"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[sequence]}"),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task("", total=None, sequence="")
        self._tenth = 0

    def __enter__(self) -> ProgressBar:
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._console.is_terminal:
            self._bar.stop()

    def show(self, progress: Progress) -> None:
        """Show how far it is."""
        done, total, sequence = progress
        self._bar.update(self._task, completed=done, total=total, sequence=sequence)
        tenth = 10 * done // total
        if not self._console.is_terminal and tenth > self._tenth:
            self._console.print(f"{done} of {total} sequences tracked", markup=False)
        self._tenth = tenth


def print_result(console: Console, folder: EvaluationFolder, result: EvaluationResult) -> None:
    """Print the table of trackers, what was left out, and where everything lies."""
    table = Table(
        title=f"{result.num_sequences} sequences, {result.num_frames} frames of "
        f"{result.about['root']}",
        title_justify="left",
    )
    table.add_column("tracker", overflow="fold")
    for name in SCORES:
        table.add_column(label(name), justify="right")
    for tracker in result.trackers:
        values = (number(tracker.summary.metrics.get(name)) for name in SCORES)
        table.add_row(tracker.name, *values)
    console.print(table, markup=False)
    for name, reason in result.left_out.items():
        console.print(f"left out of every number: {name}: {reason}", style="yellow", markup=False)
    for what, file in (
        ("all numbers", "evaluation.json"),
        ("each sequence", "per_sequence.csv"),
        ("boxes and times", "results"),
        ("report", "report.html"),
    ):
        console.print(f"{what:<16} {folder.path / file}", markup=False)
