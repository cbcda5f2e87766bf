from __future__ import annotations

import pytest

from mtl.config.unified_data import SplitNames, UnifiedDataConfig
from mtl.data.unified.image_folder import read_classification
from mtl.errors import DataError
from tests.data.unified.set_files import write_folders

STOP, SKIP = UnifiedDataConfig(), UnifiedDataConfig(on_error="skip")


def read(root, config=STOP, split="train"):
    return read_classification(str(root), split, config)


def test_folders_are_classes_sorted_by_name(tmp_path):
    root = write_folders(tmp_path)
    (root / "train" / "a" / "notes.txt").write_text("no picture")
    (root / "train" / "readme.md").write_text("no class")
    index = read(root)
    assert index.class_names == ("a", "b")
    assert index.images == ("train/a/0.JPEG", "train/a/1.JPEG", "train/b/0.JPEG", "train/b/1.JPEG")
    assert index.labels.tolist() == [0, 0, 1, 1]
    assert index.class_counts() == {"a": 2, "b": 2}


def test_numbers_mean_the_same_in_every_split(tmp_path):
    write_folders(tmp_path, classes=("a", "b", "c"))
    write_folders(tmp_path, split="val", classes=("c", "b"))
    write_folders(tmp_path, split="test", classes=("c",), images=1)
    index = read(tmp_path, split="val+test")
    assert index.class_names == ("a", "b", "c")
    assert index.labels.tolist() == [1, 1, 2, 2, 2]


def test_a_set_that_is_only_evaluated_brings_its_own_classes(tmp_path):
    write_folders(tmp_path, split="val", classes=("c", "b"))
    assert read(tmp_path, split="val").class_names == ("b", "c")


def test_hidden_folders_and_files_are_no_data(tmp_path):
    root = write_folders(tmp_path)
    (root / "train" / ".ipynb_checkpoints").mkdir()
    (root / "train" / "a" / "._0.JPEG").write_bytes(b"what a Mac leaves beside a file")
    for config in (STOP, SKIP):
        index = read(root, config)
        assert index.class_names == ("a", "b")
        assert index.labels.tolist() == [0, 0, 1, 1]
        assert index.skipped == {}
    write_folders(tmp_path, split="val", classes=("b", ".b"))
    assert read(root, split="val").labels.tolist() == [1, 1]


def test_a_class_without_pictures_to_learn_from_is_named_whatever_bad_items_do(tmp_path):
    root = write_folders(tmp_path)
    (root / "train" / "Empty").mkdir()  # would be class 0 of 3
    for config in (STOP, SKIP):
        with pytest.raises(DataError, match=r"train/Empty has no picture .*number.* remove it\.$"):
            read(root, config)


def test_an_empty_class_folder_elsewhere_keeps_its_number_and_is_named_or_counted(tmp_path):
    root = write_folders(tmp_path)
    write_folders(tmp_path, split="val", classes=("b",))
    (root / "val" / "a").mkdir()
    with pytest.raises(DataError, match=r"val/a has no picture .*keeps its number.*skip"):
        read(root, split="val")
    index = read(root, SKIP, "val")
    assert index.class_names == ("a", "b")
    assert index.labels.tolist() == [1, 1]
    assert index.skipped == {"empty class folder": 1}


def test_a_class_with_pictures_in_one_part_of_the_training_split_is_learned(tmp_path):
    write_folders(tmp_path)
    write_folders(tmp_path, split="extra", classes=("b",), images=1)
    (tmp_path / "extra" / "a").mkdir()
    splits = SplitNames(train="train+extra")
    index = read(tmp_path, UnifiedDataConfig(cls_splits=splits, on_error="skip"), "train+extra")
    assert index.class_counts() == {"a": 2, "b": 3}
    assert index.skipped == {"empty class folder": 1}


def test_an_image_listed_twice_is_named_or_counted_once(tmp_path):
    root = write_folders(tmp_path)
    with pytest.raises(DataError, match=r"train/a/0\.JPEG is listed twice.*train\+train.*skip"):
        read(root, split="train+train")
    index = read(root, SKIP, "train+train")
    assert index.images == read(root).images
    assert index.labels.tolist() == [0, 0, 1, 1]
    assert index.skipped == {"image listed twice": 4}


def test_a_class_that_training_does_not_know_is_named_or_counted(tmp_path):
    write_folders(tmp_path)
    write_folders(tmp_path, split="val", classes=("a", "x"))
    with pytest.raises(DataError, match=r"class folder .*/val/x has no counterpart in train"):
        read(tmp_path, split="val")
    index = read(tmp_path, SKIP, split="val")
    assert index.labels.tolist() == [0, 0]
    assert index.skipped == {"class folder not in train": 1}


def test_a_missing_or_empty_split_is_named(tmp_path):
    write_folders(tmp_path)
    with pytest.raises(
        DataError, match=r"split folder .*/val cannot be read .*set data\.cls_splits\.val\.$"
    ):
        read(tmp_path, split="val")
    (tmp_path / "val").mkdir()
    with pytest.raises(DataError, match="has no picture"):
        read(tmp_path, split="val")
