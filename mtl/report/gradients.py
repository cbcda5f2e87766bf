"""Gradient flow for readers: a picture, a table for the terminal and a CSV of layer groups."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from rich.box import SIMPLE_HEAD
from rich.table import Table

from mtl.report.curves import INK, STYLE
from mtl.report.trackers import COLORS, DASHES
from mtl.report.values import MISSING, number

MARKERS = "osD^v"


class Angle(NamedTuple):
    """Two tasks' gradients at one place, over batches."""

    cosine: float
    lowest: float
    highest: float
    conflict_rate: float
    """Share of batches with a negative cosine."""


class LayerGradients(NamedTuple):
    """One layer group."""

    name: str
    parameters: int
    """How many numbers it has."""
    norms: Sequence[float | None]
    """Of each task; none where the task was never there."""
    angles: Sequence[Angle | None]
    """Of each pair of tasks; none where one of the gradients was always 0."""


class GradientReport(NamedTuple):
    """What there is to say."""

    tasks: Sequence[str]
    pairs: Sequence[tuple[int, int]]
    """Places in `tasks`."""
    layers: Sequence[LayerGradients]
    """In network order, at least one."""
    overall: LayerGradients
    """All layers together."""

    def pair_names(self) -> list[str]:
        """The pairs as text, `a / b`."""
        return [f"{self.tasks[a]} / {self.tasks[b]}" for a, b in self.pairs]


def ratio(layer: LayerGradients, pair: tuple[int, int]) -> float | None:
    """Norm of a pair's first task over that of its second; none if either is 0 or unknown."""
    first, second = (layer.norms[place] for place in pair)
    return first / second if first and second else None


def terminal_table(report: GradientReport, title: str) -> Table:
    """For `rich`: layers from top to bottom as a picture meets them, then all of them."""
    table = Table(
        title=title,
        title_justify="left",
        title_style="",
        box=SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    table.add_column("layer group", no_wrap=True)
    for task in report.tasks:
        table.add_column(f"norm\n{task}", justify="right", no_wrap=True)
    several = len(report.pairs) > 1
    for name in report.pair_names():
        below = f"\n{name}" if several else ""
        table.add_column(f"ratio{below}", justify="right", no_wrap=True)
        table.add_column(f"cosine{below}\n(min … max)", justify="right", no_wrap=True)
        table.add_column(f"conflict{below}", justify="right", no_wrap=True)
    for layer in report.layers:
        table.add_row(*_cells(report, layer), end_section=layer is report.layers[-1])
    table.add_row(*_cells(report, report.overall), style="bold")
    return table


def _cells(report: GradientReport, layer: LayerGradients) -> list[str]:
    cells = [layer.name, *map(number, layer.norms)]
    for pair, angle in zip(report.pairs, layer.angles, strict=True):
        cells.append(number(ratio(layer, pair)))
        if angle is None:
            cells += [MISSING, MISSING]
        else:
            span = f"({angle.lowest:+.2f} … {angle.highest:+.2f})"
            cells += [f"{angle.cosine:+.3f} {span}", f"{angle.conflict_rate:.0%}"]
    return cells


def as_csv(report: GradientReport) -> str:
    """Plain numbers, a line for each layer group and one for all; empty where unknown."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    fields = ["layer", "parameters", *(f"norm_{task}" for task in report.tasks)]
    for a, b in report.pairs:
        name_of_pair = f"{report.tasks[a]}_{report.tasks[b]}"
        names = ("ratio", "cosine", "cosine_min", "cosine_max", "conflict_rate")
        fields += [f"{name}_{name_of_pair}" for name in names]
    writer.writerow(fields)
    for layer in (*report.layers, report.overall):
        row: list[object] = [layer.name, layer.parameters, *layer.norms]
        for pair, angle in zip(report.pairs, layer.angles, strict=True):
            row += [ratio(layer, pair), *(angle or (None,) * len(Angle._fields))]
        writer.writerow(row)
    return text.getvalue()


def gradient_figure(report: GradientReport, title: str) -> Figure:
    """Norms by layer on a log scale; below, cosines with the range over batches.

    The axis of the cosines is as wide as they need, since they are often close to 0.

    Args:
        report: what was measured.
        title: above the plots.
    """
    names = [layer.name for layer in report.layers]
    with matplotlib.rc_context(STYLE):
        width = max(6.4, 1.6 + 0.55 * len(names))
        figure = Figure(figsize=(width, 5.6), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True)
        _draw_norms(upper, report)
        _draw_cosines(lower, report)
        lower.set_xticks(range(len(names)), names, rotation=35, ha="right", rotation_mode="anchor")
        lower.set_xlim(-0.5, len(names) - 0.5)
        upper.set_title(title, fontsize=11, loc="left", fontweight="bold")
        for axes in (upper, lower):
            axes.spines[["top", "right"]].set_visible(False)
            axes.grid(color="#e6eaee", linewidth=0.8)
            axes.set_axisbelow(True)
            axes.tick_params(which="both", length=0, labelsize=9)
    return figure


def _draw_norms(axes: Axes, report: GradientReport) -> None:
    for place, task in enumerate(report.tasks):
        norms = [layer.norms[place] or float("nan") for layer in report.layers]
        axes.plot(
            range(len(norms)),
            norms,
            color=COLORS[place % len(COLORS)],
            linestyle=DASHES[place % len(DASHES)],
            marker=MARKERS[place % len(MARKERS)],
            markersize=5,
            linewidth=1.8,
            label=task,
        )
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylabel("gradient norm", fontsize=9)
    axes.legend(frameon=False, fontsize=9, ncols=len(report.tasks), loc="best")


def _draw_cosines(axes: Axes, report: GradientReport) -> None:
    count = len(report.pairs)
    for place, name in enumerate(report.pair_names()):
        shift = 0.18 * (place - (count - 1) / 2)
        found = [(x, layer.angles[place]) for x, layer in enumerate(report.layers)]
        known = [(x + shift, angle) for x, angle in found if angle is not None]
        color = INK if count == 1 else COLORS[place % len(COLORS)]
        axes.vlines(
            [x for x, _ in known],
            [angle.lowest for _, angle in known],
            [angle.highest for _, angle in known],
            color=color,
            linewidth=1.2,
            alpha=0.6,
        )
        axes.plot(
            [x for x, _ in known],
            [angle.cosine for _, angle in known],
            color=color,
            linestyle="",
            marker=MARKERS[place % len(MARKERS)],
            markersize=6,
            label=f"{name}: mean and range over batches",
        )
    angles = [angle for layer in report.layers for angle in layer.angles if angle is not None]
    far = max((abs(x) for angle in angles for x in (angle.lowest, angle.highest)), default=1.0)
    limit = min(max(1.5 * far, 0.1), 1.05)
    axes.axhspan(-limit, 0, color="#fbe9e3", zorder=0)
    axes.axhline(0, color="#c4ccd4", linewidth=1, zorder=1)
    axes.set_ylim(-limit, limit)
    axes.yaxis.set_major_formatter("{x:+.2f}")
    axes.annotate(
        "conflict", (0.995, 0.04), xycoords="axes fraction", ha="right", color="#a3502c", fontsize=9
    )
    axes.set_ylabel("cosine", fontsize=9)
    axes.legend(frameon=False, fontsize=9, loc="upper left")
