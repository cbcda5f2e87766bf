from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mtl.config.load import load
from mtl.config.schema import StageConfig, SyntheticConfig, TrackerRunConfig
from mtl.data.clips import ClipSampler
from mtl.data.collate import collate
from mtl.data.frame_index import FrameIndex
from mtl.data.index import build_index
from mtl.data.synthetic import render_dataset
from mtl.errors import DataError
from mtl.tasks.build import build_task
from mtl.tasks.task import Batch, Moment, Task

SIZES = SyntheticConfig(train_sequences=4, val_sequences=1, frames=20, width=128, height=96)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render_dataset(tmp_path_factory.mktemp("data") / "root", SIZES)


def setting(root: Path, *words: str) -> tuple[TrackerRunConfig, FrameIndex, Task]:
    config = load("demo", [f"data.root={root}", *words])
    index = build_index(config.data, "train")
    return config, index, build_task(config, index)


def batch_of(config: TrackerRunConfig, index: FrameIndex, numbers: range) -> Batch:
    sampler = ClipSampler(
        index, config.model, config.augmentation, config.data, config.seed, training=True
    )
    arrays = collate([sampler.sample(number) for number in numbers])
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def test_metrics_are_the_same_however_samples_were_batched(root: Path) -> None:
    config, index, task = setting(root)
    model = task.build_model().eval()
    parts = [range(8), range(0, 4), range(4, 8)]
    with torch.no_grad():
        whole, first, second = (
            task.losses(model, batch_of(config, index, part), Moment(1, True)).statistics
            for part in parts
        )
    summed = {name: first[name] + second[name] for name in first}
    one, two = task.metrics(whole), task.metrics(summed)
    assert one["confusion"] == two["confusion"]
    assert one["iou"] == pytest.approx(two["iou"], rel=1e-5)
    assert one["loss/l1"] == pytest.approx(two["loss/l1"], rel=1e-5)
    assert one["loss/classification"] == pytest.approx(two["loss/classification"], rel=1e-5)
    names = ("giou", "l1", "location", "classification")
    total = sum(task.weights[name] * one[f"loss/{name}"] for name in names)
    assert one["loss/total"] == pytest.approx(total)


def test_unlabelled_data_train_the_tracker_and_report_no_accuracy(root: Path) -> None:
    config, index, task = setting(root)
    batch = batch_of(config, index, range(4))
    batch["conditions"].fill_(-100)
    model = task.build_model()
    values, statistics = task.losses(model, batch, Moment(1, True))
    assert values["classification"].item() == 0
    sum(values.values()).backward()
    metrics = task.metrics(statistics)
    assert "accuracy" not in metrics
    assert "loss/classification" not in metrics
    assert metrics["iou"] >= 0


def test_validation_eliminates_as_tracking_does_whatever_the_epoch(root: Path) -> None:
    config, index, task = setting(root, "model.backbone.keep_ratio=0.5")
    batch = batch_of(config, index, range(4))
    model = task.build_model().eval()
    with torch.no_grad():
        early = task.losses(model, batch, Moment(1, training=False)).values
        late = task.losses(model, batch, Moment(99, training=False)).values
        training = task.losses(model, batch, Moment(1, training=True)).values
    assert torch.equal(early["l1"], late["l1"])
    assert not torch.equal(early["l1"], training["l1"])


def test_every_learning_parameter_is_in_one_group_at_its_rate(root: Path) -> None:
    _, _, task = setting(root)
    model = task.build_model()
    stage = StageConfig(epochs=1, learning_rate=0.5, backbone_lr_ratio=0.1)
    task.set_mode(model, stage)
    groups = task.parameter_groups(model, stage)
    assert [group["lr"] for group in groups] == [pytest.approx(0.05), 0.5]
    grouped = [p for group in groups for p in group["params"]]
    assert len(grouped) == len({id(p) for p in grouped})
    assert {id(p) for p in grouped} == {id(p) for p in model.parameters() if p.requires_grad}


def test_samples_are_described_by_sequence_and_frame(root: Path) -> None:
    config, index, task = setting(root)
    text = task.describe(batch_of(config, index, range(2)))
    assert any(f"{name}/" in text for name in index.sequence_names)


def test_broken_pictures_stop_the_run_or_are_skipped_and_counted(tmp_path: Path) -> None:
    root = render_dataset(tmp_path / "root", SIZES)
    for number, file in enumerate(sorted(root.glob("train/*/*.jpg"))):
        if number % 3 == 0:
            file.write_bytes(file.read_bytes()[:-200])
    config, index, task = setting(root)
    with pytest.raises(DataError, match=r"0000\d+\.jpg"):
        batch_of(config, index, range(16))
    config, index, task = setting(root, "data.on_error=skip")
    batch = batch_of(config, index, range(16))
    with torch.no_grad():
        statistics = task.losses(task.build_model(), batch, Moment(1, True)).statistics
    assert task.metrics(statistics)["skipped"] > 0
