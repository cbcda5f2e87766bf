"""What the readers find in the mini sets is what the sets' own description counts."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from mtl.config.unified_data import SplitNames, UnifiedAugmentationConfig, UnifiedDataConfig
from mtl.data.unified.build import build_unified_index
from mtl.data.unified.sampler import UnifiedSampler
from mtl.data.unified.voc import VOC_CLASSES, read_pair

pytestmark = pytest.mark.real_data

LIMIT = 1_000_000


@pytest.fixture(scope="module")
def root(data_root: Path) -> Path:
    return data_root / "unified"


@pytest.fixture(scope="module")
def tables(root: Path) -> list[list[list[str]]]:
    """Rows of each table of the description, cells as text."""
    text = (root / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
    return [
        [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()]
        for block in blocks
    ]


def config(root: Path, det_split: str = "test") -> UnifiedDataConfig:
    return UnifiedDataConfig(
        det_root=str(root / "mini_coco_det"),
        seg_root=str(root / "mini_voc_seg"),
        cls_root=str(root / "imagenette-160"),
        det_splits=SplitNames(test=det_split),
    )


def pair(cell: str) -> tuple[float, float]:
    first, second = cell.split("/")
    return float(first), float(second)


def test_boxes_of_every_class_and_split(root: Path, tables: list[list[list[str]]]) -> None:
    (table,) = [t for t in tables if t[0][:2] == ["id", "class"]]
    data, extra = config(root), config(root, "extra")
    indices = [build_unified_index(data, split).det for split in ("train", "val", "test")]
    indices.append(build_unified_index(extra, "test").det)
    joined = build_unified_index(config(root, "test+extra"), "test").det
    assert [len(index) for index in (*indices, joined)] == [240, 30, 30, 60, 90]
    assert all(index.skipped == {} for index in indices)
    rows = [row for row in table[2:] if row[0]]
    assert len(rows) == 10
    for row in rows:
        for cell, index in zip(row[2:], indices, strict=True):
            assert index.class_counts()[row[1]] == pair(cell)
        both = tuple(a + b for a, b in zip(pair(row[4]), pair(row[5]), strict=True))
        assert joined.class_counts()[row[1]] == both
    assert [int(index.crowd.sum()) for index in indices] == [16, 0, 3, 4]
    assert indices[0].category_ids.tolist() == list(range(1, 11))
    small = (indices[0].areas[~indices[0].crowd] < 32**2).sum()
    assert small == 316


def test_pixels_and_images_of_every_segmentation_class(
    root: Path, tables: list[list[list[str]]]
) -> None:
    (table,) = [t for t in tables if t[0][:2] == ["value", "class"]]
    for column, split in ((2, "train"), (3, "val"), (4, "test")):
        index = build_unified_index(config(root), split).seg
        assert index.class_names == VOC_CLASSES
        counts = np.array(
            [
                np.bincount(read_pair(index, row, LIMIT)[1].reshape(-1), minlength=256)
                for row in range(len(index))
            ]
        )
        for row in table[2:]:
            value, (images, share) = int(row[0]), pair(row[column])
            assert (counts[:, value] > 0).sum() == images
            assert 100 * counts[:, value].sum() / counts.sum() == pytest.approx(share, abs=0.0051)


def test_images_of_every_class_folder(root: Path, tables: list[list[list[str]]]) -> None:
    (table,) = [t for t in tables if t[0][:2] == ["index", "folder"]]
    for column, split in ((4, "train"), (5, "val"), (6, "test")):
        counts = build_unified_index(config(root), split).cls.class_counts()
        assert list(counts) == [row[1] for row in table[2:]]
        assert [counts[row[1]] for row in table[2:]] == [int(row[column]) for row in table[2:]]


def test_every_held_out_image_can_be_shown(root: Path) -> None:
    data = config(root)
    sampler = UnifiedSampler(
        build_unified_index(data, "test"), UnifiedAugmentationConfig(), data, 1, training=False
    )
    assert sampler.num_samples == 30
    for number in range(30):
        sample = sampler.sample(number)
        assert all(sample[f"{task}_valid"] for task in sampler.tasks)
        boxes = sample["det_boxes_xywh"][sample["det_classes"] >= 0]
        assert (boxes[:, :2] >= 0).all()
        assert (boxes[:, :2] + boxes[:, 2:] <= 512 + 1e-3).all()
