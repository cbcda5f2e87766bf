from __future__ import annotations

import pytest
import torch

from mtl.comparison.peak_memory import peak_memory
from mtl.comparison.variants import variants_of
from mtl.errors import ResourceError

CPU = torch.device("cpu")
TINY = ["model.backbone.depth=1"]


@pytest.mark.slow
def test_a_larger_batch_needs_more_memory_and_the_parent_counts_for_nothing() -> None:
    ballast = torch.ones(300_000_000)  # 1.2 GB of this process
    small, large = (
        peak_memory(
            variants_of("simtrack_small", [*TINY, f"training.batch_size={clips}"])[0].config,
            "training step",
            CPU,
        )
        for clips in (1, 48)
    )
    assert small + 1e8 < large
    assert small < ballast.nbytes


def test_a_work_that_fails_is_one_sentence() -> None:
    config = variants_of("simtrack_small", [*TINY, "training.batch_size=1"])[0].config
    model = config.model.model_copy(update={"search_frames": 10**9})
    with pytest.raises(ResourceError, match=r"memory of a training step failed .*batch_size"):
        peak_memory(config.model_copy(update={"model": model}), "training step", CPU)
