"""Joint samples as a function of (index, seed, number): one image of each task that has data."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from mtl.config.unified import UNIFIED_TASKS, UnifiedTaskName
from mtl.config.unified_data import ImageSizes, UnifiedAugmentationConfig, UnifiedDataConfig
from mtl.data.images import read_image
from mtl.data.unified.index import UnifiedIndex
from mtl.data.unified.transforms import classification_view, detection_view, segmentation_view
from mtl.data.unified.voc import IGNORED, read_pair
from mtl.errors import ConfigError, DataError

MAX_ATTEMPTS = 50
"""Bad images in a row after which a training sample is given up."""

NO_CLASS = -1
"""Class of the rows that fill up an image's boxes."""

_ORDER, _CHANGES, _SPARE = range(3)
"""Streams of random numbers of a task."""

Arrays = dict[str, np.ndarray]


class UnifiedSampler:
    """Makes the samples of one split, in training or evaluation.

    In training, every image of a set is shown once before any is shown again, in an order of its
    own for each pass, so sets of different length stay in step with nothing but the number. An
    evaluation shows image i of each set as sample i, unchanged; where a set has ended, the row is
    marked as not valid. Cheap to pickle.
    """

    def __init__(
        self,
        index: UnifiedIndex,
        augmentation: UnifiedAugmentationConfig,
        data: UnifiedDataConfig,
        seed: int,
        training: bool,
        tasks: Sequence[UnifiedTaskName] = UNIFIED_TASKS,
    ) -> None:
        """Decide which tasks take part.

        Args:
            index: images and labels.
            augmentation: strengths of the random changes.
            data: sizes, and what a bad image does: stop, or in training another one is taken, in
                an evaluation its row is not valid.
            seed: of the run.
            training: whether samples are for training.
            tasks: those wanted; one without data is left out.

        Raises:
            ConfigError: if no wanted task has data.
        """
        self.index = index
        self.augmentation = augmentation
        self.data = data
        self.seed = seed
        self.training = training
        self.tasks: tuple[UnifiedTaskName, ...] = tuple(
            task for task in UNIFIED_TASKS if task in tasks and task in index.lengths
        )
        if not self.tasks:
            raise ConfigError(
                f"none of the tasks {', '.join(tasks)} has data; set data.det_root, data.seg_root "
                "or data.cls_root, or none of them for the embedded scenes."
            )
        self._memory: Mapping[UnifiedTaskName, Sequence[int]] = {}
        self._orders: dict[UnifiedTaskName, tuple[int, np.ndarray]] = {}

    def remembering(self, memory: Mapping[UnifiedTaskName, Sequence[int]]) -> UnifiedSampler:
        """The same sampler, whose training shows of some tasks only the images of these rows."""
        sampler = copy.copy(self)
        sampler._memory, sampler._orders = memory, {}
        return sampler

    @property
    def num_samples(self) -> int:
        """Samples after which every image of every set has been shown: the longest set."""
        return max(self.index.lengths[task] for task in self.tasks)

    @property
    def num_joint_samples(self) -> int:
        """Samples before an image is shown again: the shortest set, an epoch as published."""
        return min(self.index.lengths[task] for task in self.tasks)

    @property
    def still(self) -> dict[UnifiedTaskName, bool]:
        """Whether an image of a task always looks the same, so that outputs on it can be kept."""
        config = self.augmentation
        changes = {"det": config.det.still, "seg": config.seg.still, "cls": config.cls.still}
        return {task: not self.training or changes[task] for task in self.tasks}

    def sample(self, number: int) -> Arrays:
        """Sample of this number; the same one in every process and after every restart.

        Keys of each task that takes part (S its image side, M the most boxes in an image):
            det_image, seg_image, cls_image (S, S, 3) uint8 RGB; det_boxes_xywh (M, 4) float32 in
            pixels of the square, det_classes (M,) int64, -1 in rows without a box; seg_mask (S, S)
            uint8 with the values of the mask files, 255 ignored; cls_label () int64;
            <task>_index () int64, row in the index; <task>_valid () bool. Of all: sample, skipped
            (bad images on the way) () int64.

        Raises:
            DataError: at a bad image if those stop the run, or if too many follow each other.
            AwayError: if the storage is away; another image would not be the sample of this number.
        """
        sample: Arrays = {"sample": np.asarray(number, dtype=np.int64)}
        skipped = 0
        for task in self.tasks:
            made, bad = self._task_sample(task, number)
            sample |= {f"{task}_{key}": value for key, value in made.items()}
            skipped += bad
        sample["skipped"] = np.asarray(skipped, dtype=np.int64)
        return sample

    def row(self, task: UnifiedTaskName, number: int) -> int | None:
        """Row of a task's image in a sample; none where an evaluation's set has ended."""
        length = self.index.lengths[task]
        if not self.training:
            return number if number < length else None
        rows = self._rows(task)
        turn, place = divmod(number, len(rows))
        kept = self._orders.get(task)
        if kept is None or kept[0] != turn:  # threads may both draw it: they draw the same
            order = self._rng(task, _ORDER, turn).permutation(len(rows))
            kept = self._orders[task] = (turn, order)
        return rows[int(kept[1][place])]

    def _rows(self, task: UnifiedTaskName) -> Sequence[int]:
        """Rows of the images that training shows."""
        return self._memory.get(task, range(self.index.lengths[task]))

    def _task_sample(self, task: UnifiedTaskName, number: int) -> tuple[Arrays, int]:
        make: Callable[[int, np.random.Generator], Arrays] = getattr(self, f"_{task}")
        row = self.row(task, number)
        if row is None:
            return self._nothing(task), 0
        for attempt in range(MAX_ATTEMPTS):
            try:
                made = make(row, self._rng(task, _CHANGES, number))
            except DataError as error:
                if self.data.on_error == "stop":
                    raise DataError(
                        f"{str(error).rstrip('.')}, or set data.on_error=skip to leave it out."
                    ) from None
                if not self.training:
                    return self._nothing(task), 1
                spare = self._rng(task, _SPARE, number, attempt)
                rows = self._rows(task)
                row = rows[int(spare.integers(len(rows)))]
                last = error
            else:
                made["index"] = np.asarray(row, dtype=np.int64)
                made["valid"] = np.asarray(True)
                return made, attempt
        raise DataError(
            f"{MAX_ATTEMPTS} {task} images in a row cannot be used, the last because {last}"
        )

    def _rng(self, task: UnifiedTaskName, *numbers: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, UNIFIED_TASKS.index(task), *numbers])

    def _det(self, row: int, rng: np.random.Generator) -> Arrays:
        index = self.index.det
        assert index is not None
        image = read_image(index.image_uri(row), self.data.max_pixels)
        width, height = index.sizes_wh[row].tolist()
        if image.shape[:2] != (height, width):
            raise DataError(
                f"{index.image_uri(row)} must be {width} x {height} as its annotation file says, "
                f"got {image.shape[1]} x {image.shape[0]}; correct either."
            )
        rows = index.rows(row)
        wanted = ~index.crowd[rows]
        boxes, classes = index.boxes_xywh[rows][wanted], index.classes[rows][wanted]
        changes = self.augmentation.det if self.training else None
        view = detection_view(image, boxes, self.data.sizes.det, changes, rng)
        padded = self._no_boxes(index.max_boxes)
        padded["boxes_xywh"][: len(view.kept)] = view.boxes_xywh
        padded["classes"][: len(view.kept)] = classes[view.kept]
        return {"image": view.image, **padded}

    def _seg(self, row: int, rng: np.random.Generator) -> Arrays:
        index = self.index.seg
        assert index is not None
        image, mask = read_pair(index, row, self.data.max_pixels)
        changes = self.augmentation.seg if self.training else None
        picture, truth = segmentation_view(image, mask, self.data.sizes.seg, changes, rng)
        return {"image": picture, "mask": truth}

    def _cls(self, row: int, rng: np.random.Generator) -> Arrays:
        index = self.index.cls
        assert index is not None
        image = read_image(index.image_uri(row), self.data.max_pixels)
        changes = self.augmentation.cls if self.training else None
        picture = classification_view(image, self.data.sizes, changes, rng)
        return {"image": picture, "label": np.asarray(index.labels[row], dtype=np.int64)}

    def _nothing(self, task: UnifiedTaskName) -> Arrays:
        """A row that is not valid."""
        side = _side(self.data.sizes, task)
        empty: Arrays = {"image": np.zeros((side, side, 3), dtype=np.uint8)}
        if task == "det":
            assert self.index.det is not None
            empty |= self._no_boxes(self.index.det.max_boxes)
        elif task == "seg":
            empty["mask"] = np.full((side, side), IGNORED, dtype=np.uint8)
        else:
            empty["label"] = np.asarray(NO_CLASS, dtype=np.int64)
        empty["index"] = np.asarray(-1, dtype=np.int64)
        empty["valid"] = np.asarray(False)
        return empty

    def _no_boxes(self, rows: int) -> Arrays:
        return {
            "boxes_xywh": np.zeros((rows, 4), dtype=np.float32),
            "classes": np.full(rows, NO_CLASS, dtype=np.int64),
        }

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_orders": {}}


def _side(sizes: ImageSizes, task: UnifiedTaskName) -> int:
    return {"det": sizes.det, "seg": sizes.seg, "cls": sizes.cls}[task]
