"""What the unified model answers about images of a split, as sums that workers can share.

Every image has a place of its own in each statistic, so adding them up over batches and workers is
putting them together, and whoever has the sums can also resample images.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from mtl.config.unified import (
    UNIFIED_TASKS,
    UnifiedConfig,
    UnifiedTaskName,
)
from mtl.config.unified_run import UnifiedRunConfig
from mtl.data.unified.index import DetectionIndex, UnifiedIndex
from mtl.data.unified.same_class import same_classes
from mtl.evaluation.unified.boxes import (
    MAX_DETECTIONS,
    TrueBoxes,
    as_rows,
    from_rows,
    place_rows,
)
from mtl.evaluation.unified.classification import classification_metrics
from mtl.evaluation.unified.detection import detection_metrics, misread_metrics
from mtl.evaluation.unified.measured import Measured
from mtl.evaluation.unified.result import MAIN_METRIC
from mtl.evaluation.unified.segmentation import (
    mask_values,
    pixel_confusion,
    segmentation_metrics,
)
from mtl.models.unified.boxes import Boxes
from mtl.models.unified.decoders import (
    decode_boxes,
    decode_segmentation,
    most_boxes,
    pool_classes,
    segmentation_size,
)
from mtl.models.unified.grid import DetectionGrid
from mtl.models.unified.output import UnifiedOutput
from mtl.models.unified.regions import join_regions, region_boxes
from mtl.tasks.task import Batch

ClassNames: TypeAlias = Mapping[UnifiedTaskName, Sequence[str]]
"""Classes in order, by task."""
BACKGROUND = 0
"""Value of pixels that are no object."""
NO_BOX = -1.0
"""Score of the rows behind an image's boxes: they tell that the image was looked at."""


