"""What the model answers about a split, as statistics and as metrics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mtl.config.unified_run import UnifiedRunConfig
from mtl.families.unified import UnifiedFamily
from mtl.losses.assignment import Objects, assign
from mtl.models.unified import UnifiedOutput
from mtl.models.unified.grid import DetectionGrid
from mtl.tasks.task import Batch
from mtl.tasks.unified import sides_of
from mtl.tasks.unified_answers import UnifiedAnswers, learned_together, score_of
from tests.data.unified.set_files import box, write_coco, write_folders, write_voc
from tests.training.unified_runs import config_of, tensors

SURE = 12.0
BOXES = [
    *(box(10, [4, 6, 20, 12]), box(10, [40, 20, 16, 24], 7), box(11, [10, 10, 30, 30], 3)),
    *(box(12, [0, 0, 9, 9]), box(12, [30, 30, 30, 15], 7), box(13, [20, 5, 25, 35], 3)),
]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> UnifiedRunConfig:
    """Sets of four, three and four images of 64 x 48, of which the network sees squares."""
    root = tmp_path_factory.mktemp("sets")
    for split in ("train", "val"):
        write_coco(root / "det", BOXES, split=split)
        write_voc(root / "seg", split=split)
        write_folders(root / "cls", split=split)
    return config_of(
        f"data.det_root={root}/det", f"data.seg_root={root}/seg", f"data.cls_root={root}/cls",
        "model.num_det_classes=3", "model.num_seg_classes=21", "model.num_cls_classes=2",
        "training.batch_size=2", "teachers.batch_size=2",
    )  # fmt: skip


def answers_of(config: UnifiedRunConfig) -> UnifiedAnswers:
    index = UnifiedFamily(config).indices().val
    return UnifiedAnswers(config.model, index, sides_of(config))


def val_batch(config: UnifiedRunConfig, *numbers: int) -> Batch:
    family = UnifiedFamily(config)
    sampler = family.sampler(family.indices().val, training=False)
    return tensors([sampler.sample(number) for number in numbers])


def ideal(config: UnifiedRunConfig, batch: Batch) -> dict[str, UnifiedOutput]:
    """Raw maps that say what is true."""
    model, count, nothing = config.model, len(batch["sample"]), torch.zeros(0)
    empty = DetectionGrid.of_raw(torch.zeros(count, model.det_channels, 4, 4), model.num_boxes)
    image, row = torch.where(batch["det_classes"] >= 0)
    boxes, labels = batch["det_boxes_xywh"][image, row], batch["det_classes"][image, row]
    side = config.data.sizes.det
    found = assign(
        Objects(boxes, labels, image), empty, (side, side), "first_free", model.boxes.center_span
    )
    det = found.to_map().clamp(1e-5, 1 - 1e-5).logit()
    mask = batch["seg_mask"].long()
    mask = mask.where(mask < model.num_seg_classes, 0)
    seg = SURE * F.one_hot(mask, model.num_seg_classes).movedim(-1, 1).float()
    cls = F.one_hot(batch["cls_label"].clamp(min=0), 2)[:, :, None, None].float()
    return {
        "det": UnifiedOutput(det, nothing, nothing),
        "seg": UnifiedOutput(nothing, seg, nothing),
        "cls": UnifiedOutput(nothing, nothing, cls),
    }


def asked(config: UnifiedRunConfig, *numbers: int) -> dict[str, np.ndarray]:
    batch = val_batch(config, *numbers)
    found = answers_of(config).statistics(ideal(config, batch), batch)
    return {task: sums.numpy() for task, sums in found.items()}


def test_ideal_maps_have_ideal_metrics_in_the_frame_of_the_files(
    config: UnifiedRunConfig,
) -> None:
    sums = asked(config, 0, 1, 2, 3)
    metrics = {n: x.value for n, x in answers_of(config).metrics(sums, resamples=0).items()}
    for name in ("map", "map_50", "miou", "top1"):
        assert metrics[name] == pytest.approx(1.0), name
    assert score_of(metrics) == pytest.approx(1.0)
    (found,) = [row[:4] for row in sums["det"][0] if row[5] == 1 and row[4] > 0.9]
    np.testing.assert_allclose(found, [4, 6, 20, 12], atol=0.1)


def test_images_that_were_not_looked_at_count_neither_way(config: UnifiedRunConfig) -> None:
    sums = asked(config, 0, 1)
    metrics = answers_of(config).metrics(sums, resamples=0)
    for name in ("map", "miou", "top1"):
        assert metrics[name].value == pytest.approx(1.0), name


def test_a_short_validation_is_held_against_what_it_looked_at(config: UnifiedRunConfig) -> None:
    training = config.training.model_copy(update={"val_samples": 2})
    short = config.model_copy(update={"training": training})
    sums = asked(short, 0, 1)
    assert {task: len(values) for task, values in sums.items()} == {"det": 2, "seg": 2, "cls": 2}
    assert sums["cls"].tolist() == [1, 2]  # one of each class, which follow each other in the set
    metrics = answers_of(short).metrics(sums, resamples=0)
    for name in ("map", "miou", "top1"):
        assert metrics[name].value == pytest.approx(1.0), name


@pytest.mark.parametrize(("most", "rows"), [(None, 32), (3, 3), (400, 32)])
def test_no_more_rows_are_kept_than_boxes_can_be_found(
    config: UnifiedRunConfig, most: int | None, rows: int
) -> None:
    """Of 100 for each of three classes: 4 x 4 cells have two boxes each."""
    boxes = config.model.boxes.model_copy(update={"max_boxes": most})
    model = config.model.model_copy(update={"boxes": boxes})
    short = config.model_copy(update={"model": model})
    sums = asked(short, 0, 1, 2, 3)["det"]
    assert sums.shape == (4, rows, 6)
    behind = np.zeros((4, 300 - rows, 6))
    behind[..., 4] = -1.0
    answers = answers_of(short)
    found = answers.metrics({"det": sums}, resamples=20)
    wanted = answers.metrics({"det": np.concatenate([sums, behind], axis=1)}, resamples=20)
    assert found.keys() == wanted.keys()
    for name, one in wanted.items():
        np.testing.assert_equal(found[name].value, one.value, name)
        np.testing.assert_equal(found[name].interval(), one.interval(), name)


def test_an_image_full_of_boxes_of_no_score_was_looked_at(config: UnifiedRunConfig) -> None:
    sums = asked(config, 0, 1, 2, 3)["det"]
    sums[1, :, 4], sums[1, :, 5] = 0.0, 1.0
    metrics = answers_of(config).metrics({"det": sums}, resamples=0)
    assert metrics["map"].value < 0.9


def test_an_image_with_no_box_found_was_looked_at(config: UnifiedRunConfig) -> None:
    whole = asked(config, 0, 1, 2, 3)
    blind = whole["det"].copy()
    blind[1] = 0.0
    blind[1, :, 4] = -1.0
    metrics = answers_of(config).metrics({"det": blind}, resamples=0)
    assert metrics["map"].value < 0.9
    blind[1] = 0.0
    metrics = answers_of(config).metrics({"det": blind}, resamples=0)
    assert metrics["map"].value == pytest.approx(1.0)


def test_a_merged_background_is_compared_as_such(config: UnifiedRunConfig, tmp_path: Path) -> None:
    merged = config_of(
        f"data.seg_root={config.data.seg_root}", "model.num_seg_classes=20",
        "model.background=merged", "train_type=seg", "training.batch_size=2",
    )  # fmt: skip
    batch = val_batch(merged, 0, 1, 2)
    targets = (batch["seg_mask"].long() - 1).clamp(min=0)
    targets = targets.where(targets < 20, 0)
    seg = SURE * F.one_hot(targets, 20).movedim(-1, 1).float()
    nothing = torch.zeros(0)
    answers = answers_of(merged)
    sums = answers.statistics({"seg": UnifiedOutput(nothing, seg, nothing)}, batch)["seg"].numpy()
    metrics = answers.metrics({"seg": sums}, resamples=0)
    assert metrics["miou_merged"].value == pytest.approx(1.0)
    assert metrics["miou"].value < 1.0  # aeroplanes are not told from the background


def test_the_score_is_the_mean_of_what_was_measured() -> None:
    assert score_of({"map": 0.2, "miou": 0.4, "top1": 0.9, "map_50": 0.7}) == pytest.approx(0.5)
    assert score_of({"miou": 0.4}) == pytest.approx(0.4)
    assert score_of({"loss/total": 0.4}) is None


def with_regions(config: UnifiedRunConfig, least: float | None) -> UnifiedRunConfig:
    boxes = config.model.boxes.model_copy(update={"least_region": least, "max_boxes": None})
    model = config.model.model_copy(update={"boxes": boxes, "background": "own"})
    return config.model_copy(update={"model": model})


def boxes_in(config: UnifiedRunConfig, together: dict[str, list[str]], said: int) -> np.ndarray:
    """(R, 6) of the first image, of whose pixels the left half says this class, without cells."""
    batch, side = val_batch(config, 0), config.data.sizes.det
    det = torch.full((1, config.model.det_channels, 4, 4), -SURE)
    seg = torch.zeros(1, 21, 4, 4)
    seg[:, 0] = SURE
    seg[:, said, :, :2] = 2 * SURE
    index = UnifiedFamily(config).indices().val
    answers = UnifiedAnswers(config.model, index, {"det": side}, together)
    rows = answers.answers("det", UnifiedOutput(det, seg, torch.zeros(0)), batch)[0]
    return rows[rows[:, 5] > 0].numpy()


def test_a_region_of_pixels_is_a_box_of_the_class_of_that_name(config: UnifiedRunConfig) -> None:
    names = {"det": ["boat", "buoy", "Motor-Bike"], "seg": ["background", "sky", "motorcycle"]}
    rows = boxes_in(with_regions(config, 0.01), names, said=2)
    x, y, width, height, score, label = rows[0]
    assert (x, y, label) == (0, 0, 3)
    assert (width, height) == (pytest.approx(32, abs=1), 48)  # of 64 x 48, none of it beside
    assert score > 0.9
    assert (rows[1:, 4] < 0.01).all()


@pytest.mark.parametrize(
    ("least", "names", "said"),
    [
        (0.6, {"det": ["a", "b", "c"], "seg": ["x", "a"]}, 1),
        (0.01, {"det": ["a", "b", "c"], "seg": ["x", "a", "y"]}, 2),
        (0.01, {"det": ["a", "x", "c"], "seg": ["x", "a"]}, 0),
        (0.01, {"det": ["a", "b", "c"]}, 1),
        (None, {"det": ["a", "b", "c"], "seg": ["x", "a"]}, 1),
    ],
    ids=["too small", "no such boxes", "background", "pixels not learned", "not wanted"],
)
def test_there_is_no_box_of_a_region(
    config: UnifiedRunConfig, least: float | None, names: dict[str, list[str]], said: int
) -> None:
    rows = boxes_in(with_regions(config, least), names, said)
    assert len(rows) == 32
    assert (rows[:, 4] < 0.01).all()


def test_phases_that_follow_each_other_are_not_learned_together(config: UnifiedRunConfig) -> None:
    names = {"det": ["a"], "seg": ["a"], "cls": ["a"]}
    assert list(learned_together(config, names)) == ["det", "seg", "cls"]
    assert list(learned_together(config, {"det": ["a"]})) == ["det"]
    for method in ("none", "replay"):
        retention = config.retention.model_copy(update={"method": method})
        changes = {"train_type": "sequential", "retention": retention}
        assert not learned_together(config.model_copy(update=changes), names)
