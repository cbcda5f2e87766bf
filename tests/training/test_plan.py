from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mtl.config.load import load
from mtl.config.schema import CosineSchedule, StepSchedule
from mtl.training.numbers import training_numbers, validation_numbers
from mtl.training.plan import plan_of


def test_stages_follow_each_other_without_a_gap() -> None:
    plan = plan_of(load("demo", ["stages.head.epochs=2", "stages.full.epochs=3"]))
    head, full = plan.stages
    assert (head.first_step, head.last_step) == (0, 2 * plan.steps_per_epoch)
    assert full.first_step == head.last_step
    assert plan.num_steps == full.last_step == 5 * plan.steps_per_epoch


def test_a_stage_without_epochs_is_left_out() -> None:
    plan = plan_of(load("demo", ["stages.head.epochs=0"]))
    assert [stage.name for stage in plan.stages] == ["full"]


def test_step_schedule_drops_after_its_share_of_epochs() -> None:
    schedule = StepSchedule(drop_at_ratio=0.8)
    factors = [schedule.factor(step, 50, 10) for step in range(50)]
    assert factors[:40] == [1.0] * 40
    assert factors[40:] == [0.1] * 10


@pytest.mark.parity
def test_step_schedule_is_the_published_one(reference_root: Path) -> None:
    published = json.loads((reference_root / "hiptrack" / "schedule.json").read_text())
    rates = next(v for k, v in published.items() if k.startswith("lr") or "learning" in k)
    schedule = StepSchedule(drop_at_ratio=0.8)
    ours = [rates[0] * schedule.factor(epoch, len(rates), 1) for epoch in range(len(rates))]
    np.testing.assert_allclose(ours, rates, rtol=1e-12)


def test_cosine_schedule_warms_up_and_ends_at_its_final_ratio() -> None:
    schedule = CosineSchedule(warmup_ratio=0.1, final_ratio=0.2)
    factors = [schedule.factor(step, 100, 10) for step in range(101)]
    assert factors[0] == pytest.approx(0.1)
    assert max(factors) == pytest.approx(1.0)
    assert factors[100] == pytest.approx(0.2)
    assert factors[10:] == sorted(factors[10:], reverse=True)


@pytest.mark.parametrize(("world", "accumulate"), [(1, 1), (2, 1), (1, 4), (2, 2), (4, 2)])
def test_every_split_of_a_batch_trains_the_same_samples(world: int, accumulate: int) -> None:
    shares = [training_numbers(3, 7, 16, accumulate, rank, world) for rank in range(world)]
    for step in range(4):
        seen = [s[step * accumulate : (step + 1) * accumulate].ravel() for s in shares]
        expected = np.arange((3 + step) * 16, (4 + step) * 16)
        np.testing.assert_array_equal(np.sort(np.concatenate(seen)), expected)


def test_numbers_go_on_where_they_were_interrupted() -> None:
    whole = training_numbers(0, 10, 8, 2, 1, 2)
    rest = training_numbers(4, 10, 8, 2, 1, 2)
    np.testing.assert_array_equal(whole[8:], rest)


@pytest.mark.parametrize("world", [1, 2, 3])
def test_validation_sees_every_sample_once(world: int) -> None:
    batches = [validation_numbers(10, 4, rank, world) for rank in range(world)]
    seen = np.concatenate([b for share in batches for b in share])
    np.testing.assert_array_equal(np.sort(seen), np.arange(10))
