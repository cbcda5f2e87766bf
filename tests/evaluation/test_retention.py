"""Forgetting and Delta-m of an outcome, by hand."""

from __future__ import annotations

import math

import pytest

from mtl.evaluation.retention import Outcome

SINGLE = {"seg": 0.5, "det": 0.2, "cls": 0.8}
FORGETFUL = Outcome(
    "none",
    [
        ("seg", {"seg": 0.5}),
        ("det", {"seg": 0.3, "det": 0.1}),
        ("cls", {"seg": 0.1, "det": 0.15, "cls": 0.8}),
    ],
)


def test_forgetting_is_the_value_after_the_own_phase_minus_the_end() -> None:
    assert FORGETFUL.forgetting() == pytest.approx({"seg": 0.4, "det": -0.05})


def test_backward_transfer_is_minus_the_mean_of_what_was_forgotten() -> None:
    assert FORGETFUL.backward_transfer() == pytest.approx(-(0.4 - 0.05) / 2)


def test_the_average_is_that_of_all_tasks_at_the_end() -> None:
    assert FORGETFUL.average() == pytest.approx((0.1 + 0.15 + 0.8) / 3)


def test_delta_m_is_the_mean_relative_change_against_single_tasks() -> None:
    # seg -0.4 / 0.5, det -0.05 / 0.2, cls 0
    assert FORGETFUL.delta_m(SINGLE) == pytest.approx((-0.8 - 0.25 + 0.0) / 3)


def test_what_was_learned_at_once_forgets_nothing() -> None:
    assert Outcome("joint", [("", SINGLE)]).forgetting() == {}
    assert Outcome("joint", [("", SINGLE)]).backward_transfer() is None
    assert Outcome("joint", [("", SINGLE)]).delta_m(SINGLE) == 0.0


def test_delta_m_is_unknown_where_a_single_task_has_nothing_to_compare_with() -> None:
    assert math.isnan(FORGETFUL.delta_m({**SINGLE, "det": 0.0}))
