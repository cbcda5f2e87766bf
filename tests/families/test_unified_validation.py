"""What the validation of the unified family looks at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mtl.config.unified_run import UnifiedRunConfig
from mtl.data.collate import collate
from mtl.errors import ConfigError
from mtl.families import family_of
from mtl.families.unified import UnifiedFamily
from tests.data.unified.set_files import box, write_coco, write_folders, write_voc
from tests.training.unified_runs import config_of

CLASSES = ("a", "b", "c", "d")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """To validate: nine, three and twelve images, the last class by class."""
    root = tmp_path_factory.mktemp("sets")
    boxes = [box(10 + k, (5 * k, 4, 12, 9), (7, 2, 3)[k % 3]) for k in range(9)]
    for split in ("train", "val"):
        write_coco(root / "det", boxes, images=9, split=split)
        write_voc(root / "seg", split=split)
        write_folders(root / "cls", images=3, split=split, classes=CLASSES)
    return root


def of_sets(root: Path, *words: str) -> UnifiedRunConfig:
    return config_of(
        f"data.det_root={root}/det", f"data.seg_root={root}/seg", f"data.cls_root={root}/cls",
        "model.num_det_classes=3", "model.num_seg_classes=21", "model.num_cls_classes=4",
        "training.batch_size=2", "teachers.batch_size=2", "loss.distillation.weight=0", *words,
    )  # fmt: skip


def validated(config: UnifiedRunConfig) -> dict[str, np.ndarray]:
    """All samples of a validation."""
    family = UnifiedFamily(config)
    index = family.indices().val
    sampler = family.sampler(index, training=False)
    return collate([sampler.sample(number) for number in range(family.val_samples(index))])


def test_a_short_validation_sees_every_class_of_a_set_in_order_of_classes(root: Path) -> None:
    batch = validated(of_sets(root, "training.val_samples=4"))
    assert batch["cls_label"].tolist() == [0, 1, 2, 3]
    assert batch["det_valid"].all()
    assert batch["seg_valid"].tolist() == [True, True, True, False]
    assert (batch["seg_mask"][:3] == np.array([1, 2, 3])[:, None, None]).any(axis=(1, 2)).all()


def test_a_long_validation_sees_every_image_in_its_order(root: Path) -> None:
    batch = validated(of_sets(root, "training.val_samples=1000"))
    for task, length in {"det": 9, "seg": 3, "cls": 12}.items():
        shown = [*range(length), *[-1] * (12 - length)]
        assert batch[f"{task}_index"].tolist() == shown


def test_the_last_evaluation_sees_all_that_a_short_validation_left_out(root: Path) -> None:
    indices = UnifiedFamily(of_sets(root, "training.val_samples=4")).indices()
    assert indices.val.lengths == {"det": 4, "seg": 3, "cls": 4}
    assert indices.final["val"].lengths == {"det": 9, "seg": 3, "cls": 12}
    shown, places = (one.places["det"] for one in (indices.val, indices.final["val"]))
    stretches = np.digitize([places.index(place) for place in shown], [2, 4, 6])
    assert stretches.tolist() == [0, 1, 2, 3]


WORKERS = ("cluster.workers=4", "training.batch_size=4", "teachers.batch_size=4")


def test_workers_that_would_wait_for_one_without_an_image_are_refused(tmp_path: Path) -> None:
    for split, images in (("train", 4), ("val", 3)):
        write_voc(tmp_path, images=images, split=split)
    seg = (f"data.seg_root={tmp_path}", "model.num_seg_classes=21", "train_type=seg", *WORKERS)
    with pytest.raises(ConfigError) as caught:
        UnifiedFamily(config_of(*seg)).indices()
    assert str(caught.value) == (
        "cluster.workers must be at most 3, the validation images of seg, got 4; lower it, or set "
        "training.val_samples=0 to validate nothing."
    )
    assert UnifiedFamily(config_of(*seg, "cluster.workers=2")).indices().val.lengths == {"seg": 3}
    assert UnifiedFamily(config_of(*seg, "training.val_samples=0")).indices().val is None


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four images of each task to train; to validate two of seg and four of cls."""
    root = tmp_path_factory.mktemp("uneven")
    for split, images in (("train", 4), ("val", 2)):
        write_voc(root / "seg", images=images, split=split)
        write_folders(root / "cls", split=split)
    return root


def of_two(root: Path, tmp_path: Path, *words: str) -> UnifiedRunConfig:
    config = config_of(
        f"data.seg_root={root}/seg", f"data.cls_root={root}/cls", "model.num_seg_classes=21",
        "model.num_cls_classes=2", f"storage={tmp_path}", "name=run", *WORKERS, *words,
    )  # fmt: skip
    return family_of(config).prepared()  # type: ignore[return-value]


def test_tasks_together_need_one_set_with_an_image_for_each_worker(
    uneven: Path, tmp_path: Path
) -> None:
    config = of_two(uneven, tmp_path, "loss.distillation.weight=0")
    assert family_of(config).indices().val.lengths == {"seg": 2, "cls": 4}


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("train_type=sequential", "retention.order=[seg, cls]"),
        ("train_type=sequential", "retention.order=[cls, seg]"),
    ],
    ids=" ".join,
)
def test_runs_that_come_first_need_an_image_of_their_own_for_each_worker(
    uneven: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigError, match=r"at most 2, the validation images of seg, got 4"):
        family_of(of_two(uneven, tmp_path, *words)).indices()
