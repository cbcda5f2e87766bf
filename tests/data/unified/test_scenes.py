from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from mtl.config.unified_data import SceneConfig, UnifiedAugmentationConfig, UnifiedDataConfig
from mtl.data.unified.build import build_unified_index, local_unified_index
from mtl.data.unified.sampler import UnifiedSampler
from mtl.data.unified.scenes import embedded_scenes
from mtl.data.unified.scenes.scene import KINDS, SEGMENTS, Backdrop, close_scene, wide_scene
from mtl.data.unified.scenes.writer import write_scenes
from mtl.errors import DataError

CONFIG = SceneConfig(train_images=8, val_images=4, size=96)


def backdrop(seed: int, size: int = 128) -> Backdrop:
    return Backdrop(size, np.random.default_rng([seed, 1]))


def fingerprints(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


def test_boxes_and_masks_are_of_the_same_objects() -> None:
    for seed in range(12):
        scene = wide_scene(backdrop(seed), np.random.default_rng(seed))
        assert scene.image.shape == (128, 128, 3)
        assert set(np.unique(scene.mask)) <= set(range(len(SEGMENTS)))
        objects = (scene.mask == 1) | (scene.mask == 2)
        covered = np.zeros_like(objects)
        for (x, y, w, h), kind in zip(scene.boxes_xywh, scene.kinds, strict=True):
            box = np.s_[int(y) : int(np.ceil(y + h)), int(x) : int(np.ceil(x + w))]
            covered[box] = True
            own = scene.mask[box] == SEGMENTS.index("buoy" if KINDS[kind] == "buoy" else "vessel")
            assert own.mean() > 0.2
        assert not (objects & ~covered).any()
        assert len(scene.kinds) >= 1


def test_an_object_looks_unlike_the_water_around_it() -> None:
    differences = []
    for seed in range(12):
        scene = close_scene(backdrop(seed), seed % 4, np.random.default_rng(seed))
        assert scene.kinds.tolist() == [seed % 4]
        inside = scene.image[(scene.mask == 1) | (scene.mask == 2)].astype(float)
        water = scene.image[scene.mask == 3].astype(float)
        assert len(inside) > 0.04 * scene.mask.size
        differences.append(np.abs(inside - water.mean(axis=0)).mean() / water.std(axis=0).mean())
    assert np.median(differences) > 2


def test_rendering_is_a_function_of_its_configuration(tmp_path: Path) -> None:
    for name in ("one", "two", "other"):
        (tmp_path / name).mkdir()
    write_scenes(tmp_path / "one", CONFIG)
    write_scenes(tmp_path / "two", CONFIG)
    write_scenes(tmp_path / "other", CONFIG.model_copy(update={"seed": 8}))
    first = fingerprints(tmp_path / "one")
    assert first == fingerprints(tmp_path / "two")
    pictures = [name for name in first if name.endswith((".jpg", ".png"))]
    assert len({first[name] for name in pictures if name.endswith(".jpg")}) == 3 * 16  # none twice
    other = fingerprints(tmp_path / "other")
    assert not [name for name in pictures if name.endswith(".jpg") and other[name] == first[name]]


def test_without_a_root_every_task_reads_the_embedded_scenes() -> None:
    data = UnifiedDataConfig(synthetic=CONFIG)
    train, val, test = (build_unified_index(data, split) for split in ("train", "val", "test"))
    assert train.lengths == {"det": 8, "seg": 8, "cls": 8}
    assert val.lengths == test.lengths == {"det": 4, "seg": 4, "cls": 4}
    assert train.class_names == {"det": KINDS, "seg": SEGMENTS, "cls": KINDS}
    assert train.cls.class_counts() == dict.fromkeys(KINDS, 2)
    assert train.skipped == {}
    sampler = UnifiedSampler(val, UnifiedAugmentationConfig(), data, 1, training=False)
    sample = sampler.sample(3)
    assert all(sample[f"{task}_valid"] for task in ("det", "seg", "cls"))
    assert train.det.root == str(embedded_scenes(CONFIG) / "det")


def test_an_index_from_another_machine_finds_this_one_s_scenes(tmp_path, monkeypatch) -> None:
    data = UnifiedDataConfig(synthetic=CONFIG)
    index = build_unified_index(data, "val")
    monkeypatch.setenv("MTL_CACHE", str(tmp_path / "elsewhere"))
    here = local_unified_index(data, index)
    assert here.seg.root.startswith(str(tmp_path / "elsewhere"))
    sampler = UnifiedSampler(here, UnifiedAugmentationConfig(), data, 1, training=False)
    assert sampler.sample(0)["seg_valid"]
    rooted = UnifiedDataConfig(cls_root=here.cls.root)
    assert local_unified_index(rooted, index) is index


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    (tmp_path / "det").write_text("in the way")
    with pytest.raises(DataError, match="embedded scenes cannot be written"):
        write_scenes(tmp_path, CONFIG)
