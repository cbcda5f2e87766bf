"""What the validation of the unified family looks at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mtl.config.unified_run import UnifiedRunConfig
from mtl.data.clips import collate
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
