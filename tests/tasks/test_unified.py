"""Losses, totals and metrics of the unified task."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mtl.config.unified_run import UnifiedRunConfig
from mtl.families.unified import UnifiedFamily
from mtl.losses.segmentation import IGNORED
from mtl.losses.weighting import LearnableWeights, LossGroups
from mtl.models.unified.decoders import pool_classes
from mtl.tasks.task import Batch, Moment
from mtl.tasks.teachers import Teachers, joint_lessons
from mtl.tasks.unified import LOSS_OF, UnifiedTask
from tests.data.unified.set_files import box, write_coco, write_folders
from tests.parity import Fixture
from tests.training.unified_runs import PlainBatches, config_of, some_model, tensors

TRAINING = Moment(1, training=True)
LOOKING = Moment(1, training=False)
PUBLISHED = [
    "model.num_det_classes=4", "model.num_seg_classes=3", "model.num_cls_classes=4",
    "model.backbone={name: test_efficientnet, drop_path: 0.0}", "model.segmentation_size=48",
]  # fmt: skip


def task_of(config: UnifiedRunConfig, *taught: str) -> UnifiedTask:
    indices = UnifiedFamily(config).indices()
    models = {task: some_model(config, seed) for seed, task in enumerate(config.tasks, start=10)}
    still = dict.fromkeys(config.tasks, False)
    teachers = Teachers({t: models[t] for t in config.tasks if t in taught}, still)
    lessons = joint_lessons(teachers, config.tasks, config.loss) if taught else None
    return UnifiedTask(config, indices.train, indices.val, lessons)


def first_batch(config: UnifiedRunConfig) -> Batch:
    return next(PlainBatches(config, UnifiedFamily(config)).training(0, 1))


def val_batch(config: UnifiedRunConfig, *numbers: int) -> Batch:
    family = UnifiedFamily(config)
    sampler = family.sampler(family.indices().val, training=False)
    return tensors([sampler.sample(number) for number in numbers])


def test_each_loss_is_that_of_the_tasks_own_images() -> None:
    config = config_of()
    task, model, batch = task_of(config), some_model(config), first_batch(config)
    values = task.losses(model, batch, TRAINING).values
    assert list(values) == ["detection", "segmentation", "classification"]
    with torch.no_grad():
        seg = model({"seg": task._images(batch, "seg")})["seg"].seg_raw
        cls = model({"cls": task._images(batch, "cls")})["cls"].cls_raw
    scores = F.interpolate(seg, size=(96, 96), mode="bilinear", align_corners=False)
    wanted = F.cross_entropy(scores, batch["seg_mask"].long())
    torch.testing.assert_close(values["segmentation"].detach(), wanted)
    wanted = F.cross_entropy(cls.mean(dim=(2, 3)), batch["cls_label"])
    torch.testing.assert_close(values["classification"].detach(), wanted)


def test_detection_counts_a_hundred_times_as_much_beside_other_tasks_as_published() -> None:
    values = []
    for kind in ("all", "det"):
        config = config_of(
            *PUBLISHED[:1], PUBLISHED[3], "model.num_seg_classes=3", "model.num_cls_classes=4",
            f"train_type={kind}", "loss.distillation.weight=0", preset="unified",
        )  # fmt: skip
        batch = first_batch(config)
        values.append(task_of(config).losses(some_model(config), batch, TRAINING).values)
    assert list(values[1]) == ["detection"]
    torch.testing.assert_close(values[0]["detection"], 100 * values[1]["detection"])


@pytest.mark.parametrize("teachers", ["other_tasks", "same_task"])
def test_distillation_compares_with_the_teachers_that_are_asked(teachers: str) -> None:
    words = [f"loss.distillation.teachers={teachers}", "loss.distillation.separate_passes=false"]
    config = config_of(*PUBLISHED, *words, preset="unified")
    task, model = task_of(config, "det", "seg", "cls"), some_model(config)
    batch = first_batch(config)
    values = task.losses(model, batch, TRAINING).values
    images = task._images(batch, "cls")
    with torch.no_grad():
        student = model({"cls": images})["cls"]
        by = {t: some_model(config, 10 + n).eval()({t: images})[t] for n, t in enumerate(LOSS_OF)}
    boxes = F.mse_loss(student.det_raw.sigmoid(), by["det"].det_raw.sigmoid())
    size = {"size": (48, 48), "mode": "bilinear"}
    pixels = F.mse_loss(
        F.interpolate(student.seg_raw, **size), F.interpolate(by["seg"].seg_raw, **size)
    )
    pooling = config.model.pooling
    classes = F.mse_loss(
        pool_classes(student.cls_raw, pooling), pool_classes(by["cls"].cls_raw, pooling)
    )
    wanted = (boxes + pixels) / 2 if teachers == "other_tasks" else classes
    torch.testing.assert_close(values["distillation_cls"].detach(), wanted)
    assert {"distillation_det", "distillation_seg"} < set(values)


def test_three_passes_give_the_losses_of_nine_without_chance_and_moving_statistics() -> None:
    losses = []
    for separate in ("true", "false"):
        config = config_of(
            *PUBLISHED, "model.normalization=frozen",
            f"loss.distillation.separate_passes={separate}", preset="unified",
        )  # fmt: skip
        task, model = task_of(config, "det", "seg", "cls"), some_model(config)
        passes: list[int] = []
        model.up.register_forward_hook(lambda *_, passes=passes: passes.append(1))
        losses.append(task.losses(model, first_batch(config), TRAINING).values)
        assert len(passes) == (9 if separate == "true" else 3)
    assert len(losses[0]) == 6
    for name, value in losses[0].items():
        torch.testing.assert_close(losses[1][name], value, rtol=1e-6, atol=1e-7)


def test_teachers_are_not_asked_in_validation() -> None:
    config = config_of()
    task = task_of(config, "det", "seg", "cls")
    assert len(task.losses(some_model(config), first_batch(config), TRAINING).values) == 6
    looked = task.losses(some_model(config).eval(), val_batch(config, 0, 1), LOOKING)
    assert list(looked.values) == list(LOSS_OF.values())


def test_without_distillation_no_teacher_is_needed() -> None:
    config = config_of("loss.distillation.weight=0")
    family = UnifiedFamily(config)
    assert family.first() == []
    assert family.prepared() == config
    task = family.task(family.indices(), torch.device("cpu"))
    values = task.losses(some_model(config), first_batch(config), TRAINING).values
    assert list(values) == list(LOSS_OF.values())


def test_a_task_without_data_is_off(tmp_path: Path) -> None:
    for split in ("train", "val"):
        write_coco(tmp_path / "det", [box(10, [5, 5, 20, 20])], split=split)
        write_folders(tmp_path / "cls", split=split)
    config = config_of(
        f"data.det_root={tmp_path}/det", f"data.cls_root={tmp_path}/cls",
        "model.num_det_classes=3", "model.num_cls_classes=2",
        "weighting={kind: learnable}", "loss.distillation.teachers=other_tasks",
    )  # fmt: skip
    assert config.tasks == ("det", "cls")
    task = task_of(config, "det", "cls")
    assert list(task.loss_groups) == ["det", "cls"]
    assert set(task.weights) == {
        "detection", "classification", "distillation_det", "distillation_cls",
    }  # fmt: skip
    values, sums = task.losses(some_model(config), first_batch(config), TRAINING)
    assert set(values) == set(task.weights)
    metrics = task.metrics(sums)
    assert not [name for name in metrics if "seg" in name or "mask" in name]
    assert [run.train_type for run in UnifiedFamily(UnifiedFamily(config).prepared()).first()] == [
        "det",
        "cls",
    ]


def test_a_row_without_an_image_counts_nowhere() -> None:
    config = config_of()
    task, model = task_of(config), some_model(config).eval()
    with torch.no_grad():
        whole = task.losses(model, val_batch(config, 0, 1), LOOKING)
        more = task.losses(model, val_batch(config, 0, 1, 4, 5), LOOKING)  # there are four
        nothing = task.losses(model, val_batch(config, 4, 5), LOOKING)
    for name, value in whole.values.items():
        torch.testing.assert_close(more.values[name], value, rtol=1e-5, atol=1e-6)
    assert nothing.values == {}
    assert nothing.statistics.keys() == whole.statistics.keys()
    assert all(not sums.any() for sums in nothing.statistics.values())
    found = task.metrics(more.statistics)
    for name, value in task.metrics(whole.statistics).items():
        assert found[name] == pytest.approx(value, rel=1e-5), name


def test_shares_of_a_validation_add_up_to_its_metrics() -> None:
    config = config_of()
    task, model = task_of(config), some_model(config).eval()
    with torch.no_grad():
        batches = [val_batch(config, 0, 1, 2, 3), val_batch(config, 0, 2), val_batch(config, 1, 3)]
        whole, one, two = (task.losses(model, b, LOOKING).statistics for b in batches)
    assert one.keys() == two.keys() == whole.keys()
    found = task.metrics({name: one[name] + two[name] for name in one})
    wanted = task.metrics(whole)
    assert {"map", "map_50", "miou", "top1", "score"} < set(wanted)
    assert "map_misread_boxes" not in wanted  # is for the final evaluation
    for name, value in wanted.items():
        # The mean over pixels or boxes of a batch is not the mean of the means of its halves.
        loose = name in ("loss/detection", "loss/total")
        assert found[name] == pytest.approx(value, rel=0.1 if loose else 1e-5), name


def test_masks_of_ignored_pixels_are_counted_and_teach_nothing() -> None:
    config = config_of()
    task, model, batch = task_of(config), some_model(config), first_batch(config)
    batch["seg_mask"] = torch.full_like(batch["seg_mask"], IGNORED)
    values, sums = task.losses(model, batch, TRAINING)
    assert values["segmentation"].item() == 0.0
    values["segmentation"].backward()
    assert not any(x.grad is not None and x.grad.any() for x in model.parameters())
    assert task.metrics(sums)["empty_masks"] == 4


def raw_gradient(scheme: LearnableWeights, losses: Tensor) -> Tensor:
    """Of the raw weights, as one step on these task losses takes it."""
    caught: list[Tensor] = []
    scheme.descend = caught.append  # type: ignore[method-assign]
    scheme.after_step(losses, torch.ones_like(losses))
    return caught[0]


@pytest.mark.parity
@pytest.mark.parametrize("inside", [True, False])
def test_the_loops_total_is_the_published_one(inside: bool, reference_root: Path) -> None:
    fixture = Fixture(reference_root / "unified" / "distill_total.npz")
    kd = torch.from_numpy(fixture["kd"])
    for j, factor in enumerate(fixture["lambda_distill"].tolist()):
        config = config_of(
            *PUBLISHED, f"loss.distillation.weight={factor or 1}",
            f"loss.distillation.inside_weights={str(inside).lower()}", preset="unified",
        )  # fmt: skip
        task = task_of(config)
        groups = LossGroups(task.loss_groups, task.weights)
        assert groups.names == ("det", "seg", "cls")
        for i, raw in enumerate(fixture["raw_weights"]):
            losses = torch.from_numpy(fixture["task_losses"][i])
            values = dict(zip(LOSS_OF.values(), losses, strict=True))
            if factor:  # as the task itself has it: without distillation there is no such loss
                values |= {f"distillation_{t}": kd[n] for n, t in enumerate(LOSS_OF)}
            scheme = LearnableWeights(3, learning_rate=None)
            scheme.values.data.copy_(torch.from_numpy(raw))
            weights = scheme.weights(None)  # type: ignore[arg-type]
            total = groups.total(values, dict(zip(groups.names, weights.tolist(), strict=True)))
            wanted = fixture["total" if inside else "total_seed_formula"][i, j]
            torch.testing.assert_close(float(total), float(wanted), rtol=1e-4, atol=1e-4)
            if inside:
                rows = groups.losses(values)
                found = raw_gradient(scheme, torch.stack([rows[n].double() for n in groups.names]))
                wanted = torch.from_numpy(fixture["grad_raw_weights"][i, j]).double()
                torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)
