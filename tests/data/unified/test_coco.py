from __future__ import annotations

import json
import pickle
from pathlib import Path

import fsspec
import numpy as np
import pytest

from mtl.config.unified_data import SplitNames, UnifiedDataConfig
from mtl.data.unified.coco import read_detection
from mtl.errors import DataError
from tests.data.unified.set_files import box, gradient, save, write_coco

STOP, SKIP = UnifiedDataConfig(), UnifiedDataConfig(on_error="skip")


def read(root: Path, config: UnifiedDataConfig = STOP, split: str = "train"):
    return read_detection(str(root), split, config)


def test_boxes_belong_to_their_images_and_categories_keep_the_order_of_their_ids(tmp_path):
    boxes = [box(12, (1, 2, 30, 20)), box(10, (5, 5, 8, 9), 7), box(12, (0, 0, 9, 9), 3, iscrowd=1)]
    index = read(write_coco(tmp_path, boxes))
    assert index.class_names == ("buoy", "tug", "ferry")
    assert index.category_ids.tolist() == [2, 3, 7]
    assert index.image_ids.tolist() == [10, 11, 12, 13]  # those without a box stay
    assert index.boxes_xywh[index.rows(2)].tolist() == [[1, 2, 30, 20], [0, 0, 9, 9]]
    assert index.classes.tolist() == [2, 0, 1]
    assert index.crowd.tolist() == [False, False, True]
    assert index.box_images.tolist() == [0, 2, 2]
    assert index.max_boxes == 1  # a crowd is no box to train
    assert index.class_counts() == {"buoy": (1, 1), "tug": (0, 0), "ferry": (1, 1)}
    again = pickle.loads(pickle.dumps(index))
    assert again.images == index.images
    assert np.array_equal(again.boxes_xywh, index.boxes_xywh)


def test_boxes_lie_in_the_letterbox(tmp_path):
    index = read(write_coco(tmp_path, [box(11, (8, 4, 32, 24)), box(13, (0, 0, 64, 48))]))
    wanted = [[16, 16 + 8, 64, 48], [0, 16, 128, 96]]  # 64 x 48 in 128: doubled, 16 rows above
    np.testing.assert_allclose(index.square_boxes_xywh(128), wanted)


def test_an_empty_set_of_boxes_can_be_read(tmp_path):
    index = read(write_coco(tmp_path))
    assert index.boxes_xywh.shape == (0, 4)
    assert index.square_boxes_xywh(64).shape == (0, 4)
    assert index.max_boxes == 1


@pytest.mark.parametrize("wanted", [("tug", "buoy"), (3, 2), ("tug", 2)])
def test_categories_can_be_chosen_by_name_or_id(tmp_path, wanted):
    root = write_coco(tmp_path, [box(10, (1, 1, 5, 5), 7), box(10, (1, 1, 6, 6), 3)])
    index = read(root, UnifiedDataConfig(det_categories=wanted))
    assert index.class_names == ("buoy", "tug")
    assert index.classes.tolist() == [1]
    assert index.skipped == {}


def test_an_unknown_wanted_category_is_named_with_the_nearest(tmp_path):
    root = write_coco(tmp_path)
    with pytest.raises(DataError, match="has no category 'bouy'; did you mean 'buoy'"):
        read(root, UnifiedDataConfig(det_categories=("bouy",)))


def test_parts_joined_by_plus_are_one_set(tmp_path):
    write_coco(tmp_path, [box(10, (1, 1, 5, 5))], split="test", images=2)
    write_coco(tmp_path, [box(50, (2, 2, 5, 5))], split="extra", images=3, first_id=50)
    index = read(tmp_path, split="test+extra")
    assert index.image_ids.tolist() == [10, 11, 50, 51, 52]
    assert index.images[2] == "images/extra/000000000050.jpg"
    assert index.box_images.tolist() == [0, 2]
    write_coco(tmp_path, split="twice", images=1)
    with pytest.raises(DataError, match="image id 10 is listed twice"):
        read(tmp_path, split="test+twice")
    index = read(tmp_path, SKIP, "test+test")
    assert index.image_ids.tolist() == [10, 11]
    assert index.boxes_xywh.tolist() == [[1, 1, 5, 5]]
    assert index.skipped == {"image listed twice": 2}
    write_coco(tmp_path, split="other", images=1, first_id=70, categories=[{"id": 1, "name": "x"}])
    with pytest.raises(DataError, match="other categories"):
        read(tmp_path, split="test+other")


def test_an_image_listed_under_two_ids_is_named_or_counted_once(tmp_path):
    root = write_coco(tmp_path, [box(10, (1, 1, 5, 5)), box(99, (2, 2, 5, 5))], images=2)
    file = root / "annotations" / "instances_train.json"
    content = json.loads(file.read_text())
    content["images"].append(content["images"][0] | {"id": 99})
    file.write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"image 99: .*/000000000010.jpg is listed twice.*skip"):
        read(root)
    index = read(root, SKIP)
    assert index.image_ids.tolist() == [10, 11]
    assert index.boxes_xywh.tolist() == [[1, 1, 5, 5]]
    assert index.skipped == {"image listed twice": 1}


