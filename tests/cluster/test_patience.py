from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from cluster.patience import impatient


def numbers(*delays: float) -> Iterator[int]:
    for number, delay in enumerate(delays):
        time.sleep(delay)
        yield number


def test_a_wait_is_told_once_and_the_items_are_the_same() -> None:
    told: list[str] = []
    assert list(impatient(numbers(0, 0.5, 0, 0.5), told.append, patience_s=0.1)) == [0, 1, 2, 3]
    assert len(told) == 2
    assert told[0].startswith("training has waited 0 s for samples; reading or decoding is too")


def test_time_outside_the_wait_is_nobody_s_fault() -> None:
    told: list[str] = []
    for _ in impatient(numbers(0, 0), told.append, patience_s=0.1):
        time.sleep(0.3)
    assert not told
    assert threading.active_count() < 20


def test_an_error_of_the_data_is_not_followed_by_a_sentence() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    told: list[str] = []
    with pytest.raises(OSError, match="gone"):
        list(impatient(broken(), told.append, patience_s=0.1))
    time.sleep(0.3)
    assert not told
