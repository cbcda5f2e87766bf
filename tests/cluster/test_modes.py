"""Every run mode of both trackers, as whole runs on a real Ray cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.train import main
from mtl.config.load import load
from mtl.config.modes import MODES
from mtl.data.label_writer import write_computed_labels
from mtl.models.model_file import open_model
from tests.cluster.test_train import metrics_of

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]

TRAINED = [mode for mode, traits in MODES.items() if traits.trains]
SHORT = [
    "training.batch_size=8", "training.samples_per_epoch=160", "training.val_samples=16",
    "training.num_threads=1", "cluster.cpus_per_worker=1", "stages.head.epochs=0",
    "stages.full.epochs=2", "evaluation.max_sequences=1",
]  # fmt: skip
EMBEDDED = [
    "data.synthetic.train_sequences=10", "data.synthetic.val_sequences=4",
    "data.synthetic.frames=20", "data.synthetic.width=128", "data.synthetic.height=96",
    "evaluation.splits=[val]",
]  # fmt: skip
# Both trackers at a size that two cores train in seconds.
TINY = {
    "hiptrack": ["demo"],
    "simtrack": ["simtrack_small", "model.search.size=96", "model.template.size=48",
                 "model.backbone.width=64", "model.backbone.depth=2",
                 "model.backbone.num_heads=2", "model.backbone.fovea=32",
                 "model.bottleneck_width=32", "model.box_head_channels=32",
                 "head.hidden_width=64"],
}  # fmt: skip


def train(family: str, mode: str, storage: Path, *words: str) -> Path:
    name = f"{family}-{mode}"
    arguments = [*TINY[family], *SHORT, f"mode={mode}", f"storage={storage}", f"name={name}"]
    assert main([*arguments, *words]) == 0
    return storage / name


def require_falling_condition_loss(run: Path, mode: str) -> None:
    lines = [line for line in metrics_of(run) if line["split"] == "train"]
    assert [line["epoch"] for line in lines] == [1, 2]
    if MODES[mode].answers is None:
        assert all("loss/classification" not in line for line in lines)
        return
    assert lines[1]["loss/classification"] < lines[0]["loss/classification"]


@pytest.mark.slow
def test_two_workers_train_and_their_weights_are_tracked_with_as_they_are(
    local_cluster: str, tmp_path: Path
) -> None:
    words = [*EMBEDDED, "cluster.workers=2"]
    first = train("simtrack", "mtl_soft", tmp_path, *words)
    require_falling_condition_loss(first, "mtl_soft")
    _, config = open_model(first)
    assert config.mode == "mtl_soft"
    assert "tracking" in [line["stage"] for line in metrics_of(first)]
    run = train("simtrack", "pretrained", tmp_path, *EMBEDDED, f"model.init={first}")
    lines = metrics_of(run)
    assert [(line["stage"], line["epoch"]) for line in lines] == [
        ("pretrained", 0), ("tracking", 0),
    ]  # fmt: skip
    best = max((x for x in metrics_of(first) if x["split"] == "val" and x["stage"] == "full"),
               key=lambda x: x["iou"])  # fmt: skip
    assert lines[0]["iou"] == pytest.approx(best["iou"], abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("family", "mode"), [("simtrack", "mtl_film"), ("hiptrack", "mtl_soft")])
def test_two_workers_train_a_mode(
    family: str, mode: str, local_cluster: str, tmp_path: Path
) -> None:
    run = train(family, mode, tmp_path, *EMBEDDED, "cluster.workers=2")
    require_falling_condition_loss(run, mode)


@pytest.mark.slow
@pytest.mark.parametrize("family", TINY)
@pytest.mark.parametrize("mode", TRAINED)
def test_every_mode_trains_on_embedded_data(
    family: str, mode: str, local_cluster: str, tmp_path: Path
) -> None:
    require_falling_condition_loss(train(family, mode, tmp_path, *EMBEDDED), mode)


@pytest.fixture(scope="module")
def real_words(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Real sequences with labels by the computed rules, which nobody annotated otherwise."""
    root = data_root / "tracking"
    labels = tmp_path_factory.mktemp("labels")
    write_computed_labels(str(root), str(labels))
    return [f"data.root={root}", f"data.labels={labels}", "evaluation.splits=[test]"]


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.parametrize("family", TINY)
@pytest.mark.parametrize("mode", TRAINED)
def test_every_mode_trains_on_real_sequences(
    family: str, mode: str, real_words: list[str], local_cluster: str, tmp_path: Path
) -> None:
    require_falling_condition_loss(train(family, mode, tmp_path, *real_words), mode)


@pytest.mark.parametrize("family", TINY)
def test_modes_differ_in_the_config_only(family: str) -> None:
    configs = [load(TINY[family][0], [*TINY[family][1:], f"mode={mode}"]) for mode in MODES]
    dumps = [config.model_dump() for config in configs]
    for dump in dumps:
        dump.pop("mode")
    assert all(dump == dumps[0] for dump in dumps)
