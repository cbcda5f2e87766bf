from __future__ import annotations

import pickle
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import numpy as np
import pytest
import torch
from PIL import Image

from mtl.config.unified_data import (
    ClassificationAugmentation,
    DetectionAugmentation,
    ImageSizes,
    SegmentationAugmentation,
    UnifiedAugmentationConfig,
    UnifiedDataConfig,
)
from mtl.data.collate import collate
from mtl.data.unified.build import build_unified_index
from mtl.data.unified.sampler import UnifiedSampler
from mtl.errors import AwayError, ConfigError, DataError
from tests.data.stale_files import StaleFiles
from tests.data.unified.set_files import (
    box,
    gradient,
    palette_mask,
    save,
    write_coco,
    write_folders,
    write_voc,
)

SIZES = ImageSizes(det=96, seg=64, cls=32, cls_short_side=40)
STRONG = UnifiedAugmentationConfig(
    det=DetectionAugmentation(color_probability=1.0, affine_probability=1.0),
    seg=SegmentationAugmentation(flip_probability=0.5, min_scale=0.5, max_scale=2.0),
)
LENGTHS = {"det": 5, "seg": 3, "cls": 4}


def write_sets(root: Path) -> Path:
    boxes = [box(10 + k, (5 * k + j, 4, 12, 9), 3) for k in range(4) for j in range(k)]
    write_coco(root / "det", [*boxes, box(14, (0, 0, 60, 40), iscrowd=1)], images=5)
    write_voc(root / "seg")
    write_folders(root / "cls")
    return root


def config(root: Path, **changes: object) -> UnifiedDataConfig:
    roots = {f"{task}_root": str(root / task) for task in LENGTHS}
    return UnifiedDataConfig(**{**roots, "sizes": SIZES, **changes})


def sampler(root: Path, training: bool = True, seed: int = 3, **changes) -> UnifiedSampler:
    data = config(root, **changes)
    index = build_unified_index(data, "train")
    return UnifiedSampler(index, STRONG, data, seed, training)


def equal(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[key], b[key]) for key in a)


def test_a_sample_depends_on_index_seed_and_number_alone(tmp_path):
    first = sampler(write_sets(tmp_path))
    again = pickle.loads(pickle.dumps(sampler(tmp_path)))
    torch.manual_seed(5)  # torchvision's own randomness has no part in it
    for number in (11, 4, 0):
        assert equal(again.sample(number), first.sample(number))
    assert not equal(first.sample(0), sampler(tmp_path, seed=4).sample(0))


