"""What ways of searching reach, read from what searches leave."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mtl.errors import DataError
from tests.tune.made import carry_on, study_of
from tune.charts import drawn
from tune.compared import WAYS, Course, drawn_courses, read_course, shares, shares_across
from tune.results import write_trials


def course(way: str, epochs: list[int], values: list[float], total: int, seed: int = 1) -> Course:
    return Course(way, seed, tuple(epochs), tuple(values), total)


def test_a_stopped_trial_costs_what_it_trained_and_has_no_value(tmp_path: Path) -> None:
    study = study_of(tmp_path / "search", "trials=3", "startup_trials=2")
    for values in (
        [0.1, 0.2, 0.4, 0.5, 0.5, 0.5],
        [0.1, 0.1, 0.1, 0.9],
        [0.2, 0.3, 0.5, 0.6, 0.6, 0.7],
    ):
        number, _ = study.begin()  # type: ignore[misc]
        carry_on(study, number, values)
    write_trials(study)
    found = read_course(study.folder, "tpe_asha", 1, minimize=False)
    assert found == course("tpe_asha", [6, 15], [0.5, 0.7], 15)


def test_a_search_of_which_nothing_finished_is_named(tmp_path: Path) -> None:
    study = study_of(tmp_path / "search", "trials=1")
    number, _ = study.begin()  # type: ignore[misc]
    study.failed(number, "no luck")
    write_trials(study)
    with pytest.raises(DataError, match=f"no trial of {study.folder} finished"):
        read_course(study.folder, "random", 1, minimize=False)


def test_a_smaller_value_is_better_where_it_is_minimised(tmp_path: Path) -> None:
    study = study_of(
        tmp_path / "search", "trials=1", "objectives=[{value: iou, direction: minimize}]"
    )
    number, _ = study.begin()  # type: ignore[misc]
    carry_on(study, number, [0.4] * 6)
    write_trials(study)
    assert read_course(study.folder, "random", 1, minimize=True).values == (-0.4,)


def test_a_share_is_the_cost_of_reaching_what_chance_reached() -> None:
    random = course("random", [6, 12, 18, 24], [0.3, 0.6, 0.5, 0.55], 24)
    fast = course("tpe_asha", [6, 9, 15], [0.3, 0.59, 0.6], 20)
    slow = course("tpe", [6, 12], [0.3, 0.5], 12)
    assert shares([random, fast, slow], "tpe_asha") == {1: 15 / 24}
    assert shares([random, fast, slow], "tpe") == {1: np.inf}
    assert shares([random, fast, slow], "random") == {1: 0.5}


def test_across_seeds_a_search_is_compared_with_every_other_seed_of_chance() -> None:
    courses = [
        course("random", [6, 12], [0.3, 0.6], 12, seed=1),
        course("random", [6, 12], [0.4, 0.2], 12, seed=2),
        course("random", [6, 12], [0.5, 0.9], 12, seed=3),
        course("tpe_asha", [3, 6], [0.4, 0.7], 6, seed=1),
        course("tpe_asha", [3, 6], [0.6, 0.7], 6, seed=2),
    ]
    assert shares_across(courses, "tpe_asha") == [3 / 12, np.inf, 3 / 12, np.inf]
    assert shares_across(courses[:1] + courses[3:4], "tpe_asha") == []


def test_the_best_so_far_is_unknown_until_a_trial_finishes() -> None:
    best = course("random", [6, 12], [0.3, 0.2], 12).best_at(np.array([5, 6, 11, 12, 30]))
    np.testing.assert_array_equal(best, [np.nan, 0.3, 0.3, 0.3, 0.3])


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_chart_names_every_way(sign: float) -> None:
    courses = [
        course(way.name, [6, 12], [sign * 0.3, sign * 0.4], 12, seed)
        for way in WAYS
        for seed in (1, 2)
    ]
    chart = drawn(drawn_courses(courses, sign, "iou"))
    assert all(f">{way.name}<" in chart for way in WAYS)
    fewer = drawn(drawn_courses([c for c in courses if c.way != "tpe"], sign, "iou"))
    assert ">tpe_asha<" in fewer
    assert ">tpe<" not in fewer
