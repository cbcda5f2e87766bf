"""The same training by another number of workers."""

from __future__ import annotations

import numpy as np
import pytest

from mtl.config.load import load
from mtl.errors import ConfigError
from mtl.training.numbers import training_numbers

ELASTIC = ["cluster.workers=[1,4]", "training.batch_size=24", "training.samples_per_epoch=96"]


@pytest.mark.parametrize(
    ("count", "accumulate", "micro_batch"), [(1, 8, 3), (2, 4, 3), (3, 4, 2), (4, 2, 3)]
)
def test_fewer_workers_take_more_micro_batches_that_are_no_larger(
    count: int, accumulate: int, micro_batch: int
) -> None:
    config = load("demo", [*ELASTIC, "training.accumulate=2"])
    placed = config.of_workers(count)
    assert (placed.cluster.fewest, placed.cluster.most) == (count, count)
    training = placed.training
    assert (training.batch_size, training.accumulate) == (24, accumulate)
    shares = [
        training_numbers(2, 4, training.batch_size, training.accumulate, rank, count)
        for rank in range(count)
    ]
    assert {share.shape for share in shares} == {(2 * accumulate, micro_batch)}
    steps = np.stack([share.reshape(2, -1) for share in shares], axis=1).reshape(2, -1)
    assert np.array_equal(np.sort(steps, axis=1), np.arange(48, 96).reshape(2, 24))


def test_a_fixed_number_of_workers_stays_as_it_is() -> None:
    config = load("demo", ["cluster.workers=2", "training.accumulate=4"])
    assert (config.cluster.fewest, config.cluster.most) == (2, 2)
    assert config.of_workers(2) == config


@pytest.mark.parametrize(
    ("words", "size"),
    [
        (["cluster.workers=3"], 15),
        (["cluster.workers=[1,4]"], 12),
        (["cluster.workers=[2,8]"], 840),
        (["cluster.workers=[2,4]", "training.accumulate=4"], 48),
    ],
)
def test_a_batch_that_workers_cannot_share_is_refused_with_one_that_they_can(
    words: list[str], size: int
) -> None:
    with pytest.raises(
        ConfigError, match=rf"batch_size 16 .*; training\.batch_size={size} would do"
    ):
        load("demo", words)
    assert load("demo", [*words, f"training.batch_size={size}"]).training.batch_size == size


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["cluster.gpus_per_worker=0.5", "cluster.workers=2"], "give each a whole one, or set"),
        (["cluster.gpus_per_worker=0.5", *ELASTIC], "on which NCCL exchanges no gradients"),
        (["cluster.gpus_per_worker=1.5"], "a share of one GPU or a whole number, got 1.5"),
    ],
)
def test_workers_that_would_share_a_gpu_are_refused(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        load("demo", words)
    assert message in str(error.value)


@pytest.mark.parametrize("gpus", [0.25, 1, 2])
def test_a_worker_alone_may_have_a_share_of_a_gpu(gpus: float) -> None:
    assert load("demo", [f"cluster.gpus_per_worker={gpus}"]).cluster.gpus_per_worker == gpus
