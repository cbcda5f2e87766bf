"""The images and labels of a split: small to keep and to send, pictures are read when needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import zip_longest
from typing import TypeAlias

import numpy as np

from mtl.config.unified import UnifiedTaskName
from mtl.data.storage import join
from mtl.errors import DataError
from mtl.geometry.letterbox import Letterbox


@dataclass(frozen=True, eq=False)
class DetectionIndex:
    """N images and their K boxes, image after image.

    Attributes:
        root: folder or URI of the set.
        split: name of the split, parts joined by +.
        images: N places below root.
        image_ids: (N,) int64, as in the annotation file.
        sizes_wh: (N, 2) int64, width and height in pixels.
        offsets: (N + 1,) int64; boxes of image i are offsets[i] to offsets[i + 1].
        boxes_xywh: (K, 4) float64, pixels of the image, inside it.
        classes: (K,) int64, number of the class in `class_names`.
        areas: (K,) float64, squared pixels, as in the file.
        crowd: (K,) bool, a box round many objects: neither trained nor required.
        class_names: C names in the order of their category ids.
        category_ids: (C,) int64, as in the annotation file.
        skipped: reason -> number of bad items left out (`data.on_error=skip`).
    """

    root: str
    split: str
    images: tuple[str, ...]
    image_ids: np.ndarray
    sizes_wh: np.ndarray
    offsets: np.ndarray
    boxes_xywh: np.ndarray
    classes: np.ndarray
    areas: np.ndarray
    crowd: np.ndarray
    class_names: tuple[str, ...]
    category_ids: np.ndarray
    skipped: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.images)

    def image_uri(self, row: int) -> str:
        """Place of an image."""
        return join(self.root, self.images[row])

    def rows(self, image: int) -> slice:
        """Rows of an image's boxes."""
        return slice(int(self.offsets[image]), int(self.offsets[image + 1]))

    @cached_property
    def box_images(self) -> np.ndarray:
        """(K,) row of each box's image."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    def take(self, images: np.ndarray) -> DetectionIndex:
        """The set of some of its images, given by (M,) rows."""
        rows = [np.arange(self.offsets[i], self.offsets[i + 1]) for i in images.tolist()]
        boxes = np.concatenate([np.zeros(0, np.int64), *rows])
        return replace(
            self,
            images=tuple(self.images[i] for i in images.tolist()),
            image_ids=self.image_ids[images],
            sizes_wh=self.sizes_wh[images],
            offsets=np.concatenate([[0], np.cumsum([len(one) for one in rows])]).astype(np.int64),
            boxes_xywh=self.boxes_xywh[boxes],
            classes=self.classes[boxes],
            areas=self.areas[boxes],
            crowd=self.crowd[boxes],
        )

    def letterbox(self, image: int, side: int) -> Letterbox:
        """How an image lies in the square that the network sees."""
        width, height = self.sizes_wh[image].tolist()
        return Letterbox.of(width, height, side)

    def square_boxes_xywh(self, side: int) -> np.ndarray:
        """(K, 4) float64, boxes in pixels of each image's letterbox."""
        squares = [
            self.letterbox(image, side).to_square(self.boxes_xywh[self.rows(image)])
            for image in range(len(self))
        ]
        return np.concatenate([np.zeros((0, 4)), *squares])

    @cached_property
    def max_boxes(self) -> int:
        """Most boxes that are no crowd in one image, at least 1."""
        counts = np.bincount(self.box_images[~self.crowd], minlength=1)
        return max(1, int(counts.max()))

    def class_counts(self) -> dict[str, tuple[int, int]]:
        """Class -> boxes and images with one, crowds not counted."""
        counts = {}
        for number, name in enumerate(self.class_names):
            chosen = (self.classes == number) & ~self.crowd
            counts[name] = (int(chosen.sum()), len(np.unique(self.box_images[chosen])))
        return counts


@dataclass(frozen=True, eq=False)
class SegmentationIndex:
    """N images and their masks.

    Attributes:
        root: folder or URI of the set.
        split: name of the split, parts joined by +.
        names: N names, without ending.
        images: N places below root.
        masks: N places below root.
        class_names: C names; the value of a mask's pixel is the place in this list, 0 the
            background; 255 is ignored.
        skipped: reason -> number of bad items left out (`data.on_error=skip`).
    """

    root: str
    split: str
    names: tuple[str, ...]
    images: tuple[str, ...]
    masks: tuple[str, ...]
    class_names: tuple[str, ...]
    skipped: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.images)

    def image_uri(self, row: int) -> str:
        """Place of an image."""
        return join(self.root, self.images[row])

    def take(self, images: np.ndarray) -> SegmentationIndex:
        """The set of some of its images, given by (M,) rows."""
        names, places, masks = (
            tuple(column[i] for i in images.tolist())
            for column in (self.names, self.images, self.masks)
        )
        return replace(self, names=names, images=places, masks=masks)

    def mask_uri(self, row: int) -> str:
        """Place of an image's mask."""
        return join(self.root, self.masks[row])


