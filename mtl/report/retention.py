"""The table of what is left of each task, as text, as CSV and as one HTML file."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

from mtl.evaluation.retention import Outcome
from mtl.report.html import image, page, paragraph, section, table
from mtl.report.retention_chart import retention_svg
from mtl.report.values import MISSING

LABELS = {
    "joint": "joint, taught",
    "none": "fine-tuning",
    "replay": "replay",
    "ewc": "EWC",
    "lwf": "LwF",
}
"""What readers call the ways."""


class RetentionTable(NamedTuple):
    """Single-task models, the joint run and sequential runs on the same images."""

    run: str
    """Name of the joint run."""
    split: str
    """That was evaluated."""
    metrics: Mapping[str, str]
    """Metric of each task, the tasks in the order in which they were learned."""
    single: Mapping[str, float]
    """Metric of each task's single-task model."""
    outcomes: Sequence[Outcome]

    @property
    def headers(self) -> tuple[str, ...]:
        """Names of the columns."""
        kept = list(self.metrics)[:-1]
        return (
            "method",
            *(self.metrics[task] for task in self.metrics),
            "average",
            *(f"{self.metrics[task]} forgotten" for task in kept),
            "backward transfer",
            "delta_m",
        )

    def rows(self) -> list[tuple[str, list[float | None]]]:
        """Label and values of each row; none where a column has no meaning for it."""
        kept = list(self.metrics)[:-1]
        single = [self.single[task] for task in self.metrics]
        none: list[float | None] = [None] * (len(kept) + 1)
        rows = [("single-task", [*single, fmean(single), *none, 0.0])]
        for outcome in self.outcomes:
            forgotten = outcome.forgetting()
            rows.append(
                (
                    LABELS[outcome.name],
                    [
                        *(outcome.end[task] for task in self.metrics),
                        outcome.average(),
                        *(forgotten.get(task) for task in kept),
                        outcome.backward_transfer(),
                        outcome.delta_m(self.single),
                    ],
                )
            )
        return rows

    def shown(self) -> list[tuple[str, ...]]:
        """The rows as a reader sees them."""
        return [(label, *map(_shown, values)) for label, values in self.rows()]

    @property
    def phase_headers(self) -> tuple[str, ...]:
        """Names of the columns of `phase_rows`."""
        return ("method", "after", *self.metrics.values())

    def phase_rows(self) -> list[tuple[str, str, list[float | None]]]:
        """Label, task just learned and metrics, of every phase; none of tasks not learned yet."""
        return [
            (LABELS[outcome.name], task or "all at once", [found.get(t) for t in self.metrics])
            for outcome in self.outcomes
            for task, found in outcome.phases
        ]

    def phases_shown(self) -> list[tuple[str, ...]]:
        """The phases as a reader sees them."""
        return [(label, after, *map(_shown, found)) for label, after, found in self.phase_rows()]


def retention_csv(found: RetentionTable) -> str:
    """The table with every digit; empty where there is nothing."""
    return _csv(found.headers, [[label, *map(_exact, row)] for label, row in found.rows()])


def phases_csv(found: RetentionTable) -> str:
    """Every task after every phase, with every digit; empty before a task is learned."""
    rows = [[label, after, *map(_exact, row)] for label, after, row in found.phase_rows()]
    return _csv(found.phase_headers, rows)


def retention_page(found: RetentionTable) -> str:
    """One HTML file that opens offline: the table, and each task from phase to phase."""
    order = " → ".join(found.metrics)
    svg = retention_svg(found.metrics, found.single, found.outcomes, LABELS)
    lines = "; ".join(f"{row[0]} {', '.join(row[1:])}" for row in found.shown())
    return page(
        f"Retention: {found.run}",
        section(
            f"What is left of each task: {found.run}",
            paragraph(
                f"Split {found.split}. Learned one after another: {order}, with the steps of a "
                "single-task model each; fine-tuning does nothing against forgetting. Forgotten is "
                "a task's metric right after it was learned minus at the end, backward transfer "
                "minus the mean of that. delta_m is the average relative change against the "
                "single-task models; below 0 is worse. One seed."
            ),
            table("At the end", found.headers, found.shown()),
            table("After each phase", found.phase_headers, found.phases_shown()),
            image(
                svg.encode(),
                "image/svg+xml",
                f"Each task's metric after each phase. At the end: {lines}.",
                "From phase to phase",
            ),
        ),
    )


def _csv(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([headers, *rows])
    return text.getvalue()


def _exact(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else repr(value)


def _shown(value: float | None) -> str:
    if value is None or math.isnan(value):
        return MISSING
    return f"{round(value, 3) + 0.0:.3f}"  # + 0.0: no minus in front of a zero
