"""Classes that two sets share by name."""

from __future__ import annotations

from mtl.data.unified.same_class import same_classes
from mtl.data.unified.voc import VOC_CLASSES

COCO_BEGINNING = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat",
    "traffic light",
)  # fmt: skip


def test_coco_and_voc_share_eight_of_ten_classes() -> None:
    shared = same_classes(COCO_BEGINNING, VOC_CLASSES)
    pairs = {COCO_BEGINNING[one]: VOC_CLASSES[other] for one, other in shared.items()}
    assert pairs == {
        "person": "person", "bicycle": "bicycle", "car": "car", "motorcycle": "motorbike",
        "airplane": "aeroplane", "bus": "bus", "train": "train", "boat": "boat",
    }  # fmt: skip
    assert same_classes(VOC_CLASSES, COCO_BEGINNING) == {b: a for a, b in shared.items()}


def test_every_object_of_voc_has_a_class_of_coco() -> None:
    coco = [
        "airplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
        "dining table", "dog", "horse", "motorcycle", "person", "potted plant", "sheep", "couch",
        "train", "tv",
    ]  # fmt: skip
    shared = same_classes(coco, VOC_CLASSES)
    assert shared == {number: number + 1 for number in range(20)}


def test_spelling_does_not_matter_and_other_words_do() -> None:
    assert same_classes(["Fishing Boat", "buoy"], ["fishing-boat", "buoys"]) == {0: 0}
    assert same_classes(["boat"], []) == {}
