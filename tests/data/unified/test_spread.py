"""Which images of a long set are looked at."""

from __future__ import annotations

import numpy as np
import pytest

from mtl.data.unified.spread import spread_rows


def test_classes_that_follow_each_other_are_all_seen_alike() -> None:
    labels = np.sort(np.arange(3925) % 10)  # in the order of Imagenette's folders
    counts = np.bincount(labels[spread_rows(3925, 1000)], minlength=10)
    assert np.abs(counts - 100).max() <= 2
    assert (np.bincount(labels[spread_rows(3925, 20)], minlength=10) >= 1).all()


@pytest.mark.parametrize("period", [2, 4, 10])
def test_a_set_in_turns_is_not_seen_at_one_turn_only(period: int) -> None:
    turns = np.arange(4000) % period
    counts = np.bincount(turns[spread_rows(4000, 400)], minlength=period)
    assert counts.min() > 0.5 * 400 / period


@pytest.mark.parametrize(("length", "count"), [(7, 3), (10, 9), (100, 64), (5, 1)])
def test_images_are_seen_once_in_the_order_of_the_set_and_always_the_same(
    length: int, count: int
) -> None:
    rows = spread_rows(length, count)
    assert len(rows) == count
    assert 0 <= rows[0] <= rows[-1] < length
    assert (np.diff(rows) > 0).all()
    np.testing.assert_array_equal(rows, spread_rows(length, count))


@pytest.mark.parametrize("count", [5, 6, 1000])
def test_a_set_that_fits_is_seen_whole(count: int) -> None:
    assert spread_rows(5, count).tolist() == [0, 1, 2, 3, 4]
