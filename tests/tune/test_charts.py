"""Charts of a search's report, as SVG text."""

from __future__ import annotations

import pytest

from tune.charts import Axis, drawn, slice_of


@pytest.mark.parametrize(
    ("raw", "written", "left_out"),
    [
        ([0.02, 0.2, 0.9], ["0.03", "0.1", "0.3"], []),
        ([3e-5, 0.02, 4.0], ["0.0001", "0.01", "1"], ["0.003", "0.3", "3"]),
    ],
)
def test_a_logarithmic_axis_names_no_more_values_than_it_has_room_for(
    raw: list[float], written: list[str], left_out: list[str]
) -> None:
    axis = Axis("rate", "", "", [0.0, 0.5, 1.0])
    chart = drawn(slice_of(axis, [0.1, 0.2, 0.3], raw, log=True, objective="iou"))
    assert all(f">{word}<" in chart for word in written)
    assert not any(f">{word}<" in chart for word in left_out)
