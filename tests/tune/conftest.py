"""The session's Ray cluster, and a search over a run of seconds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.cluster.conftest import local_cluster
from tune.load import base_run, load
from tune.space import Space

__all__ = ["local_cluster"]

TINY = [
    "run.preset=demo",
    "run.data.synthetic.train_sequences=10", "run.data.synthetic.val_sequences=4",
    "run.data.synthetic.frames=20", "run.data.synthetic.width=128",
    "run.data.synthetic.height=96",
    "run.training.batch_size=8", "run.training.samples_per_epoch=16",
    "run.training.val_samples=8", "run.stages.head.epochs=1", "run.stages.full.epochs=3",
    "run.training.num_threads=1", "run.evaluation.max_sequences=1", "run.loss.cls_weight=0.5",
    "startup_trials=2", "reruns.top=0", "concurrent_trials=1",
]  # fmt: skip


@pytest.fixture
def space_of() -> Callable[..., Space]:
    """Makes the space of a search from words over the demo search."""

    def make(*words: str, preset: str = "demo") -> Space:
        search = load(preset, words)
        return Space(search.space, base_run(search))

    return make