def test_official_folders_and_an_object_store_work_too(tmp_path):
    write_coco(tmp_path, [box(10, (1, 1, 5, 5))], split="train2017")
    (tmp_path / "images" / "train2017").rename(tmp_path / "train2017")
    (tmp_path / "images").rmdir()
    assert read(tmp_path, split="train2017").images[0] == "train2017/000000000010.jpg"
    memory = fsspec.filesystem("memory")
    memory.put(str(tmp_path), "/mtl-coco", recursive=True)
    index = read_detection("memory://mtl-coco", "train2017", STOP)
    assert index.image_uri(0) == "memory://mtl-coco/train2017/000000000010.jpg"


BAD = {
    "box outside the image": (box(10, (50, 10, 20, 10)), "must lie inside the 64 x 48 image"),
    "zero-area box": (box(10, (5, 5, 0, 10)), "must have width and height above 0"),
    "category not in the list": (
        box(10, (1, 1, 5, 5), 99),
        r"category 99 is not among \[2, 3, 7\]",
    ),
    "box of an unlisted image": (box(99, (1, 1, 5, 5)), "image 99 is not in the list"),
    "broken annotation": (box(10, (1, 1, 5)), r"bbox must be \[x, y, w, h\], got \[1, 1, 5\]"),
}
HUGE = 10**400  # valid JSON, and more than any float
BROKEN_NUMBERS = [
    (box(10, (HUGE, 1, 5, 5)), r"bbox must be \[x, y, w, h\]"),
    (box(10, (1, 1, 5, -HUGE)), r"bbox must be \[x, y, w, h\]"),
    (box(10, (1, 1, 5, float("nan"))), r"bbox must be \[x, y, w, h\]"),
    (box(10, (1, 1, 5, 5), area=HUGE), "area must be a finite number"),
    (box(10, (1, 1, 5, 5), area=float("inf")), "area must be a finite number"),
]


@pytest.mark.parametrize("reason", BAD)
def test_a_bad_box_stops_with_a_sentence_or_is_counted(tmp_path, reason):
    entry, sentence = BAD[reason]
    root = write_coco(tmp_path, [box(11, (1, 1, 5, 5)), entry])
    with pytest.raises(DataError, match=f"instances_train.json, annotation 1: .*{sentence}.*skip"):
        read(root)
    index = read(root, SKIP)
    assert index.skipped == {reason: 1}
    assert len(index.boxes_xywh) == 1


@pytest.mark.parametrize(("entry", "sentence"), BROKEN_NUMBERS)
def test_a_number_that_no_float_holds_breaks_its_annotation(tmp_path, entry, sentence):
    root = write_coco(tmp_path, [box(11, (1, 1, 5, 5), area=-HUGE), entry])
    with pytest.raises(DataError, match=f"annotation 1: .*{sentence}.*skip"):
        read(root)
    index = read(root, SKIP)
    assert index.skipped == {"broken annotation": 1}
    assert index.areas.tolist() == [25.0]  # of the box itself, where the file has none above 0


def test_huge_numbers_elsewhere_in_an_annotation_are_named_or_counted(tmp_path):
    entries = [box(HUGE, (1, 1, 5, 5)), box(10, (1, 1, 5, 5), HUGE), box(10, (1, 1, 5, 5))]
    index = read(write_coco(tmp_path, entries), SKIP)
    assert index.skipped == {"box of an unlisted image": 1, "category not in the list": 1}
    assert len(index.boxes_xywh) == 1


@pytest.mark.parametrize("value", ["0", "1", None, 2, -1, [1]])
def test_a_crowd_that_is_neither_yes_nor_no_breaks_its_annotation(tmp_path, value):
    root = write_coco(tmp_path, [box(10, (1, 1, 5, 5), iscrowd=value)])
    with pytest.raises(DataError, match=r"annotation 0: iscrowd must be 0 or 1, got .*skip"):
        read(root)
    index = read(root, SKIP)
    assert index.skipped == {"broken annotation": 1}
    assert len(index.boxes_xywh) == 0


def test_crowds_are_told_by_number_or_truth_and_a_box_without_a_word_is_none(tmp_path):
    boxes = [box(10, (1, 1, 5, 5), iscrowd=value) for value in (0, 1, False, True)]
    silent = box(10, (1, 1, 5, 5))
    del silent["iscrowd"]
    index = read(write_coco(tmp_path, [*boxes, silent]))
    assert index.crowd.tolist() == [False, True, False, True, False]


def test_a_box_that_overshoots_by_rounding_is_clipped(tmp_path):
    index = read(write_coco(tmp_path, [box(10, (-0.5, 30.25, 64.9, 18.5))]))
    assert index.boxes_xywh.tolist() == [[0, 30.25, 64, 17.75]]


