"""Where trials are placed, on a disk that is as large as a test says."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from mtl.errors import ResourceError
from mtl.families import family_of
from mtl.families.footprint import disk_need
from tests.tune.made import study_of
from tune.placement import Placement
from tune.plan import place
from tune.study import Study


def placed(study: Study, left: int) -> Placement:
    base = study.space.base
    indices = family_of(base).indices()
    return place(study.search, base, indices, study.folder, left, Console(quiet=True))


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """A search of unified trials, one at a time, on a disk for exactly two of them."""
    words = ["concurrent_trials=1", "run.data.synthetic.train_images=8", "trials=5"]
    words += ["run.data.synthetic.val_images=4"]
    study = study_of(tmp_path / "s", *words, preset="unified_demo")
    base = study.space.base
    need = disk_need(base)
    assert need.runs == 4  # three teachers and their student
    free = need.needed + 4 * need.weight_bytes
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=free))
    nodes = [{"Alive": True, "Resources": {"CPU": 4.0}}]
    monkeypatch.setattr("ray.nodes", lambda: nodes)
    monkeypatch.setattr("ray.cluster_resources", lambda: {"object_store_memory": 2.0**30})
    return study


def test_every_run_of_a_trial_takes_disk(study: Study) -> None:
    with pytest.raises(ResourceError, match=r"4 x 2 checkpoints .* and 20 x"):
        placed(study, 5)


def test_a_resumption_asks_for_the_disk_of_what_is_left(study: Study) -> None:
    assert placed(study, 2).concurrent == 1
