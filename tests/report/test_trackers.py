from __future__ import annotations

import numpy as np
import pytest

from mtl.evaluation.bootstrap import Interval
from mtl.evaluation.calibration import calibration
from mtl.evaluation.conditions import Estimate
from mtl.evaluation.curves import Curve
from mtl.report.trackers import (
    ConditionBars,
    TrackerCurve,
    color_of,
    condition_figure,
    curve_figure,
    encoded,
    reliability_figure,
    short,
)

THRESHOLDS = np.linspace(0.0, 1.0, 21)


def curves(*scores: float) -> list[TrackerCurve]:
    return [
        TrackerCurve(f"tracker_{i}", Curve(THRESHOLDS, np.maximum(score - THRESHOLDS, 0)), score)
        for i, score in enumerate(scores)
    ]


def test_the_legend_is_ordered_by_score_and_colours_by_place() -> None:
    figure = curve_figure(curves(0.3, 0.9, 0.6), "Success", "threshold", "share")
    (legend,) = figure.legends
    texts = [text.get_text() for text in legend.get_texts()]
    assert texts == ["[0.900]  tracker_1", "[0.600]  tracker_2", "[0.300]  tracker_0"]
    assert [line.get_color() for line in figure.axes[0].get_lines()] == [
        color_of(0),
        color_of(1),
        color_of(2),
    ]


def test_the_threshold_of_a_score_is_marked() -> None:
    figure = curve_figure(curves(0.3), "Precision", "pixels", "share", score_at=0.4)
    marker, line = figure.axes[0].get_lines()
    assert list(marker.get_xdata()) == [0.4, 0.4]
    assert len(line.get_xdata()) == len(THRESHOLDS)


def test_a_plot_of_nothing_measured_is_drawn() -> None:
    empty = TrackerCurve("none", Curve(THRESHOLDS, np.full(21, np.nan)), float("nan"))
    assert b"[NaN]" in encoded(curve_figure([empty], "Success", "t", "share"), "svg")


def test_bars_have_their_intervals_where_there_are_some() -> None:
    bars = ConditionBars(
        "a",
        [Estimate(0.5, Interval(0.4, 0.7)), Estimate(0.2, None), None],
        color_of(3),
    )
    figure = condition_figure([bars], ["one", "two", "three"], "AO", "AO")
    (axes,) = figure.axes
    assert [patch.get_width() for patch in axes.patches] == [0.5, 0.2]
    (line,) = axes.get_lines()
    np.testing.assert_array_equal(line.get_xdata(), [0.4, 0.7])


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_equal_numbers_give_equal_bytes(kind: str) -> None:
    def make() -> bytes:
        return encoded(curve_figure(curves(0.4), "t", "x", "y"), kind)  # type: ignore[arg-type]

    assert make() == make()


def test_text_from_outside_stays_text() -> None:
    hostile = TrackerCurve("<script>$x$", Curve(THRESHOLDS, THRESHOLDS), 0.5)
    picture = encoded(curve_figure([hostile], "t", "x", "y"), "svg")
    assert b"<script>" not in picture
    assert b"&lt;script&gt;$x$" in picture


def test_calibration_shows_only_bins_with_answers() -> None:
    measured = calibration(np.array([[0.9, 0.1], [0.8, 0.2], [0.35, 0.65]]), np.array([0, 1, 1]))
    assert measured is not None
    figure = reliability_figure(measured, "Calibration")
    assert len(figure.axes[0].patches) == int((measured.counts > 0).sum())


def test_long_names_are_shortened_in_the_middle() -> None:
    assert short("hiptrack") == "hiptrack"
    name = "a" * 20 + "b" * 20
    assert len(short(name)) == 28
    assert short(name).startswith("aaaa")
    assert short(name).endswith("bbbb")
