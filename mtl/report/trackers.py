"""Plots that compare trackers: success and precision curves, scores by condition."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Literal, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from mtl.evaluation.calibration import Calibration
from mtl.evaluation.conditions import Estimate
from mtl.evaluation.curves import Curve
from mtl.report.curves import INK, STYLE
from mtl.report.values import number

COLORS = ("#14639e", "#d9691a", "#2a9d6f", "#a0378c", "#7a6a1f", "#c0392b", "#4a5a6a", "#00a0b0")
"""Of the trackers in their order; begins again after the last."""
DASHES: tuple[str | tuple[int, tuple[float, float]], ...] = ("-", (0, (5, 2)), (0, (2, 1.5)), "-.")
"""Of the lines, so that they are told apart without colour."""


class TrackerCurve(NamedTuple):
    """One line of a plot."""

    name: str
    curve: Curve
    score: float
    """The number in the legend."""


class ConditionBars(NamedTuple):
    """One tracker's scores by condition."""

    name: str
    scores: Sequence[Estimate | None]
    """One for each condition; none where nothing was measured."""
    color: str
    """Its own in every plot (`color_of`)."""


def curve_figure(
    lines: Sequence[TrackerCurve],
    title: str,
    x_label: str,
    y_label: str,
    score_at: float | None = None,
) -> Figure:
    """Curves of all trackers; the legend is ordered by score, best first.

    Args:
        lines: one for each tracker, in the order that decides their colours.
        title: above the plot.
        x_label: what the thresholds are.
        y_label: what the shares are of.
        score_at: threshold at which the scores are taken; none: they are areas under the curves.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4.6, 3.7 + 0.2 * len(lines)), layout="constrained")
        axes = figure.add_subplot()
        if score_at is not None:
            axes.axvline(score_at, color="#8795a1", linewidth=1, linestyle=(0, (1, 2)), zorder=2)
        drawn = []
        for place, line in enumerate(lines):
            (artist,) = axes.plot(
                line.curve.thresholds,
                line.curve.shares,
                color=color_of(place),
                linestyle=DASHES[place % len(DASHES)],
                linewidth=2,
                label=f"[{number(line.score)}]  {short(line.name)}",
                zorder=3 + len(lines) - place,
            )
            drawn.append((line.score, artist))
        drawn.sort(key=lambda pair: -pair[0] if np.isfinite(pair[0]) else np.inf)
        axes.set_xlim(lines[0].curve.thresholds[0], lines[0].curve.thresholds[-1])
        axes.set_ylim(0, 1.02)
        _clean(axes, "both")
        axes.set_title(title, fontsize=11, loc="left", fontweight="bold")
        axes.set_xlabel(x_label, fontsize=9)
        axes.set_ylabel(y_label, fontsize=9)
        figure.legend(
            handles=[artist for _, artist in drawn],
            frameon=False,
            fontsize=9,
            loc="outside lower center",
            handlelength=2.4,
        )
    return figure


def condition_figure(
    trackers: Sequence[ConditionBars], conditions: Sequence[str], title: str, x_label: str
) -> Figure:
    """Scores by condition with their intervals, a group of bars for each condition.

    Args:
        trackers: one for each, from top to bottom.
        conditions: what the groups are called, from top to bottom.
        title: above the plot.
        x_label: name of the score, which lies in [0, 1].
    """
    count, places = len(trackers), np.arange(len(conditions))
    thickness = 0.8 / max(count, 1)
    with matplotlib.rc_context(STYLE):
        height = 1.1 + len(conditions) * max(0.34, 0.13 * count + 0.12)
        figure = Figure(figsize=(7.6, height), layout="constrained")
        axes = figure.add_subplot()
        for place, tracker in enumerate(trackers):
            rows = places - 0.4 + (place + 0.5) * thickness
            measured = [(r, s) for r, s in zip(rows, tracker.scores, strict=True) if s is not None]
            axes.barh(
                [row for row, _ in measured],
                [score.value for _, score in measured],
                height=0.88 * thickness,
                color=tracker.color,
                label=short(tracker.name),
                zorder=2,
            )
            for row, score in measured:
                if score.interval is not None:
                    axes.plot(score.interval, [row, row], color=INK, linewidth=1.1, zorder=3)
        axes.set_yticks(places, conditions)
        axes.set_ylim(len(conditions) - 0.45, -0.55)
        axes.set_xlim(0, 1)
        _clean(axes, "x")
        axes.set_title(title, fontsize=11, loc="left", fontweight="bold")
        axes.set_xlabel(x_label, fontsize=9)
        figure.legend(
            *axes.get_legend_handles_labels(),
            frameon=False,
            fontsize=9,
            ncols=min(count, 4),
            loc="outside lower center",
            handlelength=1.2,
        )
    return figure


def reliability_figure(measured: Calibration, title: str) -> Figure:
    """Accuracy over confidence; on the dashed line a head is right as often as it says."""
    used = measured.counts > 0
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4.2, 3.4), layout="constrained")
        axes = figure.add_subplot()
        share = measured.counts[used] / measured.counts.sum()
        left, width = measured.edges[:-1][used], np.diff(measured.edges)[used]
        axes.bar(left, share, width, align="edge", color="#dde3e8", label="share of frames")
        axes.plot([0, 1], [0, 1], color="#8795a1", linewidth=1, linestyle="--", zorder=2)
        axes.plot(
            measured.confidence[used],
            measured.accuracy[used],
            color=color_of(0),
            marker="o",
            markersize=4,
            label="accuracy",
            zorder=3,
        )
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        _clean(axes, "both")
        axes.set_title(title, fontsize=11, loc="left", fontweight="bold")
        axes.set_xlabel("confidence", fontsize=9)
        axes.legend(frameon=False, fontsize=9, loc="upper left")
    return figure


def encoded(figure: Figure, kind: Literal["svg", "png"]) -> bytes:
    """A figure as the bytes of a file, the same ones for the same numbers."""
    with matplotlib.rc_context(STYLE):
        if kind == "svg":
            FigureCanvasSVG(figure)
            text = io.StringIO()
            figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
            return text.getvalue().encode("utf-8")
        FigureCanvasAgg(figure)
        data = io.BytesIO()
        figure.savefig(data, format="png", dpi=160, metadata={"Software": None})
        return data.getvalue()


def color_of(place: int) -> str:
    """Colour of a tracker by its place in the evaluation."""
    return COLORS[place % len(COLORS)]


def short(name: str) -> str:
    """A tracker's name that fits a legend."""
    return name if len(name) <= 28 else f"{name[:14]}…{name[-13:]}"


def _clean(axes: Axes, grid: Literal["both", "x"]) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis=grid, color="#e6eaee", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=9)
