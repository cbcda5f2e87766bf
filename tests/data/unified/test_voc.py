from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mtl.config.unified_data import SplitNames, UnifiedDataConfig
from mtl.data.unified.voc import VOC_CLASSES, read_pair, read_segmentation
from mtl.errors import DataError
from tests.data.unified.set_files import gradient, palette_mask, save, write_voc

STOP, SKIP = UnifiedDataConfig(), UnifiedDataConfig(on_error="skip")
LIMIT = 10_000


def read(root, config=STOP, split="train"):
    return read_segmentation(str(root), split, config)


@pytest.mark.parametrize("official", [False, True])
def test_both_layouts_give_images_and_masks(tmp_path, official):
    index = read(write_voc(tmp_path, official=official))
    assert len(index) == 3
    assert index.class_names == VOC_CLASSES
    image, mask = read_pair(index, 1, LIMIT)
    assert image.shape == (48, 64, 3)
    assert np.abs(image.astype(int) - gradient(seed=1)).max() < 8
    assert mask.dtype == np.uint8
    assert np.unique(mask).tolist() == [0, 2, 255]
    assert (mask[10:30, 10:40] == 2).all()


@pytest.mark.parametrize("orientation", [3, 6])
def test_an_image_lies_as_its_mask_does_whatever_the_camera_noted(tmp_path, orientation):
    index = read(write_voc(tmp_path, images=1))
    stored, _ = read_pair(index, 0, LIMIT)
    exif = Image.Exif()
    exif[0x0112] = orientation
    save(tmp_path / index.images[0], gradient(), exif=exif)
    np.testing.assert_array_equal(read_pair(index, 0, LIMIT)[0], stored)


def test_parts_joined_by_plus_are_one_set(tmp_path):
    write_voc(tmp_path, split="val", images=2)
    write_voc(tmp_path, split="test", images=3)
    index = read(tmp_path, split="val+test")
    assert [name.split("_")[1] for name in index.names] == ["val"] * 2 + ["test"] * 3
    assert index.masks[4] == "test/SegmentationClass/2007_test_2.png"


def test_an_image_listed_twice_is_named_or_counted_once(tmp_path):
    root = write_voc(tmp_path, split="train", images=2, official=True)
    write_voc(tmp_path, split="val", images=1, official=True)
    lists = root / "ImageSets" / "Segmentation"
    (lists / "val.txt").write_text("2007_val_0\n2007_train_1\n")
    (lists / "twice.txt").write_text("2007_val_0\n2007_train_1\n2007_val_0\n")
    for split, file, name in (
        ("twice", "twice", "2007_val_0"),
        ("train+val", "val", "2007_train_1"),
    ):
        with pytest.raises(DataError, match=rf"{name} in .*/{file}\.txt is listed twice.*skip"):
            read(root, split=split)
    index = read(root, SKIP, "train+val")
    assert index.names == ("2007_train_0", "2007_train_1", "2007_val_0")
    assert [place.rpartition("/")[2] for place in index.masks] == [f"{n}.png" for n in index.names]
    assert index.skipped == {"image listed twice": 1}


def test_images_of_one_name_in_folders_of_their_own_are_different(tmp_path):
    for split in ("train", "val"):
        write_voc(tmp_path, split=split, images=1)
        for folder, ending in (("JPEGImages", "jpg"), ("SegmentationClass", "png")):
            below = tmp_path / split / folder
            (below / f"2007_{split}_0.{ending}").rename(below / f"a.{ending}")
        (tmp_path / "ImageSets" / "Segmentation" / f"{split}.txt").write_text("a\n")
    index = read(tmp_path, split="train+val")
    assert index.images == ("train/JPEGImages/a.jpg", "val/JPEGImages/a.jpg")


def test_own_class_names_replace_those_of_voc(tmp_path):
    root = write_voc(tmp_path)
    (root / "classes.txt").write_text("buoy\nvessel\n\nwater\n")
    assert read(root).class_names == ("background", "buoy", "vessel", "water")
    (root / "classes.txt").write_text("buoy\nbuoy\n")
    with pytest.raises(DataError, match="different class names"):
        read(root)


def test_an_absent_image_or_mask_is_named_or_counted(tmp_path):
    root = write_voc(tmp_path)
    (root / "train" / "JPEGImages" / "2007_train_0.jpg").unlink()
    with pytest.raises(DataError, match=r"2007_train_0 is listed in .*train.txt but .*JPEGImages"):
        read(root)
    (root / "train" / "SegmentationClass" / "2007_train_2.png").unlink()
    index = read(root, SKIP)
    assert index.names == ("2007_train_1",)
    assert index.skipped == {"image listed but absent": 1, "mask absent": 1}
    (root / "train" / "JPEGImages" / "2007_train_1.jpg").unlink()
    with pytest.raises(DataError, match="has no usable image"):
        read(root, SKIP)


def test_a_missing_list_is_named(tmp_path):
    root = write_voc(tmp_path)
    with pytest.raises(
        DataError, match=r"list of images .*val.txt cannot be read .*set data\.seg_splits\.val\.$"
    ):
        read(root, split="val")
    config = UnifiedDataConfig(seg_splits=SplitNames(test="extra"))
    with pytest.raises(DataError, match=r"extra.txt cannot be read .*data\.seg_splits\.test\.$"):
        read(root, config, split="extra")
    (root / "ImageSets" / "Segmentation" / "train.txt").write_text("../x\n")
    with pytest.raises(DataError, match=r"a name must be of a file, got '../x'"):
        read(root)


def change_mask(root, mask):
    save(root / "train" / "SegmentationClass" / "2007_train_0.png", mask)


@pytest.mark.parametrize(
    ("mask", "sentence"),
    [
        (palette_mask(np.zeros((40, 64))), "must have the size of its image, 64 x 48, got 64 x 40"),
        (palette_mask(np.full((48, 64), 21)), "must hold values below 21 or 255, got 21"),
        (Image.fromarray(gradient()), "must have one channel of class numbers, got mode RGB"),
        (palette_mask(np.zeros((200, 200))), "more than data.max_pixels = 10000"),
    ],
)
def test_a_mask_that_does_not_fit_is_named(tmp_path, mask, sentence):
    root = write_voc(tmp_path)
    change_mask(root, mask)
    with pytest.raises(DataError, match=rf"mask .*2007_train_0.png.*{sentence}"):
        read_pair(read(root), 0, LIMIT)


def test_a_grey_mask_of_class_numbers_is_a_mask(tmp_path):
    root = write_voc(tmp_path)
    change_mask(root, Image.fromarray(np.full((48, 64), 20, dtype=np.uint8)))
    assert (read_pair(read(root), 0, LIMIT)[1] == 20).all()


def test_a_broken_mask_is_named(tmp_path):
    root = write_voc(tmp_path)
    file = root / "train" / "SegmentationClass" / "2007_train_0.png"
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match=r"mask .* cannot be decoded"):
        read_pair(read(root), 0, LIMIT)
    file.write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"mask .* cannot be decoded"):
        read_pair(read(root), 0, LIMIT)
