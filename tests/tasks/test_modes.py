"""Every run mode of every tracker on rendered clips, from targets to metrics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mtl.conditions import ATTRIBUTE_NAMES, CONDITIONS, IGNORE
from mtl.config.load import load
from mtl.config.modes import MODES
from mtl.config.schema import SyntheticConfig, TrackerRunConfig
from mtl.data.clips import ClipSampler
from mtl.data.collate import collate
from mtl.data.frame_index import FrameIndex
from mtl.data.index import build_index
from mtl.data.synthetic import render_dataset
from mtl.errors import ConfigError
from mtl.losses.conditions import HardLoss
from mtl.report.conditions import condition_section
from mtl.report.metrics import History
from mtl.tasks.build import build_task
from mtl.tasks.task import Batch, Moment, Task

SIZES = SyntheticConfig(train_sequences=10, val_sequences=1, frames=20, width=128, height=96)
TINY = {
    "hiptrack": [
        "demo", "model.backbone.width=32", "model.backbone.depth=2",
        "model.backbone.elimination_blocks=[1]", "head.hidden_width=32", "head.dropout=0.0",
    ],
    "simtrack": [
        "simtrack_small", "model.search.size=64", "model.template.size=48",
        "model.backbone.width=32", "model.backbone.depth=2", "model.backbone.num_heads=2",
        "model.backbone.fovea=16", "model.bottleneck_width=16", "model.box_head_channels=16",
        "head.hidden_width=32", "head.dropout=0.0",
    ],
}  # fmt: skip
TAUGHT = [mode for mode, traits in MODES.items() if traits.targets]

families = pytest.mark.parametrize("family", TINY)
taught = pytest.mark.parametrize("mode", TAUGHT)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render_dataset(tmp_path_factory.mktemp("data") / "root", SIZES)


@pytest.fixture(scope="module")
def bare_root(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    """The same frames without condition files."""
    folder = tmp_path_factory.mktemp("bare")
    for split in ("train", "val"):
        (folder / split).symlink_to(root / split)
    return folder


def setting(
    family: str, mode: str, root: Path, *words: str
) -> tuple[TrackerRunConfig, FrameIndex, Task]:
    preset, *sizes = TINY[family]
    config = load(preset, [*sizes, f"data.root={root}", f"mode={mode}", *words])
    index = build_index(config.data, "train")
    return config, index, build_task(config, index)


def batch_of(config: TrackerRunConfig, index: FrameIndex, count: int = 8) -> Batch:
    sampler = ClipSampler(
        index, config.model, config.augmentation, config.data, config.seed, training=True
    )
    arrays = collate([sampler.sample(number) for number in range(count)])
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


@families
@taught
def test_every_mode_learns_its_targets(family: str, mode: str, root: Path) -> None:
    config, index, task = setting(family, mode, root)
    batch, moment = batch_of(config, index, 4), Moment(1, training=True)
    torch.manual_seed(0)
    model = task.build_model()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    history = []
    for step in range(30):
        values = task.losses(model, batch, moment).values
        assert all(torch.isfinite(value) for value in values.values())
        total = sum(task.weights[name] * value for name, value in values.items())
        optimizer.zero_grad()
        total.backward()
        if step == 0:
            head = [p.grad for p in model.parts()["condition_head"][0].fc2.parameters()]
            assert all(g is not None and g.abs().sum() > 0 for g in head)
        optimizer.step()
        history.append({name: value.item() for name, value in values.items()})
    assert history[-1]["classification"] < 0.7 * history[0]["classification"]
    if MODES[mode].answers == "attributes":
        assert history[-1]["severity"] < history[0]["severity"]
    else:
        assert "severity" not in history[-1]


@families
@pytest.mark.parametrize("mode", MODES)
def test_metrics_are_those_of_the_mode(family: str, mode: str, root: Path) -> None:
    config, index, task = setting(family, mode, root, f"model.init={root}")
    batch = batch_of(config, index)
    model = task.build_model().eval()
    with torch.no_grad():
        statistics = task.losses(model, batch, Moment(1, training=False)).statistics
    metrics = task.metrics(statistics)
    answers = MODES[mode].answers
    assert ("accuracy" in metrics) == ("confusion" in metrics) == (answers == "classes")
    assert ("attribute_f1" in metrics) == ("severity_mae" in metrics) == (answers == "attributes")
    assert ("loss/classification" in metrics) == bool(answers)
    assert metrics["iou"] >= 0
    if answers == "attributes":
        known = 8 * config.model.search_frames * (len(ATTRIBUTE_NAMES) - 1)  # no glare in v1
        assert statistics["attributes"].sum() == known
        assert metrics["severity_mae"] == pytest.approx(metrics["loss/severity"], rel=1e-5)
        assert "attribute_recall/specular_glare" not in metrics
    if answers == "classes":
        confusion = torch.tensor(metrics["confusion"])
        labels = batch["conditions"].flatten()
        assert confusion.sum(1).tolist() == labels.bincount(minlength=len(CONDITIONS)).tolist()
    place = {"split": "val", "stage": "full", "epoch": 1}
    section = condition_section(History.of([{**place, **metrics}]))
    assert bool(section) == (answers == "classes")


@families
@taught
def test_unlabelled_data_train_the_boxes_of_every_mode(
    family: str, mode: str, bare_root: Path
) -> None:
    config, index, task = setting(family, mode, bare_root)
    batch = batch_of(config, index, 2)
    assert (batch["conditions"] == IGNORE).all()
    model = task.build_model()
    values, statistics = task.losses(model, batch, Moment(1, training=True))
    assert values["classification"].item() == 0
    torch.stack(list(values.values())).sum().backward()
    assert all(p.grad is not None for p in model.parts()["condition_head"][0].fc2.parameters())
    metrics = task.metrics(statistics)
    names = ("accuracy", "attribute_accuracy", "severity_mae", "loss/classification", "confusion")
    assert not set(names) & set(metrics)
    total = sum(task.weights[n] * metrics[f"loss/{n}"] for n in ("giou", "l1"))
    assert metrics["loss/total"] >= total


@families
def test_metrics_of_attributes_are_the_same_however_samples_were_batched(
    family: str, root: Path
) -> None:
    config, index, task = setting(family, "mtl_multilabel", root)
    batch = batch_of(config, index)
    batch["attribute_mask"][0] = 0
    batch["severity_mask"][5:7] = 0
    torch.manual_seed(0)
    model = task.build_model().eval()
    parts = [slice(0, 8), slice(0, 3), slice(3, 8)]
    with torch.no_grad():
        whole, first, second = (
            task.losses(
                model, {k: x[part] for k, x in batch.items()}, Moment(1, training=False)
            ).statistics
            for part in parts
        )
    one = task.metrics(whole)
    two = task.metrics({name: first[name] + second[name] for name in first})
    assert one == pytest.approx(two, rel=1e-4)


def test_severity_weighs_as_part_of_the_condition_loss(root: Path) -> None:
    words = ("loss.cls_weight=0.5", "loss.severity=3.0")
    _, _, task = setting("hiptrack", "mtl_multilabel", root, *words)
    assert task.weights["severity"] == 1.5
    assert task.weights["classification"] == 0.5


@pytest.mark.parametrize("mode", ["mtl_hard", "mtl_soft"])
def test_class_weights_come_from_the_training_split(mode: str, root: Path) -> None:
    config, index, plain = setting("hiptrack", mode, root)
    _, _, weighted = setting("hiptrack", mode, root, "loss.class_weights=true")
    batch = batch_of(config, index)
    model = plain.build_model().eval()
    moment = Moment(1, training=False)
    with torch.no_grad():
        one, two = (task.losses(model, batch, moment) for task in (plain, weighted))
    assert one.values["classification"] != two.values["classification"]
    assert torch.equal(one.values["giou"], two.values["giou"])
    shares = 1 / torch.tensor(np.bincount(index.conditions, minlength=10))
    weights = 10 * shares / shares.sum()
    labels = batch["conditions"].flatten()
    torch.testing.assert_close(
        two.statistics["weight/classification"], weights[labels].sum().double(), rtol=1e-5, atol=0
    )


@pytest.mark.parametrize("mode", ["mtl_hard", "mtl_soft"])
def test_class_weights_without_labels_are_refused(mode: str, bare_root: Path) -> None:
    with pytest.raises(ConfigError, match=r"loss\.class_weights needs condition labels"):
        setting("hiptrack", mode, bare_root, "loss.class_weights=true")


@pytest.mark.parametrize("mode", ["finetune_bbox", "mtl_multilabel"])
def test_modes_without_classes_need_no_class_weights(mode: str, bare_root: Path) -> None:
    setting("hiptrack", mode, bare_root, "loss.class_weights=true")


def test_focal_loss_is_asked_for_by_the_config(root: Path) -> None:
    config, index, task = setting("hiptrack", "mtl_hard", root, "loss.classification=focal")
    batch = batch_of(config, index)
    model = task.build_model().eval()
    moment = Moment(1, training=False)
    with torch.no_grad():
        found = task.losses(model, batch, moment).values["classification"]
        logits = task.forward(model, batch, moment).condition_logits
        wanted = HardLoss(torch.ones(10), gamma=2.0)(logits, batch)["classification"].value
    torch.testing.assert_close(found, wanted)
