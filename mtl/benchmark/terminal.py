"""What an evaluation prints: progress on the way, tables at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from mtl.benchmark.folder import EvaluationFolder
from mtl.benchmark.run import Progress
from mtl.conditions import CONDITIONS
from mtl.evaluation.analysis import Analysis
from mtl.evaluation.comparison import Difference
from mtl.evaluation.conditions import SubsetScore
from mtl.evaluation.result import EvaluationResult
from mtl.report.evaluation_conditions import (
    estimate_text,
    frames_text,
    signed_interval_text,
)
from mtl.report.values import MISSING, number, words

HEADINGS = {
    "ao": "AO",
    "sr_50": "SR .50",
    "sr_75": "SR .75",
    "success_auc": "AUC",
    "precision_20": "P@20",
    "norm_precision": "NP",
    "fps": "FPS",
}
"""Columns of the table of trackers, short enough for a terminal of 80 columns."""

HEAD_HEADINGS = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced",
    "ece": "ECE",
    "brier": "Brier",
}
"""Columns of the table of condition heads."""

FILE_WIDTH = 160
"""Columns of a table that does not go to a terminal."""


def evaluation_console() -> Console:
    """A console whose tables are not squeezed where nobody looks through a window."""
    console = Console(highlight=False, soft_wrap=True)
    if console.is_terminal:
        return console
    return Console(highlight=False, soft_wrap=True, width=FILE_WIDTH)


class ProgressBar:
    """A bar on a terminal; elsewhere a line for each tenth of the work."""

    def __init__(
        self, console: Console, doing: str = "tracking", done: str = "sequences tracked"
    ) -> None:
        self._console = console
        self._done = done
        self._bar = Bar(
            TextColumn(doing),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[sequence]}"),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task("", total=None, sequence="")
        self._tenth: int | None = None

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
        if self._tenth not in (None, tenth) and not self._console.is_terminal:
            self._console.print(f"{done} of {total} {self._done}", markup=False)
        self._tenth = tenth


def print_result(
    console: Console, folder: EvaluationFolder, result: EvaluationResult, analysis: Analysis
) -> None:
    """Print tables of trackers, conditions and comparisons, and where everything lies."""
    print_rows(
        console,
        f"{result.num_sequences} sequences, {result.num_frames} frames of {result.about['root']}",
        ("tracker", *HEADINGS.values()),
        [
            (tracker.name, *(number(tracker.summary.metrics.get(name)) for name in HEADINGS))
            for tracker in result.trackers
        ],
    )
    by_label = {k: t.by_label for k, t in analysis.trackers.items() if t.by_label}
    by_prediction = {k: t.by_prediction for k, t in analysis.trackers.items() if t.by_prediction}
    _print_conditions(console, "AO by labelled condition", by_label)
    _print_conditions(console, "AO by the condition that the tracker's head said", by_prediction)
    _print_heads(console, analysis)
    _print_comparisons(console, analysis)
    for name, reason in result.left_out.items():
        console.print(f"left out of every number: {name}: {reason}", style="yellow", markup=False)
    for what, file in (
        ("all numbers", "evaluation.json"),
        ("each sequence", "per_sequence.csv"),
        ("boxes and times", "results"),
        ("report", "report.html"),
    ):
        console.print(f"{what:<16} {folder.path / file}", markup=False)


def print_rows(
    console: Console, title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    """Print a table whose first column names the rows; nothing without rows."""
    if not rows:
        return
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for place, heading in enumerate(headings):
        table.add_column(
            heading,
            justify="right" if place else "left",
            no_wrap=place == 0,
            overflow="fold",
        )
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)


def _print_heads(console: Console, analysis: Analysis) -> None:
    """How well each head told the labelled condition; classes one by one stand in the report."""
    rows = [
        (name, number(head.frames), *(number(head.metrics[key]) for key in HEAD_HEADINGS))
        for name, tracker in analysis.trackers.items()
        if (head := tracker.head) is not None
    ]
    headings = ("tracker", "labelled frames", *HEAD_HEADINGS.values())
    print_rows(console, "condition heads", headings, rows)


def _print_comparisons(console: Console, analysis: Analysis) -> None:
    """The first comparison by condition; of the others, for which the report is there, a line."""
    headings = ("seq.", "AO A", "AO B", "95 % of B - A", "verdict on B")
    for (first, other), comparison in list(analysis.comparisons.items())[:1]:
        rows = [] if comparison.overall is None else [_difference("all frames", comparison.overall)]
        rows += [_difference(words(k), v) for k, v in comparison.by_condition.items()]
        print_rows(console, f"{other} (B) against {first} (A)", ("condition", *headings), rows)
    others = [
        _difference(other, comparison.overall)
        for (_, other), comparison in list(analysis.comparisons.items())[1:]
        if comparison.overall is not None
    ]
    first = next(iter(analysis.trackers))
    print_rows(console, f"others (B) against {first} (A)", ("B", *headings), others)


def _difference(what: str, difference: Difference) -> tuple[str, ...]:
    """A line short enough for 80 columns; the report has more."""
    return (
        what,
        number(difference.sequences),
        number(difference.ao_a),
        number(difference.ao_b),
        signed_interval_text(difference.interval) or MISSING,
        difference.verdict,
    )


def _print_conditions(
    console: Console, title: str, scores: Mapping[str, Mapping[str, SubsetScore]]
) -> None:
    shown = [name for name in CONDITIONS if any(name in one for one in scores.values())]
    rows = []
    for name in shown:
        found = [one.get(name) for one in scores.values()]
        values = (estimate_text(None if one is None else one.metrics["ao"]) for one in found)
        rows.append((words(name), frames_text(found), *values))
    print_rows(console, title, ("condition", "frames", *scores), rows)
