from __future__ import annotations

import pytest

from mtl.report.values import duration, number


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (0, "0"),
        (0.0, "0.000"),
        (0.64712, "0.647"),
        (38.604, "38.60"),
        (123.45, "123.5"),
        (13312, "13\u202f312"),
        (1e-4, "1e-4"),
        (-2.5e-5, "-2.5e-5"),
        (float("nan"), "NaN"),
        (float("inf"), "∞"),
    ],
)
def test_a_number_is_shown_at_a_precision_worth_reading(value: float | None, shown: str) -> None:
    assert number(value) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "–"),
        (4.21, "4.2 s"),
        (61, "1 min 01 s"),
        (3599.7, "1 h 00 min"),
        (7265, "2 h 01 min"),
    ],
)
def test_a_duration_is_shown_in_its_largest_units(seconds: float | None, shown: str) -> None:
    assert duration(seconds) == shown
