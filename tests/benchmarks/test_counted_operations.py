"""Operations of a step are counted alike on every device, whatever kernel attends there."""

from __future__ import annotations

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from mtl.config.load import load
from tests.benchmarks.gpu_speed import work
from tests.benchmarks.scaling import measured
from tests.benchmarks.step_flops import step_flops


def test_attention_counts_as_the_two_products_it_is() -> None:
    """A fused kernel of the CPU counts nothing by itself, one of a GPU what it computes again."""
    by_itself = measured(["demo"], 2, 600).flops_per_sample
    with sdpa_kernel(SDPBackend.MATH):
        assert by_itself == measured(["demo"], 2, 600).flops_per_sample


def test_both_tables_count_alike() -> None:
    config, cpu = load("demo", []), torch.device("cpu")
    task, batch = work(config, 2, cpu)
    model = task.build_model()
    stage = list(config.running_stages.values())[-1]
    task.set_mode(model, stage)
    task.parameter_groups(model, stage)
    counted = step_flops(task, model, batch) / 2
    assert counted == measured(["demo"], 2, 600).flops_per_sample
