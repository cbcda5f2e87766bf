"""The losses of the unified model on one batch of one task."""

from __future__ import annotations

import torch
from torch import Tensor

from mtl.config.unified import UnifiedConfig, UnifiedLossConfig
from mtl.errors import ShapeError
from mtl.losses.assignment import Objects, assign
from mtl.losses.classification import classification_loss
from mtl.losses.counts import MeanCount, own_count
from mtl.losses.detection import DetectionTerms, detection_loss
from mtl.losses.segmentation import segmentation_loss, segmentation_targets
from mtl.models.unified.decoders import decode_segmentation, segmentation_size
from mtl.models.unified.grid import DetectionGrid
from mtl.models.unified.output import UnifiedOutput


class UnifiedLosses:
    """Losses as a config has them. All arithmetic is float32.

    Args:
        model: whose outputs are judged.
        loss: which losses.
        joint: whether tasks are trained together, which decides the gain of detection.
    """

    def __init__(self, model: UnifiedConfig, loss: UnifiedLossConfig, joint: bool) -> None:
        self._model = model
        self._loss = loss
        self._gain = loss.detection.gain if joint else loss.detection.single_task_gain

    def detection(
        self,
        output: UnifiedOutput,
        objects: Objects,
        image_size: tuple[int, int],
        mean: MeanCount = own_count,
    ) -> DetectionTerms:
        """Terms of the boxes, times the gain.

        Args:
            output: of B images.
            objects: their true boxes.
            image_size: height and width of the images.
            mean: of the processes' counts.
        """
        config, span = self._loss.detection, self._model.boxes.center_span
        with torch.autocast(output.det_raw.device.type, enabled=False):
            grid = DetectionGrid.of_raw(output.det_raw.float(), self._model.num_boxes)
            target = assign(objects, grid, image_size, config.assignment, span)
            terms = detection_loss(grid, target, config, span, mean)
        return DetectionTerms(*(self._gain * term for term in terms))

    def segmentation(
        self,
        output: UnifiedOutput,
        masks: Tensor,
        image_size: tuple[int, int],
        mean: MeanCount = own_count,
    ) -> Tensor:
        """Loss of the pixels.

        Args:
            output: of B images.
            masks: (B, H', W') uint8 values of the files, 255 ignored.
            image_size: height and width of the images.
            mean: of the processes' counts.

        Raises:
            ShapeError: if there is not one mask for each image.
        """
        if masks.dim() != 3 or len(masks) != len(output.seg_raw):
            raise ShapeError(
                f"masks must be ({len(output.seg_raw)}, H, W), got {tuple(masks.shape)}."
            )
        with torch.autocast(output.seg_raw.device.type, enabled=False):
            size = segmentation_size(self._model, image_size)
            scores = decode_segmentation(output.seg_raw.float(), size)
            targets = segmentation_targets(masks, self._model.background)
            return segmentation_loss(scores, targets, mean)

    def classification(self, output: UnifiedOutput, labels: Tensor) -> Tensor:
        """Loss of the images' classes.

        Args:
            output: of B images.
            labels: (B,) int64.
        """
        with torch.autocast(output.cls_raw.device.type, enabled=False):
            return classification_loss(
                output.cls_raw.float(), labels, self._model.pooling, self._loss
            )
