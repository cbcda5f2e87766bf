from __future__ import annotations

import numpy as np
import pytest

from mtl.errors import ShapeError
from mtl.evaluation.bootstrap import ratio_intervals


def test_equal_seeds_give_equal_intervals_and_others_nearly() -> None:
    rng = np.random.default_rng(1)
    counts = rng.integers(20, 200, 40)
    sums = (rng.uniform(0.3, 0.8, 40) * counts)[:, None]
    first, again, other = (ratio_intervals(sums, counts, seed) for seed in (0, 0, 1))
    assert first == again != other
    np.testing.assert_allclose(first, other, atol=0.01)


def test_sequences_that_agree_have_no_spread_whatever_their_lengths() -> None:
    counts = np.array([1, 10, 100])
    (interval,) = ratio_intervals(counts[:, None] * 0.25, counts) or []
    assert interval == pytest.approx((0.25, 0.25))


def test_the_interval_is_that_of_the_mean_for_equal_lengths() -> None:
    values = np.random.default_rng(5).normal(0.5, 0.1, 100)
    (interval,) = ratio_intervals(values[:, None] * 50, np.full(100, 50), resamples=4000) or []
    margin = 1.96 * values.std() / np.sqrt(100)
    assert interval == pytest.approx((values.mean() - margin, values.mean() + margin), abs=2e-3)


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(9)
    inside = 0
    for trial in range(200):
        values = rng.uniform(0, 1, 40)
        (interval,) = ratio_intervals(values[:, None], np.ones(40), trial, resamples=500) or []
        inside += interval.low <= 0.5 <= interval.high
    assert 0.88 <= inside / 200 <= 0.99


def test_one_sequence_has_no_interval() -> None:
    assert ratio_intervals(np.array([[3.0]]), np.array([5])) is None


@pytest.mark.parametrize(
    ("sums", "counts"),
    [(np.ones((2, 1)), np.ones(3)), (np.ones(2), np.ones(2)), (np.ones((2, 1)), np.array([1, 0]))],
)
def test_what_does_not_fit_is_refused(sums: np.ndarray, counts: np.ndarray) -> None:
    with pytest.raises(ShapeError, match="with counts above 0"):
        ratio_intervals(sums, counts)