def test_threads_make_the_same_samples(tmp_path):
    one, shared = sampler(write_sets(tmp_path)), sampler(tmp_path)
    wanted = [one.sample(number) for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        assert all(map(equal, pool.map(shared.sample, range(40)), wanted))


def test_every_image_of_a_set_is_shown_once_before_any_is_shown_again(tmp_path):
    made = sampler(write_sets(tmp_path))
    for task, length in LENGTHS.items():
        rows = [made.row(task, number) for number in range(12 * length)]
        turns = [tuple(rows[k : k + length]) for k in range(0, len(rows), length)]
        assert all(sorted(turn) == list(range(length)) for turn in turns)
        assert len(set(turns)) > 3  # another order in each pass
    seen = [int(made.sample(number)["seg_index"]) for number in range(6)]
    assert seen == [made.row("seg", number) for number in range(6)]


def test_batches_have_equal_rows_of_the_promised_arrays(tmp_path):
    made = sampler(write_sets(tmp_path))
    batch = collate([made.sample(number) for number in range(7)])
    want = {
        "sample": ((7,), np.int64),
        "det_image": ((7, 96, 96, 3), np.uint8),
        "det_boxes_xywh": ((7, 3, 4), np.float32),
        "det_classes": ((7, 3), np.int64),
        "det_index": ((7,), np.int64),
        "det_valid": ((7,), np.bool_),
        "seg_image": ((7, 64, 64, 3), np.uint8),
        "seg_mask": ((7, 64, 64), np.uint8),
        "seg_index": ((7,), np.int64),
        "seg_valid": ((7,), np.bool_),
        "cls_image": ((7, 32, 32, 3), np.uint8),
        "cls_label": ((7,), np.int64),
        "cls_index": ((7,), np.int64),
        "cls_valid": ((7,), np.bool_),
        "skipped": ((7,), np.int64),
    }
    assert {key: (value.shape, value.dtype.type) for key, value in batch.items()} == want
    assert batch["sample"].tolist() == list(range(7))
    assert batch["det_valid"].all()
    assert Counter((batch["det_classes"] >= 0).sum(axis=1)[:5].tolist()) == {0: 2, 1: 1, 2: 1, 3: 1}
    labels = np.array([made.index.cls.labels[row] for row in batch["cls_index"]])
    np.testing.assert_array_equal(batch["cls_label"], labels)


def test_an_evaluation_shows_each_image_once_unchanged_and_marks_what_is_beyond(tmp_path):
    made = sampler(write_sets(tmp_path), training=False)
    assert (made.num_samples, made.num_joint_samples) == (5, 3)
    batch = collate([made.sample(number) for number in range(6)])
    for task, length in LENGTHS.items():
        wanted = [k if k < length else -1 for k in range(6)]
        assert batch[f"{task}_index"].tolist() == wanted
        assert batch[f"{task}_valid"].tolist() == [k < length for k in range(6)]
    assert (batch["seg_mask"][3:] == 255).all()
    assert (batch["det_classes"][5] == -1).all()
    assert batch["cls_label"].tolist() == [0, 0, 1, 1, -1, -1]
    boxes = made.index.det.square_boxes_xywh(96)
    np.testing.assert_allclose(batch["det_boxes_xywh"][3], boxes[made.index.det.rows(3)], rtol=1e-6)
    assert equal(made.sample(2), sampler(tmp_path, training=False, seed=9).sample(2))


def test_tasks_without_data_or_not_wanted_are_left_out(tmp_path):
    data = config(write_sets(tmp_path), det_root=None)
    index = build_unified_index(data, "train")
    assert index.lengths == {"seg": 3, "cls": 4}
    both = UnifiedSampler(index, STRONG, data, 1, True)
    assert both.tasks == ("seg", "cls")
    assert not [key for key in both.sample(0) if key.startswith("det")]
    alone = UnifiedSampler(index, STRONG, data, 1, True, tasks=("cls",))
    assert alone.num_samples == alone.num_joint_samples == 4
    assert np.array_equal(alone.sample(5)["cls_image"], both.sample(5)["cls_image"])
    with pytest.raises(ConfigError, match="none of the tasks det has data"):
        UnifiedSampler(index, STRONG, data, 1, True, tasks=("det",))


def test_it_tells_whose_images_always_look_the_same(tmp_path):
    data = config(write_sets(tmp_path))
    index = build_unified_index(data, "train")
    plain = UnifiedSampler(index, UnifiedAugmentationConfig(), data, 1, True)
    assert plain.still == {"det": False, "seg": True, "cls": False}  # as published
    views = {}
    for number in range(9):
        sample = plain.sample(number)
        views.setdefault(int(sample["seg_index"]), set()).add(sample["seg_image"].tobytes())
    assert all(len(seen) == 1 for seen in views.values())
    none = UnifiedAugmentationConfig(
        det=DetectionAugmentation(flip_probability=0, color_probability=0, affine_probability=0),
        cls=ClassificationAugmentation(flip_probability=0, min_area=1.0),
    )
    assert all(UnifiedSampler(index, none, data, 1, True).still.values())
    assert not UnifiedSampler(index, STRONG, data, 1, True).still["seg"]
    assert all(UnifiedSampler(index, STRONG, data, 1, False).still.values())


def test_grey_and_transparent_pictures_become_rgb(tmp_path):
    write_folders(tmp_path / "cls", classes=("a",), images=0)
    folder = tmp_path / "cls" / "train" / "a"
    grey = Image.fromarray(gradient()).convert("L")
    save(folder / "0.jpg", grey)
    save(folder / "1.png", Image.fromarray(gradient()).convert("RGBA"))
    save(folder / "2.png", gradient())
    made = sampler(tmp_path, training=False, det_root=None, seg_root=None)
    images = [made.sample(k)["cls_image"] for k in range(3)]
    assert all(image.shape == (32, 32, 3) for image in images)
    assert (np.ptp(images[0].astype(int), axis=-1) == 0).all()
    np.testing.assert_array_equal(images[1], images[2])


def break_jpeg(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


BREAKS = {
    "det": lambda root: break_jpeg(root / "det/images/train/000000000011.jpg"),
    "seg": lambda root: save(
        root / "seg/train/SegmentationClass/2007_train_1.png", palette_mask(np.zeros((4, 4)))
    ),
    "cls": lambda root: (root / "cls/train/a/1.JPEG").write_bytes(b"no picture"),
}


@pytest.mark.parametrize("task", LENGTHS)
def test_a_bad_image_stops_with_its_name_or_is_counted(tmp_path, task):
    BREAKS[task](write_sets(tmp_path))
    strict = sampler(tmp_path)
    with pytest.raises(DataError, match=r"(11\.jpg|_1\.png|1\.JPEG).*data\.on_error=skip"):
        [strict.sample(number) for number in range(5)]
    lenient = sampler(tmp_path, on_error="skip")
    batch = collate([lenient.sample(number) for number in range(LENGTHS[task] * 6)])
    assert batch["skipped"].sum() >= 6  # once a pass, and whenever the spare is the same
    assert batch[f"{task}_valid"].all()
    assert 1 not in batch[f"{task}_index"]
    again = sampler(tmp_path, on_error="skip")
    assert all(equal(again.sample(k), lenient.sample(k)) for k in range(5))
    evaluation = sampler(tmp_path, training=False, on_error="skip")
    batch = collate([evaluation.sample(number) for number in range(5)])
    assert batch["skipped"].tolist() == [0, 1, 0, 0, 0]
    assert not batch[f"{task}_valid"][1]
    assert batch[f"{task}_index"][1] == -1


def test_sets_in_an_object_store_give_the_same_samples(tmp_path):
    local = sampler(write_sets(tmp_path))
    fsspec.filesystem("memory").put(str(tmp_path), "/mtl-unified", recursive=True)
    roots = {f"{task}_root": f"memory://mtl-unified/{task}" for task in LENGTHS}
    stored = sampler(tmp_path, **roots)
    assert stored.index.det.image_uri(0).startswith("memory://mtl-unified/det/images/train/")
    assert all(equal(stored.sample(number), local.sample(number)) for number in range(4))


def test_an_image_of_another_size_than_listed_is_named(tmp_path):
    write_sets(tmp_path)
    save(tmp_path / "det/images/train/000000000010.jpg", gradient(48, 64))
    with pytest.raises(DataError, match="must be 64 x 48 as its annotation file says, got 48 x 64"):
        sampler(tmp_path, training=False).sample(0)


def test_a_set_of_bad_images_is_given_up(tmp_path):
    write_sets(tmp_path)
    for file in (tmp_path / "cls" / "train").rglob("*.JPEG"):
        file.write_bytes(b"no picture")
    with pytest.raises(DataError, match="50 cls images in a row cannot be used, the last because"):
        sampler(tmp_path, on_error="skip").sample(0)


@pytest.mark.parametrize("ending", ["0.jpg", ".png", ".JPEG"], ids=LENGTHS)
@pytest.mark.parametrize("training", [True, False])
def test_a_storage_that_is_away_changes_no_sample(tmp_path, monkeypatch, ending, training):
    write_sets(tmp_path)
    want = sampler(tmp_path, training).sample(0)
    maker = sampler(tmp_path, training, on_error="skip")
    with monkeypatch.context() as patch:
        StaleFiles(patch, ending, times=2)
        assert equal(maker.sample(0), want)
    StaleFiles(monkeypatch, ending)
    with pytest.raises(AwayError, match="Stale file handle"):
        [maker.sample(number) for number in range(5)]


@pytest.mark.parametrize(
    "ending", ["instances_train.json", "images", "train/JPEGImages", "train.txt", "cls/train"]
)
def test_a_set_in_a_storage_that_is_away_is_not_missing(tmp_path, monkeypatch, ending):
    write_sets(tmp_path)
    StaleFiles(monkeypatch, ending)
    with pytest.raises(AwayError, match="Stale file handle"):
        sampler(tmp_path, on_error="skip")
