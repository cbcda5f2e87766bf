"""Charts of a search as SVG text, the same bytes for the same numbers."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from mtl.report.curves import FAINT, INK, STYLE

SEA, SAND, GRASS = "#14639e", "#d0812a", "#3b8c5a"
COLORS = colormaps["viridis"]
WIDE = 1000.0
"""Ratio of a logarithmic axis' ends from which on it has room for powers of ten only."""


class Axis(NamedTuple):
    """A parameter's values on a line from 0 to 1."""

    name: str
    low: str
    """What is written at 0."""
    high: str
    """What is written at 1."""
    places: Sequence[float | None]
    """Of each trial; none: it does not have the parameter."""
    ticks: Sequence[tuple[float, str]] = ()
    """Names in between, of choices."""


def drawn(draw: Callable[[Axes], None], width: float = 3.75, height: float = 2.6) -> str:
    """One chart as SVG text."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(length=0, labelsize=9)
        axes.set_axisbelow(True)
        draw(axes)
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return file.getvalue()


def best_so_far(
    finished: Sequence[tuple[float, float]], objective: str, minimize: bool
) -> Callable[[Axes], None]:
    """Best value over the epochs that all trials had trained by then."""

    def draw(axes: Axes) -> None:
        costs = [cost for cost, _ in finished]
        values = np.array([value for _, value in finished])
        best = np.minimum.accumulate(values) if minimize else np.maximum.accumulate(values)
        axes.plot(costs, values, "o", color=FAINT, markersize=4, label="a finished trial")
        axes.step(costs, best, where="post", color=SEA, linewidth=1.8, label="best so far")
        axes.set_xlabel("epochs trained by all trials", fontsize=9, loc="right")
        axes.set_ylabel(objective, fontsize=9)
        axes.grid(axis="y", color="#e6eaee", linewidth=0.8)
        axes.legend(frameon=False, fontsize=9, loc="lower right" if not minimize else "upper right")

    return draw


def intermediate(
    curves: Sequence[tuple[int, dict[int, float], bool]],
    rungs: Sequence[int],
    best: int | None,
    metric: str,
) -> Callable[[Axes], None]:
    """Every trial's watched metric by epoch; stopped ones dashed, the best one in colour."""

    def draw(axes: Axes) -> None:
        for number, points, stopped in curves:
            mine = number == best
            axes.plot(
                list(points),
                list(points.values()),
                color=SEA if mine else (SAND if stopped else FAINT),
                linewidth=2.2 if mine else 1.1,
                linestyle="--" if stopped else "-",
                marker="o",
                markersize=2.5,
                zorder=4 if mine else 3,
            )
        for rung in rungs:
            axes.axvline(rung, color=INK, linewidth=0.9, linestyle=(0, (2, 3)), zorder=1)
            axes.annotate(
                "rung",
                (rung, 1),
                xycoords=("data", "axes fraction"),
                xytext=(3, -2),
                textcoords="offset points",
                va="top",
                fontsize=8.5,
                color=FAINT,
            )
        axes.set_xlabel("epoch", fontsize=9, loc="right")
        axes.set_ylabel(metric, fontsize=9)
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
        axes.grid(axis="y", color="#e6eaee", linewidth=0.8)

    return draw


def parallel(axes_of: Sequence[Axis], ranks: Sequence[float], best: int) -> Callable[[Axes], None]:
    """A line through each finished trial's values; `ranks` in [0, 1], 1 the best."""

    def draw(axes: Axes) -> None:
        for trial in np.argsort(ranks):
            points = [
                (x, place)
                for x, axis in enumerate(axes_of)
                if (place := axis.places[trial]) is not None
            ]
            axes.plot(
                [x for x, _ in points],
                [y for _, y in points],
                color=COLORS(0.95 * ranks[trial]) if trial != best else SAND,
                linewidth=2.4 if trial == best else 1.1,
                alpha=1.0 if trial == best else 0.8,
            )
        for x, axis in enumerate(axes_of):
            axes.axvline(x, color="#c4ccd4", linewidth=1, zorder=1)
            for place, word in axis.ticks or ((0.0, axis.low), (1.0, axis.high)):
                axes.annotate(
                    word,
                    (x, place),
                    xytext=(3, 0),
                    textcoords="offset points",
                    fontsize=8,
                    color=INK,
                    va="center",
                    bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.5},
                )
        axes.set_xticks(range(len(axes_of)), [axis.name for axis in axes_of], rotation=20)
        axes.set_yticks([])
        axes.set_ylim(-0.06, 1.06)
        axes.set_xlim(-0.15, len(axes_of) - 1 + 0.45)
        axes.spines[:].set_visible(False)

    return draw


