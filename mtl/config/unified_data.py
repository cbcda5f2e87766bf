"""Keys of the unified model's data: three sets, their sizes, and how training changes them.

Defaults are the published recipe (unified reference specification, section 5).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from mtl.config.base import Config, Ratio
from mtl.config.unified import UNIFIED_TASKS, UnifiedTaskName


class SplitNames(Config):
    """What a set calls its splits; several parts joined by + are read as one (`test+extra`)."""

    train: str = "train"
    """Part that trains."""
    val: str = "val"
    """Part that chooses the best weights."""
    test: str = "test"
    """Part that is read once, for a reported result."""


class ImageSizes(Config):
    """Sides of the square images the network sees, in pixels."""

    det: Annotated[int, Field(ge=32)] = 512
    """Detection: the longer side is scaled to this, the rest is padded."""
    seg: Annotated[int, Field(ge=32)] = 512
    """Segmentation: both sides are scaled to this."""
    cls: Annotated[int, Field(ge=32)] = 144
    """Classification: side of the crop."""
    cls_short_side: Annotated[int, Field(ge=32)] = 160
    """Classification: shorter side before the centre crop of an evaluation."""

    @model_validator(mode="after")
    def _check(self) -> ImageSizes:
        if self.cls_short_side < self.cls:
            raise ValueError(
                f"cls_short_side must be at least cls, got {self.cls_short_side} and {self.cls}"
            )
        return self


class SceneConfig(Config):
    """The rendered maritime scenes a run uses when it has no data of its own."""

    train_images: Annotated[int, Field(ge=4)] = 240
    """Scenes in the training split of each task, at least one of each of the four classes."""
    val_images: Annotated[int, Field(ge=4)] = 40
    """Scenes in the validation split of each task, and in its test split, from other seeds."""
    size: Annotated[int, Field(ge=64)] = 128
    """Side of a scene in pixels."""
    seed: NonNegativeInt = 7
    """Seed of the renderer; the same seed gives the same bytes."""


class UnifiedDataConfig(Config):
    """Where the three sets are and how they are read; without any root, the embedded scenes."""

    det_root: str | None = None
    """Folder or URI of a COCO set (annotations/, images/<split>/); none beside others: no task."""
    seg_root: str | None = None
    """Folder or URI of a VOC set (JPEGImages/, SegmentationClass/); none beside others: no task."""
    cls_root: str | None = None
    """Folder or URI with <split>/<class>/ image folders; none beside others: no task."""
    det_splits: SplitNames = SplitNames()
    """Split names of the detection set, train2017 and val2017 for the official one."""
    seg_splits: SplitNames = SplitNames()
    """Split names of the segmentation set."""
    cls_splits: SplitNames = SplitNames()
    """Split names of the classification set."""
    det_annotations: str = Field(default="annotations/instances_{split}.json", pattern=r"\{split\}")
    """Annotation file below det_root."""
    det_categories: tuple[str | int, ...] | None = None
    """Names or ids of the categories that are detected; none: all that the file lists."""
    on_error: Literal["stop", "skip"] = "stop"
    """What a bad item does: stop the run with one sentence, or be left out and counted."""
    max_pixels: PositiveInt = 64_000_000
    """A picture with more pixels than this is refused before it is decoded."""
    sizes: ImageSizes = ImageSizes()
    """Sizes of the images the network sees."""
    synthetic: SceneConfig = SceneConfig()
    """The embedded scenes, used when no root is given."""

    @property
    def embedded(self) -> bool:
        """Whether the run renders its own data."""
        return not (self.det_root or self.seg_root or self.cls_root)

    @property
    def tasks(self) -> tuple[UnifiedTaskName, ...]:
        """Tasks that have data."""
        roots = {"det": self.det_root, "seg": self.seg_root, "cls": self.cls_root}
        return tuple(task for task in UNIFIED_TASKS if self.embedded or roots[task])

    @model_validator(mode="after")
    def _check(self) -> UnifiedDataConfig:
        if self.det_categories is not None and not self.det_categories:
            raise ValueError("det_categories must name at least one category, got none")
        return self


class DetectionAugmentation(Config):
    """Random changes of a detection image while training; boxes follow."""

    flip_probability: Ratio = 0.5
    """Probability of a mirror image, left to right."""
    color_probability: Ratio = 0.2
    """Probability that brightness and contrast change."""
    brightness: Ratio = 0.2
    """Brightness factor is uniform in [1 - brightness, 1 + brightness]."""
    contrast: Ratio = 0.2
    """Contrast factor is uniform in [1 - contrast, 1 + contrast]."""
    affine_probability: Ratio = 0.5
    """Probability of shift, scale and rotation, all three together."""
    shift: Ratio = 0.05
    """Largest shift along each axis over the image side."""
    scale: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.05
    """Scale factor is uniform in [1 - scale, 1 + scale]."""
    rotate_degrees: Annotated[float, Field(ge=0.0, le=45.0)] = 5.0
    """Largest rotation either way, in degrees."""

    @property
    def still(self) -> bool:
        """Whether an image is always shown the same way."""
        return not (self.flip_probability or self.color_probability or self.affine_probability)


class SegmentationAugmentation(Config):
    """Random changes of a segmentation image while training; as published there are none."""

    flip_probability: Ratio = 0.0
    """Probability of a mirror image, left to right; 0.5 is usual."""
    min_scale: PositiveFloat = 1.0
    """Smallest factor on the image before it is cropped or padded back to size; 0.5 is usual."""
    max_scale: PositiveFloat = 1.0
    """Largest factor on the image before it is cropped or padded back to size; 2 is usual."""

    @property
    def still(self) -> bool:
        """Whether an image is always shown the same way."""
        return not self.flip_probability and self.min_scale == self.max_scale == 1.0

    @model_validator(mode="after")
    def _check(self) -> SegmentationAugmentation:
        if self.max_scale < self.min_scale or self.max_scale > 4.0:
            raise ValueError(
                "max_scale must be at least min_scale and at most 4, "
                f"got {self.max_scale} and {self.min_scale}"
            )
        return self


class ClassificationAugmentation(Config):
    """Random changes of a classification image while training: crop, resize, mirror."""

    flip_probability: Ratio = 0.5
    """Probability of a mirror image, left to right."""
    min_area: Annotated[float, Field(gt=0.0, le=1.0)] = 0.08
    """Smallest share of the image a crop shows; 1: the evaluation's centre crop instead."""
    max_aspect: Annotated[float, Field(ge=1.0)] = 4 / 3
    """Longer side of a crop before it is resized is at most this many times its shorter side."""

    @property
    def still(self) -> bool:
        """Whether an image is always shown the same way."""
        return not self.flip_probability and self.min_area == 1.0


class UnifiedAugmentationConfig(Config):
    """Random changes of training images; evaluation has none."""

    det: DetectionAugmentation = DetectionAugmentation()
    """Detection images."""
    seg: SegmentationAugmentation = SegmentationAugmentation()
    """Segmentation images."""
    cls: ClassificationAugmentation = ClassificationAugmentation()
    """Classification images."""
