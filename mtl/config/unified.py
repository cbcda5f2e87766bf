"""The network and the losses of the unified one-head model.

Defaults are the published model and training (unified reference specification, sections 1 to 4);
every other value of a switch is one of the changes of its section 8.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from mtl.config.base import Config, Ratio

UnifiedTaskName = Literal["det", "seg", "cls"]
"""Detection, segmentation and classification, in the order in which weights and losses stand."""
UNIFIED_TASKS: tuple[UnifiedTaskName, ...] = ("det", "seg", "cls")
UNIFIED_PARTS = ("backbone", "stem", "up", "necks", "attention", "head")
"""The parts a stage can freeze; the stem is the backbone's beginning, up to stride 4."""

NormalizationName = Literal["shared", "per_task", "frozen", "frozen_backbone"]
PER_TASK_NORMALIZATIONS: tuple[NormalizationName, ...] = ("per_task", "frozen_backbone")
"""Those with statistics of each task somewhere."""

BackboneName = Literal["efficientnet_b0", "tf_efficientnet_lite0", "test_efficientnet"]
Statistics = tuple[float, float, float]

INPUT_STATISTICS: dict[BackboneName, tuple[Statistics, Statistics]] = {
    "efficientnet_b0": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "tf_efficientnet_lite0": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "test_efficientnet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
"""Mean and deviation of pixels in [0, 1] that each backbone's weights were trained with."""


class UnifiedBackboneConfig(Config):
    """The convolutional network all three tasks share."""

    name: BackboneName = "efficientnet_b0"
    """Network of timm; test_efficientnet is a tiny one that two cores train from nothing."""
    drop_path: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.2
    """Stochastic depth: block i of n is skipped with probability drop_path * i / n."""
    features: Literal["stride_32", "laterals"] = "stride_32"
    """What the necks see: the last map alone, or also those of stride 16 and 8 added to it."""

    @property
    def mean(self) -> Statistics:
        """Mean of the input's channels, pixels in [0, 1]."""
        return INPUT_STATISTICS[self.name][0]

    @property
    def std(self) -> Statistics:
        """Standard deviation of the input's channels."""
        return INPUT_STATISTICS[self.name][1]


class UnifiedAttentionConfig(Config):
    """Self-attention over all positions of the grid."""

    heads: Literal["joined", "split"] = "joined"
    """One head of all channels scaled as if there were several (published), or true heads."""
    num_heads: PositiveInt = 8
    """Number of heads, split or not."""
    head_width: PositiveInt = 64
    """Channels of a head; logits are scaled by its square root in both cases."""
    position: Literal["none", "sine"] = "none"
    """Whether queries and keys know where they are."""


class UnifiedHeadConfig(Config):
    """The grouped convolutions that answer all three tasks."""

    groups: Literal[3, 4] = 4
    """Four as published, of which the last is never read; three leaves out all that is unread."""
    group_width: PositiveInt = 16
    """Hidden channels of a group; published: 64 in four groups."""
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Probability with which a hidden channel is dropped before the last convolution."""


class BoxDecodingConfig(Config):
    """From the detection map to boxes."""

    slots: Literal["all", "first"] = "all"
    """Box slots of a cell that are decoded."""
    center_span: Annotated[float, Field(ge=1.0, le=3.0)] = 1.0
    """Cells that a centre can range over; 1: its own cell, 2: half a cell beyond on each side."""
    class_score: Literal["softmax_of_sigmoids", "sigmoid", "softmax"] = "softmax_of_sigmoids"
    """Probability of a class, from values after or before the sigmoid."""
    nms: Literal["class_agnostic", "per_class"] = "class_agnostic"
    """Whether a box can suppress one of another class."""
    nms_iou: Ratio = 0.5
    """A box is suppressed by a better one that overlaps it by more than this."""
    voting_iou: Annotated[Ratio, Field(gt=0)] | None = None
    """A kept box is moved to the mean, weighted by score, of those that could have suppressed it or
    been suppressed by it and overlap it by at least this; none: it stays."""
    threshold: Ratio = 0.0
    """Boxes whose confidence or score is below this are dropped."""
    max_boxes: PositiveInt | None = None
    """Best boxes kept of an image; none: all."""
    least_region: Annotated[Ratio, Field(gt=0)] | None = None
    """Share of the image from which on a connected region of pixels that say a class is a box too,
    where pixels and boxes were learned together and both know the class by name (aeroplane is
    airplane); boxes of the class that overlap it by more than nms_iou second it, and regions do not
    suppress each other. None: never."""


class PoolingConfig(Config):
    """From the classification map to one value for each class."""

    kind: Literal["threshold", "mean", "soft_threshold"] = "threshold"
    """Mean of the sigmoids above a threshold (hard or soft), or mean of the raw values."""
    threshold: Ratio = 0.25
    """Sigmoids from this on are averaged."""
    softness: PositiveFloat = 0.05
    """Width of the soft threshold."""


class UnifiedConfig(Config):
    """The unified one-head model: sizes, switches and decoders."""

    family: Literal["unified"] = "unified"
    """Which of the model families this is."""
    num_det_classes: PositiveInt = 10
    """Classes of boxes."""
    num_seg_classes: Annotated[int, Field(ge=2)] = 20
    """Classes of pixels; with background=own it is one of them (VOC: 21)."""
    num_cls_classes: Annotated[int, Field(ge=2)] = 10
    """Classes of images."""
    num_boxes: PositiveInt = 2
    """Box slots of a grid cell."""
    backbone: UnifiedBackboneConfig = UnifiedBackboneConfig()
    """The shared convolutional network."""
    neck_width: Annotated[int, Field(ge=4, multiple_of=4)] = 128
    """Channels of a task's neck and of their sum; each group of the head reads a quarter."""
    attention: UnifiedAttentionConfig = UnifiedAttentionConfig()
    """Self-attention over the sum of the necks."""
    head: UnifiedHeadConfig = UnifiedHeadConfig()
    """Grouped convolutions."""
    normalization: NormalizationName = "shared"
    """Statistics of batch normalisation: of all tasks together, of each, never changing, or never
    changing in the backbone, whose weights of `init` brought them, and of each task in the rest."""
    boxes: BoxDecodingConfig = BoxDecodingConfig()
    """Decoding of the detection map."""
    initial_confidence: Annotated[float, Field(gt=0.0, lt=1.0)] | None = None
    """Confidence that a new network has in every box slot (RetinaNet: 0.01); none: as its weights
    fall, about a half, so that the first hundred steps go into thousands of empty slots."""
    pooling: PoolingConfig = PoolingConfig()
    """Decoding of the classification map."""
    background: Literal["merged", "own"] = "merged"
    """Mask value 0 shares class 0 with mask value 1 (VOC: aeroplane), or is a class of its own."""
    segmentation_output: Literal["fixed", "input"] = "fixed"
    """Segmentation scores come in segmentation_size, or in the size of the input."""
    segmentation_size: PositiveInt = 512
    """Side of fixed segmentation scores in pixels."""
    init: str | None = None
    """Weights to start from: a folder of `mtl import`, a run folder or a .safetensors file."""

    @model_validator(mode="after")
    def _check(self) -> UnifiedConfig:
        if self.boxes.least_region is not None and self.background == "merged":
            raise ValueError(
                "boxes.least_region needs a background that is no object; set model.background=own "
                "or model.boxes.least_region=null"
            )
        return self

    @property
    def det_channels(self) -> int:
        """D: five channels for each box slot, then one for each class."""
        return 5 * self.num_boxes + self.num_det_classes

    @property
    def block_channels(self) -> int:
        """N: channels of each group's output, as many as the widest task needs."""
        return max(self.det_channels, self.num_seg_classes, self.num_cls_classes)


class DetectionLossConfig(Config):
    """How boxes are learned."""

    gain: NonNegativeFloat = 100.0
    """Factor of the detection loss when tasks are trained together."""
    single_task_gain: NonNegativeFloat = 1.0
    """Factor of the detection loss when it is trained alone."""
    assignment: Literal["first_free", "responsible", "center_sampling"] = "first_free"
    """Slot of an object: the first free one, the one that overlaps it most, or that in every cell
    from which its centre can be reached (needs model.boxes.center_span above 1)."""
    slots: Literal["first", "all"] = "first"
    """Slots that learn; published: the first of each cell only."""
    box: Literal["squared", "giou", "ciou"] = "squared"
    """Loss of coordinates: squared error in the cell's terms, or 1 - GIoU or CIoU of the boxes."""
    box_weight: NonNegativeFloat = 5.0
    """Weight of the coordinates."""
    l1_weight: NonNegativeFloat = 0.0
    """Weight of the absolute errors of the centre, in cells, and of the sides' logarithms. Their
    gradient does not fade where a box hardly overlaps its object, as that of an overlap does."""
    confidence: Literal["squared", "binary_cross_entropy", "focal"] = "squared"
    """Loss of confidences."""
    confidence_target: Literal["one", "iou"] = "one"
    """What the confidence of a box should be: 1, or its overlap with the object (YOLOv1)."""
    no_object_weight: NonNegativeFloat = 1.0
    """Weight of the confidence where there is no object; YOLOv1 has 0.5."""
    focal_gamma: NonNegativeFloat = 2.0
    """Exponent of the focal confidence loss."""
    classes: Literal["squared", "binary_cross_entropy", "cross_entropy"] = "squared"
    """Loss of a cell's classes."""
    divide_by: Literal["cells", "objects"] = "cells"
    """What sums are divided by: the cells of the batch, or its boxes that learn an object."""

    @model_validator(mode="after")
    def _check(self) -> DetectionLossConfig:
        if self.assignment != "first_free" and self.slots == "first":
            raise ValueError(f"assignment={self.assignment} chooses among slots; set slots=all")
        return self


class DistillationConfig(Config):
    """What the student learns from the teachers."""

    weight: NonNegativeFloat = 2.0
    """Lambda, the factor of the distillation losses; 0: no teachers are needed."""
    inside_weights: bool = True
    """Task weights scale distillation too (published code), or not (its design document)."""
    teachers: Literal["other_tasks", "same_task"] = "other_tasks"
    """Teachers asked on a batch: those of the two other tasks, or the one of the batch's task."""
    scores: Literal["squared", "kl"] = "squared"
    """Loss of segmentation and classification scores: squared error, or KL divergence."""
    temperature: PositiveFloat = 1.0
    """Softness of the distributions that the KL divergence compares."""
    detection: Literal["squared", "foreground"] = "squared"
    """Squared error of detection maps: plain, or weighted by the teacher's confidence."""
    separate_passes: bool = True
    """Each output from a pass of its own (published: nine per step), or all three from one."""


class UnifiedLossConfig(Config):
    """Losses of the three tasks and of distillation."""

    detection: DetectionLossConfig = DetectionLossConfig()
    """Boxes."""
    classification: Literal["pooled", "raw_means", "binary_cross_entropy"] = "pooled"
    """Cross-entropy of pooled values or of raw means, or binary cross-entropy of raw means."""
    classification_temperature: PositiveFloat = 1.0
    """Values are divided by this before the softmax; small ones let pooled values say more."""
    distillation: DistillationConfig = DistillationConfig()
    """Teachers."""


def check_unified(model: UnifiedConfig, loss: UnifiedLossConfig) -> None:
    """What a network and its losses must agree on.

    Raises:
        ValueError: they do not; the message says which keys.
    """
    detection = loss.detection
    if detection.assignment == "center_sampling" and model.boxes.center_span <= 1:
        raise ValueError(
            "loss.detection.assignment=center_sampling needs model.boxes.center_span above 1, "
            f"got {model.boxes.center_span:g}; set it to 2"
        )
    if detection.slots == "all" and model.boxes.slots == "first":
        raise ValueError(
            "loss.detection.slots=all trains slots that model.boxes.slots=first never decodes; "
            "set both alike"
        )