def test_an_image_listed_but_absent_is_named_or_counted_with_its_boxes(tmp_path):
    root = write_coco(tmp_path, [box(11, (1, 1, 5, 5)), box(12, (2, 2, 5, 5))])
    (root / "images" / "train" / "000000000011.jpg").unlink()
    with pytest.raises(DataError, match=r"000000000011.jpg is listed in .* but absent"):
        read(root)
    index = read(root, SKIP)
    assert index.image_ids.tolist() == [10, 12, 13]
    assert index.boxes_xywh.tolist() == [[2, 2, 5, 5]]
    assert index.box_images.tolist() == [1]
    assert index.skipped == {"image listed but absent": 1}


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ({"id": 9, "file_name": "../x.jpg", "width": 4, "height": 4}, "must be a place below"),
        ({"id": 9, "file_name": "x.jpg", "width": 0, "height": 4}, "whole numbers above 0"),
        ({"id": 9, "file_name": "x.jpg", "width": 4, "height": 2**31}, "up to 2147483647"),
        ({"id": 9, "file_name": "x.jpg", "width": HUGE, "height": 4}, "up to 2147483647"),
        ({"id": 2**63, "file_name": "x.jpg", "width": 4, "height": 4}, "an image must have an id"),
        ({"id": -HUGE, "file_name": "x.jpg", "width": 4, "height": 4}, "an image must have an id"),
        ({"file_name": "x.jpg"}, "an image must have an id"),
        (3, "an image must have an id"),
    ],
)
def test_a_broken_image_entry_is_named_or_counted(tmp_path, entry, sentence):
    root = write_coco(tmp_path)
    file = root / "annotations" / "instances_train.json"
    content = json.loads(file.read_text())
    content["images"].append(entry)
    file.write_text(json.dumps(content))
    with pytest.raises(DataError, match=sentence):
        read(root)
    assert read(root, SKIP).skipped == {"broken image entry": 1}


def test_a_missing_or_broken_annotation_file_is_named(tmp_path):
    root = write_coco(tmp_path)
    with pytest.raises(
        DataError,
        match=r"annotation file .*_val.json cannot be read .*notations or data\.det_splits\.val\.$",
    ):
        read(root, split="val")
    config = UnifiedDataConfig(det_splits=SplitNames(train="train2017"))
    with pytest.raises(DataError, match=r"cannot be read .* or data\.det_splits\.train\.$"):
        read(root, config, split="train2017")
    file = root / "annotations" / "instances_train.json"
    file.write_text("{")
    with pytest.raises(DataError, match="is no JSON"):
        read(root)
    file.write_text("[]")
    with pytest.raises(DataError, match="must hold the lists images, annotations and categories"):
        read(root)
    write_coco(tmp_path, categories=[{"id": 1, "name": "a"}, {"id": 1, "name": "b"}])
    with pytest.raises(DataError, match="must have an id of its own"):
        read(root)


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, HUGE])
def test_a_category_id_that_no_array_holds_is_named(tmp_path, number):
    root = write_coco(tmp_path, categories=[{"id": number, "name": "buoy"}])
    for config in (STOP, SKIP):
        with pytest.raises(DataError, match=r"must have an id of its own \(a whole number of 64"):
            read(root, config)


def test_the_largest_ids_and_sizes_are_kept(tmp_path):
    root = write_coco(tmp_path, [box(2**63 - 1, (1, 1, 5, 5), -(2**63))], images=0)
    file = root / "annotations" / "instances_train.json"
    content = json.loads(file.read_text())
    entry = {"id": 2**63 - 1, "file_name": "a.jpg", "width": 2**31 - 1, "height": 48}
    content |= {"images": [entry], "categories": [{"id": -(2**63), "name": "buoy"}]}
    file.write_text(json.dumps(content))
    save(root / "images" / "train" / "a.jpg", gradient())
    index = read(root)
    assert (index.image_ids.tolist(), index.category_ids.tolist()) == ([2**63 - 1], [-(2**63)])
    assert index.sizes_wh.tolist() == [[2**31 - 1, 48]]


def test_a_set_without_images_is_named(tmp_path):
    root = write_coco(tmp_path, images=0)
    (root / "images" / "train").mkdir(parents=True)
    with pytest.raises(DataError, match="has no usable image"):
        read(root)
    with pytest.raises(DataError, match="must name folders"):
        read(root, split="../train")


def test_a_file_name_below_a_folder_is_found(tmp_path):
    listed = [{"id": 1, "file_name": "day/a.jpg", "width": 64, "height": 48}]
    root = write_coco(tmp_path, images=0)
    content = {"images": listed, "annotations": [], "categories": []}
    (root / "annotations" / "instances_train.json").write_text(json.dumps(content))
    save(root / "images" / "train" / "day" / "a.jpg", gradient())
    assert read(root).images == ("images/train/day/a.jpg",)