class UnifiedAnswers:
    """Statistics and metrics of one split.

    Args:
        model: config of the network that answers.
        index: of the split.
        sides: side of each task's images in pixels.
        together: names of the classes that the network learned, of those tasks that it learned
            together; boxes of regions need those of det and seg.
    """

    def __init__(
        self,
        model: UnifiedConfig,
        index: UnifiedIndex,
        sides: Mapping[UnifiedTaskName, int],
        together: ClassNames | None = None,
    ) -> None:
        self._model = model
        self._index = index
        self._sides = sides
        known = together or {}
        self._box_classes = same_classes(known.get("seg", ()), known.get("det", ()))
        self._box_classes.pop(BACKGROUND, None)

    @torch.no_grad()
    def statistics(
        self, outputs: Mapping[UnifiedTaskName, UnifiedOutput], batch: Batch
    ) -> dict[str, Tensor]:
        """Answers of a batch at the places of its images, float64, by name of task.

        Args:
            outputs: of each task, answers to all rows of the batch.
            batch: of the split's evaluation sampler.
        """
        found: dict[str, Tensor] = {}
        for task, output in outputs.items():
            images = _images(batch, task)
            values = self.answers(task, output, batch)
            found[task] = place_rows(values, images, self._index.lengths[task])
        return found

    def answers(self, task: UnifiedTaskName, output: UnifiedOutput, batch: Batch) -> Tensor:
        """Answers to the B rows of a batch.

        Args:
            task: that is asked.
            output: answers to all rows of the batch.
            batch: of the split's evaluation sampler.

        Returns:
            det (B, R, 6) boxes in pixels of the image, score `NO_BOX` behind them, R the most that
            can be found and count; seg (B, C, C) counts of true and said class; cls (B,) said
            class + 1.
        """
        makers = {"det": self._boxes, "seg": self._pixels, "cls": self._classes}
        return makers[task](output, batch, _images(batch, task))

    def metrics(
        self, statistics: Mapping[UnifiedTaskName, np.ndarray], resamples: int
    ) -> dict[str, Measured]:
        """Metrics of all tasks that have statistics, by their public names.

        Over the images that were looked at: those beyond `training.val_samples`, and those that
        could not be read, count neither as right nor as wrong.

        Args:
            statistics: summed over the split.
            resamples: of the bootstrap intervals; 0: none.
        """
        metrics: dict[str, Measured] = {}
        det, seg, cls = self._index.det, self._index.seg, self._index.cls
        if det is not None and "det" in statistics:
            looked_at, rows = _looked_at(det, statistics["det"])
            truth, found = _true_boxes(looked_at, looked_at.boxes_xywh), from_rows(rows)
            metrics |= detection_metrics(truth, found, len(looked_at), det.class_names, resamples)
        if seg is not None and "seg" in statistics:
            metrics |= segmentation_metrics(statistics["seg"], seg.class_names, resamples)
        if cls is not None and "cls" in statistics:
            said = statistics["cls"].astype(np.int64) - 1
            answered = said >= 0
            metrics |= classification_metrics(
                said[answered], cls.labels[answered], cls.class_names, resamples
            )
        return metrics

    def published_metrics(
        self, statistics: Mapping[UnifiedTaskName, np.ndarray], resamples: int
    ) -> dict[str, Measured]:
        """Metrics for comparison with published tables only: of boxes `map_misread_boxes`.

        Over the images that were looked at, with boxes in pixels of the square the network sees,
        where the published programs misread them.

        Args:
            statistics: summed over the split.
            resamples: of the bootstrap interval; 0: none.
        """
        det = self._index.det
        if det is None or "det" not in statistics:
            return {}
        looked_at, rows = _looked_at(det, statistics["det"])
        side = self._sides["det"]
        for image, boxes in enumerate(rows):
            boxes[:, :4] = looked_at.letterbox(image, side).to_square(boxes[:, :4])
        truth = _true_boxes(looked_at, looked_at.square_boxes_xywh(side))
        return misread_metrics(truth, from_rows(rows), len(looked_at), det.class_names, resamples)

    def _boxes(self, output: UnifiedOutput, batch: Batch, images: Tensor) -> Tensor:
        assert self._index.det is not None
        grid = DetectionGrid.of_raw(output.det_raw.float(), self._model.num_boxes)
        side = self._sides["det"]
        decoded = decode_boxes(grid, (side, side), self._model.boxes)
        if self._model.boxes.least_region is not None and self._box_classes:
            regions = self._regions(output.seg_raw, images, self._model.boxes.least_region)
            decoded = [
                join_regions(boxes, one, self._model.boxes)
                for boxes, one in zip(decoded, regions, strict=True)
            ]
        num_classes = len(self._index.det.class_names)
        num_rows = min(most_boxes(grid, self._model.boxes), MAX_DETECTIONS * num_classes)
        rows = []
        for boxes, image in zip(decoded, images.tolist(), strict=True):
            corners = boxes.boxes_xyxy.double().cpu()
            xywh = torch.cat([corners[:, :2], corners[:, 2:] - corners[:, :2]], dim=1)
            if image >= 0:
                place = self._index.det.letterbox(image, side)
                xywh = torch.from_numpy(place.to_image(xywh.numpy()))
            scores, labels = boxes.scores.double().cpu(), boxes.labels.cpu()
            rows.append(as_rows(xywh, scores, labels, num_classes, num_rows))
        placed = torch.stack(rows)
        placed[..., 4].masked_fill_(placed[..., 5] == 0, NO_BOX)
        return placed.to(images.device)

    def _regions(self, seg_raw: Tensor, images: Tensor, least_area: float) -> Iterator[Boxes]:
        """Boxes of each image's regions; what lies beside the image in its square is no object."""
        det, side = self._index.det, self._sides["det"]
        assert det is not None
        for raw, image in zip(seg_raw, images.tolist(), strict=True):
            (scores,) = decode_segmentation(raw[None].float(), (side, side))
            left, top, width, height = 0, 0, side, side
            if image >= 0:
                place = det.letterbox(image, side)
                left, top, width, height = place.left, place.top, place.width, place.height
            inside = scores[:, top : top + height, left : left + width]
            found = region_boxes(inside, self._box_classes, least_area)
            corners = found.boxes_xyxy + scores.new_tensor([left, top, left, top])
            yield found._replace(boxes_xyxy=corners)

    def _pixels(self, output: UnifiedOutput, batch: Batch, images: Tensor) -> Tensor:
        assert self._index.seg is not None
        masks = batch["seg_mask"]
        height, width = masks.shape[-2:]
        size = segmentation_size(self._model, (height, width))
        scores = decode_segmentation(output.seg_raw.float(), size)
        said = decode_segmentation(scores, (height, width)).argmax(dim=1)
        said = mask_values(said, self._model.background == "merged")
        return pixel_confusion(said, masks, len(self._index.seg.class_names))

    def _classes(self, output: UnifiedOutput, batch: Batch, images: Tensor) -> Tensor:
        return pool_classes(output.cls_raw.float(), self._model.pooling).argmax(dim=1) + 1


def _looked_at(det: DetectionIndex, rows: np.ndarray) -> tuple[DetectionIndex, np.ndarray]:
    """The images that were looked at, and a copy of the (N, R, 6) rows of boxes in them."""
    seen = rows[..., 4:].any(axis=(1, 2))  # all its scores may be 0
    return det.take(np.flatnonzero(seen)), rows[seen]


def _true_boxes(det: DetectionIndex, boxes_xywh: np.ndarray) -> TrueBoxes:
    """All boxes of a set, in any frame."""
    return TrueBoxes(boxes_xywh, det.classes, det.box_images, det.crowd)


def _images(batch: Batch, task: UnifiedTaskName) -> Tensor:
    """(B,) rows of the images in the index; -1 where there is none."""
    return torch.where(batch[f"{task}_valid"], batch[f"{task}_index"], -1)


def learned_together(config: UnifiedRunConfig, class_names: ClassNames) -> ClassNames:
    """The names of those tasks whose answers one training made fit each other.

    None of a single task's training, nor of a sequential one, whose earlier phases may be
    forgotten; not with replay either, so that its ways stay comparable.

    Args:
        config: that the network was trained with.
        class_names: that it learned, by task.
    """
    return class_names if config.train_type == "all" else {}


def score_of(metrics: Mapping[str, float]) -> float | None:
    """Mean of the main metrics of the tasks that were measured; none where there is none."""
    values = [metrics[MAIN_METRIC[task]] for task in UNIFIED_TASKS if MAIN_METRIC[task] in metrics]
    return float(np.mean(values)) if values else None
