from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from rich.console import Console

from mtl.report.gradients import (
    Angle,
    GradientReport,
    LayerGradients,
    as_csv,
    gradient_figure,
    ratio,
    terminal_table,
)
from mtl.report.trackers import encoded

FIRST = LayerGradients("embedding", 12, [2.0, 0.5], [Angle(-0.25, -0.5, 0.125, 0.75)])
DEAD = LayerGradients("block 0", 30, [3.0, 0.0], [None])
ALL = LayerGradients("all shared", 42, [3.5, 0.5], [Angle(0.1, 0.1, 0.1, 0.0)])
REPORT = GradientReport(["tracking", "conditions"], [(0, 1)], [FIRST, DEAD], ALL)


def test_csv_has_plain_numbers_and_nothing_where_nothing_is_known() -> None:
    rows = list(csv.DictReader(as_csv(REPORT).splitlines()))
    assert [row["layer"] for row in rows] == ["embedding", "block 0", "all shared"]
    assert rows[0] == {
        "layer": "embedding",
        "parameters": "12",
        "norm_tracking": "2.0",
        "norm_conditions": "0.5",
        "ratio_tracking_conditions": "4.0",
        "cosine_tracking_conditions": "-0.25",
        "cosine_min_tracking_conditions": "-0.5",
        "cosine_max_tracking_conditions": "0.125",
        "conflict_rate_tracking_conditions": "0.75",
    }
    assert rows[1]["norm_conditions"] == "0.0"
    assert {rows[1][name] for name in rows[1] if name.endswith("_tracking_conditions")} == {""}


@pytest.mark.parametrize(
    ("norms", "expected"), [([1.0, 4.0], 0.25), ([1.0, 0.0], None), ([None, 1.0], None)]
)
def test_ratio_of_norms(norms: Any, expected: float | None) -> None:
    assert ratio(FIRST._replace(norms=norms), (0, 1)) == expected


def test_the_table_fits_80_columns_with_every_heading_whole() -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(terminal_table(REPORT, "a title"))
    text = console.export_text()
    for word in ("layer group", "tracking", "conditions", "ratio", "cosine", "conflict"):
        assert word in text
    (line,) = (line for line in text.splitlines() if "embedding" in line)
    assert line.split() == [
        "embedding",
        "2.000",
        "0.500",
        "4.000",
        "-0.250",
        "(-0.50",
        "…",
        "+0.12)",
        "75%",
    ]
    (line,) = (line for line in text.splitlines() if "block 0" in line)
    assert line.split() == ["block", "0", "3.000", "0.000", "–", "–", "–"]


def test_the_figure_draws_norms_on_a_log_scale_and_cosines_with_their_range() -> None:
    figure = gradient_figure(REPORT, "a title")
    upper, lower = figure.axes
    assert upper.get_yscale() == "log"
    drawn = {str(line.get_label()): list(line.get_ydata()) for line in upper.lines}
    assert drawn["tracking"] == [2.0, 3.0]
    assert drawn["conditions"][0] == 0.5
    assert [text.get_text() for text in lower.get_xticklabels()] == ["embedding", "block 0"]
    assert list(lower.lines[0].get_ydata()) == [-0.25]
    (span,) = lower.collections[0].get_segments()
    assert span[:, 1].tolist() == [-0.5, 0.125]
    assert encoded(figure, "png").startswith(b"\x89PNG")
    assert encoded(gradient_figure(REPORT, "a title"), "png") == encoded(figure, "png")


def test_three_tasks_name_their_pairs() -> None:
    angles = [Angle(0.5, 0.5, 0.5, 0.0), None, Angle(-1.0, -1.0, -1.0, 1.0)]
    layer = LayerGradients("embedding", 1, [1.0, 2.0, 4.0], angles)
    report = GradientReport(["a", "b", "c"], [(0, 1), (0, 2), (1, 2)], [layer], layer)
    assert "conflict_rate_b_c" in as_csv(report).splitlines()[0]
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(terminal_table(report, ""))
    assert "b / c" in console.export_text()
    assert len(gradient_figure(report, "").axes[1].get_legend().get_texts()) == 3
