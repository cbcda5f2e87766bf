from __future__ import annotations

import pytest

from tune.config import HalvingConfig
from tune.halving import Halving


def test_rungs_are_whole_epochs_at_equal_shares() -> None:
    assert Halving(HalvingConfig(rungs=(0.25, 0.5)), 9, brackets=False).epochs == (3, 5)


def test_the_first_trial_is_never_stopped() -> None:
    halving = Halving(HalvingConfig(rungs=(0.5,)), 4, brackets=False)
    assert not halving.stops_at(0, 2)
    assert halving.stops_at(1, 2)
    assert not halving.stops_at(1, 3)


def test_no_trial_is_stopped_after_its_last_epoch() -> None:
    assert not Halving(HalvingConfig(rungs=(0.9,)), 4, brackets=False).stops_at(1, 4)


def test_hyperband_takes_turns_in_leaving_out_rungs() -> None:
    halving = Halving(HalvingConfig(rungs=(0.25, 0.5)), 8, brackets=True)
    assert [halving.stops_at(trial, 2) for trial in (3, 4, 5)] == [True, False, False]
    assert [halving.stops_at(trial, 4) for trial in (3, 4, 5)] == [True, True, False]


@pytest.mark.parametrize(
    ("value", "others", "minimize", "passes"),
    [
        (0.1, [], False, True),
        (0.5, [0.4], False, True),
        (0.3, [0.4], False, False),
        (0.3, [0.4], True, True),
        (0.5, [0.6, 0.4, 0.3], False, False),
        (0.5, [0.6, 0.4, 0.3, 0.2, 0.1], False, True),
    ],
)
def test_one_in_three_passes(
    value: float, others: list[float], minimize: bool, passes: bool
) -> None:
    halving = Halving(HalvingConfig(rungs=(0.5,), reduction_factor=3), 10, brackets=False)
    assert halving.passes(value, others, minimize) is passes
