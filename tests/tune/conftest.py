"""The session's Ray cluster, and a search over a run of seconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from tests.cluster.conftest import local_cluster
from tune.load import base_run, load
from tune.search import main
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
    "startup_trials=2", "reruns.top=0", "concurrent_trials=1", "halving.rungs=[0.5]",
]  # fmt: skip


@pytest.fixture
def space_of() -> Callable[..., Space]:
    """Makes the space of a search from words over the demo search."""

    def make(*words: str, preset: str = "demo") -> Space:
        search = load(preset, words)
        return Space(search.space, base_run(search))

    return make


def study_in(folder: Path) -> optuna.Study:
    """The study as optuna-dashboard opens it."""
    storage = JournalStorage(JournalFileBackend(str(folder / "study.journal")))
    return optuna.load_study(study_name=folder.name, storage=storage)


@pytest.fixture(scope="session")
def searched(local_cluster: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search of three trials that nothing interrupted."""
    storage = tmp_path_factory.mktemp("searches")
    words = ["trials=3", "reruns.top=1", "reruns.seeds=1", "name=three"]
    assert main([*TINY, *words, f"storage={storage}"]) == 0
    return storage / "three"
