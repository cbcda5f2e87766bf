"""The report of an evaluation: all trackers on the same sequences, in one HTML file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from mtl.evaluation.analysis import Analysis
from mtl.evaluation.curves import Curve, norm_precision_curve, precision_curve, success_curve
from mtl.evaluation.one_pass import SequenceScore, sequence_metrics
from mtl.evaluation.result import EvaluationResult, TrackerResult
from mtl.report.evaluation_conditions import (
    by_condition_section,
    comparison_section,
    condition_figures,
    head_section,
)
from mtl.report.frames import Picture
from mtl.report.html import (
    Html,
    definitions,
    details,
    image,
    join,
    page,
    paragraph,
    section,
    table,
    tag,
    text,
)
from mtl.report.tracker_frames import color_key
from mtl.report.trackers import TrackerCurve, curve_figure, encoded, short
from mtl.report.values import MISSING, label, number
from mtl.report.write import pictures_section

SCORES = ("ao", "sr_50", "sr_75", "success_auc", "precision_20", "norm_precision", "fps")
"""Columns of the table of trackers."""


class CurvePlot(NamedTuple):
    """One of the plots that trackers are compared by."""

    file: str
    title: str
    x_label: str
    curve: Callable[[Sequence[SequenceScore]], Curve]
    score: str
    """Metric in the legend."""
    score_at: float | None = None
    """Threshold at which the metric is taken; none: it is the area under the curve."""


CURVE_PLOTS = (
    CurvePlot("success", "Success", "overlap threshold (IoU)", success_curve, "success_auc"),
    CurvePlot(
        "precision",
        "Precision",
        "centre error threshold, pixels",
        precision_curve,
        "precision_20",
        score_at=20.0,
    ),
    CurvePlot(
        "norm_precision",
        "Normalised precision",
        "centre error threshold, sides of the true box",
        norm_precision_curve,
        "norm_precision",
    ),
)
CURVE_FILES = tuple(plot.file for plot in CURVE_PLOTS)


def evaluation_figures(
    result: EvaluationResult, analysis: Analysis
) -> dict[str, tuple[str, Figure]]:
    """File name without ending -> (what it shows, figure)."""
    figures: dict[str, tuple[str, Figure]] = {}
    if result.num_sequences:
        for plot in CURVE_PLOTS:
            lines = [
                TrackerCurve(t.name, plot.curve(t.scores), t.summary.metrics[plot.score])
                for t in result.trackers
            ]
            figure = curve_figure(lines, plot.title, plot.x_label, "share of frames", plot.score_at)
            figures[plot.file] = (f"{plot.title} of each tracker", figure)
    return figures | condition_figures(analysis)


def evaluation_plots(result: EvaluationResult, analysis: Analysis) -> dict[str, bytes]:
    """PNG files of the plots by file name."""
    return {
        f"{name}.png": encoded(figure, "png")
        for name, (_, figure) in evaluation_figures(result, analysis).items()
    }


def evaluation_page(
    result: EvaluationResult, analysis: Analysis, pictures: Sequence[Picture] = ()
) -> str:
    """The whole report.

    Args:
        result: scores of all trackers.
        analysis: of the same result.
        pictures: tracked frames (`tracker_pictures`).
    """
    *names, last = [short(tracker.name) for tracker in result.trackers]
    title = f"{', '.join(names)} and {last}" if names else last
    figures = evaluation_figures(result, analysis)
    curves = {name: figures.pop(name) for name in list(figures) if name in CURVE_FILES}
    return page(
        f"{title} – evaluation report",
        tag("header", join([paragraph("Evaluation report", "kicker"), tag("h1", text(title))])),
        _warning(result),
        section("Trackers", definitions(_facts(result)), _scores(result)),
        section("Curves", _charts(curves, "charts"), _curves_note(result)),
        comparison_section(analysis),
        by_condition_section(analysis, _charts(figures, "")),
        head_section(analysis),
        pictures_section(pictures, color_key([t.name for t in result.trackers])),
        section("Everything", _sequences(result), _sources(result)),
    )


def _warning(result: EvaluationResult) -> Html:
    notes = []
    if not result.num_sequences:
        notes.append("No frame has a known box after its first, so nothing could be scored.")
    elif result.left_out:
        notes.append(
            f"{len(result.left_out)} sequences are left out of every number, for all trackers; "
            "the reasons stand below."
        )
    notes += [f"{count} left out by the reader: {why}." for why, count in result.skipped.items()]
    return join(paragraph(note, "note") for note in notes)


def _facts(result: EvaluationResult) -> list[tuple[str, str]]:
    return [
        *((name.capitalize(), value) for name, value in result.about.items()),
        ("Sequences", number(result.num_sequences)),
        ("Frames that count", number(result.num_frames)),
        ("Left out", number(len(result.left_out))),
    ]


def _scores(result: EvaluationResult) -> Html:
    rows = [
        (tracker.name, *(number(tracker.summary.metrics.get(name)) for name in SCORES))
        for tracker in result.trackers
    ]
    headers = ("tracker", *map(label, SCORES))
    return Html(
        table("One-pass evaluation", headers, rows, strong=_best(result))
        + paragraph(
            "Started on the first true box and never corrected. First frames and frames "
            "without the target do not count. AO and SR pool the frames of all sequences, "
            "the other scores are means over sequences. Bold: the best of several.",
            "soft",
        )
    )


def _best(result: EvaluationResult) -> set[tuple[int, int]]:
    """(row, column) of the highest value of each score, where there are several to compare."""
    best: set[tuple[int, int]] = set()
    for column, name in enumerate(SCORES, start=1):
        values = [tracker.summary.metrics.get(name, float("nan")) for tracker in result.trackers]
        if len(values) > 1 and np.isfinite(values).any():
            best.add((int(np.nanargmax(values)), column))
    return best


def _charts(figures: dict[str, tuple[str, Figure]], class_name: str) -> Html:
    pictures = (
        image(encoded(figure, "svg"), "image/svg+xml", what, "")
        for what, figure in figures.values()
    )
    return tag("div", join(pictures), class_name) if figures else Html("")


def _curves_note(result: EvaluationResult) -> Html:
    if not result.num_sequences:
        return Html("")
    return paragraph(
        "Means over sequences. In the legends: the area under the success curve, the precision at "
        "20 pixels, the area under the normalised precision curve.",
        "soft",
    )


def _sequences(result: EvaluationResult) -> Html:
    names = [score.name for score in result.trackers[0].scores if score.num_frames]
    overlaps = [_overlap_by_sequence(tracker) for tracker in result.trackers]
    frames = {score.name: score.num_frames for score in result.trackers[0].scores}
    rows = [
        (name, number(frames[name]), *(number(one.get(name)) for one in overlaps)) for name in names
    ]
    headers = ("sequence", "frames", *(short(tracker.name) for tracker in result.trackers))
    parts = [table("AO of each sequence", headers, rows)] if rows else []
    if result.left_out:
        listed = list(result.left_out.items())
        parts.append(table("Left out", ("sequence", "why"), listed))
    return details(f"Sequences ({len(names)})", join(parts)) if parts else Html("")


def _overlap_by_sequence(tracker: TrackerResult) -> dict[str, float]:
    return {s.name: sequence_metrics(s)["ao"] for s in tracker.scores if s.num_frames}


def _sources(result: EvaluationResult) -> Html:
    rows = [(t.name, t.source or MISSING, t.digest) for t in result.trackers]
    return details("Trackers and their weights", table("", ("tracker", "from", "digest"), rows))
