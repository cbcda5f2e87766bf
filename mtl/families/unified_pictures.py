"""Answers of a unified model drawn beside the truth: some of its worst images, some of its best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch

from mtl.config.unified import UnifiedTaskName
from mtl.config.unified_run import UnifiedRunConfig
from mtl.data.images import read_image
from mtl.data.unified.index import UnifiedIndex
from mtl.data.unified.voc import read_pair
from mtl.evaluation.unified.boxes import from_rows
from mtl.evaluation.unified.result import MAIN_METRIC
from mtl.evaluation.unified.segmentation import mask_values
from mtl.families.unified_answering import Answering, Block
from mtl.models.unified.decoders import decode_segmentation, pool_classes, segmentation_size
from mtl.report.frames import Picture
from mtl.report.predictions import (
    LabelledBox,
    draw_classification,
    draw_detection,
    draw_segmentation,
)
from mtl.report.values import label, number

MORE = 2
"""Boxes shown beyond as many of the surest as there are true ones."""


class Chosen(NamedTuple):
    """An image to draw."""

    task: UnifiedTaskName
    row: int
    """In the index."""
    title: str


def titled(
    index: UnifiedIndex, task: UnifiedTaskName, scores: np.ndarray, rows: Sequence[int]
) -> list[Chosen]:
    """Images to draw, called by their file and how well they were answered.

    Args:
        index: of the split.
        task: whose images they are.
        scores: (N,) of each image.
        rows: of the images to draw.
    """
    chosen = []
    for row in rows:
        told = f"{label(MAIN_METRIC[task])} {number(float(scores[row]))}"
        if task == "cls":
            told = "right" if scores[row] else "wrong"
        chosen.append(Chosen(task, row, f"{index.places[task][row].rsplit('/', 1)[-1]}, {told}"))
    return chosen


def draw_answer(
    answering: Answering, config: UnifiedRunConfig, index: UnifiedIndex, image: Chosen
) -> Picture:
    """One image with its truth and what the model answers.

    Args:
        answering: of the model.
        config: of the model.
        index: of the split, with places that this machine reaches.
        image: which.

    Raises:
        DataError: if the image cannot be read.
    """
    draw = {"det": _detection, "seg": _segmentation, "cls": _classification}[image.task]
    return draw(answering, config, index, image)


def _detection(
    answering: Answering, config: UnifiedRunConfig, index: UnifiedIndex, image: Chosen
) -> Picture:
    det = index.det
    assert det is not None
    picture = read_image(det.image_uri(image.row), config.data.max_pixels)
    rows = det.rows(image.row)
    truth = [
        LabelledBox(box, int(label), det.class_names[label])
        for box, label, crowd in zip(
            det.boxes_xywh[rows], det.classes[rows], det.crowd[rows], strict=True
        )
        if not crowd
    ]
    found = from_rows(answering.answer(Block("det", image.row, image.row + 1)).values)
    surest = np.argsort(-found.scores, kind="stable")[: len(truth) + MORE]
    boxes = [
        LabelledBox(
            found.boxes_xywh[k],
            int(found.classes[k]),
            det.class_names[found.classes[k]],
            float(found.scores[k]),
        )
        for k in surest
    ]
    return draw_detection(picture, truth, boxes, image.title)


def _segmentation(
    answering: Answering, config: UnifiedRunConfig, index: UnifiedIndex, image: Chosen
) -> Picture:
    assert index.seg is not None
    picture, truth = read_pair(index.seg, image.row, config.data.max_pixels)
    output, batch = answering.outputs("seg", [image.row])
    seen = batch["seg_mask"].shape[-2:]
    raw = output.seg_raw.float()
    scores = decode_segmentation(raw, segmentation_size(config.model, (seen[0], seen[1])))
    said = decode_segmentation(scores, (seen[0], seen[1])).argmax(dim=1)
    said = mask_values(said, config.model.background == "merged")[0]
    height, width = truth.shape
    answer = cv2.resize(
        said.cpu().numpy().astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST
    )
    return draw_segmentation(picture, truth, answer, index.seg.class_names, image.title)


def _classification(
    answering: Answering, config: UnifiedRunConfig, index: UnifiedIndex, image: Chosen
) -> Picture:
    cls = index.cls
    assert cls is not None
    picture = read_image(cls.image_uri(image.row), config.data.max_pixels)
    output, _ = answering.outputs("cls", [image.row])
    values = pool_classes(output.cls_raw.float(), config.model.pooling)[0]
    if config.model.pooling.kind == "mean":  # the others pool probabilities already
        values = torch.softmax(values, dim=0)
    true = int(cls.labels[image.row])
    return draw_classification(picture, true, values.cpu().numpy(), cls.class_names, image.title)