@dataclass(frozen=True, eq=False)
class ClassificationIndex:
    """N images of one class each.

    Attributes:
        root: folder or URI of the set.
        split: name of the split, parts joined by +.
        images: N places below root.
        labels: (N,) int64, place in `class_names`.
        class_names: C folder names, sorted.
        skipped: reason -> number of bad items left out (`data.on_error=skip`).
    """

    root: str
    split: str
    images: tuple[str, ...]
    labels: np.ndarray
    class_names: tuple[str, ...]
    skipped: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.images)

    def image_uri(self, row: int) -> str:
        """Place of an image."""
        return join(self.root, self.images[row])

    def take(self, images: np.ndarray) -> ClassificationIndex:
        """The set of some of its images, given by (M,) rows."""
        places = tuple(self.images[i] for i in images.tolist())
        return replace(self, images=places, labels=self.labels[images])

    def class_counts(self) -> dict[str, int]:
        """Class -> images."""
        counts = np.bincount(self.labels, minlength=len(self.class_names))
        return dict(zip(self.class_names, counts.tolist(), strict=True))


TaskIndex: TypeAlias = DetectionIndex | SegmentationIndex | ClassificationIndex
"""The set of one task."""


@dataclass(frozen=True, eq=False)
class UnifiedIndex:
    """The sets of a split; none where a task has no data."""

    det: DetectionIndex | None = None
    seg: SegmentationIndex | None = None
    cls: ClassificationIndex | None = None

    @property
    def sets(self) -> dict[UnifiedTaskName, TaskIndex]:
        """The set of each task that has data."""
        sets: dict[UnifiedTaskName, TaskIndex | None]
        sets = {"det": self.det, "seg": self.seg, "cls": self.cls}
        return {task: index for task, index in sets.items() if index is not None}

    @property
    def lengths(self) -> dict[UnifiedTaskName, int]:
        """Images of each task that has data."""
        return {task: len(index) for task, index in self.sets.items()}

    @property
    def class_names(self) -> dict[UnifiedTaskName, tuple[str, ...]]:
        """Classes of each task that has data; those of `seg` begin with the background."""
        return {task: index.class_names for task, index in self.sets.items()}

    @property
    def places(self) -> dict[UnifiedTaskName, tuple[str, ...]]:
        """Places of the images of each task that has data, below its root."""
        return {task: index.images for task, index in self.sets.items()}

    @property
    def skipped(self) -> dict[str, int]:
        """Reason -> number of bad items left out of all sets."""
        total: dict[str, int] = {}
        for index in self.sets.values():
            for reason, count in index.skipped.items():
                total[reason] = total.get(reason, 0) + count
        return total

    def only(self, tasks: Sequence[UnifiedTaskName]) -> UnifiedIndex:
        """The sets of some tasks."""
        return UnifiedIndex(
            det=self.det if "det" in tasks else None,
            seg=self.seg if "seg" in tasks else None,
            cls=self.cls if "cls" in tasks else None,
        )

    def take(self, images: Mapping[UnifiedTaskName, np.ndarray]) -> UnifiedIndex:
        """The sets of some of their images, given by rows; tasks that are not given stay whole."""
        det, seg, cls = self.det, self.seg, self.cls
        return UnifiedIndex(
            det=det if det is None or "det" not in images else det.take(images["det"]),
            seg=seg if seg is None or "seg" not in images else seg.take(images["seg"]),
            cls=cls if cls is None or "cls" not in images else cls.take(images["cls"]),
        )

    def require_classes(
        self, class_names: Mapping[UnifiedTaskName, tuple[str, ...]], owner: str
    ) -> None:
        """Check that numbers mean the same here and in what learned from another index.

        Args:
            class_names: classes in order, by task; tasks missing there or here are not compared.
            owner: whose they are, for the message ("the training split", "the model").

        Raises:
            DataError: if the names or their order differ; gives the first that does.
        """
        for task, here in self.class_names.items():
            there = class_names.get(task, here)
            if here == there:
                continue
            pairs = zip_longest(here, there, fillvalue="nothing")
            number, (mine, other) = next((k, p) for k, p in enumerate(pairs) if p[0] != p[1])
            raise DataError(
                f"class {number} of the {task} data must be '{other}' as for {owner}, got "
                f"'{mine}'; give data with the same classes in the same order."
            )

    def moved(self, root: str) -> UnifiedIndex:
        """The same sets below det/, seg/ and cls/ of another root (embedded scenes)."""
        return UnifiedIndex(
            det=None if self.det is None else replace(self.det, root=join(root, "det")),
            seg=None if self.seg is None else replace(self.seg, root=join(root, "seg")),
            cls=None if self.cls is None else replace(self.cls, root=join(root, "cls")),
        )