def bars(pairs: Sequence[tuple[str, float]]) -> Callable[[Axes], None]:
    """Shares by name, the greatest on top."""

    def draw(axes: Axes) -> None:
        names = [name for name, _ in reversed(pairs)]
        shares = [share for _, share in reversed(pairs)]
        axes.barh(names, shares, color=SEA, height=0.6)
        for place, share in enumerate(shares):
            axes.annotate(
                f"{share:.2f}",
                (share, place),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize=9,
            )
        axes.set_xlim(0, max(shares) * 1.18 or 1.0)
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)

    return draw


def slice_of(
    axis: Axis, values: Sequence[float | None], raw: Sequence[Any], log: bool, objective: str
) -> Callable[[Axes], None]:
    """The objective over one parameter, darker the later the trial."""

    def draw(axes: Axes) -> None:
        shown = [i for i, x in enumerate(raw) if axis.places[i] is not None]
        numbers = not axis.ticks
        xs: list[Any] = [raw[i] if numbers else axis.places[i] for i in shown]
        ys: list[Any] = [values[i] for i in shown]
        shades = [0.25 + 0.7 * i / max(1, len(raw) - 1) for i in shown]
        axes.scatter(
            xs, ys, c=shades, cmap="Blues", vmin=0, vmax=1, s=22, zorder=3,
            edgecolors="#14639e", linewidths=0.5,
        )  # fmt: skip
        if numbers and log:
            axes.set_xscale("log")
            wide = max(xs, default=1.0) > WIDE * min(xs, default=1.0)
            axes.xaxis.set_major_locator(LogLocator(10, subs=(1.0,) if wide else (1.0, 3.0)))
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_formatter(NullFormatter())
        if not numbers:
            axes.set_xticks([place for place, _ in axis.ticks], [word for _, word in axis.ticks])
            axes.set_xlim(-0.1, 1.1)
        axes.set_xlabel(axis.name, fontsize=9)
        axes.set_ylabel(objective, fontsize=9)
        axes.grid(axis="y", color="#e6eaee", linewidth=0.8)
        axes.tick_params(which="both", length=0, labelsize=8)

    return draw


def contour(
    first: Axis, second: Axis, values: Sequence[float], objective: str
) -> Callable[[Axes], None]:
    """The objective between finished trials over two parameters, on their scaled axes."""

    def draw(axes: Axes) -> None:
        shown = [
            i
            for i in range(len(values))
            if first.places[i] is not None and second.places[i] is not None
        ]
        points = np.array([(first.places[i], second.places[i]) for i in shown], dtype=float)
        heights = np.array([values[i] for i in shown])
        grid = np.linspace(0, 1, 60)
        squared = (grid[None, :, None] - points[:, 0]) ** 2 + (
            grid[:, None, None] - points[:, 1]
        ) ** 2
        weights = 1 / (squared + 1e-3) ** 2
        surface = (weights * heights).sum(axis=-1) / weights.sum(axis=-1)
        filled = axes.contourf(grid, grid, surface, levels=12, cmap="viridis")
        axes.scatter(
            points[:, 0], points[:, 1], s=14, color="white", edgecolors=INK, linewidths=0.6
        )
        for axis, place in ((first, axes.set_xticks), (second, axes.set_yticks)):
            ticks = axis.ticks or ((0.0, axis.low), (1.0, axis.high))
            place([position for position, _ in ticks], [word for _, word in ticks])
        axes.set_xlabel(first.name, fontsize=9)
        axes.set_ylabel(second.name, fontsize=9)
        bar = axes.figure.colorbar(filled, ax=axes)
        bar.ax.tick_params(length=0, labelsize=8)
        bar.outline.set_visible(False)
        bar.set_label(objective, fontsize=9)

    return draw


def front(
    points: Sequence[tuple[float, float]], best: Sequence[int], names: Sequence[str]
) -> Callable[[Axes], None]:
    """Two objectives of all finished trials; those on the front in colour, joined."""

    def draw(axes: Axes) -> None:
        axes.plot(*zip(*points, strict=True), "o", color=FAINT, markersize=4)
        chosen = sorted(points[i] for i in best)
        lines = LineCollection([chosen], colors=SEA, linewidths=1.2)
        axes.add_collection(lines)
        axes.plot(*zip(*chosen, strict=True), "o", color=SEA, markersize=6)
        axes.set_xlabel(names[0], fontsize=9)
        axes.set_ylabel(names[1], fontsize=9)
        axes.grid(color="#e6eaee", linewidth=0.8)

    return draw
