"""Curves over epochs as SVG text, the same bytes for the same numbers."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mtl.report.values import number

INK, FAINT = "#22303c", "#8795a1"
STYLE: dict[Any, Any] = {
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "mtl",
    "font.family": "sans-serif",
    "font.sans-serif": ["Segoe UI", "Helvetica Neue", "Arial", "DejaVu Sans", "sans-serif"],
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": "#c4ccd4",
    "axes.labelcolor": FAINT,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
}


class Line(NamedTuple):
    """One line of a chart."""

    label: str
    points: Sequence[tuple[int, float]]
    """(epoch, value), at least one."""
    color: str
    dashed: bool = False


class Mark(NamedTuple):
    """A value picked out on a chart."""

    position: int
    value: float
    below: bool
    """Whether its label goes below it (where the curve is high) or above."""


class Level(NamedTuple):
    """A value to compare a curve with."""

    name: str
    value: float


def curve_svg(
    lines: Sequence[Line],
    stages: Sequence[tuple[str, int]],
    unit_interval: bool = False,
    mark: Mark | None = None,
    level: Level | None = None,
) -> str:
    """One chart over epochs as SVG text.

    Args:
        lines: what to draw; each has at least one point.
        stages: (name, first epoch); every stage after the first gets a dashed line.
        unit_interval: whether values lie in [0, 1] and the axis shows all of it.
        mark: a point that gets a ring and its value.
        level: drawn as a dotted line.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(3.75, 2.45), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        for line in lines:
            _draw(axes, line)
        _scale(axes, lines, unit_interval)
        _stages(axes, stages)
        if level is not None:
            axes.axhline(level.value, color=FAINT, linewidth=1, linestyle=":", zorder=1)
            axes.annotate(
                f"{level.name} {number(level.value)}",
                (1, level.value),
                xycoords=("axes fraction", "data"),
                xytext=(-2, 3),
                textcoords="offset points",
                ha="right",
                color=FAINT,
                fontsize=8.5,
            )
        if mark is not None:
            _mark(axes, mark)
        if len(lines) > 1:
            axes.legend(
                frameon=False,
                fontsize=9,
                ncols=len(lines),
                loc="upper left",
                bbox_to_anchor=(0, -0.13),
                borderaxespad=0.2,
                handlelength=1.4,
                columnspacing=1.1,
            )
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return file.getvalue()


def _draw(axes: Axes, line: Line) -> None:
    axes.plot(
        [x for x, _ in line.points],
        [y for _, y in line.points],
        label=line.label,
        color=line.color,
        linewidth=1.8,
        linestyle="--" if line.dashed else "-",
        marker="o" if len(line.points) <= 30 else None,
        markersize=5 if len(line.points) == 1 else 3,
        zorder=3,
    )


def _scale(axes: Axes, lines: Sequence[Line], unit_interval: bool) -> None:
    values = [y for line in lines for _, y in line.points]
    positions = [x for line in lines for x, _ in line.points]
    if unit_interval:
        axes.set_ylim(0, 1)
    elif min(values) >= 0:
        axes.set_ylim(0, max(values) * 1.08 or 1.0)
    pad = max(0.5, 0.02 * (max(positions) - min(positions)))
    axes.set_xlim(min(positions) - pad, max(positions) + pad)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    if 0 < max(map(abs, values)) < 0.01:
        axes.yaxis.set_major_formatter("{x:g}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e6eaee", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=9)
    axes.set_xlabel("epoch", fontsize=9, loc="right")


def _stages(axes: Axes, stages: Sequence[tuple[str, int]]) -> None:
    left, right = axes.get_xlim()
    starts = [max(left, start - 0.5) for _, start in stages]
    for (name, _), start, end in zip(stages, starts, [*starts, right][1:], strict=True):
        if start > left:
            axes.axvline(start, color=FAINT, linewidth=1, linestyle=(0, (3, 3)), zorder=1)
        if len(stages) > 1 and (end - start) / (right - left) > 0.02 * len(name):
            axes.annotate(
                name,
                (start, 1),
                xycoords=("data", "axes fraction"),
                xytext=(3, 3),
                textcoords="offset points",
                color=FAINT,
                fontsize=8.5,
            )


def _mark(axes: Axes, mark: Mark) -> None:
    axes.plot(
        mark.position,
        mark.value,
        marker="o",
        markersize=9,
        markerfacecolor="none",
        markeredgecolor=INK,
        markeredgewidth=1.2,
        zorder=4,
    )
    left, right = axes.get_xlim()
    bottom, top = axes.get_ylim()
    late = (mark.position - left) / (right - left) > 0.8
    height = (mark.value - bottom) / (top - bottom)
    below = height > 0.75 or (mark.below and height > 0.2)
    axes.annotate(
        f"best {number(mark.value)}",
        (mark.position, mark.value),
        xytext=(4 if late else 0, -17 if below else 9),
        textcoords="offset points",
        ha="right" if late else "center",
        fontsize=9,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.8},
        zorder=5,
    )
