"""Every task's metric from phase to phase as SVG text, the same bytes for the same numbers."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from mtl.evaluation.retention import Outcome
from mtl.report.curves import FAINT, INK, STYLE

COLORS = ("#0b6e99", "#c0392b", "#2e8b57", "#d08a00", "#7b4fa3")
"""Of the ways, in their order."""
MARKERS = "Dosv^"


def retention_svg(
    metrics: Mapping[str, str],
    single: Mapping[str, float],
    outcomes: Sequence[Outcome],
    labels: Mapping[str, str],
) -> str:
    """A panel for each task: its metric after each phase, from the one that learned it on.

    Args:
        metrics: metric of each task, the tasks in the order in which they were learned.
        single: metric of each task's single-task model, a dashed line.
        outcomes: a line each, or of all tasks at once a point at the end.
        labels: what readers call the ways.
    """
    tasks = list(metrics)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(3.1 * len(tasks), 3.0), layout="constrained")
        FigureCanvasSVG(figure)
        panels = figure.subplots(1, len(tasks), squeeze=False)[0]
        for axes, task in zip(panels, tasks, strict=True):
            _panel(axes, task, tasks, single[task], outcomes, labels)
            axes.set_title(metrics[task], loc="left", fontsize=10)
        figure.legend(
            *panels[0].get_legend_handles_labels(),
            loc="outside lower center",
            ncols=len(outcomes) + 1,
            frameon=False,
            fontsize=9,
        )
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return file.getvalue()


def _panel(
    axes: Axes,
    task: str,
    tasks: Sequence[str],
    single: float,
    outcomes: Sequence[Outcome],
    labels: Mapping[str, str],
) -> None:
    last = len(tasks) - 1
    axes.axhline(single, color=FAINT, linewidth=1.2, linestyle="--", label="single-task")
    for outcome, color, marker in zip(outcomes, COLORS, MARKERS, strict=False):
        at_once = len(outcome.phases) == 1
        points = [
            (last if at_once else place, found[task])
            for place, (_, found) in enumerate(outcome.phases)
            if task in found
        ]
        axes.plot(
            *zip(*points, strict=True),
            label=labels[outcome.name],
            color=color,
            marker=marker,
            markersize=5,
            linewidth=0 if at_once else 1.6,
            zorder=3,
        )
    axes.set_xlim(-0.3, last + 0.3)
    axes.set_xticks(range(last + 1), tasks)
    axes.set_xlabel("after learning", fontsize=9, color=INK)
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e6eaee", linewidth=0.8)
    axes.tick_params(length=0, labelsize=9)
